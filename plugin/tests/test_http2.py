"""The plugin's gRPC call against h2 as the server: bytes cut anywhere, windows, endings."""

from __future__ import annotations

import random
from typing import Any

import pytest

h2 = pytest.importorskip("h2", reason="h2 is not installed")
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes

from checkstream_vllm.http2 import WINDOW, Call

MOST = 1024


class Server:
    """The other side: what the call sent, and bytes for it."""

    def __init__(self, call: Call) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.call, self.body = call, bytearray()

    def hear(self) -> list[Any]:
        happened = self.h2.receive_data(bytes(self.call.out))
        self.call.out.clear()
        for event in happened:
            self.body += getattr(event, "data", None) or b""
        return happened

    def answers(self) -> Server:
        self.hear()
        self.h2.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        return self

    def ends(self, code: int, message: str) -> None:
        trailers = [("grpc-status", str(code)), ("grpc-message", message)]
        self.h2.send_headers(1, trailers, end_stream=True)


def framed(*messages: bytes) -> bytes:
    return b"".join(b"\0" + len(m).to_bytes(4, "big") + m for m in messages)


def test_messages_are_the_same_wherever_the_bytes_are_cut() -> None:
    def spoken(call: Call) -> bytes:
        server = Server(call).answers()
        both = framed(b"one", b"", b"three", b"in two frames")
        server.h2.send_data(1, both[:-7])
        server.h2.ping(b"12345678")
        server.h2.send_data(1, both[-7:], pad_length=3)
        server.ends(3, "no%20slot%20%C3%A9")
        return server.h2.data_to_send()

    for cut in range(len(spoken(Call("/a.B/C", MOST))) + 1):
        call = Call("/a.B/C", MOST)
        stream = spoken(call)
        got = call.receive(stream[:cut]) + call.receive(stream[cut:])
        assert got == [b"one", b"", b"three", b"in two frames"]
        assert call.ended is not None
        assert (call.ended.code, call.ended.details) == ("INVALID_ARGUMENT", "no slot é")


def test_a_message_waits_for_room_and_leaves_as_the_peer_makes_it() -> None:
    call = Call("/a.B/C", MOST)
    server = Server(call)
    call.receive(server.h2.data_to_send())
    message = random.Random(1).randbytes(200_000)
    server.hear()
    call.send(message)
    server.hear()
    assert call.waiting > 0
    first = len(server.body)
    while call.waiting:
        before = len(server.body)
        server.h2.increment_flow_control_window(30_000)
        server.h2.increment_flow_control_window(30_000, 1)
        call.receive(server.h2.data_to_send())
        server.hear()
        assert len(server.body) > before
    assert first < len(framed(message))
    assert bytes(server.body) == framed(message)


def test_what_was_read_makes_room_for_more() -> None:
    call = Call("/a.B/C", MOST)
    server = Server(call).answers()
    message, count = bytes(1_000), 3 * WINDOW // 1_005
    for _ in range(count):
        server.h2.send_data(1, framed(message))
        assert call.receive(server.h2.data_to_send()) == [message]
        server.hear()


def reset(server: Server) -> None:
    server.h2.reset_stream(1, 7)


def away(server: Server) -> None:
    server.h2.close_connection(additional_data=b"drained")


ENDINGS = {
    "RESOURCE_EXHAUSTED: a message of 1025": lambda s: s.h2.send_data(1, b"\0\0\0\x04\x01"),
    "INTERNAL: a compressed message": lambda s: s.h2.send_data(1, b"\1\0\0\0\0"),
    "INTERNAL: the stream ended without": lambda s: s.h2.end_stream(1),
    "UNAVAILABLE: the stream was reset": reset,
    "UNAVAILABLE: the server goes away drained": away,
    "OK": lambda s: s.ends(0, ""),
    "UNKNOWN: odd": lambda s: s.ends(99, "odd"),
}


@pytest.mark.parametrize("wanted", ENDINGS)
def test_the_end_of_a_call_has_a_code_and_a_reason(wanted: str) -> None:
    call = Call("/a.B/C", MOST)
    server = Server(call).answers()
    ENDINGS[wanted](server)
    assert call.receive(server.h2.data_to_send()) == []
    assert str(call.ended).startswith(wanted)


def test_an_answer_that_is_not_grpc_ends_the_call() -> None:
    call = Call("/a.B/C", MOST)
    server = Server(call)
    server.hear()
    server.h2.send_headers(1, [(":status", "404")])
    assert call.receive(server.h2.data_to_send()) == []
    assert str(call.ended) == "UNKNOWN: HTTP status 404"


def test_bytes_of_no_sense_end_the_call_and_raise_nothing() -> None:
    rng = random.Random(7)
    ended = 0
    for _ in range(500):
        call = Call("/a.B/C", MOST)
        data = Server(call).answers().h2.data_to_send()
        for _ in range(8):
            payload = rng.randbytes(rng.randrange(0, 40))
            head = len(payload).to_bytes(3, "big") + bytes((rng.randrange(12), rng.randrange(256)))
            data += head + rng.randrange(4).to_bytes(4, "big") + payload
        call.receive(data)
        ended += call.ended is not None
    assert ended > 400


def test_the_room_of_a_stream_follows_the_settings_of_the_peer() -> None:
    call = Call("/a.B/C", MOST)
    server = Server(call)
    call.receive(server.h2.data_to_send())
    server.hear()
    server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
    call.receive(server.h2.data_to_send())
    server.hear()
    call.send(bytes(100))
    server.hear()
    assert len(server.body) == 10
    server.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 200})
    call.receive(server.h2.data_to_send())
    server.hear()
    assert bytes(server.body) == framed(bytes(100))


def raw(size: int, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return size.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


BROKEN = {
    "INTERNAL: HTTP/2: a frame of 16385 bytes": raw(16_385, 0, 0, 1, b""),
    "INTERNAL: HTTP/2: DATA on stream 3": raw(1, 0, 0, 3, b"x"),
    "INTERNAL: HTTP/2: DATA with more padding": raw(2, 0, 8, 1, b"\x02x"),
    "INTERNAL: HTTP/2: WINDOW_UPDATE without": raw(4, 8, 0, 1, bytes(4)),
}


@pytest.mark.parametrize("wanted", BROKEN)
def test_a_broken_frame_ends_the_call_and_says_how(wanted: str) -> None:
    call = Call("/a.B/C", MOST)
    data = Server(call).answers().h2.data_to_send()
    assert call.receive(data + BROKEN[wanted]) == []
    assert str(call.ended).startswith(wanted)
