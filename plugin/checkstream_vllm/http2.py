"""One gRPC call over HTTP/2, without the socket: bytes in, messages out, and back. Pure.

HTTP/2 is h2's, but for the two frames that every step has: DATA and WINDOW_UPDATE are read, written
and counted here (RFC 9113, 5.2, 6.1 and 6.9), in an eighth of the time. A gRPC library would hand
every message over between threads of its own, which costs the engine's step more than the sidecar's
whole work; here whoever calls does the reading and writing on the thread that needs the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

STREAM = 1
CANCEL = 8
# What the peer may send us before we have read it.
WINDOW, DEFAULT_WINDOW = 8 * 1024 * 1024, 65_535
LARGEST_FRAME = 16_384
# A frame: length (24 bits), type, flags, stream (31 bits), then as many bytes as the length says.
FRAME_HEAD, DATA, WINDOW_UPDATE = 9, 0, 8
END_STREAM, PADDED = 1, 8
MAX_HEADERS = 64 * 1024

CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
# What gRPC makes of a stream that is reset (its PROTOCOL-HTTP2 document); others are INTERNAL.
RESETS = {7: "UNAVAILABLE", CANCEL: "CANCELLED", 11: "RESOURCE_EXHAUSTED", 12: "PERMISSION_DENIED"}


class CallEnded(Exception):
    """The call is over. `code` is the name of a gRPC status."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}" if details else code)
        self.code = code
        self.details = details


class Call:
    """One bidirectional call from its first byte on. Assumes one caller at a time."""

    def __init__(self, method: str, max_message: int) -> None:
        self._max = max_message
        self._waiting: deque[bytes | memoryview] = deque()
        # Bytes that wait for the peer to make room.
        self.waiting = 0
        # What the peer has room for: on the connection, and on our stream.
        self._connection_room = self._stream_room = DEFAULT_WINDOW
        # Of the peer's: the bytes of a frame, and of a message, that is not whole yet.
        self._unread, self._body = bytearray(), bytearray()
        # Bytes of the peer's that were read and not yet acknowledged.
        self._read = 0
        # How it ended: nothing is read any more. Messages before it are still given out.
        self.ended: CallEnded | None = None
        config = H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
        self._h2 = H2Connection(config)
        self._h2.local_settings = Settings(
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
                SettingCodes.MAX_FRAME_SIZE: LARGEST_FRAME,
                SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS,
            }
        )
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - DEFAULT_WINDOW)
        head = {
            ":method": "POST",
            ":scheme": "http",
            ":path": method,
            ":authority": "localhost",
            "te": "trailers",
            "content-type": "application/grpc+proto",
        }
        self._h2.send_headers(STREAM, list(head.items()))
        # Bytes that may leave now; whoever writes them removes them.
        self.out = bytearray(self._h2.data_to_send())

    def send(self, message: bytes) -> None:
        """Puts a message behind those that wait; `out` has as much of it as the peer has room for."""
        self._waiting.append(b"\0" + len(message).to_bytes(4, "big") + message)
        self.waiting += 5 + len(message)
        self._pump()

    def cancel(self) -> None:
        if self.ended is None:
            self._h2.reset_stream(STREAM, CANCEL)
            self.out += self._h2.data_to_send()

    def receive(self, data: bytes) -> list[bytes]:
        """The messages that are whole with this; `ended` is set when the call is over."""
        messages: list[bytes] = []
        if self.ended is not None:
            return messages
        try:
            self._frames(data, messages)
            self._pump()
        except CallEnded as ended:
            self.ended = ended
        except (H2Error, UnicodeError) as error:
            # Whatever comes behind a GOAWAY is an error to h2, so this may be a server that leaves.
            self.ended = CallEnded("UNAVAILABLE", f"HTTP/2: {error}")
        return messages

    def _frames(self, data: bytes, messages: list[bytes]) -> None:
        unread, at = self._unread, 0
        unread += data
        while len(unread) - at >= FRAME_HEAD:
            size = int.from_bytes(unread[at : at + 3], "big")
            if size > LARGEST_FRAME:
                raise CallEnded(
                    "INTERNAL", f"HTTP/2: a frame of {size} bytes, at most {LARGEST_FRAME} may be"
                )
            if len(unread) - at < FRAME_HEAD + size:
                break
            frame = bytes(unread[at : at + FRAME_HEAD + size])
            at += FRAME_HEAD + size
            if frame[3] == DATA:
                self._take_data(frame, messages)
            elif frame[3] == WINDOW_UPDATE:
                self._take_room(frame)
            else:
                for event in self._h2.receive_data(frame):
                    self._happened(event)
        del unread[:at]

    def _take_data(self, frame: bytes, messages: list[bytes]) -> None:
        if _stream_of(frame) != STREAM:
            raise CallEnded("INTERNAL", f"HTTP/2: DATA on stream {_stream_of(frame)}, ours is {STREAM}")
        start, end = FRAME_HEAD, len(frame)
        if frame[4] & PADDED:
            padding = frame[start] if end > start else end
            start, end = start + 1, end - padding
            if end < start:
                raise CallEnded("INTERNAL", "HTTP/2: DATA with more padding than bytes")
        self._read += len(frame) - FRAME_HEAD
        if self._read > WINDOW // 4:
            self.out += _head(4, WINDOW_UPDATE, 0) + self._read.to_bytes(4, "big")
            self.out += _head(4, WINDOW_UPDATE, STREAM) + self._read.to_bytes(4, "big")
            self._read = 0
        self._data(frame[start:end], messages)
        if frame[4] & END_STREAM:
            raise CallEnded("INTERNAL", "the stream ended without a status")

    def _take_room(self, frame: bytes) -> None:
        more = int.from_bytes(frame[FRAME_HEAD:], "big") & 0x7FFFFFFF
        if len(frame) != FRAME_HEAD + 4 or not more:
            raise CallEnded("INTERNAL", "HTTP/2: WINDOW_UPDATE without an increment")
        if _stream_of(frame) == 0:
            self._connection_room += more
        elif _stream_of(frame) == STREAM:
            self._stream_room += more

    def _happened(self, event: Any) -> None:
        if isinstance(event, events.RemoteSettingsChanged):
            changed = event.changed_settings.get(SettingCodes.INITIAL_WINDOW_SIZE)
            if changed is not None:
                self._stream_room += changed.new_value - (changed.original_value or 0)
        elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
            _check(event.headers or ())
        elif isinstance(event, events.StreamReset):
            code = RESETS.get(int(event.error_code or 0), "INTERNAL")
            raise CallEnded(code, f"the stream was reset with code {event.error_code}")
        elif isinstance(event, events.ConnectionTerminated):
            said = (event.additional_data or b"")[:256].decode(errors="replace")
            raise CallEnded("UNAVAILABLE", f"the server goes away {said}".strip())
        elif isinstance(event, events.StreamEnded):
            raise CallEnded("INTERNAL", "the stream ended without a status")

    def _data(self, data: bytes, messages: list[bytes]) -> None:
        body, at = self._body, 0
        body += data
        while len(body) - at >= 5:
            size = int.from_bytes(body[at + 1 : at + 5], "big")
            if body[at]:
                raise CallEnded("INTERNAL", "a compressed message, which was not asked for")
            if size > self._max:
                raise CallEnded(
                    "RESOURCE_EXHAUSTED", f"a message of {size} bytes, at most {self._max} may be"
                )
            if len(body) - at < 5 + size:
                break
            messages.append(bytes(body[at + 5 : at + 5 + size]))
            at += 5 + size
        del body[:at]

    def _pump(self) -> None:
        # First what h2 has to say: room that the peer's settings make is room once they are acknowledged.
        self.out += self._h2.data_to_send()
        waiting = self._waiting
        while waiting and self.ended is None:
            message = waiting[0]
            size = min(len(message), self._connection_room, self._stream_room, LARGEST_FRAME)
            if size <= 0:
                break
            self.out += _head(size, DATA, STREAM)
            self.out += message[:size]
            self._connection_room -= size
            self._stream_room -= size
            self.waiting -= size
            if size == len(message):
                waiting.popleft()
            else:
                waiting[0] = memoryview(message)[size:]


def _head(size: int, kind: int, stream: int) -> bytes:
    return size.to_bytes(3, "big") + bytes((kind, 0)) + stream.to_bytes(4, "big")


def _stream_of(frame: bytes) -> int:
    return int.from_bytes(frame[5:FRAME_HEAD], "big") & 0x7FFFFFFF


def _check(headers: Iterable[tuple[Any, Any]]) -> None:
    """Raises CallEnded when these headers are the last ones, or no gRPC answer."""
    told = {str(name): str(value) for name, value in headers}
    if "grpc-status" in told:
        number = told["grpc-status"]
        known = number.isascii() and number.isdigit() and int(number) < len(CODES)
        code = CODES[int(number)] if known else "UNKNOWN"
        raise CallEnded(code, unquote(told.get("grpc-message", "")))
    if told.get(":status", "200") != "200":
        raise CallEnded("UNKNOWN", f"HTTP status {told[':status']}")
