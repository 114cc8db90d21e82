"""A directive in force, applied to one row of logits. Knows rules and tensors, not vLLM.

The strictest wins: a row that may not go on is stopped, a token that a program denies is not forced,
and a row that has no token left is stopped instead of sampling from nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from . import edit, penalty
from .events import DenySet
from .identity import Request, Sampling
from .rule import Rule, tighten

MAX_DENY_SETS = 4_096


@dataclass(frozen=True, slots=True)
class Tokens:
    invert: bool
    tokens: torch.Tensor


@dataclass(frozen=True, slots=True)
class Said:
    """What a row's penalties count (`read` gives prompt and output, called only where they are
    needed), and whether the engine has applied them already (V2) or will after us (V1)."""

    penalised_before: bool
    read: Callable[[], tuple[Sequence[int], Sequence[int]]]


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
    said: Said,
) -> bool:
    """Edits one row [V] for the output position about to be sampled; the program's denials are in
    it already. Returns False when no token is left and the caller has to stop the row."""
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
    _sample(row, tighten(request.own, held.adapt if held is not None else None), request, said)
    narrowed = held is not None and bool(held.deny_sets)
    return not (narrowed and edit.is_empty(row))


def _sample(row: torch.Tensor, wanted: Sampling, request: Request, said: Said) -> None:
    """The engine samples the row as `wanted` says, its penalties included."""
    native = request.native
    if wanted == native:
        return
    same = penalty.same_penalties(wanted, native)
    early = said.penalised_before and same
    if early or not (penalty.is_penalised(wanted) or penalty.is_penalised(native)):
        edit.sample_tighter(row, wanted, native)
        return
    seen = penalty.occurred(*said.read(), row.numel(), row.device)
    if said.penalised_before:
        penalty.undo(row, seen, native)
    penalty.penalise(row, seen, wanted)
    edit.sample_tighter(row, wanted, native)
    if not said.penalised_before:
        penalty.undo(row, seen, native)


def _deny(row: torch.Tensor, rule: Rule, sets: DenySets) -> None:
    for number in rule.deny_sets:
        found = sets.get(number)
        if found is None:
            continue
        if found.invert:
            edit.keep_only(row, found.tokens)
        else:
            edit.deny(row, found.tokens)
