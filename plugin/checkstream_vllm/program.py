"""A token program, executed: which state a token leads to, and which tokens may not come next.

Pure numpy on the host; nothing here knows an engine or a device (tensors.py does the same where
the tokens are on a GPU). Both are proved in docs/token-programs.md and run the same cases.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .blob import ALL, Blob, Ints, parse_blob
from .matches import Matches, digest_states
from .places import Key, Places

# Distinct deny keys whose tokens are kept ready. Past it the one unused longest is dropped, and
# made again when it is needed (some tens of microseconds).
MAX_READY_SETS = 2_048

# Up to this many rows are stepped one by one; more of them together, in arrays.
FEW_ROWS = 8

# The deny key of a row that has no token left.
NOTHING_LEFT = -(2**62)


class TokenProgram:
    """Immutable after construction (but for a bounded cache); shared by every row that runs it."""

    def __init__(self, data: bytes | Blob) -> None:
        """Assumes nothing about `data`. Raises ProgramError when it cannot be executed."""
        blob = data if isinstance(data, Blob) else parse_blob(data)
        self.blob = blob
        self.digest = blob.digest
        self.start = blob.start
        self.width = blob.width
        self.dead = blob.dead * blob.carries
        self._reach = blob.base.reshape(-1)
        self._row_of = blob.reference * blob.extended
        # A key past every other, so that a search never points behind the end.
        self._keys = np.append(blob.exception_key, np.iinfo(np.int64).max)
        self._nexts = np.append(blob.exception_next, 0)
        self._cont_index = np.full(blob.width, -1, dtype=np.int64)
        self._cont_index[blob.cont_token] = np.arange(len(blob.cont_token))
        self._set_key = self._set_keys()
        self.open = blob.open
        # Numbers that a state takes: one, and one for each match that can be open.
        self.columns = 1 + blob.open
        self.matches = Matches(blob, self._keys, self._nexts, self._cont_index)
        self._ready: OrderedDict[int, Ints | None] = OrderedDict()
        self.places = Places(self._filled([(self.start,)]), self._after, self._describe)
        # Token lists that tensors.py has put on a device, by deny key.
        self.resident: dict[int, Any] = {}

    def advance(self, packed: Ints, token: Ints, inside: bool = False) -> Ints:
        """States [n] and tokens [n] to states [n]; [n, columns] in a program of matches. A token
        outside the vocabulary leads to dead; `inside` says that none is. The engine's step pays for
        every operation here, so there are few."""
        if packed.ndim == 2:
            return self._advance_matches(packed, token)
        blob = self.blob
        if not inside and len(token) and (token.min() < 0 or token.max() >= blob.width):
            valid = (token >= 0) & (token < blob.width)
            after = self.advance(packed, np.where(valid, token, 0), inside=True)
            return np.where(valid, after, self.dead)
        tail = blob.tail[token]
        state, carry = np.divmod(packed, blob.carries)
        if carry.any():
            state, token, tail = self._join(state, carry, token, tail)
        read = blob.alias[token]
        key = state * blob.extended + read
        at = self._keys.searchsorted(key)
        after = self._reach[self._row_of[state] + read]
        hit = self._keys[at] == key
        if hit.any():
            after = np.where(hit, self._nexts[at], after)
        return after * blob.carries + tail

    def _advance_matches(self, state: Ints, token: Ints) -> Ints:
        if not self.open:
            return self.advance(state[:, 0], token)[:, np.newaxis]
        valid = (token >= 0) & (token < self.blob.width)
        after = self.matches.advance(state, np.where(valid, token, 0))
        after[~valid] = -1
        after[~valid, 0] = self.dead
        return after

    def report(self, state: Ints) -> Ints:
        """What the protocol says of states [n, columns]."""
        return digest_states(state) if self.open else state[:, 0]

    def follow(self, tokens: Iterable[int], state: list[int] | None = None) -> list[int]:
        """The state after many tokens of one row, as its numbers: matches only as far as open."""
        current = [self.start] if state is None else state
        if not self.open:
            return [self.replay(tokens, current[0])]
        for t in tokens:
            if not 0 <= t < self.blob.width:
                return [self.dead]
            current = self.matches.step(current, t)
        return current

    def replay(self, tokens: Iterable[int], packed: int | None = None) -> int:
        """The same in a program whose states are single numbers, a few microseconds a token."""
        blob = self.blob
        current = blob.start if packed is None else packed
        keys, nexts, reach = blob.exception_key, blob.exception_next, self._reach
        for t in tokens:
            if not 0 <= t < blob.width:
                return self.dead
            state, carry = divmod(current, blob.carries)
            x, tail = t, blob.tail[t]
            if carry:
                c = self._cont_index[t]
                if c >= 0 and blob.joint[carry, c] >= 0:
                    x, tail = blob.joint[carry, c], blob.joint_tail[carry, c]
                else:
                    state = int(blob.broken[state])
            x = blob.alias[x]
            key = state * blob.extended + int(x)
            at = bisect_left(keys, key)
            hit = at < len(keys) and keys[at] == key
            follow = nexts[at] if hit else reach[self._row_of[state] + x]
            current = int(follow) * blob.carries + int(tail)
        return current

    def _after(self, states: Sequence[tuple[int, ...]], tokens: Sequence[int]) -> Ints:
        """States, of as many numbers as each has, and tokens [n] to states [n, columns]."""
        if len(states) <= FEW_ROWS:
            steps = zip(states, tokens, strict=True)
            return self._filled([self.follow((token,), list(state)) for state, token in steps])
        return self.advance(self._filled(states), np.array(tokens, dtype=np.int64))

    def _filled(self, states: Sequence[Sequence[int]]) -> Ints:
        out = np.full((len(states), self.columns), -1, dtype=np.int64)
        for line, state in zip(out, states, strict=True):
            line[: len(state)] = state
        return out

    def _describe(self, states: Ints) -> tuple[list[Key], list[int]]:
        return self.keys_of(states), self.report(states).tolist()

    def deny_keys(self, packed: Ints) -> Ints:
        """What `denied_tokens` takes, for states [n]. States that deny the same set share a key,
        so that their rows can be masked together."""
        carries = self.blob.carries
        if carries == 1:
            return self._set_key[packed]
        state = packed // carries
        return np.where(packed == state * carries, self._set_key[state], packed)

    def keys_of(self, states: Ints) -> list[Key]:
        """For states [n, columns], what `denied` takes: a deny key, with open matches one of each."""
        keys: list[Key] = self.deny_keys(states[:, 0]).tolist()
        if self.open:
            index, packed = self.matches.open_matches(states)
            for i, key in zip(index.tolist(), self.deny_keys(packed).tolist(), strict=True):
                before = keys[i]
                keys[i] = (*before, key) if isinstance(before, tuple) else (before, key)
        return keys

    def denied(self, key: Key) -> dict[int, Ints] | None:
        """The real tokens denied to rows with this key: sorted lists by deny key, none of them empty,
        which may overlap; None when no token is left."""
        found: dict[int, Ints] = {}
        for part in key if isinstance(key, tuple) else (key,):
            tokens = self.denied_tokens(part)
            if tokens is None:
                return None
            if len(tokens):
                found[part] = tokens
        # Together they may leave nothing, though each of them leaves something.
        if len(found) > 1 and sum(map(len, found.values())) >= self.width:
            both = np.unique(np.concatenate(list(found.values())))
            return None if len(both) >= self.width else found
        return found

    def denied_tokens(self, key: int) -> Ints | None:
        """The real tokens denied to rows with this key, sorted; None when no token is left."""
        if key == NOTHING_LEFT:
            return None
        ready = self._ready
        if key in ready:
            ready.move_to_end(key)
            return ready[key]
        tokens = self._at_carry(key) if key >= 0 else self._real(-1 - key)
        ready[key] = tokens
        if len(ready) > MAX_READY_SETS:
            ready.popitem(last=False)
        return tokens

    def members(self, deny_set: int) -> Ints:
        """Every extended token of a set, its parent's too, sorted."""
        blob = self.blob
        own = blob.deny_token[blob.deny_offset[deny_set] : blob.deny_offset[deny_set + 1]]
        parent = int(blob.deny_parent[deny_set])
        if parent < 0:
            return own
        return np.union1d(self.members(parent), own)

    def _real(self, deny_set: int) -> Ints:
        some = self.members(deny_set)
        return some[some < self.width]

    def _set_keys(self) -> Ints:
        """One deny key a state: -1 - set, or NOTHING_LEFT where the set leaves no real token."""
        blob = self.blob
        named = blob.deny_set != ALL
        keys = np.where(named, -1 - blob.deny_set, NOTHING_LEFT)
        own = np.diff(blob.deny_offset)
        for deny_set in np.flatnonzero(own + _of_parent(blob, own) >= blob.width):
            if len(self._real(int(deny_set))) >= blob.width:
                keys[blob.deny_set == deny_set] = NOTHING_LEFT
        return keys

    def _join(self, state: Ints, carry: Ints, x: Ints, tail: Ints) -> tuple[Ints, Ints, Ints]:
        blob = self.blob
        if not len(blob.cont_token):
            return np.where(carry > 0, blob.broken[state], state), x, tail
        c = self._cont_index[x]
        joint = np.where((carry > 0) & (c >= 0), blob.joint[carry, c], -1)
        whole = joint >= 0
        state = np.where((carry > 0) & ~whole, blob.broken[state], state)
        tail = np.where(whole, blob.joint_tail[carry, c], tail)
        return state, np.where(whole, joint, x), tail

    def _at_carry(self, packed: int) -> Ints | None:
        blob = self.blob
        state, carry = divmod(packed, blob.carries)
        broken = int(blob.broken[state])
        here, over = int(blob.deny_set[state]), int(blob.deny_set[broken])
        flags = np.zeros(blob.width, dtype=bool)
        if broken == blob.dead or (broken >= 0 and over == ALL):
            flags[:] = True
        elif broken >= 0:
            flags[self._real(over)] = True
        joint = blob.joint[carry]
        whole = joint >= 0
        denied = True if here == ALL else np.isin(joint[whole], self.members(here))
        flags[blob.cont_token[whole]] = denied
        return None if flags.all() else np.flatnonzero(flags)


def _of_parent(blob: Blob, own: Ints) -> Ints:
    if not len(own):
        return own
    return np.where(blob.deny_parent >= 0, own[blob.deny_parent], 0)
