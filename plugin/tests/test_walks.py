"""Random walks with rewinds: the plugin is where the sidecar's own executor is, step by step."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkstream_vllm.fill import fill
from checkstream_vllm.program import TokenProgram

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted((ROOT / "test/data/automata").glob("program-*.json"))
ROWS = 100
STEPS = 100_000
# As many as a session keeps.
REWIND = 256


def blobs(is_matches: bool) -> list[bytes]:
    every = [base64.b64decode(json.loads(path.read_text())["blob"]) for path in CASES]
    return [blob for blob in every if (TokenProgram(blob).open > 0) == is_matches]


def take_walk(program: TokenProgram, steps: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Steps [rows, steps] of allowed tokens and rewinds, and the states [steps + 1, rows, columns]."""
    rows = np.arange(ROWS)
    states = np.full((steps + 1, ROWS, program.columns), -1, dtype=np.int64)
    states[0, :, 0] = program.start
    taken = np.zeros((ROWS, steps), dtype=np.int64)
    for i in range(steps):
        logits = random.random((ROWS, program.width), dtype=np.float32)
        gone = fill(logits, rows, program, states[i])
        token = logits.argmax(axis=1)
        back = random.random(ROWS) < 0.1
        back[gone] = True
        place = np.maximum(0, i - random.integers(0, REWIND, ROWS))
        after = program.advance(states[i], token).reshape(ROWS, program.columns)
        states[i + 1] = np.where(back[:, np.newaxis], states[place, rows], after)
        taken[:, i] = np.where(back, -1 - place, token)
    return taken, states


def sidecar(given: list[tuple[bytes, Any]]) -> Any:
    """What the sidecar's executor makes of the same steps."""
    text = json.dumps(
        [
            {"blob": base64.b64encode(blob).decode(), "walks": taken.tolist()}
            for blob, taken in given
        ]
    )
    run = subprocess.run(
        ["node", "--import", "tsx", "test/automata/walks.ts"],
        cwd=ROOT,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("is_matches", [False, True], ids=["plain", "of matches"])
def test_a_hundred_thousand_steps_lead_where_the_sidecar_goes(is_matches: bool) -> None:
    random = np.random.default_rng(11)
    chosen = blobs(is_matches)
    assert chosen
    each = STEPS // len(chosen) // ROWS
    taken = [take_walk(TokenProgram(blob), each, random) for blob in chosen]
    answers = sidecar([(blob, steps) for blob, (steps, _) in zip(chosen, taken, strict=True)])
    for blob, (steps, states), walks in zip(chosen, taken, answers, strict=True):
        program = TokenProgram(blob)
        assert (steps < 0).any() and len(np.unique(states)) > program.columns
        assert not is_matches or (states[:, :, 2] >= 0).any()
        for row, walk in enumerate(walks):
            mine = [[q for q in state if q >= 0] for state in states[1:, row].tolist()]
            theirs = [s if isinstance(s, list) else [s] for s in walk["states"]]
            assert mine == theirs
            check_denied(program, states[1::10, row], walk["denied"])


def check_denied(program: TokenProgram, states: Any, wanted: list[list[int]]) -> None:
    logits = np.zeros((len(states), program.width), dtype=np.float32)
    gone = set(fill(logits, np.arange(len(states)), program, states))
    for i, denied in enumerate(wanted):
        mine = range(program.width) if i in gone else np.flatnonzero(np.isinf(logits[i])).tolist()
        assert list(mine) == denied
