"""Which rows opened, closed, moved and went back. Pure bookkeeping, no torch.

vLLM's order within one BatchUpdate is removed, added, moved; an added request replaces whoever had
its index without a notice, and so does a one-way move. Each occupant keeps one slot of ours for its
life, however often the engine moves it, so that the sidecar sees one row as one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .identity import Request
from .places import NOWHERE, Place
from .program import TokenProgram
from .rule import Rule


@dataclass(slots=True, eq=False)
class Row:
    """One occupant of the batch. `output` is the engine's own list, which it keeps appending to;
    `seen` of its tokens have been read, and `place` is where they lead in the program."""

    slot: int
    generation: int
    request: Request
    output: list[int]
    prompt: Sequence[int] | None
    program: TokenProgram | None = None
    place: Place = field(default_factory=lambda: NOWHERE)
    seen: int = 0
    last: int = -1
    rule: Rule | None = None
    picked: bool = False
    rule_checked: bool = False


@dataclass(slots=True)
class Slots:
    """Numbers for rows: the lowest free one first; a generation grows with every reuse."""

    free: list[int] = field(default_factory=list)
    generation: list[int] = field(default_factory=list)

    def take(self) -> tuple[int, int]:
        if self.free:
            slot = self.free.pop()
        else:
            slot = len(self.generation)
            self.generation.append(0)
        self.generation[slot] += 1
        return slot, self.generation[slot]

    def give_back(self, slot: int) -> None:
        self.free.append(slot)


class Batch:
    """Batch index to Row, as the engine's updates say. Bounded by the engine's own batch."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self._slots = Slots()

    def open(self, request: Request, prompt: Sequence[int] | None, output: list[int]) -> Row:
        slot, generation = self._slots.take()
        return Row(slot, generation, request, output, prompt)

    def leave(self, removed: Iterable[int], replaced: Iterable[int]) -> list[Row]:
        """First: who goes, told or by being replaced. Their slots are free for those who come."""
        gone = [self.rows.pop(i) for i in (*removed, *replaced) if i in self.rows]
        return self._free(gone)

    def move(self, moved: Iterable[tuple[int, int, bool]]) -> list[Row]:
        """Last: (from, to, is a swap). Returns the rows that were written over."""
        gone = []
        for a, b, swap in moved:
            mover: Row | None = self.rows.pop(a, None)
            other: Row | None = self.rows.pop(b, None)
            if mover is not None:
                self.rows[b] = mover
            if other is not None and swap:
                self.rows[a] = other
            elif other is not None:
                gone.append(other)
        return self._free(gone)

    def _free(self, gone: list[Row]) -> list[Row]:
        for row in gone:
            self._slots.give_back(row.slot)
        return gone


def news(row: Row) -> tuple[int, list[int]]:
    """What happened to a row's output since it was read: (position that it went back to, tokens
    from there). A trailing placeholder (-1, not sampled yet) is not read."""
    output, size = row.output, len(row.output)
    while size and output[size - 1] < 0:
        size -= 1
    keep = min(row.seen, size)
    if keep and keep == row.seen and output[keep - 1] != row.last:
        # Under async scheduling the one token in flight may be dropped and sampled again.
        keep -= 1
    return keep, output[keep:size]


def describe(update: Any) -> tuple[list[int], list[Any], list[tuple[int, int, bool]]]:
    """A vLLM BatchUpdate as plain lists. Works on any object of that shape."""
    moved = [(a, b, getattr(how, "name", str(how)) == "SWAP") for a, b, how in update.moved]
    return list(update.removed), list(update.added), moved
