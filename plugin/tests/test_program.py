"""The plugin's program against the page: every state, every carry, every token."""

from __future__ import annotations

import random

import numpy as np
import pytest

from checkstream_vllm.blob import ProgramError
from checkstream_vllm.program import TokenProgram
from reference import Reference, digest, random_program, to_blob

SEEDS = range(60)


def make(seed: int) -> tuple[Reference, TokenProgram]:
    p = random_program(seed, carries=1 + seed % 4)
    return Reference(p), TokenProgram(to_blob(p))


@pytest.mark.parametrize("seed", SEEDS)
def test_advance_agrees_with_the_page_for_every_state_carry_and_token(seed: int) -> None:
    slow, fast = make(seed)
    p = slow.p
    pairs = [(s, t) for s in range(p["states"] * p["carries"]) for t in range(p["logits_width"])]
    wanted = [slow.advance(s, t) for s, t in pairs]
    got = fast.advance(np.array([s for s, _ in pairs]), np.array([t for _, t in pairs]))
    assert got.tolist() == wanted
    assert [fast.replay([t], s) for s, t in pairs] == wanted


@pytest.mark.parametrize("seed", SEEDS)
def test_denied_agrees_with_the_page_for_every_state_and_carry(seed: int) -> None:
    slow, fast = make(seed)
    packed = np.arange(slow.p["states"] * slow.p["carries"])
    random.Random(seed).shuffle(packed)
    everything = set(range(fast.width))
    for state, key in zip(packed.tolist(), fast.deny_keys(packed).tolist(), strict=True):
        got = fast.denied_tokens(key)
        assert (everything if got is None else set(got.tolist())) == slow.denied(state)


def test_a_row_can_go_back_to_any_earlier_state() -> None:
    slow, fast = make(7)
    r = random.Random(7)
    tokens: list[int] = []
    trail = [fast.start]
    for _ in range(5_000):
        if r.random() < 0.1 and len(trail) > 1:
            keep = r.randrange(max(1, len(trail) - 256), len(trail))
            del trail[keep:], tokens[keep - 1 :]
        token = r.randrange(fast.width)
        tokens.append(token)
        trail.append(int(fast.advance(np.array([trail[-1]]), np.array([token]))[0]))
    expected = slow.p["start"]
    for token in tokens:
        expected = slow.advance(expected, token)
    assert trail[-1] == expected == fast.replay(tokens)


def test_a_token_outside_the_vocabulary_leads_to_dead() -> None:
    _, fast = make(3)
    dead = fast.blob.dead * fast.blob.carries
    got = fast.advance(np.array([0, 0, 0]), np.array([-1, fast.width, 1]))
    assert got[:2].tolist() == [dead, dead]
    assert fast.replay([1, fast.width]) == dead


def test_the_digest_is_that_of_the_file() -> None:
    data = to_blob(random_program(1))
    assert TokenProgram(data).digest == digest(data)


TAMPERED = {
    "base": lambda p: p["base"][0].__setitem__(0, p["states"]),
    "exception_key": lambda p: p.update(exception_key=[5, 5], exception_next=[0, 0]),
    "deny_token": lambda p: p.update(deny_token=[999] * len(p["deny_token"])),
    "deny_parent": lambda p: p["deny_parent"].__setitem__(0, 0),
    "deny_offset": lambda p: p["deny_offset"].__setitem__(-1, 0),
    "deny_set": lambda p: p["deny_set"].__setitem__(0, -1),
    "tail": lambda p: p["tail"].__setitem__(0, 99),
    "start": lambda p: p.update(start=10_000),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_damaged_program_is_refused_by_name(name: str) -> None:
    p = random_program(11, carries=3)
    TAMPERED[name](p)
    with pytest.raises(ProgramError, match=name):
        TokenProgram(to_blob(p))


def test_a_cut_program_is_refused_wherever_it_is_cut() -> None:
    data = to_blob(random_program(2, width=12))
    for size in range(len(data) - 7):
        with pytest.raises(ProgramError):
            TokenProgram(data[:size])
