"""The token program of docs/token-programs.md read aloud: slow, plain Python, no numpy tricks.

The implementations are checked against this one, and random programs are made here.
"""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import numpy as np

DTYPES = {"I32": np.int32, "I64": np.int64, "I16": np.int16, "U8": np.uint8}
KINDS = {
    "base": "I32",
    "reference": "U8",
    "tail": "I16",
    "exception_key": "I64",
    "exception_next": "I32",
    "deny_set": "I32",
    "deny_parent": "I32",
    "deny_offset": "I64",
    "deny_token": "I32",
    "broken": "I32",
    "cont_token": "I32",
    "joint": "I32",
    "joint_tail": "I16",
}


class Reference:
    """Assumes a well-formed program as a dict of plain numbers and nested lists."""

    def __init__(self, p: dict[str, Any]) -> None:
        self.p = p
        self.X = p["logits_width"] + p["virtual"]
        self.exceptions = dict(zip(p["exception_key"], p["exception_next"], strict=True))
        self.cont = {t: c for c, t in enumerate(p["cont_token"])}

    def advance(self, packed: int, t: int) -> int:
        p = self.p
        q, carry = divmod(packed, p["carries"])
        x, tail = t, p["tail"][t]
        if carry != 0:
            c = self.cont.get(t)
            if c is not None and p["joint"][carry][c] >= 0:
                x, tail = p["joint"][carry][c], p["joint_tail"][carry][c]
            else:
                q = p["broken"][q]
        key = q * self.X + x
        after = self.exceptions.get(key, p["base"][p["reference"][q]][x])
        return after * p["carries"] + tail

    def members(self, d: int) -> set[int]:
        p = self.p
        if d == -2:
            return set(range(self.X))
        own = set(p["deny_token"][p["deny_offset"][d] : p["deny_offset"][d + 1]])
        parent = p["deny_parent"][d]
        return own if parent < 0 else own | self.members(parent)

    def denied(self, packed: int) -> set[int]:
        p = self.p
        q, carry = divmod(packed, p["carries"])
        here = self.members(p["deny_set"][q])
        if carry == 0:
            return {t for t in here if t < p["logits_width"]}
        b = p["broken"][q]
        if b < 0:
            over = set()
        else:
            over = set(range(self.X)) if b == p["dead"] else self.members(p["deny_set"][b])
        out = set()
        for t in range(p["logits_width"]):
            c = self.cont.get(t)
            if c is None or p["joint"][carry][c] < 0:
                if t in over:
                    out.add(t)
            elif p["joint"][carry][c] in here:
                out.add(t)
        return out


    def step(self, state: list[int], t: int) -> list[int]:
        """A program of matches: the packed state, then the open matches."""
        p = self.p
        root, carry = divmod(state[0], p["carries"])
        each, x, tail = [root, *state[1:]], t, p["tail"][t]
        if carry != 0:
            c = self.cont.get(t)
            if c is not None and p["joint"][carry][c] >= 0:
                x, tail = p["joint"][carry][c], p["joint_tail"][carry][c]
            else:
                each = [p["broken"][q] for q in each]
        roots, matches = [], set()
        for q in each:
            if q < 0:
                continue
            row = p["reference"][q]
            after = self.exceptions.get(q * self.X + x, -1 if row == 255 else p["base"][row][x])
            if after < 0:
                continue
            many = [after]
            if after >= p["states"]:
                b = after - p["states"]
                many = p["bundle_state"][p["bundle_offset"][b] : p["bundle_offset"][b + 1]]
            for one in many:
                if p["reference"][one] == 255:
                    matches.add(one)
                else:
                    roots.append(one)
        if p["dead"] in roots or len(matches) > p["open"]:
            return [p["dead"] * p["carries"]]
        (only,) = roots
        return [only * p["carries"] + tail, *sorted(matches)]

    def denied_by(self, state: list[int]) -> set[int]:
        carries = self.p["carries"]
        each = [state[0], *(q * carries + state[0] % carries for q in state[1:])]
        return set().union(*(self.denied(packed) for packed in each))


def random_program(seed: int, width: int = 40, carries: int = 4) -> dict[str, Any]:
    """A program that is well-formed and otherwise nonsense: every column is drawn."""
    r = random.Random(seed)
    virtual = r.randrange(0, 6) if carries > 1 else 0
    states, references, sets = r.randrange(3, 12), r.randrange(1, 3), r.randrange(2, 7)
    X = width + virtual
    keys = sorted(r.sample(range(states * X), r.randrange(0, states * 4)))
    parent, offset, token = [], [0], []
    for d in range(sets):
        parent.append(0 if d and r.random() < 0.6 else -1)
        taken = set(token[: offset[1]]) if d and parent[d] == 0 else set()
        own = sorted(set(r.sample(range(X), r.randrange(0, 8))) - taken)
        token += own
        offset.append(len(token))
    conts = sorted(r.sample(range(width), r.randrange(0, 8))) if carries > 1 else []
    C = len(conts)
    return {
        "logits_width": width,
        "virtual": virtual,
        "states": states,
        "carries": carries,
        "references": references,
        "start": r.randrange(states) * carries,
        "dead": states - 1,
        "base": [[r.randrange(states) for _ in range(X)] for _ in range(references)],
        "reference": [r.randrange(references) for _ in range(states)],
        "tail": [r.randrange(carries) if r.random() < 0.3 else 0 for _ in range(width)],
        "exception_key": keys,
        "exception_next": [r.randrange(states) for _ in keys],
        "deny_set": [r.choice([*range(sets), *range(sets), -2]) for _ in range(states)],
        "deny_parent": parent,
        "deny_offset": offset,
        "deny_token": token,
        "broken": [r.randrange(states) for _ in range(states)],
        "cont_token": conts,
        "joint": [
            [r.randrange(X) if r.random() < 0.6 else -1 for _ in range(C)] for _ in range(carries)
        ],
        "joint_tail": [[r.randrange(carries) for _ in range(C)] for _ in range(carries)],
    }


def random_matches(seed: int, width: int = 40, carries: int = 4) -> dict[str, Any]:
    """A program of matches: the first states and the last, dead one have rows, those between none."""
    r = random.Random(seed + 1_000)
    p = random_program(seed, width, carries)
    X, roots, between = width + p["virtual"], r.randrange(1, 4), r.randrange(4, 9)
    states = roots + between + 1
    dead, matches = states - 1, range(roots, states - 1)
    bundles = [
        [r.randrange(roots), *sorted(r.sample(matches, r.randrange(1, 4)))] for _ in range(6)
    ]
    offset = [0]
    for bundle in bundles:
        offset.append(offset[-1] + len(bundle))
    rooted = [*range(roots), *range(states, states + len(bundles)), *range(roots)]
    keys = sorted(r.sample(range(dead * X), dead * X // 3))
    sets = len(p["deny_parent"])
    p.update(
        states=states,
        dead=dead,
        open=r.randrange(3, 5),
        start=0,
        reference=[r.randrange(p["references"]) for _ in range(roots)] + [255] * between
        + [p["references"]],
        references=p["references"] + 1,
        base=[[r.choice(rooted) for _ in range(X)] for _ in range(p["references"])] + [[dead] * X],
        exception_key=keys,
        exception_next=[r.choice(rooted if k // X < roots else matches) for k in keys],
        deny_set=[r.randrange(sets) for _ in range(dead)] + [-2],
        broken=[r.randrange(roots) for _ in range(roots)]
        + [r.choice([-1, dead, *matches]) for _ in range(between)]
        + [dead],
        bundle_offset=offset,
        bundle_state=[state for bundle in bundles for state in bundle],
    )
    return p


def to_blob(p: dict[str, Any], vocabulary: str = "00") -> bytes:
    """The program's file as the sidecar would write it."""
    body, header = b"", {}
    kinds = KINDS | ({"bundle_offset": "I32", "bundle_state": "I32"} if "open" in p else {})
    for name, kind in kinds.items():
        array = np.array(p[name], dtype=DTYPES[kind])
        if name in ("joint", "joint_tail"):
            array = array.reshape(p["carries"], len(p["cont_token"]))
        data = array.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(data)],
        }
        body += data + b"\0" * (-len(data) % 8)
    names = ("logits_width", "virtual", "states", "carries", "references", "start", "dead")
    meta = {k: str(p[k]) for k in (*names, *(["open"] if "open" in p else []))}
    meta |= {"format": "checkstream-token-program/1", "vocabulary": vocabulary, "automaton": "00"}
    text = json.dumps({"__metadata__": meta, **header}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def digest(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
