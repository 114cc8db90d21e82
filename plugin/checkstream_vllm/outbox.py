"""What waits to be told to the sidecar: engine steps, coalesced. Pure: time is an argument.

While nobody is waited for, several engine steps travel as one message, so that the socket costs a
fraction of a message a step. A batch's arrays are kept by reference and copied when it is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# A sequence of ints or a numpy array of them.
Numbers = Any


@dataclass(frozen=True, slots=True)
class Entries:
    """Tokens of one engine step. Parallel; `state` and `probe` may be empty."""

    slot: Numbers
    generation: Numbers
    position: Numbers
    token: Numbers
    state: Numbers
    probe: Numbers = ()


@dataclass(slots=True)
class Parcel:
    """One Step message to be. `opened` and `closed` are protobuf messages or callables making them."""

    sequence: int = 0
    awaited: bool = False
    opened: list[Any] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    entries: list[Entries] = field(default_factory=list)
    count: int = 0
    steps: int = 0
    since: float = 0.0

    @property
    def empty(self) -> bool:
        return not (self.opened or self.closed or self.entries)


class Outbox:
    """Assumes one caller at a time. Bounded by `max_entries`: past it the parcel is due at once."""

    def __init__(self) -> None:
        self.coalesce_steps = 8
        self.coalesce_s = 0.01
        self.max_entries = 16_384
        self._sequence = 0
        self._parcel = Parcel()

    def reset(self) -> None:
        """A new stream: its sequence begins again and nothing of the old one is owed."""
        self._sequence = 0
        self._parcel = Parcel()

    def open(self, slot: int, make: Any, now: float) -> Parcel | None:
        """Returns the parcel that has to leave first: one that closes the same slot."""
        before = self.take() if any(c[0] == slot for c in self._parcel.closed) else None
        self._touch(now).opened.append(make)
        return before

    def close(self, slot: int, generation: int, position: int, now: float) -> None:
        self._touch(now).closed.append((slot, generation, position))

    def add(self, entries: Entries, now: float) -> None:
        parcel = self._touch(now)
        parcel.entries.append(entries)
        parcel.count += len(entries.slot)

    def step(self) -> None:
        """One engine step is over."""
        if not self._parcel.empty:
            self._parcel.steps += 1

    def due(self, now: float) -> bool:
        parcel = self._parcel
        # An opened row: the sidecar may want to be waited for from its first token on.
        return not parcel.empty and (
            bool(parcel.opened)
            or parcel.steps >= self.coalesce_steps
            or parcel.count * 2 > self.max_entries
            or now - parcel.since >= self.coalesce_s
        )

    def take(self, awaited: bool = False) -> Parcel | None:
        """The parcel, numbered; None when there is nothing to say and nobody waits."""
        parcel = self._parcel
        if parcel.empty and not awaited:
            return None
        self._parcel = Parcel()
        self._sequence += 1
        parcel.sequence, parcel.awaited = self._sequence, awaited
        return parcel

    def _touch(self, now: float) -> Parcel:
        if self._parcel.empty:
            self._parcel.since = now
        return self._parcel
