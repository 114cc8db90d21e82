"""A directive in force, applied to one row of logits. Knows rules and tensors, not vLLM.

The strictest wins: a row that may not go on is stopped, a token that a program denies is not forced,
and a row that has no token left is stopped instead of sampling from nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import edit
from .events import DenySet
from .identity import Request
from .rule import Rule, tighten

MAX_DENY_SETS = 4_096


@dataclass(frozen=True, slots=True)
class Tokens:
    invert: bool
    tokens: torch.Tensor


class DenySets:
    """Sets sent once and named by number. Bounded: past 4 096 the one unused longest goes."""

    def __init__(self, width: int, device: torch.device) -> None:
        self._width = width
        self._device = device
        self._sets: OrderedDict[int, Tokens] = OrderedDict()

    def add(self, told: DenySet) -> None:
        tokens = [t for t in told.tokens if 0 <= t < self._width]
        tensor = torch.tensor(tokens, dtype=torch.int64, device=self._device)
        self._sets[told.number] = Tokens(told.invert, tensor)
        self._sets.move_to_end(told.number)
        while len(self._sets) > MAX_DENY_SETS:
            self._sets.popitem(last=False)

    def get(self, number: int) -> Tokens | None:
        found = self._sets.get(number)
        if found is not None:
            self._sets.move_to_end(number)
        return found

    def clear(self) -> None:
        self._sets.clear()


def apply_rule(
    row: torch.Tensor,
    request: Request,
    rule: Rule | None,
    position: int,
    sets: DenySets,
    read: Callable[[], list[int]],
) -> bool:
    """Edits one row [V] for the output position about to be sampled; the program's denials are in
    it already. Returns False when no token is left and the caller has to stop the row. `read` gives
    the tokens generated so far, for a repetition penalty."""
    held = rule if rule is not None and rule.holds(position) else None
    if held is not None:
        if held.stop:
            return False
        _deny(row, held, sets)
        token = held.forced(position)
        if token is not None:
            if not 0 <= token < row.numel() or bool(row[token] == edit.NEVER):
                return False
            edit.force(row, token)
            return True
    wanted = tighten(request.own, held.adapt if held is not None else None)
    factor = wanted.repetition_penalty / max(request.native.repetition_penalty, 1e-6)
    if factor > 1:
        tokens = sorted({t for t in read() if 0 <= t < row.numel()})
        edit.repeat_less(row, torch.tensor(tokens, dtype=torch.int64, device=row.device), factor)
    if wanted != request.native:
        edit.sample_tighter(row, wanted, request.native)
    narrowed = held is not None and bool(held.deny_sets)
    return not (narrowed and edit.is_empty(row))


def _deny(row: torch.Tensor, rule: Rule, sets: DenySets) -> None:
    for number in rule.deny_sets:
        found = sets.get(number)
        if found is None:
            continue
        if found.invert:
            edit.keep_only(row, found.tokens)
        else:
            edit.deny(row, found.tokens)
