"""Tokens from V2's device buffers to the host's lists, one step late on a GPU and never waiting.

vLLM's V2 runner tells a processor no tokens; they are in `all_token_ids` once the step that sampled
them has run. On a GPU a copy is made on a stream of our own and read when it has arrived.
"""

from __future__ import annotations

from typing import Any

import torch

from .batch import Row

# Steps that a copy may lag behind before a row is read in full.
LAG = 4


class Harvest:
    """Appends to `Row.output`. `states` is vLLM's LogitsProcRequestState, read only."""

    def __init__(self, states: Any, rows_each: int) -> None:
        self._states = states
        self._depth = rows_each * LAG
        self._cuda = states.device.type == "cuda"
        self._side = torch.cuda.Stream() if self._cuda else None
        self._event = torch.cuda.Event() if self._cuda else None
        self._rows: list[Row] = []
        self._copy: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def armed(self) -> bool:
        return self._copy is not None

    def arm(self, rows: list[Row]) -> None:
        """Starts a copy for these rows, unless one is still on its way."""
        if self._copy is not None or not rows:
            return
        device = self._states.device
        slots = torch.tensor([row.slot for row in rows], dtype=torch.int64)
        self._rows = rows
        if self._side is None:
            self._copy = self._read(slots)
            return
        # The main stream has the last step's bookkeeping queued and nothing of this step's forward.
        self._side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._side):
            total, tokens = self._read(slots.to(device, non_blocking=True))
            pinned = (
                torch.empty(total.shape, dtype=total.dtype, pin_memory=True),
                torch.empty(tokens.shape, dtype=tokens.dtype, pin_memory=True),
            )
            pinned[0].copy_(total, non_blocking=True)
            pinned[1].copy_(tokens, non_blocking=True)
            self._copy = pinned
            if self._event is not None:
                self._event.record()

    def gather(self, wait: bool) -> bool:
        """Appends what has been copied. False when the copy is not there yet (and not waited for)."""
        if self._copy is None:
            return True
        if self._event is not None:
            if not wait and not self._event.query():
                return False
            self._event.synchronize()
        (total, tokens), self._copy = self._copy, None
        for row, size, last in zip(self._rows, total.tolist(), tokens.tolist(), strict=True):
            self._extend(row, int(size), last)
        return True

    def last_words(self, row: Row) -> None:
        """The row's slot is given to another request; what it said last is still in the buffers.
        On a GPU this would wait for the device, so there the last token is not told."""
        if self._cuda:
            return
        total, tokens = self._read(torch.tensor([row.slot]))
        self._extend(row, int(total[0]), tokens[0].tolist())

    def _read(self, slots: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """total [n], and the last `depth` tokens [n, depth] of these slots."""
        states = self._states
        total = states.total_len.gpu[slots].long()
        back = torch.arange(-self._depth, 0, device=total.device)
        where = (total.unsqueeze(1) + back).clamp(min=0)
        return total, states.all_token_ids.gpu[slots.unsqueeze(1), where]

    def _extend(self, row: Row, total: int, last: list[int]) -> None:
        known = row.request.prompt_length + len(row.output)
        new = total - known
        if new <= 0:
            if new < 0:
                del row.output[total - row.request.prompt_length :]
            return
        if new > self._depth:
            buffer = self._states.all_token_ids.gpu
            row.output += buffer[row.slot, known:total].tolist()
        else:
            row.output += last[self._depth - new :]
