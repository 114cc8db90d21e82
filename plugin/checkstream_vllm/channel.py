"""The socket: one connection to the sidecar with one call on it.

Whichever thread has cause to reads and writes. Normally that is the client's own, in `poll`; the
engine's thread writes an awaited step itself, takes the reading over with `claim` and gets its answer
in `read`, so that no other thread has to be woken on the way. Nothing here blocks on the socket.
"""

from __future__ import annotations

import contextlib
import select
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from .http2 import Call, CallEnded

# Messages are made into bytes only as fast as they leave: no more than this waits in that form.
MAX_UNSENT = 1024 * 1024
READ_SIZE = 256 * 1024
CONNECT_S = 5.0
# A claim that is not renewed ends after this: awaited steps follow each other, and to give the
# reading back between them would cost each of them two more system calls.
CLAIM_S = 0.02


class Channel:
    """Assumes that one thread polls, and that one other at most claims. Raises OSError when nobody
    listens at the path."""

    def __init__(
        self, path: str, method: str, max_message: int, to_bytes: Callable[[Any], bytes]
    ) -> None:
        self._to_bytes = to_bytes
        self._call = Call(method, max_message)
        self._queue: deque[Any] = deque()
        self._state = threading.Lock()
        self._reading = threading.Lock()
        self._claimed = 0.0
        self._problem: Exception | None = None
        self._closed = self._woken = False
        self._bell, self._wake = socket.socketpair()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(CONNECT_S)
            self._socket.connect(path)
        except BaseException:
            for end in (self._socket, self._bell, self._wake):
                end.close()
            raise
        self._selector = selectors.DefaultSelector()
        for end in (self._socket, self._bell, self._wake):
            end.setblocking(False)
        for end in (self._socket, self._bell):
            self._selector.register(end, selectors.EVENT_READ)
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    @property
    def queued(self) -> int:
        """Messages that wait to be made into bytes."""
        return len(self._queue)

    @property
    def is_claimed(self) -> bool:
        return self._claimed != 0.0

    def put(self, message: Any) -> None:
        """Queues a message, and has the polling thread send it."""
        self._queue.append(message)
        self.wake()

    def put_now(self, message: Any) -> None:
        """Sends what is queued and this on the calling thread, as far as the socket takes it."""
        self._queue.append(message)
        self._flush()

    def wake(self) -> None:
        if not self._woken:
            self._woken = True
            with contextlib.suppress(OSError):  # full, or closed: it is awake, or gone
                self._wake.send(b"\0")

    def claim(self) -> None:
        """From now on the caller reads, until it releases or has not claimed for CLAIM_S."""
        with self._state:
            if not self._claimed and not self._closed:
                self._selector.unregister(self._socket)
            self._claimed = time.monotonic()

    def release(self) -> None:
        with self._state:
            if self._claimed and not self._closed:
                self._selector.register(self._socket, selectors.EVENT_READ)
            self._claimed = 0.0

    def poll(self, timeout_s: float, take: Callable[[list[bytes]], None]) -> None:
        """Waits for something to do, and does it. `take` gets the messages in their order, on one
        thread at a time; an empty list when there was only a reason to look. Raises what ended the
        connection, CallEnded among it."""
        ready = [key.fileobj for key, _ in self._selector.select(timeout_s)]
        if self._bell in ready:
            self._bell.recv(4_096)
            self._woken = False
        if self._problem is not None:
            raise self._problem
        self._flush()
        if self._claimed and time.monotonic() - self._claimed > CLAIM_S:
            self.release()
        if ready and self._reading.acquire(blocking=False):
            try:
                take((self._receive() if self._socket in ready else None) or [])
                self._check()
            finally:
                self._reading.release()

    def read(self, timeout_s: float, take: Callable[[list[bytes]], None]) -> bool:
        """For the thread that has claimed: what has arrived, or arrives in time, if only a part of a
        message. False: nothing, or the connection is over, which `poll` raises."""
        if not self._reading.acquire(timeout=timeout_s):
            return False
        try:
            messages = self._receive()
            if messages is None and self._readable.poll(timeout_s * 1_000):
                messages = self._receive()
            take(messages or [])
            self._check()
            return messages is not None
        except Exception as error:
            self._problem = error
            self.wake()
            return False
        finally:
            self._reading.release()

    def close(self) -> None:
        """On the polling thread. Tells the other side as far as it listens."""
        with self._state:
            self._closed = True
            self._call.cancel()
            self._write()
            self._selector.close()
            for end in (self._socket, self._bell, self._wake):
                end.close()

    def _check(self) -> None:
        if self._call.ended is not None:
            raise self._call.ended

    def _receive(self) -> list[bytes] | None:
        """The messages that are whole with what has arrived; None when nothing has."""
        try:
            data = self._socket.recv(READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return None
        if not data:
            raise CallEnded("UNAVAILABLE", "the connection was closed")
        with self._state:
            messages = self._call.receive(data)
            self._write()
        return messages

    def _flush(self) -> None:
        with self._state:
            call, queue = self._call, self._queue
            while queue and call.waiting + len(call.out) < MAX_UNSENT:
                call.send(self._to_bytes(queue.popleft()))
            self._write()

    def _write(self) -> None:
        out = self._call.out
        if not out or self._socket.fileno() < 0:
            return
        try:
            del out[: self._socket.send(out)]
        except (BlockingIOError, InterruptedError):
            pass  # full: tried again at the next poll
        except OSError:
            out.clear()  # gone: reading says how it ended
