"""A token program as tensors on a device: the form for GPUs, without a read-back from the device.

The same page as program.py (docs/token-programs.md) with the same results. Denied sets are packed
bits, 32 tokens an int32, bit set = denied. Every step costs the same number of operations whatever
the rows; nothing here asks the device for a value.
"""

from __future__ import annotations

import numpy as np
import torch

from .blob import ALL, Ints
from .program import NOTHING_LEFT, TokenProgram

NEVER = float("-inf")


class DeviceProgram:
    """Tensors of one program on one device. Memory: the program's, and X / 8 bytes a denied set."""

    def __init__(self, program: TokenProgram, device: torch.device) -> None:
        blob = program.blob
        self.program = program
        self.states = blob.states * blob.carries
        self.start = blob.start
        self.carries = blob.carries
        self.extended = blob.extended
        self.width = blob.width
        self._dead = program.dead

        def put(array: Ints) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(device)

        keys = np.append(blob.exception_key, np.iinfo(np.int64).max)
        self._keys, self._nexts = put(keys), put(np.append(blob.exception_next, 0))
        self._reach = put(blob.base.reshape(-1).astype(np.int64))
        self._row_of = put(blob.reference * blob.extended)
        self._alias = put(blob.alias)
        self._tail, self._broken = put(blob.tail), put(blob.broken)
        cont_index = np.full(blob.width, -1, dtype=np.int64)
        cont_index[blob.cont_token] = np.arange(len(blob.cont_token))
        self._cont_index, self._cont = put(cont_index), put(blob.cont_token)
        self._joint, self._joint_tail = put(blob.joint), put(blob.joint_tail)
        # One more set at the end, of every token: what ALL names.
        sets = len(blob.deny_parent)
        self._set = put(np.where(blob.deny_set == ALL, sets, blob.deny_set))
        self._bits = torch.from_numpy(_packed(program)).to(device)
        self._shift = torch.arange(32, dtype=torch.int32, device=device)
        self._every = sets
        self._is_dead = put(np.arange(blob.states) == blob.dead)

    def advance(self, packed: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """int64 [n] and int64 [n] to int64 [n], all on the device. States of another program are
        read as some state of this one, so that rows of several programs can be advanced together
        and the right ones picked."""
        packed = packed.clamp(0, self.states - 1)
        valid = (token >= 0) & (token < self.width)
        x = token.clamp(0, self.width - 1)
        state = packed // self.carries
        carry = packed - state * self.carries
        tail, read = self._tail[x], x
        if self.carries > 1 and self._cont.numel():
            c = self._cont_index[x]
            joint = torch.where((carry > 0) & (c >= 0), self._joint[carry, c.clamp(min=0)], -1)
            whole = joint >= 0
            state = torch.where((carry > 0) & ~whole, self._broken[state], state)
            tail = torch.where(whole, self._joint_tail[carry, c.clamp(min=0)], tail)
            read = torch.where(whole, joint, x)
        elif self.carries > 1:
            state = torch.where(carry > 0, self._broken[state], state)
        read = self._alias[read]
        key = state * self.extended + read
        at = torch.searchsorted(self._keys, key)
        follow = self._reach[self._row_of[state] + read]
        after = torch.where(self._keys[at] == key, self._nexts[at], follow)
        return torch.where(valid, after * self.carries + tail, self._dead)

    def deny(self, logits: torch.Tensor, packed: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
        """Denies in float32 [n, V], in place, for the rows where bool `mine` [n]. Returns bool [n]:
        rows of this program that have no token left by it."""
        packed = packed.clamp(0, self.states - 1)
        state = packed // self.carries
        carry = packed - state * self.carries
        here = self._set[state]
        broken = self._broken[state]
        over = torch.where(self._is_dead[broken], self._every, self._set[broken])
        plain = torch.where(carry > 0, over, here)
        denied = self._unpack(plain)
        if self.carries > 1 and self._cont.numel():
            joint = self._joint[carry]
            whole = (joint >= 0) & (carry > 0).unsqueeze(1)
            token = torch.where(whole, joint, self._cont)
            which = torch.where(whole, here.unsqueeze(1), plain.unsqueeze(1))
            word = self._bits[which, token // 32]
            denied[:, self._cont] = ((word >> (token % 32).to(torch.int32)) & 1).bool()
        denied &= mine.unsqueeze(1)
        logits.masked_fill_(denied, NEVER)
        return denied.all(dim=1)

    def _unpack(self, sets: torch.Tensor) -> torch.Tensor:
        words = self._bits[sets]
        bits = (words.unsqueeze(-1) >> self._shift) & 1
        return bits.view(len(sets), -1)[:, : self.width].bool()


def _packed(program: TokenProgram) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    blob = program.blob
    sets, words = len(blob.deny_parent), (blob.extended + 31) // 32
    bits = np.zeros((sets + 1, words * 32), dtype=np.uint8)
    for deny_set in range(sets):
        bits[deny_set, program.members(deny_set)] = 1
    bits[sets] = 1
    packed = np.packbits(bits, axis=1, bitorder="little")
    return packed.view(np.int32).reshape(sets + 1, words)


def fill_device(logits: torch.Tensor, rows: Ints, program: TokenProgram, states: Ints) -> list[int]:
    """fill.py's contract for logits on a device whose states are known on the host (V1): token lists
    travel to the device once and stay, each write is one indexed fill."""
    empty: list[int] = []
    for row, key in zip(rows.tolist(), program.deny_keys(states).tolist(), strict=True):
        tokens = program.denied_tokens(key) if key != NOTHING_LEFT else None
        if tokens is None:
            empty.append(row)
        else:
            logits[row].index_fill_(0, _resident(program, key, tokens, logits.device), NEVER)
    return empty


def _resident(program: TokenProgram, key: int, tokens: Ints, device: torch.device) -> torch.Tensor:
    kept = program.resident
    if key not in kept:
        if len(kept) >= 2_048:
            kept.clear()
        kept[key] = torch.from_numpy(tokens).to(device, non_blocking=True)
    found: torch.Tensor = kept[key]
    return found
