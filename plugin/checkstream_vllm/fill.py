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


def fill(
    logits: npt.NDArray[np.float32], rows: Ints, program: TokenProgram, states: Ints
) -> list[int]:
    """logits float32 [n, V], changed in place; states [m] of the rows [m]. Returns the rows of which
    no token is left; those are not changed."""
    empty: list[int] = []
    for key, members in _groups(rows, program.deny_keys(states)).items():
        tokens = program.denied_tokens(key)
        if tokens is None:
            empty += members
        elif len(members) == len(logits):
            logits[:, tokens] = NEVER
        else:
            for row in members:
                logits[row][tokens] = NEVER
    return empty


def _groups(rows: Ints, keys: Ints) -> dict[int, list[int]]:
    """Rows by deny key. Nearly always there is one key: no phrase is open in any row."""
    if len(keys) and bool((keys == keys[0]).all()):
        return {int(keys[0]): rows.tolist()}
    groups: dict[int, list[int]] = {}
    for row, key in zip(rows.tolist(), keys.tolist(), strict=True):
        groups.setdefault(key, []).append(row)
    return groups
