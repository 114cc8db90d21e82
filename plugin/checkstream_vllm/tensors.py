"""A token program as tensors on a device: the form for GPUs, without a read-back from the device.

The same page as program.py (docs/token-programs.md) with the same results. Denied sets are packed
bits, 32 tokens an int32, bit set = denied. Every step costs the same number of operations whatever
the rows; nothing here asks the device for a value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .blob import ALL, Ints
from .fill import denied_groups
from .places import Key
from .program import TokenProgram

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

        self.columns = program.columns
        if program.open:
            self._bundle = put(_bundles(program))
        keys = np.append(blob.exception_key, np.iinfo(np.int64).max)
        self._keys, self._nexts = put(keys), put(np.append(blob.exception_next, 0))
        self._reach = put(blob.base.reshape(-1).astype(np.int64))
        self._row_of = put(np.where(blob.has_row, blob.reference * blob.extended, -1))
        self._alias = put(blob.alias)
        self._tail, self._broken = put(blob.tail), put(blob.broken)
        cont_index = np.full(blob.width, -1, dtype=np.int64)
        cont_index[blob.cont_token] = np.arange(len(blob.cont_token))
        self._cont_index, self._cont = put(cont_index), put(blob.cont_token)
        self._joint, self._joint_tail = put(blob.joint), put(blob.joint_tail)
        # Two more sets at the end, of every token, which ALL names, and of none.
        sets = len(blob.deny_parent)
        self._set = put(np.where(blob.deny_set == ALL, sets, blob.deny_set))
        self._bits = torch.from_numpy(_packed(program)).to(device)
        self._shift = torch.arange(32, dtype=torch.int32, device=device)
        self._every, self._no_set = sets, sets + 1
        self._is_dead = put(np.arange(blob.states) == blob.dead)

    def advance(self, packed: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """int64 [n] or [n, columns] and int64 [n] to states of that shape, all on the device. States of another program are
        read as some state of this one, so that rows of several programs can be advanced together
        and the right ones picked."""
        if packed.ndim == 2:
            if self.columns > 1:
                return self._advance_matches(packed, token)
            return self.advance(packed[:, 0], token).unsqueeze(1)
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

    def _advance_matches(self, state: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        blob_states = len(self._broken)
        packed = state[:, 0].clamp(0, self.states - 1)
        valid = (token >= 0) & (token < self.width)
        x = token.clamp(0, self.width - 1)
        root = packed // self.carries
        carry = packed - root * self.carries
        each = torch.cat([root.unsqueeze(1), state[:, 1:].clamp(-1, blob_states - 1)], dim=1)
        whole, read, tail = torch.zeros_like(valid), x, self._tail[x]
        if self._cont.numel():
            c = self._cont_index[x]
            joint = torch.where((carry > 0) & (c >= 0), self._joint[carry, c.clamp(min=0)], -1)
            whole = joint >= 0
            tail = torch.where(whole, self._joint_tail[carry, c.clamp(min=0)], tail)
            read = torch.where(whole, joint, x)
        lost = ((carry > 0) & ~whole).unsqueeze(1) & (each >= 0)
        each = torch.where(lost, self._broken[each.clamp(min=0)], each)
        column = self._alias[read].unsqueeze(1)
        key = each.clamp(min=0) * self.extended + column
        at = torch.searchsorted(self._keys, key)
        row = self._row_of[each.clamp(min=0)]
        follow = torch.where(row >= 0, self._reach[row.clamp(min=0) + column], -1)
        after = torch.where(self._keys[at] == key, self._nexts[at], follow)
        after = torch.where(each >= 0, after, -1)
        root, matches = after[:, 0], after[:, 1:]
        bundle = self._bundle[(root - blob_states).clamp(min=-1)]
        bundled = root >= blob_states
        root = torch.where(bundled, bundle[:, 0], root)
        more = torch.where(bundled.unsqueeze(1), bundle[:, 1:], -1)
        return self._gather(root, tail, torch.cat([matches, more], dim=1), valid)

    def _gather(
        self, root: torch.Tensor, tail: torch.Tensor, matches: torch.Tensor, valid: torch.Tensor
    ) -> torch.Tensor:
        """Distinct matches of each row, rising; a row with too many, or a dead one, is dead."""
        none = len(self._broken)
        dead_state = self._dead // self.carries
        ranked = torch.where(matches >= 0, matches, none).sort(dim=1).values
        again = torch.zeros_like(ranked, dtype=torch.bool)
        again[:, 1:] = ranked[:, 1:] == ranked[:, :-1]
        ranked = torch.where(again, none, ranked).sort(dim=1).values
        dead = ~valid | (root == dead_state) | (ranked == dead_state).any(dim=1)
        open_most = self.columns - 1
        if ranked.shape[1] > open_most:
            dead |= ranked[:, open_most] < none
            ranked = ranked[:, :open_most]
        packed = torch.where(dead, self._dead, root * self.carries + tail)
        ranked = torch.where((ranked < none) & ~dead.unsqueeze(1), ranked, -1)
        return torch.cat([packed.unsqueeze(1), ranked], dim=1)

    def deny(self, logits: torch.Tensor, packed: torch.Tensor, mine: torch.Tensor) -> torch.Tensor:
        """States [n] or [n, columns]. Denies in float32 [n, V], in place, for the rows where bool `mine` [n]. Returns bool [n]:
        rows of this program that have no token left by it."""
        states = packed.unsqueeze(1) if packed.ndim == 1 else packed[:, : self.columns]
        first = states[:, :1].clamp(0, self.states - 1)
        carry = first[:, 0] % self.carries
        each = torch.cat([first // self.carries, states[:, 1:]], dim=1)
        each = each.clamp(-1, len(self._broken) - 1)
        here = torch.where(each >= 0, self._set[each.clamp(min=0)], self._no_set)
        broken = torch.where(each >= 0, self._broken[each.clamp(min=0)], -1)
        over = torch.where(self._is_dead[broken.clamp(min=0)], self._every, self._set[broken])
        over = torch.where(broken >= 0, over, self._no_set)
        plain = torch.where((carry > 0).unsqueeze(1), over, here)
        denied = self._unpack(plain)
        if self.carries > 1 and self._cont.numel():
            joint = self._joint[carry]
            whole = (joint >= 0) & (carry > 0).unsqueeze(1)
            token = torch.where(whole, joint, self._cont).unsqueeze(1)
            which = torch.where(whole.unsqueeze(1), here.unsqueeze(2), plain.unsqueeze(2))
            word = self._bits[which, token // 32]
            bit = ((word >> (token % 32).to(torch.int32)) & 1).bool()
            denied[:, self._cont] = bit.any(dim=1)
        denied &= mine.unsqueeze(1)
        logits.masked_fill_(denied, NEVER)
        return denied.all(dim=1)

    def _unpack(self, sets: torch.Tensor) -> torch.Tensor:
        """Sets [n, columns] to bool [n, V]: what any of them denies. Joined pair by pair."""
        words = self._bits[sets]
        while words.shape[1] > 1:
            half = words.shape[1] // 2
            odd = words[:, 2 * half :]
            words = torch.cat([words[:, :half] | words[:, half : 2 * half], odd], dim=1)
        words = words[:, 0]
        bits = (words.unsqueeze(-1) >> self._shift) & 1
        return bits.view(len(sets), -1)[:, : self.width].bool()


def _packed(program: TokenProgram) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    blob = program.blob
    sets, words = len(blob.deny_parent), (blob.extended + 31) // 32
    packed = np.zeros((sets + 2, words), dtype=np.uint32)
    for deny_set in range(sets):
        tokens = program.members(deny_set)
        bits = np.uint32(1) << (tokens % 32).astype(np.uint32)
        np.bitwise_or.at(packed[deny_set], tokens // 32, bits)
    packed[sets] = 0xFFFFFFFF
    return packed.view(np.int32)


def _bundles(program: TokenProgram) -> Ints:
    """One line a bundle, filled up with -1; one more at the end, which nobody reads."""
    offset, member = program.blob.bundle_offset, program.blob.bundle_state
    size = np.diff(offset)
    out = np.full((len(size) + 1, max(2, int(size.max(initial=0)))), -1, dtype=np.int64)
    line = np.repeat(np.arange(len(size)), size)
    out[line, np.arange(len(member)) - offset[line]] = member
    return out


def fill_device(logits: torch.Tensor, rows: Ints, program: TokenProgram, states: Ints) -> list[int]:
    """fill.py's contract for logits on a device whose states are known on the host (V1)."""
    return fill_device_keys(logits, rows.tolist(), program, program.keys_of(states))


def fill_device_keys(
    logits: torch.Tensor, rows: list[int], program: TokenProgram, keys: Sequence[Key]
) -> list[int]:
    """The same by deny keys [m]. Token lists travel to the device once and stay; one indexed fill for
    each, of all rows where they share it."""
    groups, empty = denied_groups(rows, program, keys)
    for members, denied in groups:
        for key, tokens in denied.items():
            resident = _resident(program, key, tokens, logits.device)
            if len(members) == len(logits):
                logits.index_fill_(1, resident, NEVER)
            else:
                for row in members:
                    logits[row].index_fill_(0, resident, NEVER)
    return empty


def _resident(program: TokenProgram, key: int, tokens: Ints, device: torch.device) -> torch.Tensor:
    kept = program.resident
    if key not in kept:
        if len(kept) >= 2_048:
            kept.clear()
        kept[key] = torch.from_numpy(tokens).to(device, non_blocking=True)
    found: torch.Tensor = kept[key]
    return found
