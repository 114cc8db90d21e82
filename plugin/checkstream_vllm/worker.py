"""What a processor needs from vLLM's configuration, for both runners. The only file besides v1 and
v2 that imports vLLM, and only inside functions: importing the plugin must stay light."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .agree import Alone, Group, over_gloo
from .settings import Settings, parse_settings
from .stats import Stats
from .wire import CLOSED, MAJOR, MINOR

log = logging.getLogger("vllm.checkstream")


@dataclass(slots=True)
class Worker:
    """One engine worker's surroundings. `link` is None where another rank speaks for the group."""

    settings: Settings
    width: int
    end_ids: list[int]
    slots: int
    agree: Alone | Group
    link: Any
    stats: Stats
    asynchronous: bool
    active: bool


def start_worker(vllm_config: Any, runner: str) -> Worker:
    """Reads the configuration, and on rank 0 attaches to the sidecar. Raises ValueError for a
    configuration in which bans could not hold; that ends the engine's start, with the reason."""
    settings = parse_settings(os.environ)
    model = vllm_config.model_config
    width = int(model.get_vocab_size())
    end_ids = _end_ids(model)
    stats = Stats()
    active, leads, agree = _ranks(vllm_config)
    link = None
    if active and leads:
        link = _attach(vllm_config, runner, settings, stats, width, end_ids)
    return Worker(
        settings=settings,
        width=width,
        end_ids=end_ids,
        slots=int(vllm_config.scheduler_config.max_num_seqs),
        agree=agree,
        link=link,
        stats=stats,
        asynchronous=bool(getattr(vllm_config.scheduler_config, "async_scheduling", False)),
        active=active,
    )


def refuse_speculation(vllm_config: Any) -> None:
    if getattr(vllm_config, "speculative_config", None) is not None:
        raise ValueError(
            "checkstream_vllm: speculative decoding on the V1 model runner verifies draft tokens "
            "without logits processors, so bans would not hold. Use the V2 model runner "
            "(VLLM_USE_V2_MODEL_RUNNER=1), or remove --speculative-config."
        )


def refuse_sharded_sampling(vllm_config: Any) -> None:
    for holder in (vllm_config, vllm_config.parallel_config, vllm_config.scheduler_config):
        if getattr(holder, "enable_batch_sharded_sampling", False):
            raise ValueError(
                "checkstream_vllm: batch-sharded sampling shows each rank only a part of the rows. "
                "Remove --enable-batch-sharded-sampling."
            )


def _ranks(vllm_config: Any) -> tuple[bool, bool, Alone | Group]:
    """(does this rank sample, does it lead, how it agrees with the others)."""
    parallel = vllm_config.parallel_config
    active = True
    if parallel.pipeline_parallel_size > 1:
        from vllm.distributed import get_pp_group

        active = bool(get_pp_group().is_last_rank)
    if parallel.tensor_parallel_size == 1:
        return active, True, Alone()
    from vllm.distributed import get_tp_group

    group = get_tp_group()
    leads = group.rank_in_group == 0
    return active, leads, Group(leads, over_gloo(group.cpu_group, group.ranks[0], leads))


def _end_ids(model: Any) -> list[int]:
    found: list[int] = []
    generation = model.try_get_generation_config() or {}
    holders = [generation.get("eos_token_id"), getattr(model.hf_text_config, "eos_token_id", None)]
    for value in holders:
        values = value if isinstance(value, list | tuple) else [value]
        found += [int(v) for v in values if isinstance(v, int)]
    return list(dict.fromkeys(found))


def _tokenizer(model: Any) -> Any:
    if getattr(model, "skip_tokenizer_init", False):
        raise ValueError("checkstream_vllm: bans need the tokenizer: remove --skip-tokenizer-init")
    for module in ("vllm.tokenizers", "vllm.transformers_utils.tokenizer"):
        try:
            load = __import__(module, fromlist=["x"]).cached_tokenizer_from_config
        except (ImportError, AttributeError):
            continue
        return load(model)
    raise ValueError("checkstream_vllm: this vLLM has no cached_tokenizer_from_config")


def _attach(
    vllm_config: Any, runner: str, settings: Settings, stats: Stats, width: int, end_ids: list[int]
) -> Any:
    from .client import Client
    from .link import Link
    from .vocabulary import from_tokenizer

    tokenizer = _tokenizer(vllm_config.model_config)
    own = getattr(tokenizer, "eos_token_id", None)  # the one that vLLM calls the end without a name
    if isinstance(own, int):
        end_ids = [own, *(t for t in end_ids if t != own)]
    vocabulary = from_tokenizer(tokenizer, width, set(end_ids))
    make = _hello(vllm_config, runner, width, end_ids, vocabulary)
    client = Client(settings.address, make, vocabulary, stats)
    _only(client)
    link = Link(client, stats)
    client.start(link.tick)
    if settings.on_failure == CLOSED and settings.start_timeout_s:
        log.info("checkstream: waiting for the sidecar on %s", settings.address)
        if not client.wait_bound(settings.start_timeout_s):
            log.warning(
                "checkstream: no program from the sidecar on %s within %g s (%s): requests are "
                "stopped until it attaches (CHECKSTREAM_ON_FAILURE=closed)",
                settings.address,
                settings.start_timeout_s,
                stats.last_error,
            )
    return link


def _watch_hidden_states(vllm_config: Any) -> bool:
    """Wraps the model's class for the probe; False where vLLM does not say which class it is."""
    from .probe import WATCH

    try:
        from vllm.model_executor.model_loader.utils import get_model_architecture

        WATCH.wrap(get_model_architecture(vllm_config.model_config)[0])
    except Exception as error:  # private to vLLM: without it there is no probe, and all else works
        log.info("checkstream: no probe in this engine: %s", error)
        return False
    return True


_CLIENTS: list[Any] = []


def _only(client: Any) -> None:
    """One conversation a process: an engine that is made again in it ends the old one's."""
    for old in _CLIENTS:
        old.close()
    _CLIENTS[:] = [client]


def _hello(
    vllm_config: Any, runner: str, width: int, end_ids: list[int], vocabulary: Any
) -> Callable[[list[bytes]], Any]:
    import vllm

    from . import protocol

    parallel = vllm_config.parallel_config
    dp_rank = int(getattr(parallel, "data_parallel_rank", 0) or 0)
    capabilities = ["adapt", "force", "stop", "deny", "prompt_tokens"]
    if getattr(vllm_config, "speculative_config", None) is not None:
        capabilities.append("speculative")
    if _watch_hidden_states(vllm_config):
        capabilities.append("probe")
    served = getattr(vllm_config.model_config, "served_model_name", None)
    name = served[0] if isinstance(served, list) and served else served

    def make(held: list[bytes]) -> Any:
        return protocol.Hello(
            protocol_major=MAJOR,
            protocol_minor=MINOR,
            engine_id=f"{socket.gethostname()}/{os.getpid()}/dp{dp_rank}"[:256],
            engine_name="vllm",
            engine_version=str(getattr(vllm, "__version__", "")),
            runner=runner,
            model=str(name or vllm_config.model_config.model),
            logits_width=width,
            vocabulary_digest=vocabulary.digest,
            full_vocabulary_digest=vocabulary.full_digest,
            end_token_ids=[t for t in end_ids if 0 <= t < width],
            slots=int(vllm_config.scheduler_config.max_num_seqs),
            tensor_parallel_size=int(parallel.tensor_parallel_size),
            capabilities=capabilities,
            held_programs=held,
            data_parallel_rank=dp_rank,
        )

    return make
