"""The token program's file: safetensors layout in, checked numpy arrays out.

The layout is docs/token-programs.md's. A blob comes from another process, so every shape and every
index in it is checked here once; the code that executes a program relies on that.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FORMAT = "checkstream-token-program/1"
MAX_BYTES = 256 * 1024 * 1024
ALL = -2
# `reference` of a state without a row of `base`, in a program of matches (`open` > 0).
NO_ROW = 255

Ints = npt.NDArray[np.int64]

DTYPES = {"I32": np.int32, "I64": np.int64, "I16": np.int16, "U8": np.uint8}


class ProgramError(ValueError):
    """A blob that cannot be used. The message names the tensor, the wanted and the got."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A program's arrays. Shapes as in docs/token-programs.md; indices widened to int64."""

    digest: str
    vocabulary: str
    automaton: str
    width: int
    virtual: int
    states: int
    carries: int
    start: int
    dead: int
    base: npt.NDArray[np.int32]
    reference: Ints
    alias: Ints
    tail: Ints
    exception_key: Ints
    exception_next: Ints
    deny_set: Ints
    deny_parent: Ints
    deny_offset: Ints
    deny_token: Ints
    broken: Ints
    cont_token: Ints
    joint: Ints
    joint_tail: Ints
    open: int
    bundle_offset: Ints
    bundle_state: Ints

    @property
    def extended(self) -> int:
        """X = V + J, the extended vocabulary."""
        return self.width + self.virtual

    @property
    def has_row(self) -> npt.NDArray[np.bool_]:
        """Per state: whether it has a row of `base`. One without is an open match."""
        return self.reference != NO_ROW


def parse_blob(data: bytes) -> Blob:
    """Assumes nothing. Guarantees a Blob in which every index is in range, or ProgramError."""
    header, body = _header(data)
    meta = header.get("__metadata__")
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        got = meta.get("format") if isinstance(meta, dict) else None
        raise ProgramError(f"__metadata__.format: wanted {FORMAT}, got {got!r}")
    width, virtual, states = (_number(meta, k) for k in ("logits_width", "virtual", "states"))
    carries, references = _number(meta, "carries"), _number(meta, "references")
    if not 1 <= width <= 262_144 or states < 1 or carries < 1 or not 1 <= references <= 254:
        raise ProgramError("__metadata__: logits_width, states, carries or references out of range")
    extended = width + virtual

    def tensor(name: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.int64]:
        return _tensor(header, body, name, shape).astype(np.int64)

    base = _tensor(header, body, "base", (references, extended)).astype(np.int32)
    blob = Blob(
        digest=hashlib.sha256(data).hexdigest(),
        vocabulary=str(meta.get("vocabulary", "")),
        automaton=str(meta.get("automaton", "")),
        width=width,
        virtual=virtual,
        states=states,
        carries=carries,
        start=_number(meta, "start"),
        dead=_number(meta, "dead"),
        base=base,
        reference=tensor("reference", (states,)),
        alias=tensor("alias", (extended,)) if "alias" in header else np.arange(extended),
        tail=tensor("tail", (width,)),
        exception_key=tensor("exception_key", (None,)),
        exception_next=tensor("exception_next", (None,)),
        deny_set=tensor("deny_set", (states,)),
        deny_parent=tensor("deny_parent", (None,)),
        deny_offset=tensor("deny_offset", (None,)),
        deny_token=tensor("deny_token", (None,)),
        broken=tensor("broken", (states,)),
        cont_token=tensor("cont_token", (None,)),
        joint=tensor("joint", (carries, None)),
        joint_tail=tensor("joint_tail", (carries, None)),
        open=_number(meta, "open") if "open" in meta else 0,
        bundle_offset=tensor("bundle_offset", (None,)) if "open" in meta else np.zeros(1, np.int64),
        bundle_state=tensor("bundle_state", (None,)) if "open" in meta else np.zeros(0, np.int64),
    )
    _check(blob, references)
    return blob


def _header(data: bytes) -> tuple[dict[str, object], memoryview]:
    if len(data) > MAX_BYTES:
        raise ProgramError(f"program: at most {MAX_BYTES} bytes, got {len(data)}")
    if len(data) < 8:
        raise ProgramError(f"program: wanted at least 8 bytes, got {len(data)}")
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise ProgramError(f"header: {size} bytes announced, {len(data) - 8} there")
    try:
        header = json.loads(data[8 : 8 + size])
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ProgramError(f"header: not JSON ({error})") from error
    if not isinstance(header, dict):
        raise ProgramError("header: not a JSON object")
    return header, memoryview(data)[8 + size :]


def _number(meta: dict[str, object], key: str) -> int:
    value = meta.get(key)
    if not isinstance(value, str) or not value.isdigit() or len(value) > 18:
        raise ProgramError(f"__metadata__.{key}: wanted a decimal integer, got {value!r}")
    return int(value)


def _tensor(
    header: dict[str, object], body: memoryview, name: str, shape: tuple[int | None, ...]
) -> npt.NDArray[Any]:
    entry = header.get(name)
    if not isinstance(entry, dict):
        raise ProgramError(f"{name}: missing")
    got, offsets = entry.get("shape"), entry.get("data_offsets")
    dtype = DTYPES.get(str(entry.get("dtype")))
    whole = isinstance(got, list) and all(isinstance(n, int) and n >= 0 for n in got)
    if dtype is None or got is None or not whole or not offsets or len(offsets) != 2:
        raise ProgramError(f"{name}: malformed entry")
    if len(got) != len(shape) or any(
        w is not None and w != g for w, g in zip(shape, got, strict=True)
    ):
        raise ProgramError(f"{name}: wanted shape {list(shape)}, got {got}")
    begin, end = offsets
    count = int(np.prod(got, dtype=object)) if got else 1
    in_body = isinstance(begin, int) and isinstance(end, int) and 0 <= begin <= end <= len(body)
    if not in_body or end - begin != count * np.dtype(dtype).itemsize:
        raise ProgramError(f"{name}: data_offsets {offsets} do not fit its shape {got}")
    wire = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(body[begin:end], dtype=wire).reshape(got)


def _check(blob: Blob, references: int) -> None:
    states, extended, carries = blob.states, blob.extended, blob.carries
    sets, conts = len(blob.deny_parent), len(blob.cont_token)
    if len(blob.exception_key) != len(blob.exception_next):
        raise ProgramError("exception_next: length differs from exception_key")
    if len(blob.deny_offset) != sets + 1:
        raise ProgramError(f"deny_offset: wanted {sets + 1} entries, got {len(blob.deny_offset)}")
    if blob.joint.shape != (carries, conts) or blob.joint_tail.shape != (carries, conts):
        raise ProgramError(f"joint, joint_tail: wanted {[carries, conts]}")
    named = states + len(blob.bundle_offset) - 1
    _within("base", blob.base, 0, named)
    _within("alias", blob.alias, 0, extended)
    _within("tail", blob.tail, 0, carries)
    _within("exception_key", blob.exception_key, 0, states * extended)
    _within("exception_next", blob.exception_next, 0, named)
    _within("deny_set", blob.deny_set, ALL, sets)
    _within("deny_parent", blob.deny_parent, -1, sets)
    _within("deny_offset", blob.deny_offset, 0, len(blob.deny_token) + 1)
    _within("deny_token", blob.deny_token, 0, extended)
    _within("cont_token", blob.cont_token, 0, blob.width)
    _within("joint", blob.joint, -1, extended)
    _within("joint_tail", blob.joint_tail, 0, carries)
    _within("start", np.array([blob.start]), 0, states * carries)
    _within("dead", np.array([blob.dead]), 0, states)
    _check_open(blob, references)
    _ascending("exception_key", blob.exception_key)
    _ascending("cont_token", blob.cont_token)
    if np.any(blob.deny_set == -1):
        raise ProgramError("deny_set: -1 is not a set")
    if np.any(np.diff(blob.deny_offset) < 0) or blob.deny_offset[-1] != len(blob.deny_token):
        raise ProgramError("deny_offset: does not ascend to the end of deny_token")
    parents = blob.deny_parent[blob.deny_parent >= 0]
    if np.any(blob.deny_parent[parents] != -1):
        raise ProgramError("deny_parent: a parent has a parent")


def _check_open(blob: Blob, references: int) -> None:
    """Where a row is in several states, exactly one of them has a row of `base`, in every bundle."""
    if not blob.open:
        _within("reference", blob.reference, 0, references)
        _within("broken", blob.broken, 0, blob.states)
        return
    if blob.open > 1_024 or len(blob.bundle_offset) < 1:
        raise ProgramError(f"open: wanted at most 1024 and bundles, got {blob.open}")
    has_row, offset, member = blob.has_row, blob.bundle_offset, blob.bundle_state
    _within("reference", blob.reference[has_row], 0, references)
    _within("broken", blob.broken, -1, blob.states)
    _within("bundle_state", member, 0, blob.states)
    if offset[0] != 0 or offset[-1] != len(member) or np.any(np.diff(offset) < 1):
        raise ProgramError("bundle_offset: does not rise to the end of bundle_state")
    first = np.zeros(len(member), dtype=bool)
    first[offset[:-1]] = True
    if np.any(has_row[member] != first) or np.any(np.diff(offset) > 1 + blob.open):
        raise ProgramError("bundle_state: wanted one state with a row, then at most `open` matches")
    if np.any((np.diff(member) <= 0)[~first[1:] & ~first[:-1]]):
        raise ProgramError("bundle_state: matches not sorted and distinct")
    if not has_row[blob.start // blob.carries] or not has_row[blob.dead]:
        raise ProgramError("start, dead: wanted states with a row of base")
    # A state with a row leads to one, or to a bundle; a match leads to matches only, or to `dead`.
    kind = np.append(has_row, np.ones(len(offset) - 1, dtype=bool))
    origin = has_row[blob.exception_key // blob.extended]
    after = blob.exception_next
    bad = (after != blob.dead) & ((kind[after] != origin) | ((after >= blob.states) & ~origin))
    if np.any(bad):
        raise ProgramError("exception_next: a state of the other kind")
    gone = blob.broken < 0
    if np.any(gone & has_row) or np.any(
        ~gone & (blob.broken != blob.dead) & (has_row[blob.broken] != has_row)
    ):
        raise ProgramError("broken: a state of the other kind")
    if np.any(~kind[blob.base]):
        raise ProgramError("base: wanted states with a row of base")


def _within(name: str, values: npt.NDArray[Any], low: int, end: int) -> None:
    if values.size and (values.min() < low or values.max() >= end):
        got = f"{values.min()} to {values.max()}"
        raise ProgramError(f"{name}: wanted {low} to {end - 1}, got {got}")


def _ascending(name: str, values: Ints) -> None:
    if np.any(np.diff(values) <= 0):
        raise ProgramError(f"{name}: not sorted and distinct")
