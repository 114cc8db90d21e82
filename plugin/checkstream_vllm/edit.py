"""Edits of single logits rows, as tensors: deny, keep only, force, sample more tightly.

Shapes: `logits` is float32 [rows, V] on any device, changed in place. The order is deny, then
sampling, then force or stop, so that nothing later brings a denied token back.
"""

from __future__ import annotations

import math

import torch

from .identity import Sampling

NEVER = float("-inf")


def deny(row: torch.Tensor, tokens: torch.Tensor) -> None:
    """row [V], tokens int64 [n] on its device."""
    row.index_fill_(0, tokens, NEVER)


def keep_only(row: torch.Tensor, tokens: torch.Tensor) -> None:
    """Everything but these tokens is denied; what was denied before stays so."""
    kept = row[tokens].clone()
    row.fill_(NEVER)
    row[tokens] = kept


def force(row: torch.Tensor, token: int) -> None:
    """Only this token is left. Never its old logit: a mask before us may have made it -inf."""
    row.fill_(NEVER)
    row[token] = 0.0


def is_empty(row: torch.Tensor) -> bool:
    """No token is left: -inf everywhere, or NaN. Reads a value back from the device."""
    return not bool(row.max() > NEVER)


def sample_tighter(row: torch.Tensor, wanted: Sampling, native: Sampling) -> None:
    """Makes the engine, which goes on to apply `native`, sample row [V] as `wanted` says.

    Assumes penalised logits (penalty.py). Scaling by T_native / T_wanted is exact, because only a
    division by T_native follows; what min_p, top_k and top_p cut off is computed at T_wanted, in
    vLLM's order, and denied. A greedy request (T_native = 0) takes its argmax whatever is scaled.
    """
    if native.temperature <= 0:
        return
    if wanted.temperature < 1e-5:
        best = int(row.argmax())
        if not is_empty(row):
            force(row, best)
        return
    if wanted.temperature != native.temperature:
        row.mul_(native.temperature / wanted.temperature)
    cuts_p = wanted.top_p < min(native.top_p, 1)
    cuts_k = 0 < wanted.top_k and (native.top_k <= 0 or wanted.top_k < native.top_k)
    # A cut sees what those before it have left, so ours needs them first; the engine's own min_p
    # and top_k find nothing more to cut then.
    if wanted.min_p > (0 if cuts_p or cuts_k else native.min_p):
        # p < min_p · p_max at T  ⇔  z < z_max + T · ln(min_p), and row is z · T_native / T.
        row.masked_fill_(row < row.max() + native.temperature * math.log(wanted.min_p), NEVER)
    if 0 < wanted.top_k < row.numel() and (cuts_p or cuts_k):
        least = row.topk(wanted.top_k).values[-1]
        row.masked_fill_(row < least, NEVER)
    if cuts_p:
        _cut_tail(row, wanted.top_p, native.temperature)


def _cut_tail(row: torch.Tensor, top_p: float, temperature: float) -> None:
    """Keeps the smallest set of likeliest tokens whose probability reaches top_p, at least one."""
    probability = torch.softmax(row / temperature, dim=-1)
    some = min(1_024, row.numel())
    value, index = probability.topk(some)
    if some < row.numel() and float(value.sum()) < top_p:
        value, index = probability.sort(descending=True)
    before = value.cumsum(0) - value
    kept = index[before < top_p]
    keep_only(row, kept)
