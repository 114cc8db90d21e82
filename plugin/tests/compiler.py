"""A small program compiler for tests: exact phrases (ASCII case folded), substring, plain Python.

The product's compiler is the sidecar's; this one exists so that the plugin can be tested alone.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from reference import to_blob


def phrase_program(
    phrases: list[str], texts: list[bytes], kinds: bytes, vocabulary: bytes
) -> bytes:
    """A blob that bans every phrase, however it is cut into the tokens `texts`."""
    goto, out = _automaton([p.lower().encode() for p in phrases])
    states, dead = len(goto), len(goto)
    lower = [t.lower() for t in texts]

    def run(state: int, text: bytes) -> int:
        for byte in text:
            state = goto[state][byte]
            if out[state]:
                return dead
        return state

    width = len(texts)
    base = [run(0, t) for t in lower]
    denied0 = [t for t in range(width) if base[t] == dead]
    keys, nexts, parent, offset, tokens = [], [], [-1], [0, len(denied0)], list(denied0)
    deny_set, seen = [], {(): 0}
    for state in range(states):
        own = []
        for t in range(width):
            after = state if kinds[t] != 0 else run(state, lower[t])
            if after == base[t]:
                continue
            keys.append(state * width + t)
            nexts.append(after)
            if after == dead:
                own.append(t)
        key = tuple(own)
        if key not in seen:
            seen[key] = len(parent)
            parent.append(0)
            tokens += own
            offset.append(len(tokens))
        deny_set.append(seen[key])
    p: dict[str, Any] = {
        "logits_width": width,
        "virtual": 0,
        "states": states + 1,
        "carries": 1,
        "references": 1,
        "start": 0,
        "dead": dead,
        "base": [base],
        "reference": [0] * (states + 1),
        "tail": [0] * width,
        "exception_key": keys + [dead * width + t for t in range(width)],
        "exception_next": nexts + [dead] * width,
        "deny_set": [*deny_set, -2],
        "deny_parent": parent,
        "deny_offset": offset,
        "deny_token": tokens,
        "broken": list(range(states + 1)),
        "cont_token": [],
        "joint": [[]],
        "joint_tail": [[]],
    }
    return to_blob(p, vocabulary.hex())


def _automaton(patterns: list[bytes]) -> tuple[list[list[int]], list[bool]]:
    """Aho and Corasick, 1975, over bytes."""
    goto: list[list[int]] = [[-1] * 256]
    out = [False]
    for pattern in patterns:
        node = 0
        for byte in pattern:
            if goto[node][byte] < 0:
                goto.append([-1] * 256)
                out.append(False)
                goto[node][byte] = len(goto) - 1
            node = goto[node][byte]
        out[node] = True
    fail = [0] * len(goto)
    queue: deque[int] = deque()
    for byte in range(256):
        if goto[0][byte] < 0:
            goto[0][byte] = 0
        else:
            queue.append(goto[0][byte])
    while queue:
        node = queue.popleft()
        out[node] = out[node] or out[fail[node]]
        for byte in range(256):
            target = goto[node][byte]
            if target < 0:
                goto[node][byte] = goto[fail[node]][byte]
            else:
                fail[target] = goto[fail[node]][byte]
                queue.append(target)
    return goto, out
