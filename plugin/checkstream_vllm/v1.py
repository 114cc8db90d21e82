"""vLLM's V1 interface: `update_state` before each forward pass, `apply` after it.

Tokens are known on the host. Without async scheduling they are known in `update_state`, and are sent
there, so that an awaited answer comes while the forward pass runs; with it, only in `apply`.
Nothing raises out of here: a failure is counted, and the rows are treated by on_failure.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
import torch

from .batch import Batch, Row, describe
from .blob import Ints
from .core import Core
from .fill import fill_keys
from .places import Key
from .program import TokenProgram
from .wire import OPEN
from .worker import Worker, refuse_sharded_sampling, refuse_speculation, start_worker

# The engine has been still for this long: tokens of its last step are told by our own thread.
IDLE_S = 0.02


class V1:
    """One engine worker's rows. Row i of the logits is batch index i."""

    def __init__(self, vllm_config: Any, device: torch.device) -> None:
        refuse_speculation(vllm_config)
        refuse_sharded_sampling(vllm_config)
        self._setup(start_worker(vllm_config, "v1"), device)

    def _setup(self, worker: Worker, device: torch.device) -> None:
        self._worker = worker
        self._stats = worker.stats
        self._lock = threading.Lock()
        self._core = Core(worker, device, worker.asynchronous)
        self._batch = Batch()
        self._read = self._lost = False
        self._moved = True
        self._index: dict[int, int] = {}
        self._where: list[int] = []
        self._slots: Ints = np.empty(0, dtype=np.int64)
        self._spent = 0.0
        self._touched = time.monotonic()
        if worker.link is not None:
            worker.link.on_idle = self._idle

    def update_state(self, update: Any) -> None:
        began = time.perf_counter()
        with self._lock:
            try:
                if update is not None:
                    self._update(update)
                self._read = self._worker.asynchronous
                if not self._read:
                    self._core.take_tokens()
            except Exception as error:
                self._stats.note(error)
                self._lost = True
        self._touched = time.monotonic()
        self._spent = time.perf_counter() - began

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        began = time.perf_counter()
        waited = self._stats.wait.total
        with self._lock:
            try:
                self._apply(logits)
            except Exception as error:
                self._stats.note(error)
                self._degrade(logits)
        spent = self._spent + time.perf_counter() - began
        self._stats.apply.add(spent * 1e6 - (self._stats.wait.total - waited))
        self._stats.steps += 1
        self._touched = time.monotonic()
        return logits

    def _update(self, update: Any) -> None:
        removed, added, moved = describe(update)
        if self._lost and len(added) >= update.batch_size:
            # Everybody whom we lost track of is gone.
            self._batch, self._lost = Batch(), False
        self._core.track.save()
        gone = self._batch.leave(removed, [index for index, *_ in added])
        for index, *rest in added:
            self._batch.rows[index] = self._open(*rest)
        gone += self._batch.move(moved)
        self._core.follow(list(self._batch.rows.values()))
        for row in gone:
            self._core.close(row)
        self._moved = True

    def _open(self, params: Any, prompt: list[int] | None, output: list[int]) -> Row:
        request = self._core.parse(params, len(prompt) if prompt is not None else 0)
        return self._batch.open(request, prompt, output)

    def _idle(self) -> None:
        """On the client's thread, while the engine rests: its last tokens are in the lists."""
        if self._worker.asynchronous or time.monotonic() - self._touched < IDLE_S:
            return
        if self._lock.acquire(blocking=False):
            try:
                if not self._lost:
                    self._core.take_tokens(ends_step=False)
            finally:
                self._lock.release()

    def _apply(self, logits: torch.Tensor) -> None:
        core = self._core
        if self._read and not self._lost:
            self._read = False
            core.take_tokens()
        # Ranks have to meet here, whatever has happened to one of them.
        new, _ = core.meet()
        if self._lost:
            self._degrade(logits)
            return
        if new or self._moved:
            self._moved = False
            self._index = {row.slot: index for index, row in self._batch.rows.items()}
            rows = core.track.rows
            self._where = [self._index[row.slot] for row in rows]
            self._slots = np.full(len(logits), -1, dtype=np.int64)
            self._slots[self._where] = core.track.slot
        self._mask(logits)
        core.judge(self._judged)

    def _judged(self) -> tuple[Ints, Ints]:
        positions = np.zeros_like(self._slots)
        positions[self._where] = self._core.track.seen
        return self._slots, positions

    def _mask(self, logits: torch.Tensor) -> None:
        core, width = self._core, self._worker.width
        if logits.shape[-1] != width:
            raise RuntimeError(f"logits: wanted {width} a row, got {logits.shape[-1]}")
        stop = [self._index[row.slot] for row in core.doomed()]
        if core.guard.bans:
            keys = core.track.keys()
            for program, some in core.track.groups:
                if program is not None:
                    empty = self._deny(logits, program, some, keys)
                    self._stats.empty_rows += len(empty)
                    stop += empty
        if core.edited:
            seen = dict(zip(self._where, core.track.seen.tolist(), strict=True))
            for row in core.edited:
                index = self._index[row.slot]
                if index not in stop and not core.edit(logits[index], row, seen[index]):
                    stop.append(index)
        for index in stop:
            core.stop(logits[index], self._batch.rows[index])

    def _deny(
        self, logits: torch.Tensor, program: TokenProgram, some: list[int], keys: list[Key]
    ) -> list[int]:
        where = self._where
        if len(some) != len(where):
            where, keys = [where[i] for i in some], [keys[i] for i in some]
        if logits.device.type == "cpu":
            return fill_keys(logits.numpy(), where, program, keys)
        from .tensors import fill_device_keys

        return fill_device_keys(logits, where, program, keys)

    def _degrade(self, logits: torch.Tensor) -> None:
        """We cannot tell what a row may say: fail open lets it go on, everything else ends it."""
        if self._core.guard.on_failure == OPEN:
            return
        try:
            for index in range(logits.shape[0]):
                self._core.stop(logits[index], self._batch.rows.get(index))
        except Exception as error:
            self._stats.note(error)
