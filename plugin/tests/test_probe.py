"""A probe is what its bytes say, scores what the model computed, and travels with the tokens."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from checkstream_vllm import events
from checkstream_vllm.client import step_message
from checkstream_vllm.outbox import Entries, Outbox
from checkstream_vllm.protocol import EngineMessage

torch = pytest.importorskip("torch", reason="torch is not installed")

from checkstream_vllm.probe import KEPT, WATCH, Probe, Scores, parse_probe, probe_bytes
from engine import FakeLink, V2States, attached
from test_rows import WIDTH, alone, context, free_program, request, v1, v2, write

HIDDEN = 6
FACTS = {"label": "unsafe"}
WEIGHT = np.linspace(-1, 1, HIDDEN)


def test_a_probe_survives_its_file() -> None:
    linear = parse_probe(probe_bytes(WEIGHT, 0.25, FACTS))
    assert np.allclose(linear.weight, WEIGHT)
    assert (linear.bias, linear.facts) == (0.25, FACTS)
    hidden = torch.randn(3, HIDDEN)
    expected = torch.sigmoid(hidden.double() @ torch.tensor(WEIGHT) + 0.25)
    assert np.allclose(Probe(linear, torch.device("cpu")).score(hidden), expected, atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        probe_bytes(WEIGHT, 0.0, FACTS)[:-1],
        probe_bytes([], 0.0, FACTS),
        probe_bytes([float("nan")], 0.0, FACTS),
    ],
)
def test_bytes_that_are_no_probe_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_probe(data)


class Model:
    def compute_logits(self, hidden: Any) -> Any:
        return hidden.sum(-1, keepdim=True).expand(-1, WIDTH).clone()


class Told(FakeLink):
    """Keeps what was reported whole."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Any] = []

    def report(self, entries: list[Any], with_state: bool) -> None:
        self.entries += entries


def test_a_token_is_told_with_the_score_of_the_state_it_was_sampled_from() -> None:
    link = Told()
    processor, q, model = v1(link), request(None), Model()
    WATCH.wrap(Model)
    data = probe_bytes(WEIGHT, 0.0, FACTS)
    link.events = [*attached(free_program()), events.ProbeReady(data)]
    alone(processor, q)
    wanted = []
    for token in (4, 5, 6):
        hidden = torch.randn(1, HIDDEN)
        wanted.append(float(torch.sigmoid(hidden.double() @ torch.tensor(WEIGHT))))
        processor.apply(model.compute_logits(hidden))
        q["output"].append(token)
        processor.update_state(None)
    assert processor._stats.errors == 0, processor._stats.last_error
    assert [float(some.probe[0]) for some in link.entries] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("drafts", [0, 2])
def test_v2_tells_each_token_with_the_score_of_its_own_state(drafts: int) -> None:
    """Drafts are refused at random, and a refused position is judged again in the next step."""
    r, link, model = random.Random(drafts), Told(), Model()
    states = V2States(torch, 2, 200, WIDTH)
    processor = v2(link, states, drafts)
    WATCH.wrap(Model)
    link.events = [*attached(free_program()), events.ProbeReady(probe_bytes(WEIGHT, 0.0, FACTS))]
    rows = [request(None, 3), request(None, 5)]
    wanted: dict[tuple[int, int], float] = {}
    for _ in range(30):
        for slot, q in enumerate(rows):
            if not q["output"]:
                write(states, slot, q)
                assert processor.add_request(slot, q["params"])
        processor.apply_staged_writes()
        layout, places = [], []
        for slot, q in enumerate(rows):
            q["guess"] = [r.randrange(WIDTH) for _ in range(r.randrange(drafts + 1))]
            for offset in range(len(q["guess"]) + 1):
                said = [*q["prompt"], *q["output"], *q["guess"][:offset]]
                layout.append((slot, offset, len(said) - 1, said[-1]))
                places.append((slot, len(said) - len(q["prompt"])))
        hidden = torch.randn(len(layout), HIDDEN)
        expected = torch.sigmoid(hidden.double() @ torch.tensor(WEIGHT)).tolist()
        processor.apply(model.compute_logits(hidden), context(layout, states))
        assert processor._stats.errors == 0, processor._stats.last_error
        wanted.update(zip(places, expected, strict=True))
        for slot, q in enumerate(rows):
            q["output"] += [*q["guess"][: r.randrange(drafts + 1)], r.randrange(WIDTH)]
            tokens = torch.tensor([*q["prompt"], *q["output"]], dtype=torch.int32)
            states.all_token_ids.gpu[slot, : len(tokens)] = tokens
            states.total_len.gpu[slot] = len(tokens)
    told = [
        (slot, position, score)
        for some in link.entries
        for slot, position, score in zip(some.slot, some.position, some.probe, strict=True)
    ]
    assert len(told) > 50
    for slot, position, score in told:
        assert score == pytest.approx(wanted[int(slot), int(position)], abs=1e-6)


def test_a_slot_that_is_given_away_takes_no_score_along() -> None:
    scores = Scores()
    scores.put(np.array([3]), np.array([7]), [0.9])
    assert scores.of([3, 3, 9], [7, 7 + KEPT, 7]).tolist() == pytest.approx([0.9, 0.5, 0.5])
    scores.forget(3)
    assert scores.of([3], [7]).tolist() == [0.5]


def test_a_probe_for_another_model_is_refused_and_rows_go_on_without_scores() -> None:
    link = Told()
    processor, q, model = v1(link), request(None), Model()
    WATCH.wrap(Model)
    wrong = probe_bytes([1.0], 0.0, FACTS)
    link.events = [*attached(free_program()), events.ProbeReady(wrong)]
    alone(processor, q)
    processor.apply(model.compute_logits(torch.randn(1, HIDDEN)))
    q["output"].append(4)
    processor.update_state(None)
    assert "1 wide, the model 6" in processor._stats.last_error
    assert [len(some.probe) for some in link.entries] == [0]


@pytest.mark.parametrize("second", [True, False])
def test_a_message_has_the_scores_of_all_its_tokens_or_none(second: bool) -> None:
    outbox = Outbox()
    outbox.add(Entries([0], [1], [0], [9], (), [0.25]), 0.0)
    outbox.add(Entries([0], [1], [1], [9], (), [0.75] if second else ()), 0.0)
    parcel = outbox.take()
    assert parcel is not None
    step = EngineMessage.FromString(step_message(parcel)).step
    assert list(step.probe) == ([0.25, 0.75] if second else [])
