"""What holds for the rows of one worker: programs, rules, and what to do when nobody judges them.

Changed by events only (events.py), so that ranks which apply the same events in the same order
decide the same. Knows rows and programs; not vLLM, not tensors, not the socket.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import events
from .batch import Row
from .program import TokenProgram
from .rule import Rule
from .stats import Stats
from .wire import CLOSED, OPEN


class Guard:
    """Assumes that events arrive in order. Holds as many programs as are live or in use."""

    def __init__(self, on_failure: int, width: int, stats: Stats) -> None:
        self.on_failure = on_failure
        self.stream = 0
        self.want_prompt_tokens = False
        self.report_state = True
        self._width = width
        self._stats = stats
        self._programs: dict[bytes, TokenProgram] = {}
        self._default = b""
        self._live: frozenset[bytes] = frozenset()
        self._bound = False
        self._attached = False
        self._failing = False

    @property
    def judged(self) -> bool:
        """Whether the sidecar is there to judge rows."""
        return self._attached and not self._failing

    @property
    def bans(self) -> bool:
        """Whether programs are in force."""
        return self.judged or self.on_failure != OPEN

    def pick(self, row: Row) -> TokenProgram | None:
        """The program that a row keeps for its life: its own, or else the default."""
        return self._programs.get(row.request.program) or self._programs.get(self._default)

    def must_stop(self, row: Row) -> bool:
        """Fails closed: a row that is governed and that nobody can judge is ended."""
        if self.judged or self.on_failure != CLOSED:
            return False
        return not self._bound or row.program is not None or bool(row.request.rid)

    def apply(self, arrived: Iterable[events.Event], rows: dict[tuple[int, int], Row]) -> bool:
        """Applies events to the rows by (slot, generation). Returns whether rows without a
        program should look for one again."""
        again = False
        for event in arrived:
            match event:
                case events.Told(rules):
                    self._told(rules, rows)
                case events.ProgramReady(digest, data, program):
                    self._programs[digest] = program or TokenProgram(data)
                case events.Bound(default, live):
                    self._default, self._live, self._bound = default, live, True
                    self._forget(rows.values())
                    again = True
                case events.Terms():
                    self.on_failure = event.on_failure
                    self.want_prompt_tokens = event.want_prompt_tokens
                    self.report_state = event.report_state
                case events.Attached(stream):
                    self.stream, self._attached, again = stream, True, True
                    self._release(rows.values())
                case events.Detached():
                    self.stream, self._attached = 0, False
                    self._release(rows.values())
                case events.Failing(failing):
                    self._failing = failing
        return again

    def _told(self, rules: Iterable[Rule], rows: dict[tuple[int, int], Row]) -> None:
        for rule in rules:
            row = rows.get((rule.slot, rule.generation))
            if row is None:
                self._stats.late_directives += 1
                continue
            row.rule_checked = False
            row.rule = rule if rule.edits or rule.sync else None

    def _release(self, rows: Iterable[Row]) -> None:
        """Nobody keeps the rows' directives up to date any more: only a stop still holds."""
        for row in rows:
            if row.rule is not None and not row.rule.stop:
                row.rule = None

    def _forget(self, rows: Iterable[Row]) -> None:
        used = {row.program.digest for row in rows if row.program is not None}
        keep = {d for d in self._programs if d in self._live or d.hex() in used}
        for digest in [d for d in self._programs if d not in keep]:
            self._programs.pop(digest).places.forget()


def without_force(rule: Rule) -> Rule:
    return Rule(
        slot=rule.slot,
        generation=rule.generation,
        first=rule.first,
        until=rule.until,
        adapt=rule.adapt,
        deny_sets=rule.deny_sets,
        force=(),
        stop=rule.stop,
        sync=rule.sync,
    )
