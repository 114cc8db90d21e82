"""A linear probe on the model's own hidden states: read from bytes, evaluated on the engine's device.

The state is what `compute_logits` gets: after the final norm, one line a logits row. vLLM gives a
logits processor no hidden states, so the model's class is wrapped once; the wrap keeps a reference and
nothing else, and only while there is a probe. Only the score of a row leaves the device.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .blob import Ints

MAX_BYTES = 1 << 20
# Positions of a slot whose scores are kept until their tokens are told.
KEPT = 64


@dataclass(frozen=True, slots=True)
class Linear:
    """sigmoid(weight . h + bias) is a calibrated probability."""

    weight: Any
    bias: float
    facts: dict[str, str]


def parse_probe(data: bytes) -> Linear:
    """Assumes nothing about `data`. Raises ValueError for what is no probe."""
    if not 8 < len(data) <= MAX_BYTES:
        raise ValueError(f"probe: wanted 9 to {MAX_BYTES} bytes, got {len(data)}")
    size = int.from_bytes(data[:8], "little")
    if size > len(data) - 8:
        raise ValueError("probe: its header is longer than the file")
    header = json.loads(data[8 : 8 + size])
    if not isinstance(header, dict):
        raise ValueError("probe: its header is no object")
    weight, bias = (_tensor(header, name, data[8 + size :]) for name in ("weight", "bias"))
    if not len(weight) or len(bias) != 1:
        raise ValueError(f"probe: wanted weight [hidden] and bias [1], got {len(weight)}, {len(bias)}")
    if not np.isfinite(weight).all() or not math.isfinite(bias[0]):
        raise ValueError("probe: a weight is not a number")
    facts = header.get("__metadata__", {})
    return Linear(weight, float(bias[0]), facts if isinstance(facts, dict) else {})


def probe_bytes(weight: Any, bias: float, facts: dict[str, str]) -> bytes:
    """The file of a probe, in safetensors layout."""
    array = np.asarray(weight, dtype="<f4")
    spans = {"weight": [0, array.nbytes], "bias": [array.nbytes, array.nbytes + 4]}
    header: dict[str, Any] = {"__metadata__": facts}
    for name, size in (("weight", len(array)), ("bias", 1)):
        header[name] = {"dtype": "F32", "shape": [size], "data_offsets": spans[name]}
    text = json.dumps(header, sort_keys=True, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + array.tobytes() + np.float32(bias).tobytes()


def _tensor(header: dict[str, Any], name: str, body: bytes) -> Any:
    told = header.get(name)
    if not isinstance(told, dict) or told.get("dtype") != "F32":
        raise ValueError(f"probe: wanted a tensor {name} of F32")
    first, end = told.get("data_offsets", (0, 0))
    if not 0 <= first <= end <= len(body) or (end - first) % 4:
        raise ValueError(f"probe: the data of {name} is not in the file")
    return np.frombuffer(body[first:end], dtype="<f4")


class Probe:
    """A probe on a device. `score` waits for the device: a few bytes a row come back."""

    def __init__(self, linear: Linear, device: torch.device) -> None:
        self.width = len(linear.weight)
        self._weight = torch.tensor(linear.weight, device=device)
        self._bias = linear.bias

    def score(self, hidden: torch.Tensor) -> Any:
        """hidden [n, width] of any float type to float32 probabilities [n], numpy."""
        if hidden.shape[-1] != self.width:
            raise ValueError(f"probe: wanted {self.width} wide hidden states, got {hidden.shape[-1]}")
        return torch.sigmoid(hidden.float() @ self._weight + self._bias).cpu().numpy()


class Scores:
    """The scores of each slot's newest output positions. 0.5 says nothing: what a position has that no
    state was judged for. Bound: KEPT positions a slot, far more than a step says or a copy lags behind."""

    def __init__(self) -> None:
        self._of = np.full((0, KEPT), 0.5, dtype=np.float32)
        self._at = np.full((0, KEPT), -1, dtype=np.int64)

    def put(self, slots: Ints, positions: Ints, scores: Any) -> None:
        size = int(slots.max()) + 1 if len(slots) else 0
        if size > len(self._of):
            missing = ((0, size - len(self._of)), (0, 0))
            self._of = np.pad(self._of, missing, constant_values=0.5)
            self._at = np.pad(self._at, missing, constant_values=-1)
        self._of[slots, positions % KEPT] = scores
        self._at[slots, positions % KEPT] = positions

    def of(self, slots: Any, positions: Any) -> Any:
        if not len(self._of):
            return np.full(len(slots), 0.5, dtype=np.float32)
        slots, positions = np.asarray(slots), np.asarray(positions)
        known = slots < len(self._of)
        where = (np.where(known, slots, 0), positions % KEPT)
        return np.where(known & (self._at[where] == positions), self._of[where], np.float32(0.5))

    def forget(self, slot: int) -> None:
        """The slot is given to another request."""
        self._at[slot : slot + 1] = -1


class Watch:
    """The hidden states of the last `compute_logits` of this process."""

    def __init__(self) -> None:
        self.wanted = False
        # Where a probe is fitted: the last row of every call is kept here.
        self.last_rows: list[torch.Tensor] | None = None
        self._last: torch.Tensor | None = None
        self._wrapped: set[type] = set()

    def wrap(self, model_class: type) -> None:
        """Once for a class; what it computes and returns stays as it is."""
        if model_class in self._wrapped or not hasattr(model_class, "compute_logits"):
            return
        self._wrapped.add(model_class)
        original = model_class.compute_logits

        def compute_logits(model: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
            if self.wanted:
                self._last = hidden_states
            if self.last_rows is not None:
                self.last_rows.append(hidden_states[-1].float().cpu())
            return original(model, hidden_states, *args, **kwargs)

        model_class.compute_logits = compute_logits  # type: ignore[attr-defined]

    def take(self) -> torch.Tensor | None:
        last, self._last = self._last, None
        return last


WATCH = Watch()
