"""A program's denials written into logits on the CPU.

Indexed writes through numpy: rows with the same deny key are written together. On a CPU this is a
small part of what one dense masked fill of the same shape costs; tensors.py is the form for GPUs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .blob import Ints
from .program import TokenProgram

NEVER = np.float32("-inf")
# Up to this many tokens, one write for all rows costs less than one for each.
FEW = 64


def fill(
    logits: npt.NDArray[np.float32], rows: Ints, program: TokenProgram, states: Ints
) -> list[int]:
    """logits float32 [n, V], changed in place; states [m, columns] of the rows [m]. Returns the rows
    of which no token is left, in whatever state they are then."""
    empty = _fill_packed(logits, rows, program, states[:, 0])
    return _fill_matches(logits, rows, program, states, empty) if program.open else empty


def _fill_packed(
    logits: npt.NDArray[np.float32], rows: Ints, program: TokenProgram, states: Ints
) -> list[int]:
    empty: list[int] = []
    for key, members in _groups(rows, program.known_deny_keys(states)).items():
        tokens = program.denied_tokens(key)
        if tokens is None:
            empty += members
        elif len(members) == len(logits):
            logits[:, tokens] = NEVER
        elif len(tokens) <= FEW:
            logits[np.array(members)[:, np.newaxis], tokens] = NEVER
        else:
            for row in members:
                logits[row][tokens] = NEVER
    return empty


def _groups(rows: Ints, keys: list[int]) -> dict[int, list[int]]:
    """Rows by deny key. Nearly always there is one key: no phrase is open in any row."""
    if keys and keys.count(keys[0]) == len(keys):
        return {keys[0]: rows.tolist()}
    groups: dict[int, list[int]] = {}
    for row, key in zip(rows.tolist(), keys, strict=True):
        groups.setdefault(key, []).append(row)
    return groups


def _fill_matches(
    logits: npt.NDArray[np.float32],
    rows: Ints,
    program: TokenProgram,
    states: Ints,
    empty: list[int],
) -> list[int]:
    """What the open matches deny beyond the packed states: most of them nothing, or a few tokens."""
    index, packed = program.matches.open_matches(states)
    roots = program.deny_keys(states[:, 0]).tolist()
    gone = set(empty)
    denied: dict[int, int] = {}
    for at, key in zip(index.tolist(), program.deny_keys(packed).tolist(), strict=True):
        tokens, row = program.denied_tokens(key), int(rows[at])
        if tokens is None:
            gone.add(row)
        elif len(tokens) and row not in gone:
            logits[row][tokens] = NEVER
            if at not in denied:
                mine = program.denied_tokens(roots[at])
                denied[at] = len(mine) if mine is not None else program.width
            denied[at] += len(tokens)
            # Together they may leave nothing, though each of them leaves something.
            if denied[at] >= program.width and logits[row].max() == NEVER:
                gone.add(row)
    return sorted(gone)
