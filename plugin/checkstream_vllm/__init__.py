"""CheckStream inside vLLM: `--logits-processors checkstream_vllm:CheckStream`.

One name for vLLM's two interfaces. vLLM imports this in its API server, its engine and its workers:
it touches no socket and no device, and leaves HTTP/2 and numpy unimported until a processor is made.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["CheckStream"]


def _bases() -> tuple[type, ...]:
    """vLLM's two base classes, of which an engine has one or both; none outside an engine."""
    found: list[type] = []
    for module in (
        "vllm.v1.sample.logits_processor.interface",
        "vllm.v1.worker.gpu.sample.logits_processor.interface",
    ):
        try:
            found.append(__import__(module, fromlist=["x"]).LogitsProcessor)
        except (ImportError, AttributeError):
            continue
    return tuple(found) or (object,)


class CheckStream(*_bases()):  # type: ignore[misc]
    """V1 constructs it with (vllm_config, device, is_pin_memory), V2 with (vllm_config, states)."""

    def __init__(self, vllm_config: Any, where: Any, *rest: Any) -> None:
        if rest:
            from .v1 import V1

            self._runner: Any = V1(vllm_config, where)
        else:
            from .v2 import V2

            self._runner = V2(vllm_config, where)

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """ValueError, which becomes an HTTP 400, for a value of ours of the wrong shape."""
        from .identity import validate_extra_args

        validate_extra_args(getattr(sampling_params, "extra_args", None))

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: Any) -> None:
        self._runner.update_state(batch_update)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        return bool(self._runner.add_request(req_idx, sampling_params))

    def apply_staged_writes(self) -> None:
        self._runner.apply_staged_writes()

    def apply(self, logits: Any, *context: Any) -> Any:
        return self._runner.apply(logits, *context)
