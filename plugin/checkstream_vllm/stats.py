"""The plugin's own counters, as the sidecar's /metrics shows them. Totals since the worker started."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

BOUNDS_US = (50, 100, 200, 400, 800, 1_600, 5_000, 20_000)


class Histogram:
    """Counts per bound (inclusive), with one past the last."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_US) + 1)
        self.total = 0.0

    def add(self, microseconds: float) -> None:
        self.counts[bisect_left(BOUNDS_US, microseconds)] += 1
        self.total += microseconds

    def cumulative(self) -> list[int]:
        out, running = [], 0
        for count in self.counts:
            running += count
            out.append(running)
        return out


class Stats:
    """Written by the engine's thread, read by ours: a torn read shows a count a step late."""

    def __init__(self) -> None:
        self.steps = 0
        self.awaited_steps = 0
        self.missed_deadlines = 0
        self.dropped_steps = 0
        self.late_directives = 0
        self.late_forces = 0
        self.errors = 0
        self.empty_rows = 0
        self.reconnects = 0
        self.breaker = 1
        self.open_rows = 0
        self.last_error = ""
        self.wait = Histogram()
        self.apply = Histogram()

    def note(self, error: BaseException, counts: bool = True) -> None:
        """An exception that was caught. One that only says that nobody listens is not counted."""
        self.last_error = f"{type(error).__name__}: {error}"[:512]
        self.errors += int(counts)

    def message(self) -> Any:
        from . import protocol

        return protocol.Stats(
            steps=self.steps,
            awaited_steps=self.awaited_steps,
            missed_deadlines=self.missed_deadlines,
            dropped_steps=self.dropped_steps,
            late_directives=self.late_directives,
            late_forces=self.late_forces,
            errors=self.errors,
            empty_rows=self.empty_rows,
            reconnects=self.reconnects,
            breaker=self.breaker,
            wait_us_bucket=self.wait.cumulative(),
            apply_us_bucket=self.apply.cumulative(),
            wait_us_sum=self.wait.total,
            apply_us_sum=self.apply.total,
            open_rows=self.open_rows,
            last_error=self.last_error.encode()[:512].decode(errors="ignore"),
        )
