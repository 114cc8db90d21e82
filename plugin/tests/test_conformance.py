"""The programs and walks of test/data/automata, which every implementation runs."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

from checkstream_vllm.program import TokenProgram
from checkstream_vllm.vocabulary import make_vocabulary

CASES = sorted((Path(__file__).resolve().parents[2] / "test/data/automata").glob("program-*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_a_compiled_program_walks_as_the_sidecar_says(path: Path) -> None:
    case = json.loads(path.read_text())
    program = TokenProgram(base64.b64decode(case["blob"]))
    assert program.digest == case["digest"]
    for walk in case["walks"]:
        state = program.start
        for step in walk:
            if step["token"] >= 0:
                after = program.advance(np.array([state]), np.array([step["token"]]))
                assert program.replay([step["token"]], state) == int(after[0])
                state = int(after[0])
            assert state == step["state"]
            denied = program.denied_tokens(int(program.deny_keys(np.array([state]))[0]))
            expected = range(program.width) if denied is None else denied.tolist()
            assert list(expected) == step["denied"]


@pytest.mark.parametrize("path", CASES, ids=lambda p: p.stem)
def test_the_vocabulary_has_the_same_digest_on_both_sides(path: Path) -> None:
    v = json.loads(path.read_text())["vocabulary"]
    made = make_vocabulary([bytes.fromhex(h) for h in v["hex"]], bytearray(v["kinds"]))
    assert made.digest.hex() == v["digest"]
