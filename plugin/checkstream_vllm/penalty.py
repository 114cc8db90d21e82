"""vLLM's penalties on the tokens that have occurred, forwards and back, for one row of logits.

The V1 runner penalises after its logits processors and the V2 runner before them. Sampling that is
tightened has to be tightened on the penalised logits, so V1 rows are penalised here and the engine's
own penalties are undone beforehand; V2 rows only where a directive raises the repetition penalty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .identity import Sampling


@dataclass(frozen=True, slots=True)
class Occurred:
    """Distinct tokens int64 [n] of prompt and output, and float32 [n] how often the output has each."""

    tokens: torch.Tensor
    times: torch.Tensor


def occurred(
    prompt: Sequence[int], output: Sequence[int], width: int, device: torch.device
) -> Occurred:
    """Placeholders and ids past the logits are left out, as the engine leaves them out."""
    count = torch.zeros(width, dtype=torch.float32)
    said = torch.tensor(output, dtype=torch.int64)
    said = said[(said >= 0) & (said < width)]
    count.index_add_(0, said, torch.ones(len(said)))
    seen = count > 0
    asked = torch.tensor(prompt, dtype=torch.int64)
    seen[asked[(asked >= 0) & (asked < width)]] = True
    tokens = seen.nonzero().squeeze(1)
    return Occurred(tokens.to(device), count[tokens].to(device))


def is_penalised(sampling: Sampling) -> bool:
    added = sampling.presence_penalty or sampling.frequency_penalty
    return bool(added) or sampling.repetition_penalty != 1


def same_penalties(a: Sampling, b: Sampling) -> bool:
    return (a.presence_penalty, a.frequency_penalty, a.repetition_penalty) == (
        b.presence_penalty,
        b.frequency_penalty,
        b.repetition_penalty,
    )


def penalise(row: torch.Tensor, seen: Occurred, sampling: Sampling) -> None:
    """row [V] as vLLM penalises it: repetition first (x / r or x · r by sign), then subtractions."""
    x, r = row[seen.tokens], sampling.repetition_penalty
    row[seen.tokens] = torch.where(x > 0, x / r, x * r) - _added(seen, sampling)


def undo(row: torch.Tensor, seen: Occurred, sampling: Sampling) -> None:
    """The row [V] that `penalise` makes this one of. Assumes a repetition penalty above 0, as vLLM
    does; then the sign is the same on both sides, so there is exactly one."""
    y, r = row[seen.tokens] + _added(seen, sampling), sampling.repetition_penalty
    row[seen.tokens] = torch.where(y > 0, y * r, y / r)


def _added(seen: Occurred, sampling: Sampling) -> torch.Tensor:
    present = (seen.times > 0).float()
    return sampling.frequency_penalty * seen.times + sampling.presence_penalty * present
