"""The rows of a batch read together: new tokens in, program states forward. numpy, no torch.

The engine appends each row's tokens to a list of its own. `read` looks at all lists at once; the
ordinary step, one new token in some rows, costs a constant number of vectorised operations. Resumed
rows, rewinds and anything else go row by row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .batch import Row, news
from .blob import Ints
from .matches import digest_states
from .outbox import Entries
from .program import TokenProgram


class Track:
    """Assumes rows whose program is picked. Between construction and `save`, `seen`, `last` and
    `state` live in arrays here and not in the rows."""

    def __init__(self, rows: Sequence[Row], placeholders: bool) -> None:
        """`placeholders`: the engine may replace the newest token that was read (async)."""
        self.rows = list(rows)
        self._outputs = [row.output for row in rows]
        self._placeholders = placeholders
        self.seen: Ints = np.array([row.seen for row in rows], dtype=np.int64)
        self.state: Ints = _states(rows)
        self._last: Ints = np.array([row.last for row in rows], dtype=np.int64)
        self.slot: Ints = np.array([row.slot for row in rows], dtype=np.int64)
        self.generation: Ints = np.array([row.generation for row in rows], dtype=np.int64)
        self.groups = _groups(self.rows)
        # How long the lists are when every row has got one more token.
        self._next: list[int] = (self.seen + 1).tolist()

    def read(self) -> list[Entries]:
        """The tokens that are new since the last call. Guarantees that `state` and `seen` are
        those after them."""
        if not self.rows:
            return []
        sizes = list(map(len, self._outputs))
        if sizes != self._next:
            return self._unlike(np.array(sizes, dtype=np.int64))
        tokens = [output[-1] for output in self._outputs]
        if min(tokens) < 0 or self._replaced():
            return self._one_by_one()
        token, high = np.array(tokens, dtype=np.int64), max(tokens)
        for program, where in self.groups:
            if program is None:
                continue
            if program.columns == 1 and len(where) == len(tokens) and high < program.width:
                self.state[:, 0] = program.advance_known(self.state[:, 0], tokens)
            else:
                self._advance(program, where, token)
        position, self.seen, self._last = self.seen, self.seen + 1, token
        self._next = [size + 1 for size in sizes]
        return [Entries(self.slot, self.generation, position, token, self._reports())]

    def _unlike(self, size: Ints) -> list[Entries]:
        """Not exactly one new token in every row."""
        grown = size - self.seen
        low, high = int(grown.min()), int(grown.max())
        if low >= 0 and high <= 1 and not (self._placeholders and low == 0):
            return self._some(np.flatnonzero(grown))
        return self._one_by_one()

    def save(self) -> None:
        """Writes the arrays back into the rows."""
        for row, seen, last, state in zip(
            self.rows, self.seen.tolist(), self._last.tolist(), self.state.tolist(), strict=True
        ):
            row.seen, row.last = seen, last
            row.state = state if len(state) == 1 else [q for q in state if q >= 0]

    def states_of(self, program: TokenProgram, where: Ints) -> Ints:
        """States [m, columns] of some rows of a program."""
        return self.state[where, : program.columns]

    def _advance(self, program: TokenProgram, where: Ints, token: Ints) -> None:
        if program.columns == 1:
            self.state[where, 0] = program.advance(self.state[where, 0], token[where])
        else:
            after = program.advance(self.states_of(program, where), token[where])
            self.state[where, : program.columns] = after

    def _reports(self) -> Ints:
        out = self.state[:, 0].copy()
        for program, where in self.groups:
            if program is not None and program.open:
                out[where] = program.report(self.states_of(program, where))
        return out

    def _replaced(self) -> bool:
        if not self._placeholders:
            return False
        before = [out[-2] if len(out) > 1 else -1 for out in self._outputs]
        return bool(before != self._last.tolist())

    def _some(self, which: Ints) -> list[Entries]:
        """One new token in some of the rows, none in the others."""
        if not len(which):
            return []
        token = np.array([self._outputs[i][-1] for i in which.tolist()], dtype=np.int64)
        if token.min() < 0:
            return self._one_by_one()
        full = np.full(len(self.rows), -1, dtype=np.int64)
        full[which] = token
        for program, where in self.groups:
            mine = where[full[where] >= 0]
            if program is not None and len(mine):
                self._advance(program, mine, full)
        position = self.seen[which]
        self.seen[which] += 1
        self._next = (self.seen + 1).tolist()
        self._last = self._last.copy()  # the old array may be waiting to be sent
        self._last[which] = token
        state = self._reports()[which]
        return [Entries(self.slot[which], self.generation[which], position, token, state)]

    def _one_by_one(self) -> list[Entries]:
        self.save()
        self._last = self._last.copy()
        out = []
        for index, row in enumerate(self.rows):
            entries = catch_up(row)
            if entries is not None:
                out.append(entries)
                self.seen[index] = row.seen
                self.state[index] = -1
                self.state[index, : len(row.state)] = row.state
                self._last[index] = row.last
        self._next = (self.seen + 1).tolist()
        return out


def catch_up(row: Row) -> Entries | None:
    """Reads what one row has, from wherever it went back to. None when nothing is new."""
    keep, tokens = news(row)
    if keep == row.seen and not tokens:
        return None
    program = row.program
    if keep != row.seen:
        row.state = program.follow(row.output[:keep]) if program is not None else [0]
    states: list[int] = []
    for token in tokens:
        if program is not None:
            row.state = program.follow((token,), row.state)
        states.append(row.state[0] if len(row.state) == 1 else _report(row.state))
    size = len(tokens)
    row.seen = keep + size
    row.last = row.output[row.seen - 1] if row.seen else -1
    position = range(keep, keep + size)
    return Entries([row.slot] * size, [row.generation] * size, position, tokens, states)


def start_over(row: Row, program: TokenProgram | None) -> None:
    """Gives a row its program and reads all of its output with it."""
    row.program, row.picked = program, True
    row.state, row.seen, row.last = [program.start if program is not None else 0], 0, -1
    catch_up(row)


def _report(state: list[int]) -> int:
    return int(digest_states(np.array([state], dtype=np.int64))[0])


def _states(rows: Sequence[Row]) -> Ints:
    columns = max((row.program.columns for row in rows if row.program is not None), default=1)
    state = np.full((len(rows), columns), -1, dtype=np.int64)
    for index, row in enumerate(rows):
        state[index, : len(row.state)] = row.state
    return state


def _groups(rows: Sequence[Row]) -> list[tuple[TokenProgram | None, Ints]]:
    where: dict[int, list[int]] = {}
    programs: dict[int, TokenProgram | None] = {}
    for index, row in enumerate(rows):
        programs[id(row.program)] = row.program
        where.setdefault(id(row.program), []).append(index)
    return [(programs[key], np.array(some, dtype=np.int64)) for key, some in where.items()]
