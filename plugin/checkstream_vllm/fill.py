"""A program's denials written into logits on the CPU.

Indexed writes through numpy: rows with the same deny key are written together. On a CPU this is a
small part of what one dense masked fill of the same shape costs; tensors.py is the form for GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .blob import Ints
from .places import Key
from .program import TokenProgram

NEVER = np.float32("-inf")
# Up to this many tokens, one write for all rows costs less than one for each.
FEW = 64


def fill(
    logits: npt.NDArray[np.float32], rows: Ints, program: TokenProgram, states: Ints
) -> list[int]:
    """logits float32 [n, V], changed in place; states [m, columns] of the rows [m]. Returns the rows
    of which no token is left, in whatever state they are then."""
    return fill_keys(logits, rows.tolist(), program, program.keys_of(states))


def fill_keys(
    logits: npt.NDArray[np.float32], rows: list[int], program: TokenProgram, keys: Sequence[Key]
) -> list[int]:
    """The same by deny keys [m]."""
    groups, empty = denied_groups(rows, program, keys)
    for members, denied in groups:
        for tokens in denied.values():
            if len(members) == len(logits):
                logits[:, tokens] = NEVER
            elif len(tokens) <= FEW:
                logits[np.array(members)[:, np.newaxis], tokens] = NEVER
            else:
                for row in members:
                    logits[row][tokens] = NEVER
    return empty


def denied_groups(
    rows: list[int], program: TokenProgram, keys: Sequence[Key]
) -> tuple[list[tuple[list[int], dict[int, Ints]]], list[int]]:
    """Rows that are denied the same, with what that is (`TokenProgram.denied`), and the rows of which
    no token is left."""
    groups: list[tuple[list[int], dict[int, Ints]]] = []
    empty: list[int] = []
    for key, members in _grouped(rows, keys).items():
        denied = program.denied(key)
        if denied is None:
            empty += members
        elif denied:
            groups.append((members, denied))
    return groups, empty


def _grouped(rows: list[int], keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Rows by deny key. Nearly always there is one key: no phrase is open in any row."""
    if keys and keys.count(keys[0]) == len(keys):
        return {keys[0]: rows}
    groups: dict[Key, list[int]] = {}
    for row, key in zip(rows, keys, strict=True):
        groups.setdefault(key, []).append(row)
    return groups
