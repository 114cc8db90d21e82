"""Programs of matches: the arrays, the device's tensors and the plain walk against the page."""

from __future__ import annotations

import numpy as np
import pytest

from checkstream_vllm.blob import ProgramError
from checkstream_vllm.fill import fill
from checkstream_vllm.program import TokenProgram
from reference import Reference, random_matches, to_blob

SEEDS = range(24)


def make(seed: int) -> tuple[Reference, TokenProgram]:
    p = random_matches(seed, carries=1 + seed % 4)
    return Reference(p), TokenProgram(to_blob(p))


def trail(slow: Reference, program: TokenProgram, seed: int, steps: int = 60) -> list[list[int]]:
    """States of one row along random allowed tokens, from the page."""
    r = np.random.default_rng(seed)
    states = [[slow.p["start"]]]
    for _ in range(steps):
        allowed = sorted(set(range(program.width)) - slow.denied_by(states[-1]))
        if not allowed:
            states.append([slow.p["start"]])
            continue
        states.append(slow.step(states[-1], int(r.choice(allowed))))
    return states


def filled(states: list[list[int]], columns: int) -> np.ndarray:
    out = np.full((len(states), columns), -1, dtype=np.int64)
    for line, state in zip(out, states, strict=True):
        line[: len(state)] = state
    return out


@pytest.mark.parametrize("seed", SEEDS)
def test_a_row_goes_where_the_page_goes(seed: int) -> None:
    slow, program = make(seed)
    states = trail(slow, program, seed)
    assert any(len(state) > 2 for state in states)
    for token in range(-1, program.width + 1):
        wanted = after(slow, program, states, token)
        before, many = filled(states, program.columns), np.full(len(states), token)
        assert program.advance(before, many).tolist() == filled(wanted, program.columns).tolist()
        assert [program.follow([token], state) for state in states] == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_a_row_is_denied_what_the_page_denies(seed: int) -> None:
    slow, program = make(seed)
    states = trail(slow, program, seed)
    rows, numbers = np.arange(len(states)), filled(states, program.columns)
    logits = np.zeros((len(states), program.width), dtype=np.float32)
    check(logits, fill(logits, rows, program, numbers), slow, states)


@pytest.mark.parametrize("seed", range(6))
def test_a_device_does_what_the_page_says(seed: int) -> None:
    torch = pytest.importorskip("torch")
    from checkstream_vllm.tensors import DeviceProgram, fill_device

    slow, program = make(seed)
    device = DeviceProgram(program, torch.device("cpu"))
    states = trail(slow, program, seed)
    rows, numbers = np.arange(len(states)), filled(states, program.columns)
    for token in range(-1, program.width + 1):
        wanted = after(slow, program, states, token)
        many = torch.full((len(states),), token)
        got = device.advance(torch.from_numpy(numbers), many)
        assert got.tolist() == filled(wanted, program.columns).tolist()
    logits = torch.zeros(len(states), program.width)
    check(logits.numpy(), fill_device(logits, rows, program, numbers), slow, states)
    logits = torch.zeros(len(states), program.width)
    mine = torch.ones(len(states), dtype=torch.bool)
    empty = device.deny(logits, torch.from_numpy(numbers), mine)
    check(logits.numpy(), np.flatnonzero(empty.numpy()).tolist(), slow, states)


def after(
    slow: Reference, program: TokenProgram, states: list[list[int]], token: int
) -> list[list[int]]:
    if not 0 <= token < program.width:
        return [[program.dead] for _ in states]
    return [slow.step(state, token) for state in states]


def check(
    logits: np.ndarray, gone: list[int], slow: Reference, states: list[list[int]]
) -> None:
    for row, state in enumerate(states):
        denied = slow.denied_by(state)
        assert (row in gone) == (len(denied) == logits.shape[1])
        if row not in gone:
            assert set(np.flatnonzero(np.isinf(logits[row])).tolist()) == denied


TAMPERED = {
    "bundle_state": lambda p: p["bundle_state"].__setitem__(0, p["states"] - 2),
    "bundle_offset": lambda p: p["bundle_offset"].__setitem__(0, 1),
    "broken": lambda p: p["broken"].__setitem__(0, -1),
    "start": lambda p: p.update(start=(p["states"] - 2) * p["carries"]),
    "exception_next": lambda p: p.update(exception_key=[0], exception_next=[p["states"] - 2]),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_damaged_program_of_matches_is_refused_by_name(name: str) -> None:
    p = random_matches(11, carries=3)
    TAMPERED[name](p)
    with pytest.raises(ProgramError, match=name):
        TokenProgram(to_blob(p))
