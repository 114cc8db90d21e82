"""The client against a real gRPC server on a real socket: hand-shake, steps, loss and return."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed")

from checkstream_vllm import channel, events, protocol
from checkstream_vllm.client import MAX_QUEUED, Client
from checkstream_vllm.link import Link
from checkstream_vllm.outbox import Entries, Parcel
from checkstream_vllm.stats import Stats
from checkstream_vllm.vocabulary import make_vocabulary
from compiler import phrase_program
from sidecar import Sidecar

VOCABULARY = make_vocabulary([bytes([b]) for b in range(256)], bytearray(256))


def hello(held: list[bytes]) -> Any:
    return protocol.Hello(
        protocol_major=1,
        engine_id="e",
        logits_width=256,
        vocabulary_digest=VOCABULARY.digest,
        held_programs=held,
    )


def compiled(texts: list[bytes], kinds: bytes, digest: bytes) -> list[bytes]:
    return [phrase_program(["bad"], texts, kinds, digest)]


def until(what: Callable[[], Any], seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def talk() -> Iterator[tuple[Sidecar, Client, Link, Stats]]:
    socket = Path(tempfile.mkdtemp(), "s")

    def answer(step: Any) -> Any:
        return {"sequence": step.sequence} if step.awaited else None

    sidecar = Sidecar(socket, compiled, answer, deadline_us=2_000_000, breaker_misses=2).start()
    stats = Stats()
    client = Client(f"unix:{socket}", hello, VOCABULARY, stats)
    link = Link(client, stats)
    client.start(link.tick)
    assert client.wait_bound(20)
    yield sidecar, client, link, stats
    client.close()
    sidecar.stop()


def some(position: int) -> list[Entries]:
    return [Entries([0], [1], [position], [120], [0])]


def test_a_hand_shake_brings_terms_a_program_and_the_stream(talk: Any) -> None:
    sidecar, _, link, _ = talk
    arrived: list[events.Event] = []
    until(lambda: arrived.extend(link.collect()) or link.attached)
    kinds = [type(e).__name__ for e in arrived]
    assert kinds == ["Terms", "ProgramReady", "Bound", "Attached"]
    assert until(lambda: sidecar.statuses)[0].ready


def test_an_awaited_step_is_answered_and_a_coalesced_one_is_sent_without_waiting(talk: Any) -> None:
    sidecar, _, link, stats = talk
    until(lambda: link.collect() is not None and link.attached)
    link.report(some(0), True)
    link.end_step(True)
    link.collect()
    assert (stats.awaited_steps, stats.missed_deadlines) == (1, 0)
    link.report(some(1), True)
    link.end_step(False)
    until(lambda: len(sidecar.steps) == 2)
    assert [list(s.position) for s in sidecar.steps] == [[0], [1]]
    assert [s.sequence for s in sidecar.steps] == [1, 2]


def test_a_silent_sidecar_opens_the_breaker_and_costs_nothing_more(talk: Any) -> None:
    sidecar, _, link, stats = talk
    until(lambda: link.collect() is not None and link.attached)
    sidecar.answer = lambda step: None
    link._deadline_s = 0.01
    arrived = []
    for position in range(4):
        link.report(some(position), True)
        link.end_step(True)
        arrived += link.collect()
    assert stats.missed_deadlines == 2
    assert events.Failing(True) in arrived


def test_the_client_comes_back_to_a_new_sidecar_and_keeps_its_program(talk: Any) -> None:
    sidecar, _, link, stats = talk
    until(lambda: link.collect() is not None and link.attached)
    sidecar.stop()
    until(lambda: any(isinstance(e, events.Detached) for e in link.collect()))
    assert not link.attached
    sidecar.start()
    until(lambda: link.collect() is not None and link.attached)
    assert stats.reconnects == 1
    assert list(sidecar.hellos[-1].held_programs) == sidecar.programs
    assert stats.errors == 0


def test_a_program_that_comes_while_a_step_is_awaited_does_not_hide_the_answer(talk: Any) -> None:
    sidecar, client, link, stats = talk
    until(lambda: link.collect() is not None and link.attached)
    texts = [bytes([b]) for b in range(256)]
    other = phrase_program(["worse"], texts, bytes(256), VOCABULARY.digest)

    def answer(step: Any) -> Any:
        sidecar.bind(sidecar.send_program(other))
        return {"sequence": step.sequence, "rows": [{"slot": 3, "generation": 1, "stop": True}]}

    sidecar.answer = answer
    link.report(some(0), True)
    link.end_step(True)
    arrived = link.collect()
    assert (stats.awaited_steps, stats.missed_deadlines) == (1, 0)
    kinds = [type(event).__name__ for event in arrived]
    assert kinds == ["ProgramReady", "Bound", "Told"]
    assert until(lambda: len(sidecar.statuses) == 2)


def test_directives_that_are_pushed_arrive_though_nobody_waits(talk: Any) -> None:
    sidecar, _, link, _ = talk
    until(lambda: link.collect() is not None and link.attached)
    sidecar.push(directives={"rows": [{"slot": 2, "generation": 1, "stop": True}]})
    told = until(lambda: [e for e in link.collect() if isinstance(e, events.Told)])
    assert told[0].rules[0].stop


def test_a_step_that_is_never_collected_does_not_stop_the_reading(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar, client, link, _ = talk
    until(lambda: link.collect() is not None and link.attached)
    monkeypatch.setattr(channel, "CLAIM_S", 0.05)
    link.report(some(0), True)
    link.end_step(True)
    sidecar.push(directives={"rows": [{"slot": 2, "generation": 1, "stop": True}]})
    assert until(lambda: [e for e in client.drain() if isinstance(e, events.Told)])


def test_steps_for_a_sidecar_that_does_not_read_are_bounded(talk: Any) -> None:
    sidecar, client, link, _ = talk
    until(lambda: link.collect() is not None and link.attached)
    going = threading.Event()
    sidecar.answer = lambda step: going.wait(20) and None
    number, many = client.stream, [7] * 4_000
    parcel = Parcel(entries=[Entries(many, many, many, many, many)])
    try:
        taken = 0
        while client.send(parcel, number):
            taken += 1
            assert taken < 4_000
            time.sleep(0.0005)
        assert taken >= MAX_QUEUED
        until(lambda: any(isinstance(e, events.Detached) for e in client.drain()))
    finally:
        going.set()


def test_an_answer_that_comes_in_pieces_is_waited_for(talk: Any) -> None:
    _, client, link, stats = talk
    until(lambda: link.collect() is not None and link.attached)
    receive, whole = client._stream.channel._receive, []

    def in_pieces() -> Any:
        """What arrives is first seen as bytes that make no message."""
        if whole:
            return whole.pop()
        messages = receive()
        if messages:
            whole.append(messages)
            return []
        return messages

    client._stream.channel._receive = in_pieces
    link.report(some(0), True)
    link.end_step(True)
    link.collect()
    assert (stats.awaited_steps, stats.missed_deadlines) == (1, 0)
