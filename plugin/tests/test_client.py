"""The client against a real gRPC server on a real socket: hand-shake, steps, loss and return."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed")

from checkstream_vllm import events, protocol
from checkstream_vllm.client import Client
from checkstream_vllm.link import Link
from checkstream_vllm.outbox import Entries
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
