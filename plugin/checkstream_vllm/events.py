"""What the sidecar has said, as plain values: the only thing that changes how rows are masked.

Events are applied between two steps, in order, and with tensor parallelism the same ones on every
rank at the same step (agree.py). Everything else follows from the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .program import TokenProgram
from .rule import Adapt, Rule
from .wire import RESIDENT


@dataclass(frozen=True, slots=True)
class Terms:
    """From Welcome: how both sides have agreed that the plugin behaves."""

    on_failure: int
    want_prompt_tokens: bool
    report_state: bool
    deadline_s: float
    coalesce_steps: int
    coalesce_s: float
    breaker_misses: int
    breaker_open_s: float
    max_entries: int


@dataclass(frozen=True, slots=True)
class ProgramReady:
    """`program` is None on a rank that got the event from another one."""

    digest: bytes
    data: bytes
    program: TokenProgram | None

    def __getstate__(self) -> tuple[bytes, bytes]:
        return self.digest, self.data

    def __setstate__(self, state: tuple[bytes, bytes]) -> None:
        for name, value in zip(("digest", "data", "program"), (*state, None), strict=True):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class Bound:
    """Which program rows without one of their own get; empty = none is in force."""

    default: bytes
    live: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class Attached:
    """A stream is ready: every live row has to be opened on it."""

    stream: int


@dataclass(frozen=True, slots=True)
class Detached:
    """The stream is gone: nobody judges the rows."""


@dataclass(frozen=True, slots=True)
class Failing:
    """The breaker has opened (or closed again): rows are treated by on_failure."""

    failing: bool


@dataclass(frozen=True, slots=True)
class DenySet:
    number: int
    invert: bool
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class ProbeReady:
    """A probe that is whole; its width is checked where the hidden states are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Told:
    rules: tuple[Rule, ...]


Event = Terms | ProgramReady | Bound | Attached | Detached | Failing | DenySet | ProbeReady | Told


def terms(welcome: Any) -> Terms:
    """Zero means the default that engine.proto names."""
    return Terms(
        on_failure=welcome.on_failure or RESIDENT,
        want_prompt_tokens=welcome.want_prompt_tokens,
        report_state=welcome.report_state,
        deadline_s=(welcome.deadline_us or 20_000) / 1e6,
        coalesce_steps=welcome.coalesce_steps or 8,
        coalesce_s=(welcome.coalesce_us or 10_000) / 1e6,
        breaker_misses=welcome.breaker_misses or 3,
        breaker_open_s=(welcome.breaker_open_ms or 1_000) / 1e3,
        max_entries=welcome.max_step_entries or 16_384,
    )


def told(directives: Any) -> Told:
    return Told(tuple(_rule(row) for row in directives.rows))


def _rule(row: Any) -> Rule:
    adapt = None
    if row.HasField("adapt"):
        a = row.adapt
        adapt = Adapt(a.temperature, a.top_p, a.top_k, a.min_p, a.repetition_penalty)
    return Rule(
        slot=row.slot,
        generation=row.generation,
        first=row.from_position,
        until=row.until_position,
        adapt=adapt,
        deny_sets=tuple(row.deny_sets),
        force=tuple(row.force),
        stop=row.stop,
        sync=row.sync,
    )
