"""A row as the sidecar is told of it when it opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .batch import Row
from .wire import NO_TOKEN


def opened_message(row: Row, with_prompt: bool) -> Callable[[], Any]:
    """Makes an Opened later, on the thread that writes it, as the row is now."""
    request, own = row.request, row.request.own
    output = row.output[: row.seen]
    prompt = list(row.prompt) if with_prompt and row.prompt is not None else []
    program = bytes.fromhex(row.program.digest) if row.program is not None else b""

    def make() -> Any:
        from . import protocol

        return protocol.Opened(
            slot=row.slot,
            generation=row.generation,
            request_id=request.rid,
            tenant=request.tenant,
            policy=request.policy,
            program=program,
            prompt_length=request.prompt_length,
            prompt_token_ids=prompt,
            output_token_ids=output,
            child=max(0, request.child),
            sampling=protocol.SamplingParameters(
                temperature=own.temperature,
                top_p=own.top_p,
                top_k=own.top_k,
                min_p=own.min_p,
                presence_penalty=own.presence_penalty,
                frequency_penalty=own.frequency_penalty,
                repetition_penalty=own.repetition_penalty,
                max_tokens=own.max_tokens,
                stop_token=request.stop if request.stop >= 0 else NO_TOKEN,
            ),
        )

    return make
