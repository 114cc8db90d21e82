"""The programs and walks of test/data/automata, which every implementation runs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from checkstream_vllm.fill import fill
from checkstream_vllm.program import TokenProgram
from checkstream_vllm.vocabulary import make_vocabulary

CASES = sorted((Path(__file__).resolve().parents[2] / "test/data/automata").glob("program-*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_a_compiled_program_walks_as_the_sidecar_says(path: Path) -> None:
    case = json.loads(path.read_text())
    program = TokenProgram(base64.b64decode(case["blob"]))
    assert program.digest == case["digest"]
    for walk in case["walks"]:
        state = [program.start]
        for step in walk:
            if step["token"] >= 0:
                after = program.advance(filled(state, program), np.array([step["token"]]))
                state = program.follow([step["token"]], state)
                assert [q for q in after[0].tolist() if q >= 0] == state
            assert state == (step["state"] if isinstance(step["state"], list) else [step["state"]])
            logits = np.zeros((1, program.width), dtype=np.float32)
            empty = fill(logits, np.array([0]), program, filled(state, program))
            denied = range(program.width) if empty else np.flatnonzero(np.isinf(logits[0])).tolist()
            assert list(denied) == step["denied"]


def filled(state: list[int], program: TokenProgram) -> np.ndarray:
    return np.array([state + [-1] * (program.columns - len(state))], dtype=np.int64)


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_the_vocabulary_has_the_same_digest_on_both_sides(path: Path) -> None:
    v = json.loads(path.read_text())["vocabulary"]
    made = make_vocabulary([bytes.fromhex(h) for h in v["hex"]], bytearray(v["kinds"]))
    assert made.digest.hex() == v["digest"]
