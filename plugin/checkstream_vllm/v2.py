"""vLLM's V2 interface: slots, and one logits row a draft token under speculative decoding.

Tokens are on the device, so programs run there: `ring` keeps each slot's state by position, which
makes draft rows, rejected drafts and repeated positions all the same case. The host follows one step
behind (on a CPU in the same step) and only to tell the sidecar and to time directives.
Nothing raises out of here: a failure is counted, and the rows are treated by on_failure.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import torch

from .batch import Row
from .blob import Ints
from .core import Core
from .fill import fill
from .harvest import Harvest
from .program import TokenProgram
from .tensors import DeviceProgram
from .wire import OPEN
from .worker import Worker, refuse_sharded_sampling, start_worker

NEVER = float("-inf")


class V2:
    """One engine worker's slots. The slot is the protocol's; its generation grows with each reuse."""

    def __init__(self, vllm_config: Any, states: Any) -> None:
        refuse_sharded_sampling(vllm_config)
        speculation = getattr(vllm_config, "speculative_config", None)
        drafts = int(speculation.num_speculative_tokens) if speculation is not None else 0
        self._setup(start_worker(vllm_config, "v2"), states, drafts)

    def _setup(self, worker: Worker, states: Any, drafts: int) -> None:
        self._worker = worker
        self._stats = worker.stats
        self._lock = threading.Lock()
        self._states = states
        self._core = Core(worker, states.device, placeholders=False, read=self._said)
        self._rows: dict[int, Row] = {}
        self._generation: dict[int, int] = {}
        self._new: list[Row] = []
        self._drafts = drafts
        self._packed = states.device.type != "cpu"
        self._harvest = Harvest(states, drafts + 1)
        self._window = 1 << (2 * drafts + 3).bit_length()
        # The last line of each belongs to nobody: rows that must not write, write there.
        spare = states.max_num_reqs
        self._ring = torch.zeros(spare + 1, self._window, 1, dtype=torch.int64, device=states.device)
        self._which = torch.full((spare + 1,), -1, dtype=torch.int64, device=states.device)
        self._stop = torch.zeros(spare + 1, dtype=torch.int64, device=states.device)
        self._programs: list[DeviceProgram] = []
        self._spare = spare
        self._lost = False
        self._spent = 0.0

    def add_request(self, slot: int, params: Any) -> bool:
        with self._lock:
            try:
                self._add(int(slot), params)
            except Exception as error:
                self._stats.note(error)
                self._lost = True
        return True

    def apply_staged_writes(self) -> None:
        began = time.perf_counter()
        with self._lock:
            try:
                self._begin_step()
            except Exception as error:
                self._stats.note(error)
                self._lost = True
        self._spent = time.perf_counter() - began

    def apply(self, logits: torch.Tensor, context: Any) -> torch.Tensor:
        began = time.perf_counter()
        waited = self._stats.wait.total
        with self._lock:
            try:
                self._apply(logits, context)
            except Exception as error:
                self._stats.note(error)
                self._degrade(logits, context)
        spent = self._spent + time.perf_counter() - began
        self._stats.apply.add(spent * 1e6 - (self._stats.wait.total - waited))
        self._stats.steps += 1
        return logits

    def _add(self, slot: int, params: Any) -> None:
        old = self._rows.pop(slot, None)
        if old is not None:
            self._core.track.save()
            self._harvest.last_words(old)
            self._core.close(old)
        self._generation[slot] = self._generation.get(slot, 0) + 1
        request = self._core.parse(params, int(self._states.prompt_len.np[slot]))
        row = Row(slot, self._generation[slot], request, [], None)
        self._rows[slot] = row
        self._new.append(row)

    def _said(self, row: Row) -> tuple[list[int], list[int]]:
        """Prompt and output as the engine's penalties count them. Waits for the device."""
        total = int(self._states.total_len.gpu[row.slot])
        tokens = self._states.all_token_ids.gpu[row.slot, :total].tolist()
        return tokens[: row.request.prompt_length], tokens[row.request.prompt_length :]

    def _begin_step(self) -> None:
        core, states = self._core, self._states
        if self._new:
            for row in self._new:
                prompt = row.request.prompt_length
                if self._worker.link is not None and core.guard.want_prompt_tokens:
                    row.prompt = states.all_token_ids.gpu[row.slot, :prompt].tolist()
                end = int(states.prefill_len.np[row.slot])
                if end > prompt:  # resumed: what it had generated is part of what it is fed
                    row.output[:] = states.all_token_ids.gpu[row.slot, prompt:end].tolist()
            self._new = []
            core.follow(list(self._rows.values()))
            self._lost = False
        self._harvest.arm([row for row in core.track.rows if row.picked])
        if self._harvest.gather(wait=False):
            core.take_tokens()

    def _apply(self, logits: torch.Tensor, context: Any) -> None:
        core = self._core
        if self._harvest.armed and self._harvest.gather(wait=core.awaits):
            core.take_tokens()
        # Ranks have to meet here, whatever has happened to one of them.
        new, late = core.meet()
        if self._lost:
            self._degrade(logits, context)
            return
        for row in new:
            self._seed(row, int(self._states.prefill_len.np[row.slot]) - 1)
        for row in late:
            self._seed(row, int(self._states.total_len.gpu[row.slot]) - 1)
        if logits.shape[-1] != self._worker.width:
            raise RuntimeError(f"logits: wanted {self._worker.width}, got {logits.shape[-1]}")
        slots = context.expanded_idx_mapping.long()
        if self._programs:
            packed = self._advance(slots, context)
            if core.guard.bans:
                self._deny(logits, slots, packed)
        doomed = core.doomed()
        if doomed or core.edited:
            self._edit(logits, context, doomed)
        core.judge(lambda: self._layout(logits, context))

    # ------------------------------------------------------------ programs, on the device

    def _seed(self, row: Row, fed: int) -> None:
        """A row that has just got its program: its state before position `fed`, whose token comes
        next. Waits for the device only where something has been generated already."""
        slot, program, prompt = row.slot, row.program, row.request.prompt_length
        self._which[slot] = self._number(program) if program is not None else -1
        self._stop[slot] = row.request.stop
        if program is None:
            return
        self._put(slot, slice(None), [program.start])
        if fed > prompt:
            before = self._states.all_token_ids.gpu[slot, prompt:fed].tolist()
            self._put(slot, (fed - 1) % self._window, program.follow(before))

    def _put(self, slot: int, place: int | slice, state: list[int]) -> None:
        self._ring[slot, place] = -1
        where = self._ring[slot, place]
        where[..., : len(state)] = torch.tensor(state, device=self._ring.device)

    def _widen(self, columns: int) -> None:
        """Makes room in the ring for the states of a program of matches."""
        missing = columns - self._ring.shape[2]
        if missing > 0:
            self._ring = torch.nn.functional.pad(self._ring, (0, missing), value=-1)

    def _number(self, program: TokenProgram) -> int:
        """The index of a program among those on the device; unused ones make room."""
        for index, known in enumerate(self._programs):
            if known.program is program:
                return index
        used = {id(row.program) for row in self._rows.values()}
        made = DeviceProgram(program, self._states.device)
        self._widen(program.columns)
        for index, known in enumerate(self._programs):
            if id(known.program) not in used:
                self._programs[index] = made
                return index
        self._programs.append(made)
        return len(self._programs) - 1

    def _advance(self, slots: torch.Tensor, context: Any) -> torch.Tensor:
        """States [rows, columns] before the token that each row samples; kept in the ring by position."""
        states, window = self._states, self._window
        position, token = context.pos.long(), context.input_ids.long()
        prompt = states.prompt_len.gpu[slots].long()
        whole = position + 1 >= states.prefill_len.gpu[slots].long()
        which, before = self._which[slots], (position - 1) % window
        start = self._start(which)
        packed = start
        for draft in range(self._drafts + 1):
            after = self._follow(which, self._ring[slots, before], token)
            now = torch.where((position < prompt).unsqueeze(1), start, after)
            mine = whole
            if self._drafts:
                turn = context.expanded_local_pos == draft
                mine = whole & turn
                now = torch.where(turn.unsqueeze(1), now, packed)
            packed = now
            self._ring[torch.where(mine, slots, self._spare), position % window] = packed
        return packed

    def _start(self, which: torch.Tensor) -> torch.Tensor:
        start = torch.zeros_like(which)
        for index, program in enumerate(self._programs):
            start = torch.where(which == index, program.start, start)
        return torch.nn.functional.pad(
            start.unsqueeze(1), (0, self._ring.shape[2] - 1), value=-1
        )

    def _follow(
        self, which: torch.Tensor, before: torch.Tensor, token: torch.Tensor
    ) -> torch.Tensor:
        after = before
        for index, program in enumerate(self._programs):
            mine = program.advance(before[:, : program.columns], token)
            missing = before.shape[1] - program.columns
            if missing:
                mine = torch.nn.functional.pad(mine, (0, missing), value=-1)
            after = torch.where((which == index).unsqueeze(1), mine, after)
        return after

    def _deny(self, logits: torch.Tensor, slots: torch.Tensor, packed: torch.Tensor) -> None:
        which = self._which[slots]
        if not self._packed:
            self._deny_on_cpu(logits, slots.numpy(), which.numpy(), packed.numpy())
            return
        stop = self._stop[slots].unsqueeze(1)
        for index, program in enumerate(self._programs):
            empty = program.deny(logits, packed, which == index).unsqueeze(1)
            kept = torch.where(empty, 0.0, logits.gather(1, stop))
            logits.scatter_(1, stop, kept)

    def _deny_on_cpu(self, logits: torch.Tensor, slots: Ints, which: Ints, packed: Ints) -> None:
        for index, program in enumerate(self._programs):
            rows = np.flatnonzero(which == index)
            states = packed[rows, : program.columns]
            for row in fill(logits.numpy(), rows, program.program, states):
                self._stats.empty_rows += 1
                self._core.stop(logits[row], self._rows.get(int(slots[row])))

    # ------------------------------------------------------------ directives, by the host

    def _edit(self, logits: torch.Tensor, context: Any, doomed: list[Row]) -> None:
        core = self._core
        ends = {row.slot for row in doomed}
        edited = {row.slot: row for row in core.edited}
        slots, positions = self._layout(logits, context)
        places = zip(slots.tolist(), positions.tolist(), strict=True)
        for index, (slot, position) in enumerate(places):
            row = self._rows.get(slot)
            if row is None:
                continue
            if slot in ends or (slot in edited and not core.edit(logits[index], row, position)):
                core.stop(logits[index], row)

    def _layout(self, logits: torch.Tensor, context: Any) -> tuple[Ints, Ints]:
        """Slots and output positions of the logits rows, on the host. Without drafts they are known
        there; with drafts this waits for the device, in steps with a directive or a probe only."""
        if not self._drafts and len(context.idx_mapping_np) == logits.shape[0]:
            slots, ends = context.idx_mapping_np, context.seq_lens_upper_bound_np
        else:
            slots = context.expanded_idx_mapping.cpu().numpy()
            ends = context.pos.cpu().numpy() + 1
        slots = np.asarray(slots, dtype=np.int64)
        positions = np.asarray(ends, dtype=np.int64)[: len(slots)]
        return slots, positions - self._states.prompt_len.np[slots]

    def _degrade(self, logits: torch.Tensor, context: Any) -> None:
        """We cannot tell what a row may say: fail open lets it go on, everything else ends it."""
        if self._core.guard.on_failure == OPEN:
            return
        try:
            slots = context.expanded_idx_mapping.cpu().tolist()
            for index, slot in enumerate(slots):
                self._core.stop(logits[index], self._rows.get(slot))
        except Exception as error:
            self._stats.note(error)
