"""Programs of matches: a row is in one state with a row of `base`, and in one more for each open match.

A state is int64 [1 + open]: the packed state, then the matches, rising, filled up with -1. The page is
docs/token-programs.md; program.py has what is common to both kinds.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from .blob import Blob, Ints

NONE = -1


class Matches:
    """Immutable; the arrays are those of the program that it belongs to."""

    def __init__(self, blob: Blob, keys: Ints, nexts: Ints, cont_index: Ints) -> None:
        self._blob = blob
        self._keys, self._nexts, self._cont_index = keys, nexts, cont_index
        self._reach = blob.base.reshape(-1)
        # No row of `base`: negative.
        self._row_of = np.where(blob.has_row, blob.reference * blob.extended, NONE)

    def advance(self, state: Ints, token: Ints) -> Ints:
        """States [n, 1 + open] and valid tokens [n] to states of the same shape."""
        blob, n = self._blob, len(state)
        packed = state[:, 0]
        row, column = np.nonzero(state[:, 1:] >= 0)
        of = np.concatenate([np.arange(n), row])
        q = np.concatenate([packed // blob.carries, state[row, 1 + column]])
        carry = (packed % blob.carries)[of]
        x = token[of]
        q, x, tail = self._join(q, carry, x, blob.tail[x])
        after = self._follow(q, blob.alias[x])
        root, matches = after[:n].copy(), after[n:]
        kept = matches >= 0
        owner, matches = row[kept], matches[kept]
        bundled = np.flatnonzero(root >= blob.states)
        if len(bundled):
            which = root[bundled] - blob.states
            begin, end = blob.bundle_offset[which], blob.bundle_offset[which + 1]
            root[bundled] = blob.bundle_state[begin]
            size = end - begin - 1
            at = np.repeat(begin + 1 - (np.cumsum(size) - size), size) + np.arange(size.sum())
            owner = np.concatenate([owner, np.repeat(bundled, size)])
            matches = np.concatenate([matches, blob.bundle_state[at]])
        return self._gather(root * blob.carries + tail[:n], owner, matches)

    def _join(self, q: Ints, carry: Ints, x: Ints, tail: Ints) -> tuple[Ints, Ints, Ints]:
        blob = self._blob
        if not carry.any():
            return q, x, tail
        if not len(blob.cont_token):
            return np.where(carry > 0, blob.broken[q], q), x, tail
        c = self._cont_index[x]
        joint = np.where((carry > 0) & (c >= 0), blob.joint[carry, c], NONE)
        whole = joint >= 0
        q = np.where((carry > 0) & ~whole, blob.broken[q], q)
        return q, np.where(whole, joint, x), np.where(whole, blob.joint_tail[carry, c], tail)

    def _follow(self, q: Ints, read: Ints) -> Ints:
        key = q * self._blob.extended + read
        at = np.searchsorted(self._keys, key)
        row = self._row_of[q]
        follow = np.where(row >= 0, self._reach[row + read], NONE)
        return np.where(q >= 0, np.where(self._keys[at] == key, self._nexts[at], follow), NONE)

    def _gather(self, packed: Ints, owner: Ints, matches: Ints) -> Ints:
        """Distinct matches of each row, rising. A row with too many, or with a dead one, is dead."""
        blob, n = self._blob, len(packed)
        out = np.full((n, 1 + blob.open), NONE, dtype=np.int64)
        out[:, 0] = packed
        dead = packed // blob.carries == blob.dead
        if len(matches):
            dead |= self._place(out, owner, matches)
        out[dead] = NONE
        out[dead, 0] = blob.dead * blob.carries
        return out

    def _place(self, out: Ints, owner: Ints, matches: Ints) -> npt.NDArray[np.bool_]:
        blob, n = self._blob, len(out)
        both = np.unique(owner * blob.states + matches)
        owner, matches = both // blob.states, both % blob.states
        size = np.bincount(owner, minlength=n)
        place = np.arange(len(owner)) - (np.cumsum(size) - size)[owner]
        fits = place < blob.open
        out[owner[fits], 1 + place[fits]] = matches[fits]
        dead = size > blob.open
        dead[owner[matches == blob.dead]] = True
        return dead

    def step(self, state: list[int], t: int) -> list[int]:
        """The same for one row, without arrays: the packed state and its matches, unfilled."""
        blob = self._blob
        root, carry = divmod(state[0], blob.carries)
        each, x, tail = [root, *state[1:]], t, int(blob.tail[t])
        if carry:
            c = self._cont_index[t]
            if c >= 0 and blob.joint[carry, c] >= 0:
                x, tail = int(blob.joint[carry, c]), int(blob.joint_tail[carry, c])
            else:
                each = [int(blob.broken[q]) for q in each]
        x = int(blob.alias[x])
        found = [self._after(q, x) for q in each if q >= 0]
        root, after = found[0], {q for q in found[1:] if q >= 0}
        if root >= blob.states:
            begin, end = blob.bundle_offset[root - blob.states : root - blob.states + 2].tolist()
            root, *more = blob.bundle_state[begin:end].tolist()
            after.update(more)
        if len(after) > blob.open or blob.dead in (root, *after):
            return [blob.dead * blob.carries]
        return [root * blob.carries + tail, *sorted(after)]

    def _after(self, q: int, x: int) -> int:
        keys, key = self._blob.exception_key, q * self._blob.extended + x
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            return int(self._nexts[at])
        row = int(self._row_of[q])
        return int(self._reach[row + x]) if row >= 0 else NONE

    def open_matches(self, state: Ints) -> tuple[Ints, Ints]:
        """For states [n, 1 + open]: the rows of all open matches, and the matches packed."""
        carries = self._blob.carries
        row, column = np.nonzero(state[:, 1:] >= 0)
        return row, state[row, 1 + column] * carries + state[row, 0] % carries


def digest_states(state: Ints) -> Ints:
    """What the protocol reports of states [n, 1 + open]: FNV-1a over each row's numbers, or the packed
    state itself where no match is open."""
    hashes = np.full(len(state), 0x811C9DC5, dtype=np.int64)
    for column in range(state.shape[1]):
        part = state[:, column]
        if not (part >= 0).any():
            break
        mixed = ((hashes ^ part) * 0x01000193) & 0xFFFFFFFF
        hashes = np.where(part >= 0, mixed, hashes)
    return np.where(state[:, 1] >= 0, hashes, state[:, 0])
