"""Rows stay themselves however the engine moves them, and each is masked by its own program."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from checkstream_vllm import events
from checkstream_vllm.rule import Adapt, Rule
from checkstream_vllm.wire import CLOSED, OPEN, RESIDENT
from engine import STOP, FakeLink, V1Engine, V2States, attached, params, worker
from reference import Reference, digest, random_program, to_blob

torch = pytest.importorskip("torch", reason="torch is not installed")

WIDTH = 40
PROGRAMS = [random_program(seed, WIDTH, carries=1 + seed % 3) for seed in (21, 22, 23)]
BLOBS = [to_blob(p) for p in PROGRAMS]
BOTH = [(bytes.fromhex(digest(b)), b) for b in BLOBS]
REFERENCE = [Reference(p) for p in PROGRAMS]


def v1(link: FakeLink, asynchronous: bool = False, mode: int = RESIDENT) -> Any:
    from checkstream_vllm.v1 import V1

    processor = V1.__new__(V1)
    processor._setup(worker(WIDTH, link, asynchronous, mode), torch.device("cpu"))
    return processor


def v2(link: FakeLink, states: Any, drafts: int = 0, packed: bool = False) -> Any:
    from checkstream_vllm.v2 import V2

    processor = V2.__new__(V2)
    processor._setup(worker(WIDTH, link), states, drafts)
    processor._packed = packed
    return processor


def request(which: int | None, length: int = 3, **extra: Any) -> dict[str, Any]:
    program = {} if which is None else {"program": digest(BLOBS[which])}
    return {
        "params": params(rid=f"r{which}", **program, **extra),
        "prompt": [5] * length,
        "output": [],
        "slow": REFERENCE[which or 0],
    }


def wanted(slow: Reference, output: list[int]) -> set[int]:
    state = slow.p["start"]
    for token in output:
        state = slow.advance(state, token)
    denied = slow.denied(state)
    return set(range(WIDTH)) - {STOP} if len(denied) == WIDTH else denied


def denied(row: Any) -> set[int]:
    return set(np.flatnonzero(np.isneginf(row.numpy())).tolist())


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_v1_masks_each_row_by_its_program_through_a_random_life(
    seed: int, asynchronous: bool
) -> None:
    link, r = FakeLink(), random.Random(seed)
    processor = v1(link, asynchronous)
    link.events = attached(*BOTH)
    engine = V1Engine(processor, seed, asynchronous)
    for _ in range(80):
        new = [
            {**request(r.choice([None, 0, 1, 2])), "prefill": r.choice([0, 0, 2])}
            for _ in range(r.choice([0, 0, 1, 2]) if len(engine.batch) < 12 else 0)
        ]
        before: list[tuple[Any, list[int]]] = []

        def logits(n: int, engine: Any = engine, before: Any = before) -> Any:
            before += [(q, [t for t in q["output"] if t >= 0]) for q in engine.batch]
            return torch.randn(n, WIDTH)

        out = engine.step(new, logits, lambda row, q: r.randrange(WIDTH))
        assert processor._stats.errors == 0, processor._stats.last_error
        for row, (q, said) in zip(out, before, strict=True):
            assert denied(row) == wanted(q["slow"], said)
    for told in link.told.values():
        positions = [p for p, _, _ in told]
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_the_sidecar_is_told_every_token_with_the_state_after_it() -> None:
    link = FakeLink()
    processor = v1(link)
    link.events = attached(*BOTH)
    engine = V1Engine(processor, 1, False)
    engine.r = SimpleNamespace(random=lambda: 1.0)  # nobody leaves, nobody moves
    one = request(1)
    engine.step([one], lambda n: torch.zeros(n, WIDTH), lambda row, q: 7)
    for token in (8, 9, 10):
        engine.step([], lambda n: torch.zeros(n, WIDTH), lambda row, q, t=token: t)
    processor.update_state(SimpleNamespace(batch_size=0, removed=[0], added=[], moved=[]))
    state, said = REFERENCE[1].p["start"], []
    for position, token in enumerate([7, 8, 9, 10]):
        state = REFERENCE[1].advance(state, token)
        said.append((position, token, state))
    assert link.told[(0, 1)] == said
    assert link.closed == [(0, 1, 4)]
    opened = link.opened[0]()
    assert (opened.request_id, opened.program.hex()) == ("r1", digest(BLOBS[1]))
    assert opened.sampling.stop_token == STOP


def alone(processor: Any, q: dict[str, Any]) -> Any:
    """One step of a processor whose only row is `q`."""
    added = [(0, q["params"], q["prompt"], q["output"])]
    processor.update_state(SimpleNamespace(batch_size=1, removed=[], added=added, moved=[]))
    return processor.apply(torch.zeros(1, WIDTH))[0]


def go_on(processor: Any, q: dict[str, Any], token: int) -> Any:
    q["output"].append(token)
    processor.update_state(None)
    return processor.apply(torch.zeros(1, WIDTH))[0]


STOPPED = set(range(WIDTH)) - {STOP}


@pytest.mark.parametrize(
    ("mode", "first", "later"),
    [(CLOSED, STOPPED, STOPPED), (OPEN, set(), set()), (RESIDENT, set(), None)],
)
def test_on_failure_decides_what_happens_before_and_after_a_sidecar(
    mode: int, first: set[int], later: set[int] | None
) -> None:
    link = FakeLink()
    processor = v1(link, mode=mode)
    q = request(0)
    assert denied(alone(processor, q)) == first
    link.events = attached(*BOTH, on_failure=mode)
    assert denied(go_on(processor, q, 4)) == wanted(REFERENCE[0], q["output"])
    link.events = [events.Detached()]
    last = denied(go_on(processor, q, 4))
    assert last == (wanted(REFERENCE[0], q["output"]) if later is None else later)


def rule(**over: Any) -> Rule:
    given = dict(
        slot=0,
        generation=1,
        first=0,
        until=0,
        adapt=None,
        deny_sets=(),
        force=(),
        stop=False,
        sync=False,
    )
    return Rule(**{**given, **over})


def free_program() -> tuple[bytes, bytes]:
    p = random_program(5, WIDTH, carries=1)
    p.update(deny_set=[0] * p["states"], deny_parent=[-1], deny_offset=[0, 0], deny_token=[])
    blob = to_blob(p)
    return bytes.fromhex(digest(blob)), blob


def guided(*told: Any, **extra: Any) -> tuple[Any, FakeLink, dict[str, Any], Any]:
    link = FakeLink()
    processor = v1(link)
    q = request(None, **extra)
    link.events = attached(free_program())
    row = alone(processor, q)
    link.events = list(told)
    return processor, link, q, row


def test_a_stop_leaves_only_the_reserved_token() -> None:
    processor, _, q, _ = guided(events.Told((rule(stop=True),)))
    row = go_on(processor, q, 4)
    assert denied(row) == STOPPED
    assert float(row[STOP]) == 0.0


def test_a_deny_set_holds_from_its_first_to_its_last_position() -> None:
    sets = events.DenySet(9, False, [4, 6, 99])
    processor, _, q, _ = guided(sets, events.Told((rule(first=2, until=3, deny_sets=(9,)),)))
    assert denied(go_on(processor, q, 5)) == set()
    assert denied(go_on(processor, q, 5)) == {4, 6}
    assert denied(go_on(processor, q, 5)) == set()


def test_an_inverted_set_leaves_only_its_tokens_and_an_impossible_one_becomes_a_stop() -> None:
    one, two = events.DenySet(1, True, [4, 6]), events.DenySet(2, False, [4, 6])
    processor, link, q, _ = guided(one, two, events.Told((rule(deny_sets=(1,)),)))
    assert denied(go_on(processor, q, 5)) == set(range(WIDTH)) - {4, 6}
    link.events = [events.Told((rule(deny_sets=(1, 2)),))]
    assert denied(go_on(processor, q, 5)) == STOPPED
    assert processor._stats.empty_rows == 1


def test_forced_tokens_are_played_without_further_messages() -> None:
    processor, _, q, _ = guided(events.Told((rule(first=1, force=(8, 9)),)))
    assert denied(go_on(processor, q, 5)) == set(range(WIDTH)) - {8}
    assert denied(go_on(processor, q, 8)) == set(range(WIDTH)) - {9}
    assert denied(go_on(processor, q, 9)) == set()


def test_a_force_whose_position_has_passed_is_not_played_and_is_counted() -> None:
    processor, _, q, _ = guided(events.Told((rule(first=0, force=(8, 9)),)))
    assert denied(go_on(processor, q, 5)) == set()
    assert processor._stats.late_forces == 1


def test_a_directive_for_another_generation_is_dropped_and_counted() -> None:
    processor, _, q, _ = guided(events.Told((rule(generation=2, stop=True),)))
    assert denied(go_on(processor, q, 5)) == set()
    assert processor._stats.late_directives == 1


def test_a_sync_row_is_awaited_at_every_step_until_it_is_told_otherwise() -> None:
    processor, link, q, _ = guided(events.Told((rule(sync=True),)))
    go_on(processor, q, 5)
    go_on(processor, q, 5)
    go_on(processor, q, 5)
    assert link.awaited == 2
    link.events = [events.Told((rule(),))]
    go_on(processor, q, 5)
    go_on(processor, q, 5)
    assert link.awaited == 3


def test_an_error_inside_is_counted_and_ends_the_row_unless_open() -> None:
    processor, _, q, _ = guided()
    q["output"].append(5)
    processor.update_state(None)
    row = processor.apply(torch.zeros(1, WIDTH - 1))[0]
    assert processor._stats.errors == 1
    assert denied(row) == set(range(WIDTH - 1)) - {STOP}


def test_a_request_that_the_proxy_took_over_is_sampled_at_its_own_temperature() -> None:
    link = FakeLink()
    processor = v1(link)
    link.events = attached(free_program())
    q = request(None, temperature=0.5, top_k=2)
    added = [(0, q["params"], q["prompt"], q["output"])]
    processor.update_state(SimpleNamespace(batch_size=1, removed=[], added=added, moved=[]))
    logits = torch.arange(WIDTH, dtype=torch.float32).unsqueeze(0)
    row = processor.apply(logits)[0]
    assert denied(row) == set(range(WIDTH - 2))
    assert float(row[-1]) == 2.0 * (WIDTH - 1)


def test_adapt_tightens_and_never_loosens() -> None:
    link = FakeLink()
    processor = v1(link)
    link.events = attached(free_program())
    q = request(None)
    alone(processor, q)
    link.events = [events.Told((rule(adapt=Adapt(temperature=0.5)),))]
    q["output"].append(5)
    processor.update_state(None)
    row = processor.apply(torch.ones(1, WIDTH))[0]
    assert float(row[0]) == 2.0
    link.events = [events.Told((rule(adapt=Adapt(temperature=9.0)),))]
    q["output"].append(5)
    processor.update_state(None)
    assert float(processor.apply(torch.ones(1, WIDTH))[0][0]) == 1.0


def context(torch_rows: list[tuple[int, int, int, int]], states: Any) -> Any:
    """Rows are (slot, offset among its rows, position, token fed)."""
    column = [torch.tensor(c) for c in zip(*torch_rows, strict=True)]
    slots = list(dict.fromkeys(slot for slot, *_ in torch_rows))
    last = {slot: pos for slot, _, pos, _ in torch_rows}
    return SimpleNamespace(
        expanded_idx_mapping=column[0],
        idx_mapping=torch.tensor(slots),
        idx_mapping_np=np.array(slots),
        expanded_local_pos=column[1],
        input_ids=column[3],
        pos=column[2],
        seq_lens_upper_bound_np=np.array([last[s] + 1 for s in slots]),
    )


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("drafts", [0, 3])
@pytest.mark.parametrize("seed", range(4))
def test_v2_masks_committed_and_draft_rows_alike(seed: int, drafts: int, packed: bool) -> None:
    r, link = random.Random(seed), FakeLink()
    states = V2States(torch, 6, 400, WIDTH)
    processor = v2(link, states, drafts, packed)
    link.events = attached(*BOTH)
    live: dict[int, dict[str, Any]] = {}
    for _ in range(60):
        for slot in range(6):
            if r.random() < (0.5 if slot not in live else 0.05):
                q = live[slot] = request(r.choice([None, 0, 1, 2]), r.randrange(1, 5))
                if r.random() < 0.3:  # resumed after a preemption
                    q["output"] = [r.randrange(WIDTH) for _ in range(r.randrange(1, 6))]
                q["chunks"] = r.choice([0, 0, 1])
                write(states, slot, q)
                assert processor.add_request(slot, q["params"])
                states.all_token_ids.gpu[slot].zero_()
                write(states, slot, q)
        processor.apply_staged_writes()
        rows, want = [], []
        for slot in r.sample(sorted(live), len(live)):
            q = live[slot]
            tokens = [*q["prompt"], *q["output"]]
            if q["chunks"]:
                rows.append((slot, 0, max(0, len(tokens) - 2), tokens[max(0, len(tokens) - 2)]))
                want.append(None)
                continue
            guess = [r.randrange(WIDTH) for _ in range(r.randrange(drafts + 1))]
            for offset in range(len(guess) + 1):
                said = [*tokens, *guess[:offset]]
                rows.append((slot, offset, len(said) - 1, said[-1]))
                want.append(wanted(q["slow"], said[len(q["prompt"]) :]))
            q["guess"] = guess
        if not rows:
            continue
        logits = torch.randn(len(rows), WIDTH)
        out = processor.apply(logits, context(rows, states))
        assert processor._stats.errors == 0, processor._stats.last_error
        for row, expected in zip(out, want, strict=True):
            assert expected is None or denied(row) == expected
        for slot, q in live.items():
            if q["chunks"]:
                q["chunks"] -= 1
                continue
            accepted = q.get("guess", [])[: r.randrange(drafts + 1)]
            q["output"] += [*accepted, r.randrange(WIDTH)]
            total = len(q["prompt"]) + len(q["output"])
            tokens = torch.tensor([*q["prompt"], *q["output"]], dtype=torch.int32)
            states.all_token_ids.gpu[slot, :total] = tokens
            states.total_len.gpu[slot] = total
    for told in link.told.values():
        positions = [p for p, _, _ in told]
        assert positions == list(range(positions[0], positions[0] + len(positions)))


def write(states: Any, slot: int, q: dict[str, Any]) -> None:
    tokens = [*q["prompt"], *q["output"]]
    states.prompt_len.np[slot] = len(q["prompt"])
    states.prefill_len.np[slot] = len(tokens)
    states.total_len.gpu[slot] = len(tokens)
    states.all_token_ids.gpu[slot, : len(tokens)] = torch.tensor(tokens, dtype=torch.int32)
