"""Whose request a row is: what the proxy put into `SamplingParams.extra_args`.

The proxy strips what a client sent under these names, so what arrives here is its own. A request
that went around it has none of them, and is governed by the default program all the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TEXT = 256

TEXTS = ("checkstream_rid", "checkstream_tenant", "checkstream_policy")
WHOLE = ("checkstream_stop", "checkstream_child", "checkstream_top_k")
REAL = ("checkstream_temperature", "checkstream_top_p", "checkstream_min_p")
PREFIX = "checkstream_"


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a request is sampled. `top_k` ≤ 0 is off."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """Identity and wishes of one request. `own` is the client's sampling; `native` is what the
    engine applies after us. They differ when the proxy took the sampling over."""

    rid: str
    tenant: str
    policy: str
    program: bytes
    child: int
    own: Sampling
    native: Sampling
    stop: int
    # The engine may already deny tokens of its own (a grammar, an allow-list), so that ours and its
    # together may leave none.
    constrained: bool
    prompt_length: int

    @property
    def taken_over(self) -> bool:
        return self.own is not self.native


def validate_extra_args(extra: Mapping[str, Any] | None) -> None:
    """Raises ValueError for a value of ours of the wrong shape. Cheap: runs at every admission."""
    if not extra:
        return
    for key in TEXTS:
        value = extra.get(key, "")
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise ValueError(f"{key}: wanted a string of at most {MAX_TEXT} characters")
    program = extra.get("checkstream_program", "")
    if not isinstance(program, str) or (program and not _is_digest(program)):
        raise ValueError("checkstream_program: wanted 64 hexadecimal digits")
    for key in WHOLE:
        value = extra.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value < 2**31:
            raise ValueError(f"{key}: wanted an integer of at least -1, got {value!r}")
    for key in REAL:
        value = extra.get(key, 0.0)
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or value < 0:
            raise ValueError(f"{key}: wanted a number of at least 0, got {value!r}")


def parse_request(params: Any, prompt_length: int, width: int, end_ids: list[int]) -> Request:
    """Assumes vLLM's SamplingParams. Never raises for what a client may have sent: a value of the
    wrong shape counts as absent (`validate_params` has refused it at admission already)."""
    extra = getattr(params, "extra_args", None) or {}
    native = _native(params)
    text = [extra.get(key, "") for key in TEXTS]
    rid, tenant, policy = (t if isinstance(t, str) else "" for t in text)
    program = extra.get("checkstream_program", "")
    known = isinstance(program, str) and _is_digest(program)
    return Request(
        rid=rid[:MAX_TEXT],
        tenant=tenant[:MAX_TEXT],
        policy=policy[:MAX_TEXT],
        program=bytes.fromhex(program) if known else b"",
        child=_whole(extra, "checkstream_child", 0),
        own=_own(extra, native),
        native=native,
        stop=_stop_token(params, _whole(extra, "checkstream_stop", -1), width, end_ids),
        constrained=any(
            getattr(params, name, None)
            for name in ("structured_outputs", "guided_decoding", "allowed_token_ids", "logit_bias")
        ),
        prompt_length=prompt_length,
    )


def _native(params: Any) -> Sampling:
    return Sampling(
        temperature=float(params.temperature),
        top_p=float(params.top_p),
        top_k=int(params.top_k),
        min_p=float(params.min_p),
        presence_penalty=float(params.presence_penalty),
        frequency_penalty=float(params.frequency_penalty),
        repetition_penalty=float(params.repetition_penalty),
        max_tokens=int(params.max_tokens or 0),
    )


def _own(extra: Mapping[str, Any], native: Sampling) -> Sampling:
    if not any(f"checkstream_{name}" in extra for name in ("temperature", "top_p", "top_k", "min_p")):
        return native
    return Sampling(
        temperature=_real(extra, "checkstream_temperature", native.temperature),
        top_p=_real(extra, "checkstream_top_p", native.top_p) or 1.0,
        top_k=_whole(extra, "checkstream_top_k", native.top_k),
        min_p=_real(extra, "checkstream_min_p", native.min_p),
        presence_penalty=native.presence_penalty,
        frequency_penalty=native.frequency_penalty,
        repetition_penalty=native.repetition_penalty,
        max_tokens=native.max_tokens,
    )


def _stop_token(params: Any, reserved: int, width: int, end_ids: list[int]) -> int:
    """The token that ends this request: the proxy's reserved one, else one that ends it anyway."""
    wanted: list[Any] = [reserved]
    if not getattr(params, "ignore_eos", False):
        wanted.append(getattr(params, "eos_token_id", None))
    wanted += [*(getattr(params, "stop_token_ids", None) or ()), *end_ids]
    return next((t for t in wanted if isinstance(t, int) and 0 <= t < width), 0)


def _is_digest(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdefABCDEF" for c in text)


def _whole(extra: Mapping[str, Any], key: str, absent: int) -> int:
    value = extra.get(key, absent)
    return value if isinstance(value, int) and -1 <= value < 2**31 else absent


def _real(extra: Mapping[str, Any], key: str, absent: float) -> float:
    value = extra.get(key, absent)
    usable = isinstance(value, int | float) and math.isfinite(value) and value >= 0
    return float(value) if usable else absent
