"""Rank 0's side of the conversation: coalesces, waits within the deadline, minds the breaker.

Called by the engine's thread; `tick` by the client's. Other ranks have none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import breaker, events
from .client import Client
from .outbox import Entries, Outbox, Parcel
from .stats import Stats


class Link:
    """Assumes a started client. Never raises for a sidecar that is late or gone."""

    def __init__(self, client: Client, stats: Stats) -> None:
        self._client = client
        self._stats = stats
        self._outbox = Outbox()
        self._breaker = breaker.Breaker()
        self._deadline_s = 0.02
        self._stream = 0
        self._lock = threading.Lock()
        self._owed = 0
        self._failing = False
        self.on_idle: Callable[[], None] = lambda: None

    @property
    def attached(self) -> bool:
        return self._stream != 0

    def open(self, slot: int, make: Callable[[], Any]) -> None:
        if self._stream:
            with self._lock:
                self._send(self._outbox.open(slot, make, time.monotonic()))

    def close(self, slot: int, generation: int, position: int) -> None:
        if self._stream:
            with self._lock:
                self._outbox.close(slot, generation, position, time.monotonic())

    def report(self, entries: list[Entries], with_state: bool) -> None:
        if not self._stream or not entries:
            return
        now = time.monotonic()
        with self._lock:
            for some in entries:
                self._outbox.add(some if with_state else replace(some, state=()), now)

    def end_step(self, awaited: bool) -> None:
        """One engine step's news are complete. Awaited: they leave now, and `collect` waits."""
        if not self._stream:
            return
        now = time.monotonic()
        with self._lock:
            self._outbox.step()
            # While the breaker is not closed, any step may be the one that tries again.
            tries = awaited or self._breaker.state != breaker.CLOSED
            if tries and self._breaker.may_wait(now):
                parcel = self._outbox.take(awaited=True)
                if parcel is not None and self._send(parcel):
                    self._owed = parcel.sequence
            elif self._outbox.due(now):
                self._send(self._outbox.take())
        self._stats.breaker = self._breaker.state

    def tick(self) -> None:
        """Sends what has waited long enough while the engine does nothing."""
        self.on_idle()
        with self._lock:
            if self._stream and self._outbox.due(time.monotonic()):
                self._send(self._outbox.take())

    def collect(self) -> list[events.Event]:
        """What the sidecar has said; waits for the answer that is owed, within the deadline."""
        if self._owed:
            self._await()
        arrived = self._client.drain()
        for event in arrived:
            self._note(event)
        failing = self._breaker.state != breaker.CLOSED
        if failing != self._failing:
            self._failing = failing
            arrived.append(events.Failing(failing))
        return arrived

    def _await(self) -> None:
        sequence, self._owed = self._owed, 0
        began = time.monotonic()
        answered = self._client.wait(sequence, self._deadline_s)
        ended = time.monotonic()
        self._stats.awaited_steps += 1
        self._stats.wait.add((ended - began) * 1e6)
        if answered:
            self._breaker.answered()
        else:
            self._stats.missed_deadlines += 1
            self._breaker.missed(ended)
        self._stats.breaker = self._breaker.state

    def _note(self, event: events.Event) -> None:
        with self._lock:
            if isinstance(event, events.Attached):
                self._stream = event.stream
                self._outbox.reset()
                self._breaker.answered()
            elif isinstance(event, events.Detached):
                self._stream, self._owed = 0, 0
            elif isinstance(event, events.Terms):
                self._deadline_s = event.deadline_s
                self._outbox.coalesce_steps = event.coalesce_steps
                self._outbox.coalesce_s = event.coalesce_s
                self._outbox.max_entries = event.max_entries
                self._breaker = breaker.Breaker(event.breaker_misses, event.breaker_open_s)

    def _send(self, parcel: Parcel | None) -> bool:
        if parcel is None:
            return False
        if self._client.send(parcel, self._stream):
            return True
        self._stats.dropped_steps += max(1, parcel.steps)
        return False
