"""Whether the sidecar is worth waiting for. Pure: time is an argument, in seconds.

Closed: wait. After `misses` deadlines missed in a row it opens, and nothing is waited for; after
`open_s` one step is tried (half-open): an answer closes it, a miss opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOSED, OPEN, HALF_OPEN = 1, 2, 3  # BreakerState in engine.proto


@dataclass(slots=True)
class Breaker:
    misses: int = 3
    open_s: float = 1.0
    state: int = CLOSED
    _missed: int = 0
    _opened_at: float = 0.0

    def may_wait(self, now: float) -> bool:
        if self.state == OPEN and now - self._opened_at >= self.open_s:
            self.state = HALF_OPEN
        return self.state != OPEN

    def answered(self) -> None:
        self._missed = 0
        self.state = CLOSED

    def missed(self, now: float) -> None:
        self._missed += 1
        if self.state == HALF_OPEN or self._missed >= self.misses:
            self.state, self._opened_at = OPEN, now
