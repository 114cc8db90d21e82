"""Where rows are in a program: one object for each state that was met, shared by all rows in it.

What is said is mostly said again. A place keeps where each token led from it, so that an ordinary step
costs a row one look-up, and a batch no Python loop; what was never asked is worked out by the program,
for all rows that need it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .blob import Ints

# Steps that are kept ready, over all places of a program. Past it all are forgotten.
MAX_KNOWN = 65_536

# What the tokens denied are looked up by: a deny key, or with open matches one of each (program.py).
Key = int | tuple[int, ...]


class Place(dict[int, "Place"]):
    """One state: token to place, as far as known. `numbers` are the state's (the packed one, then its
    open matches), `key` its deny key, `report` what the protocol says of it."""

    __slots__ = ("key", "map", "numbers", "report")

    def __init__(self, of: Places | None, numbers: tuple[int, ...], key: Key, report: int) -> None:
        super().__init__()
        self.map, self.numbers, self.key, self.report = of, numbers, key, report


# Where a row without a program stays.
NOWHERE = Place(None, (0,), 0, 0)


class Places:
    """The places of one program. Bounded: MAX_KNOWN steps, and no more places than those lead to."""

    def __init__(
        self,
        start: Ints,
        advance: Callable[[Sequence[tuple[int, ...]], Sequence[int]], Ints],
        describe: Callable[[Ints], tuple[list[Key], list[int]]],
    ) -> None:
        """`start` is a state [1, columns]; `advance` takes states and tokens to states [n, columns];
        `describe` gives those their keys and reports."""
        self._advance, self._describe = advance, describe
        self._made: dict[tuple[int, ...], Place] = {}
        self._known = 0
        self._start = start

    @property
    def start(self) -> Place:
        return self._at(self._start)[0]

    def follow(self, places: Sequence[Place], tokens: Sequence[int]) -> list[Place]:
        """The places [n] after tokens [n]; all of `places` are of this program."""
        after = self._at(self._advance([place.numbers for place in places], tokens))
        self._known += len(after)
        if self._known > MAX_KNOWN:
            self.forget()
        for place, token, following in zip(places, tokens, after, strict=True):
            place[token] = following
        return after

    def forget(self) -> None:
        """Rows stay where they are; places that no row is in are gone."""
        for place in self._made.values():
            place.clear()
        self._made, self._known = {}, 0

    def _at(self, states: Ints) -> list[Place]:
        made = self._made
        numbers = [tuple(q for q in state if q >= 0) for state in states.tolist()]
        new = [i for i, some in enumerate(numbers) if some not in made]
        if new:
            keys, reports = self._describe(states[new])
            for i, key, report in zip(new, keys, reports, strict=True):
                made[numbers[i]] = Place(self, numbers[i], key, report)
        return [made[some] for some in numbers]


def follow(places: Sequence[Place], tokens: Sequence[int]) -> list[Place]:
    """Places [n] of any programs after tokens [n]. In one program, what is known is only looked up."""
    try:
        return list(map(dict.__getitem__, places, tokens))
    except KeyError:
        return _work_out(places, tokens)


def walk(place: Place, tokens: Iterable[int]) -> Place:
    """The place of one row after many tokens."""
    for token in tokens:
        known = place.get(token)
        place = _work_out([place], [token])[0] if known is None else known
    return place


def _work_out(places: Sequence[Place], tokens: Sequence[int]) -> list[Place]:
    after: list[Any] = list(map(dict.get, places, tokens))
    unknown: dict[int, list[int]] = {}
    maps: dict[int, Places] = {}
    for index, place in enumerate(places):
        if after[index] is None:
            if place.map is None:
                after[index] = place
            else:
                maps[id(place.map)] = place.map
                unknown.setdefault(id(place.map), []).append(index)
    for key, some in unknown.items():
        found = maps[key].follow([places[i] for i in some], [tokens[i] for i in some])
        for index, place in zip(some, found, strict=True):
            after[index] = place
    return after
