"""What the sidecar has said about one row: a directive, and when it holds. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from .identity import Sampling


@dataclass(frozen=True, slots=True)
class Adapt:
    """0 leaves a value as it is. A request's own values are only ever tightened."""

    temperature: float = 0.0
    top_p: float = 0.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Replaces whatever held for the row. Positions are absolute output positions."""

    slot: int
    generation: int
    first: int
    until: int
    adapt: Adapt | None
    deny_sets: tuple[int, ...]
    force: tuple[int, ...]
    stop: bool
    sync: bool

    @property
    def edits(self) -> bool:
        """Whether it changes any logits (it may only ask to be waited for)."""
        return self.stop or bool(self.force) or bool(self.deny_sets) or self.adapt is not None

    def holds(self, position: int) -> bool:
        return self.first <= position and (self.until == 0 or position < self.until)

    def forced(self, position: int) -> int | None:
        """The token to be played at this position, if any."""
        at = position - self.first
        return self.force[at] if 0 <= at < len(self.force) else None


def tighten(own: Sampling, adapt: Adapt | None) -> Sampling:
    """The request's values under a directive: the stricter of each pair."""
    if adapt is None:
        return own
    return Sampling(
        temperature=min(own.temperature, adapt.temperature or own.temperature),
        top_p=min(own.top_p, adapt.top_p or own.top_p),
        top_k=_smaller(own.top_k, adapt.top_k),
        min_p=max(own.min_p, adapt.min_p),
        presence_penalty=own.presence_penalty,
        frequency_penalty=own.frequency_penalty,
        repetition_penalty=max(own.repetition_penalty, adapt.repetition_penalty),
        max_tokens=own.max_tokens,
    )


def _smaller(a: int, b: int) -> int:
    """Of two top-k values, of which 0 or less is off."""
    if a <= 0 or b <= 0:
        return max(a, b, 0)
    return min(a, b)
