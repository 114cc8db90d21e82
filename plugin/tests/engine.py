"""What the two runners of vLLM do to a processor, acted out: batches, slots, tokens. No vLLM."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from checkstream_vllm import events
from checkstream_vllm.agree import Alone
from checkstream_vllm.program import TokenProgram
from checkstream_vllm.settings import Settings
from checkstream_vllm.stats import Stats
from checkstream_vllm.wire import CLOSED, RESIDENT
from checkstream_vllm.worker import Worker

STOP = 3


class FakeLink:
    """Takes what the core tells, and says what the test wants said."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.opened: list[Any] = []
        self.closed: list[tuple[int, int, int]] = []
        self.told: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self.awaited = 0
        self.on_idle = lambda: None

    def open(self, slot: int, make: Any) -> None:
        self.opened.append(make)

    def close(self, slot: int, generation: int, position: int) -> None:
        self.closed.append((slot, generation, position))

    def report(self, entries: list[Any], with_state: bool) -> None:
        for some in entries:
            columns = (some.slot, some.generation, some.position, some.token, some.state)
            for slot, generation, position, token, state in zip(*columns, strict=True):
                row = self.told.setdefault((int(slot), int(generation)), [])
                row.append((int(position), int(token), int(state)))

    def end_step(self, awaited: bool) -> None:
        self.awaited += int(awaited)

    def collect(self) -> list[Any]:
        out, self.events = self.events, []
        return out


def worker(width: int, link: FakeLink, asynchronous: bool = False, mode: int = RESIDENT) -> Worker:
    return Worker(
        settings=Settings("unix:/nowhere", mode, 0),
        width=width,
        end_ids=[1],
        slots=64,
        agree=Alone(),
        link=link,
        stats=Stats(),
        asynchronous=asynchronous,
        active=True,
    )


def attached(*blobs: tuple[bytes, bytes], on_failure: int = CLOSED) -> list[Any]:
    """The events of a hand-shake that ends with the first program as the default."""
    terms = events.Terms(on_failure, False, True, 0.02, 8, 0.01, 3, 1.0, 16_384)
    ready = [events.ProgramReady(digest, data, TokenProgram(data)) for digest, data in blobs]
    default = blobs[0][0] if blobs else b""
    bound = events.Bound(default, frozenset(d for d, _ in blobs))
    return [terms, *ready, bound, events.Attached(1)]


def params(**extra: Any) -> Any:
    given = {f"checkstream_{k}": v for k, v in extra.items()}
    return SimpleNamespace(
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        repetition_penalty=1.0,
        max_tokens=64,
        ignore_eos=False,
        eos_token_id=1,
        stop_token_ids=[],
        structured_outputs=None,
        allowed_token_ids=None,
        logit_bias=None,
        extra_args={"checkstream_stop": STOP, **given},
    )


class V1Engine:
    """vLLM's persistent batch: removed slots are refilled or condensed, requests swap places, and a
    preempted request comes back elsewhere with its output going on."""

    def __init__(self, processor: Any, seed: int, asynchronous: bool) -> None:
        self.p, self.r, self.asynchronous = processor, random.Random(seed), asynchronous
        self.batch: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []
        self.pending: list[tuple[dict[str, Any], int]] = []

    def schedule(self, new: list[dict[str, Any]]) -> Any:
        r, removed, added, moved = self.r, [], [], []
        holes = []
        for index, request in enumerate(self.batch):
            if r.random() < 0.08:
                holes.append(index)
                if r.random() < 0.5:
                    self.waiting.append(request)
        for request in [*new, *(self.waiting if r.random() < 0.5 else [])]:
            if request in self.waiting:
                if any(request is self.batch[h] for h in holes):
                    continue  # it cannot come back in the step that removes it
                self.waiting.remove(request)
            if holes:
                index = holes.pop(0)
                self.batch[index] = request
            else:
                index = len(self.batch)
                self.batch.append(request)
            added.append((index, request["params"], request["prompt"], request["output"]))
        removed = list(holes)
        for hole in sorted(holes, reverse=True):
            last = len(self.batch) - 1
            if hole != last:
                moved.append((last, hole, SimpleNamespace(name="UNIDIRECTIONAL")))
                self.batch[hole] = self.batch[last]
            self.batch.pop()
        if len(self.batch) > 1 and r.random() < 0.2:
            a, b = r.sample(range(len(self.batch)), 2)
            self.batch[a], self.batch[b] = self.batch[b], self.batch[a]
            moved.append((a, b, SimpleNamespace(name="SWAP")))
        if not (removed or added or moved):
            return None
        size = len(self.batch)
        return SimpleNamespace(batch_size=size, removed=removed, added=added, moved=moved)

    def step(self, new: list[dict[str, Any]], logits: Any, choose: Any) -> Any:
        """One engine step; `choose` picks each row's token from its masked logits."""
        self.p.update_state(self.schedule(new))
        for request, token in self.pending:
            out = request["output"]
            if out and out[-1] == -1:
                out[-1] = token
        self.pending = []
        out = self.p.apply(logits(len(self.batch)))
        for index, request in enumerate(self.batch):
            if request.get("prefill", 0) > 0:  # a chunk: its sampled token is thrown away
                request["prefill"] -= 1
                continue
            token = choose(out[index], request)
            if self.asynchronous:
                request["output"].append(-1)
                self.pending.append((request, token))
            else:
                request["output"].append(token)
        return out


class V2States:
    """vLLM's LogitsProcRequestState on the CPU, and the runner's writes to it."""

    def __init__(self, torch: Any, slots: int, length: int, width: int) -> None:
        self.torch = torch
        self.device = torch.device("cpu")
        self.max_num_reqs, self.vocab_size = slots, width
        self.all_token_ids = SimpleNamespace(gpu=torch.zeros(slots, length, dtype=torch.int32))
        self.total_len = SimpleNamespace(gpu=torch.zeros(slots, dtype=torch.int32))
        self.prompt_len = self._both(slots)
        self.prefill_len = self._both(slots)

    def _both(self, slots: int) -> Any:
        array = np.zeros(slots, dtype=np.int32)
        return SimpleNamespace(np=array, gpu=self.torch.from_numpy(array))
