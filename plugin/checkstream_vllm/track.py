"""The rows of a batch read together: new tokens in, places in the programs forward. No torch.

The engine appends each row's tokens to a list of its own. `read` looks at all lists at once; the
ordinary step, one new token in every row, is a few calls that loop inside the interpreter and not in
Python. Resumed rows, rewinds and anything else go row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter, itemgetter, sub

import numpy as np

from .batch import Row, news
from .blob import Ints
from .outbox import Entries
from .places import NOWHERE, Key, Place, follow, walk
from .program import TokenProgram

_last, _before_last = itemgetter(-1), itemgetter(-2)
_key, _report = attrgetter("key"), attrgetter("report")


class Reports:
    """What places report, worked out when it is sent: by then nobody waits."""

    __slots__ = ("_places",)

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[int]:
        return map(_report, self._places)

    def tolist(self) -> list[int]:
        return list(map(_report, self._places))


class Track:
    """Assumes rows whose program is picked. Between construction and `save`, `seen`, `last` and
    `place` live here and not in the rows."""

    def __init__(self, rows: Sequence[Row], placeholders: bool) -> None:
        """`placeholders`: the engine may replace the newest token that was read (async)."""
        self.rows = list(rows)
        self._outputs = [row.output for row in rows]
        self._placeholders = placeholders
        self.seen: Ints = np.array([row.seen for row in rows], dtype=np.int64)
        self.places: list[Place] = [row.place for row in rows]
        self._last: list[int] = [row.last for row in rows]
        self.slot: Ints = np.array([row.slot for row in rows], dtype=np.int64)
        self.generation: Ints = np.array([row.generation for row in rows], dtype=np.int64)
        self.groups = _groups(self.rows)
        # How long the lists were when they were read last.
        self._sizes: list[int] = self.seen.tolist()
        self._ones = [1] * len(self.rows)

    def read(self) -> list[Entries]:
        """The tokens that are new since the last call. Guarantees that `places` and `seen` are those
        after them."""
        outputs = self._outputs
        if not outputs:
            return []
        sizes = list(map(len, outputs))
        if list(map(sub, sizes, self._sizes)) != self._ones:
            return self._unlike(np.array(sizes, dtype=np.int64))
        tokens = list(map(_last, outputs))
        if min(tokens) < 0 or (self._placeholders and self._replaced()):
            return self._one_by_one()
        self.places = follow(self.places, tokens)
        position, self.seen, self._last = self.seen, self.seen + 1, tokens
        self._sizes = sizes
        return [Entries(self.slot, self.generation, position, tokens, Reports(self.places))]

    def keys(self) -> list[Key]:
        """The deny keys of all rows."""
        return list(map(_key, self.places))

    def save(self) -> None:
        """Writes what lives here back into the rows."""
        for row, seen, last, place in zip(
            self.rows, self.seen.tolist(), self._last, self.places, strict=True
        ):
            row.seen, row.last, row.place = seen, last, place

    def _unlike(self, size: Ints) -> list[Entries]:
        """Not exactly one new token in every row."""
        grown = size - self.seen
        low, high = int(grown.min()), int(grown.max())
        if low >= 0 and high <= 1 and not (self._placeholders and low == 0):
            return self._some(np.flatnonzero(grown))
        return self._one_by_one()

    def _replaced(self) -> bool:
        try:
            return list(map(_before_last, self._outputs)) != self._last
        except IndexError:  # a row's first token
            before = [out[-2] if len(out) > 1 else -1 for out in self._outputs]
            return before != self._last

    def _some(self, which: Ints) -> list[Entries]:
        """One new token in some of the rows, none in the others."""
        if not len(which):
            return []
        mine = which.tolist()
        tokens = [self._outputs[i][-1] for i in mine]
        if min(tokens) < 0:
            return self._one_by_one()
        after = follow([self.places[i] for i in mine], tokens)
        position = self.seen[which]
        self.seen[which] += 1
        # The old lists may be waiting to be sent.
        self.places, self._last = list(self.places), list(self._last)
        for index, token, place in zip(mine, tokens, after, strict=True):
            self.places[index], self._last[index] = place, token
        self._sizes = self.seen.tolist()
        return [Entries(self.slot[which], self.generation[which], position, tokens, Reports(after))]

    def _one_by_one(self) -> list[Entries]:
        self.save()
        found = [entries for row in self.rows if (entries := catch_up(row)) is not None]
        self.seen = np.array([row.seen for row in self.rows], dtype=np.int64)
        self.places = [row.place for row in self.rows]
        self._last = [row.last for row in self.rows]
        self._sizes = self.seen.tolist()
        return found


def catch_up(row: Row) -> Entries | None:
    """Reads what one row has, from wherever it went back to. None when nothing is new."""
    keep, tokens = news(row)
    if keep == row.seen and not tokens:
        return None
    if keep != row.seen:
        row.place = walk(_start(row.program), row.output[:keep])
    places = []
    for token in tokens:
        row.place = walk(row.place, (token,))
        places.append(row.place)
    size = len(tokens)
    row.seen = keep + size
    row.last = row.output[row.seen - 1] if row.seen else -1
    position = range(keep, keep + size)
    return Entries([row.slot] * size, [row.generation] * size, position, tokens, Reports(places))


def start_over(row: Row, program: TokenProgram | None) -> None:
    """Gives a row its program and reads all of its output with it."""
    row.program, row.picked = program, True
    row.place, row.seen, row.last = _start(program), 0, -1
    catch_up(row)


def _start(program: TokenProgram | None) -> Place:
    return program.places.start if program is not None else NOWHERE


def _groups(rows: Sequence[Row]) -> list[tuple[TokenProgram | None, list[int]]]:
    """Programs, and the rows that run each."""
    where: dict[int, list[int]] = {}
    programs: dict[int, TokenProgram | None] = {}
    for index, row in enumerate(rows):
        programs[id(row.program)] = row.program
        where.setdefault(id(row.program), []).append(index)
    return [(programs[key], some) for key, some in where.items()]
