"""The conversation with the sidecar: one stream, kept for the engine's life.

Everything that waits, waits on the thread of this file, but for awaited steps: those the engine's
thread sends and reads itself, with a deadline. A stream that breaks is made again with growing,
jittered pauses; what was owed to the old one is dropped, because the rows are opened anew.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from . import events, protocol
from .channel import Channel
from .http2 import CallEnded
from .outbox import Parcel
from .program import TokenProgram
from .stats import Stats
from .vocabulary import Vocabulary
from .wire import MAJOR, METHOD, MINOR

log = logging.getLogger("vllm.checkstream")

MAX_MESSAGE = 4 * 1024 * 1024
MAX_PROGRAM = 256 * 1024 * 1024
# Parcels that may wait to be written. Past it the sidecar is stuck: the stream is made again.
MAX_QUEUED = 512
# Messages that may wait for the engine's next step. Past it likewise.
MAX_EVENTS = 65_536
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0
TICK_S = 0.005
STATS_S = 1.0


class Stream:
    """One attempt at the conversation."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.ready = False
        self.answers: queue.SimpleQueue[int] = queue.SimpleQueue()
        # Why our side gave it up.
        self.problem: Exception | None = None
        self.channel: Any = None

    def put(self, message: Any) -> None:
        """Queues an EngineMessage."""
        self.channel.put(message.SerializeToString())

    def end(self, problem: Exception) -> None:
        self.problem = problem
        if self.channel is not None:
            self.channel.wake()


class Client:
    """Assumes `hello` makes a Hello for the programs still held. Guarantees that no method called
    by the engine's thread raises or blocks, but for `wait`, which blocks for its deadline at most."""

    def __init__(
        self,
        address: str,
        hello: Callable[[list[bytes]], Any],
        vocabulary: Vocabulary,
        stats: Stats,
    ) -> None:
        self._path = address.removeprefix("unix:")
        self._hello = hello
        self._vocabulary = vocabulary
        self._stats = stats
        self._stream = Stream(0)
        self._incoming = Incoming(self, self._stream)
        self._events: deque[events.Event] = deque()
        self._held: dict[bytes, TokenProgram] = {}
        self._reason = ""
        self._bound = threading.Event()
        self._over = threading.Event()
        self._tick: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="checkstream", daemon=True)

    def start(self, tick: Callable[[], None]) -> None:
        """`tick` is called every few milliseconds, on our thread, while a stream is there; it must be
        quick."""
        self._tick = tick
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._stream.end(RuntimeError("closed"))

    def wait_bound(self, timeout_s: float) -> bool:
        """Until the first Bindings have come."""
        return self._bound.wait(timeout_s)

    def drain(self) -> list[events.Event]:
        """What has arrived since the last call, in order."""
        if not self._events:
            return []
        out = []
        while self._events:
            out.append(self._events.popleft())
        return out

    @property
    def stream(self) -> int:
        """The number of the stream that is ready, 0 when none is."""
        current = self._stream
        return current.number if current.ready else 0

    def send(self, parcel: Parcel, stream: int) -> bool:
        """Hands over a parcel made for this stream; False when it is gone or stuck. An awaited one
        leaves on this thread, and what comes is read by `wait` until that is over."""
        current = self._stream
        if not current.ready or current.number != stream:
            return False
        channel = current.channel
        if channel.queued >= MAX_QUEUED:
            current.end(RuntimeError(f"{MAX_QUEUED} steps wait: the sidecar does not read"))
            return False
        if parcel.awaited:
            channel.claim()
            channel.put_now(parcel)
        else:
            channel.put(parcel)
        return True

    def wait(self, sequence: int, timeout_s: float) -> bool:
        """Until the sidecar has answered this Step, at most `timeout_s`."""
        stream, incoming = self._stream, self._incoming
        until = time.monotonic() + timeout_s
        try:
            while True:
                while not stream.answers.empty():
                    if stream.answers.get() >= sequence:
                        return True
                left = until - time.monotonic()
                if left <= 0 or stream.problem is not None or stream.channel is None:
                    return False
                if stream.channel.is_claimed and not incoming.backlog:
                    if not stream.channel.read(left, incoming.take_quick):
                        return False
                else:
                    # Something came that takes time: our own thread does it, the answer follows.
                    stream.channel.release()
                    stream.channel.wake()
                    if stream.answers.get(timeout=left) >= sequence:
                        return True
        except queue.Empty:
            return False

    # ------------------------------------------------------------ our own thread

    def _run(self) -> None:
        pause, number = FIRST_PAUSE_S, 0
        while not self._over.is_set():
            number += 1
            stream = Stream(number)
            self._incoming, self._stream = Incoming(self, stream), stream
            try:
                self._converse(stream)
            except Exception as error:  # the sidecar is gone or refuses us: tried again
                self._stats.note(error, counts=_is_our_fault(error))
                self._tell(stream, error)
            was_ready, stream.ready = stream.ready, False
            self._emit(events.Detached())
            pause = FIRST_PAUSE_S if was_ready else min(pause * 2, LONGEST_PAUSE_S)
            self._over.wait(pause * (0.5 + random.random()))

    def _converse(self, stream: Stream) -> None:
        incoming = self._incoming
        channel = stream.channel = Channel(self._path, METHOD, MAX_MESSAGE, _to_bytes)
        try:
            stream.put(protocol.EngineMessage(hello=self._hello(list(self._held))))
            ticked = told = time.monotonic()
            while not self._over.is_set():
                channel.poll(TICK_S, incoming.take)
                if stream.problem is not None:
                    raise stream.problem
                now = time.monotonic()
                if now - ticked >= TICK_S:
                    ticked = now
                    self._on_tick()
                if stream.ready and now - told >= STATS_S:
                    told = now
                    stream.put(protocol.EngineMessage(stats=self._stats.message()))
        except CallEnded as ended:
            if ended.code != "OK":
                raise
        finally:
            channel.close()

    def _on_tick(self) -> None:
        try:
            self._tick()
        except Exception as error:
            self._stats.note(error)

    def _tell(self, stream: Stream, error: Exception) -> None:
        """One line in vLLM's log when a conversation ends, and when the reason changes."""
        reason = str(error)
        if not self._over.is_set() and (stream.ready or reason != self._reason):
            self._reason = reason
            log.warning("checkstream: no sidecar on %s: %s", self._path, reason)

    def _emit(self, event: events.Event) -> None:
        self._events.append(event)


class Incoming:
    """What the sidecar says on one stream, made into events."""

    def __init__(self, client: Client, stream: Stream) -> None:
        self._client = client
        self._stream = stream
        self._parts: dict[bytes, bytearray] = {}
        # What the engine's thread read and leaves to ours, in order.
        self.backlog: deque[Any] = deque()

    def take(self, messages: list[bytes]) -> None:
        """On our own thread."""
        while self.backlog:
            self._one(self.backlog.popleft())
        for data in messages:
            self._one(protocol.SidecarMessage.FromString(data))

    def take_quick(self, messages: list[bytes]) -> None:
        """On the engine's thread: only what is done in microseconds."""
        for data in messages:
            message = protocol.SidecarMessage.FromString(data)
            if self.backlog or message.WhichOneof("body") not in ("directives", "deny_set"):
                self.backlog.append(message)
            else:
                self._one(message)

    def _one(self, message: Any) -> None:
        kind = message.WhichOneof("body")
        if kind == "directives":
            self._directives(message.directives)
        elif kind is not None:
            getattr(self, f"_{kind}")(getattr(message, kind))
        if len(self._client._events) > MAX_EVENTS:
            raise RuntimeError(f"more than {MAX_EVENTS} messages wait for the engine's next step")

    def _welcome(self, welcome: Any) -> None:
        if welcome.protocol_major != MAJOR:
            raise RuntimeError(
                f"sidecar speaks step protocol {welcome.protocol_major}.{welcome.protocol_minor}, "
                f"this plugin {MAJOR}.{MINOR}: upgrade the older of the two"
            )
        client = self._client
        client._emit(events.terms(welcome))
        if welcome.need_vocabulary:
            vocabulary = client._vocabulary
            for first, kinds, lengths, data, names in vocabulary.chunks():
                chunk = protocol.VocabularyChunk(
                    digest=vocabulary.digest,
                    total_entries=len(vocabulary.kinds),
                    first_id=first,
                    kinds=kinds,
                    lengths=lengths,
                    data=data,
                    name_lengths=[len(name) for name in names],
                    names=b"".join(names),
                )
                body = protocol.EngineMessage(vocabulary=chunk)
                self._stream.put(body)

    def _program(self, chunk: Any) -> None:
        digest, total = chunk.digest, chunk.total_bytes
        part = self._parts.setdefault(digest, bytearray())
        if not 0 < total <= MAX_PROGRAM or len(self._parts) > 64:
            raise RuntimeError(f"program: wanted 1 to {MAX_PROGRAM} bytes, got {total}")
        if chunk.offset != len(part) or len(part) + len(chunk.data) > total:
            raise RuntimeError(f"program: chunk at {chunk.offset}, wanted one at {len(part)}")
        part += chunk.data
        if len(part) == total:
            del self._parts[digest]
            self._finish(digest, bytes(part))

    def _finish(self, digest: bytes, data: bytes) -> None:
        client, problem = self._client, ""
        try:
            program = TokenProgram(data)
            if program.digest != digest.hex():
                raise ValueError(f"program: digest {digest.hex()} announced, {program.digest} sent")
            if program.width != len(client._vocabulary.kinds):
                raise ValueError(f"program: {program.width} logits wide, not the engine's width")
            client._held[digest] = program
            client._emit(events.ProgramReady(digest, data, program))
        except ValueError as error:
            problem = str(error)
            client._stats.note(error)
        status = protocol.ProgramStatus(digest=digest, ready=not problem, error=problem)
        body = protocol.EngineMessage(program_status=status)
        self._stream.put(body)

    def _bindings(self, bindings: Any) -> None:
        client = self._client
        live = {bindings.default_program, *bindings.live_programs}
        for digest in [d for d in client._held if d not in live]:
            del client._held[digest]
        client._emit(events.Bound(bindings.default_program, frozenset(live)))
        if not self._stream.ready:
            self._stream.ready = True
            client._emit(events.Attached(self._stream.number))
            log.info("checkstream: attached to the sidecar on %s", client._path)
            if self._stream.number > 1 and client._bound.is_set():
                client._stats.reconnects += 1
        client._bound.set()

    def _deny_set(self, deny_set: Any) -> None:
        tokens = list(deny_set.token)
        self._client._emit(events.DenySet(deny_set.id, deny_set.invert, tokens))

    def _probe(self, image: Any) -> None:
        if hashlib.sha256(image.data).digest() != image.digest:
            raise RuntimeError("probe: its bytes are not those of its digest")
        self._client._emit(events.ProbeReady(image.data))

    def _directives(self, directives: Any) -> None:
        if directives.rows:
            self._client._emit(events.told(directives))
        if directives.sequence:
            self._stream.answers.put(directives.sequence)

    def _drain(self, drain: Any) -> None:
        self._client._stats.last_error = f"sidecar drains: {drain.reason}"[:512]


def _is_our_fault(error: Exception) -> bool:
    """A sidecar that goes away is not an error; one that refuses what we say is."""
    if isinstance(error, CallEnded):
        return error.code not in ("UNAVAILABLE", "CANCELLED")
    return not isinstance(error, OSError)


def _to_bytes(message: bytes | Parcel) -> bytes:
    return message if isinstance(message, bytes) else step_message(message)


def step_message(parcel: Parcel) -> bytes:
    """A parcel as the bytes of an EngineMessage."""
    message = protocol.EngineMessage()
    step = message.step
    step.sequence, step.awaited = parcel.sequence, parcel.awaited
    if parcel.opened:
        step.opened.extend([make() for make in parcel.opened])
    for entries in parcel.entries:
        step.slot.extend(_plain(entries.slot))
        step.generation.extend(_plain(entries.generation))
        step.position.extend(_plain(entries.position))
        step.token.extend(_plain(entries.token))
        step.state.extend(_plain(entries.state))
    if not any(len(entries.probe) == 0 for entries in parcel.entries):
        for entries in parcel.entries:
            step.probe.extend(_plain(entries.probe))
    for slot, generation, position in parcel.closed:
        step.closed.add(slot=slot, generation=generation, final_position=position)
    step.monotonic_us = time.monotonic_ns() // 1_000
    data: bytes = message.SerializeToString()
    return data


def _plain(numbers: Any) -> Any:
    return numbers.tolist() if hasattr(numbers, "tolist") else numbers
