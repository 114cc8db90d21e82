"""What both of vLLM's interfaces share: rows, their news, what the sidecar said, and edits.

An interface tells the core which rows live and when a step begins; the core keeps the sidecar told,
meets the other ranks, and says what a row may not do beyond its program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from . import edit
from .batch import Row
from .blob import Ints
from .directive import DenySets, Said, apply_rule
from .events import Attached, DenySet, Event, ProbeReady
from .guard import Guard, without_force
from .identity import parse_request
from .opened import opened_message
from .outbox import Entries
from .probe import WATCH, Probe, Scores, parse_probe
from .track import Track, catch_up, start_over
from .worker import Worker


class Core:
    """Assumes one caller at a time (the interfaces hold a lock)."""

    def __init__(
        self,
        worker: Worker,
        device: torch.device,
        placeholders: bool,
        read: Callable[[Row], tuple[Sequence[int], Sequence[int]]] | None = None,
    ) -> None:
        """`read` gives a row's prompt and output where the engine has penalised the logits before
        us (V2); without it the rows' own lists count, and the engine penalises after us (V1)."""
        self.worker = worker
        self.stats = worker.stats
        self.guard = Guard(worker.settings.on_failure, worker.width, worker.stats)
        self.track = Track([], placeholders)
        self.fresh: list[Row] = []
        self.edited: list[Row] = []
        self.awaits = False
        self._placeholders = placeholders
        self._penalised_before = read is not None
        self._read = read or (lambda row: (row.prompt or (), row.output))
        self.probe: Probe | None = None
        self.scores = Scores()
        self._device = device
        self._sets = DenySets(worker.width, device)
        self._link = worker.link
        self._step = 0

    def parse(self, params: Any, prompt_length: int) -> Any:
        return parse_request(params, prompt_length, self.worker.width, self.worker.end_ids)

    def close(self, row: Row) -> None:
        """Tells what a row that is gone had said last, and that it is gone."""
        if row.picked and self._link is not None:
            last = catch_up(row)
            if last is not None:
                self._link.report([self._scored(last)], self.guard.report_state)
            self._link.close(row.slot, row.generation, row.seen)
        self.scores.forget(row.slot)

    def follow(self, rows: Sequence[Row]) -> None:
        """These are the live rows from now on."""
        self.track.save()
        self.fresh = [row for row in rows if not row.picked]
        self._regroup([row for row in rows if row.picked])
        self.stats.open_rows = len(rows)

    def take_tokens(self, ends_step: bool = True) -> None:
        """Reads what the rows have generated and tells the sidecar."""
        entries = self.track.read()
        if self._link is not None:
            self._link.report([self._scored(some) for some in entries], self.guard.report_state)
            if ends_step:
                self._link.end_step(self.awaits)

    def meet(self) -> tuple[list[Row], list[Row]]:
        """Once in every apply, on every rank: what the sidecar has said takes effect. Returns rows
        that are new, and rows that have got a program late; both are masked from now on."""
        self._step += 1
        late: list[Row] = []
        if self.worker.agree.due(self._step, bool(self.fresh) or self.awaits):
            arrived = self.worker.agree.exchange(self._collect)
            if arrived:
                late = self._hear(arrived)
        return self._admit() if self.fresh else [], late

    def judge(self, rows: Callable[[], tuple[Ints, Ints]]) -> None:
        """The probe's scores of the logits rows, for the next report. `rows` gives, where there is a
        probe, their slots (-1: nobody's) and the output positions about to be sampled."""
        hidden = WATCH.take()
        if self.probe is None or hidden is None:
            return
        slots, positions = rows()
        if hidden.shape[-1] != self.probe.width:
            # Fitted for another model: refused once, and rows go on without scores.
            width, self.probe, WATCH.wanted = self.probe.width, None, False
            self.stats.note(ValueError(f"probe: {width} wide, the model {hidden.shape[-1]}"))
        elif hidden.shape[0] == len(slots):
            ours = slots >= 0
            self.scores.put(slots[ours], positions[ours], self.probe.score(hidden)[ours])

    def _scored(self, some: Entries) -> Entries:
        if self.probe is None:
            return some
        return replace(some, probe=self.scores.of(some.slot, some.position))

    def doomed(self) -> list[Row]:
        """Rows that nobody can judge and that therefore end."""
        if self.guard.judged:
            return []
        return [row for row in self.track.rows if self.guard.must_stop(row)]

    def edit(self, logits: torch.Tensor, row: Row, position: int) -> bool:
        """Edits one row [V] at the output position about to be sampled. False: stop it."""
        heard = self.guard.judged or (row.rule is not None and row.rule.stop)
        rule = row.rule if heard else None
        if rule is not None and rule.force and not row.rule_checked:
            row.rule_checked = True
            if position > rule.first:
                # Its position has passed: played from its middle it would say something else.
                self.stats.late_forces += 1
                rule = row.rule = without_force(rule)
        said = Said(self._penalised_before, lambda: self._read(row))
        going = apply_rule(logits, row.request, rule, position, self._sets, said)
        if going and row.request.constrained:
            going = not edit.is_empty(logits)
        self.stats.empty_rows += int(not going and (rule is None or not rule.stop))
        return going

    def stop(self, logits: torch.Tensor, row: Row | None) -> None:
        """Ends a row [V]: its stop token is all that is left."""
        end = next(iter(self.worker.end_ids), 0)
        edit.force(logits, row.request.stop if row is not None else end)

    def _collect(self) -> list[Event]:
        return self._link.collect() if self._link is not None else []

    def _hear(self, arrived: list[Event]) -> list[Row]:
        self.track.save()
        live = self.track.rows
        rows = {(row.slot, row.generation): row for row in live}
        for event in arrived:
            if isinstance(event, DenySet):
                self._sets.add(event)
            elif isinstance(event, ProbeReady):
                self.probe = Probe(parse_probe(event.data), self._device)
                WATCH.wanted = True
        again = self.guard.apply(arrived, rows)
        began = []
        for row in live if again else ():
            program = self.guard.pick(row) if row.program is None else None
            if program is not None:
                start_over(row, program)
                began.append(row)
        if any(isinstance(event, Attached) for event in arrived):
            for row in live:
                self._announce(row)
        self._regroup(live)
        return began

    def _admit(self) -> list[Row]:
        fresh, self.fresh = self.fresh, []
        for row in fresh:
            start_over(row, self.guard.pick(row))
            self._announce(row)
        self.track.save()
        self._regroup([*self.track.rows, *fresh])
        return fresh

    def _announce(self, row: Row) -> None:
        if self._link is not None:
            self._link.open(row.slot, opened_message(row, self.guard.want_prompt_tokens))

    def _regroup(self, rows: Sequence[Row]) -> None:
        self.track = Track(rows, self._placeholders)
        self.awaits = any(row.rule is not None and row.rule.sync for row in rows)
        self.edited = [
            row
            for row in rows
            if row.request.taken_over
            or row.request.constrained
            or (row.rule is not None and row.rule.edits)
        ]
