"""A tightened row, sampled by the engine, gives what the engine's own sampling at the tighter values
gives: with penalties before us (V2) and after us (V1), whatever is tightened."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from checkstream_vllm import events
from checkstream_vllm.rule import Adapt, tighten
from engine import FakeLink, V2States, attached, params
from test_rows import context, free_program, request, rule, v1, v2, write

torch = pytest.importorskip("torch", reason="torch is not installed")

WIDTH = 40
PROMPT, OUTPUT = [5, 6, 7, 7], [7, 9, 9, 9, 11]


def penalised(z: Any, s: Any) -> Any:
    """vLLM's apply_penalties, token by token, in float64."""
    z = z.double().clone()
    for token in {*PROMPT, *OUTPUT}:
        r = s.repetition_penalty
        z[token] = z[token] / r if z[token] > 0 else z[token] * r
    for token in set(OUTPUT):
        z[token] -= s.frequency_penalty * OUTPUT.count(token) + s.presence_penalty
    return z


def sampled(z: Any, s: Any) -> Any:
    """The distribution of vLLM's sampler: temperature, min_p, top_k, top_p, each on what is left."""
    if s.temperature < 1e-5:
        return torch.nn.functional.one_hot(z.argmax(), WIDTH).double()
    p = torch.softmax(z / s.temperature, -1)
    p = torch.where(p < s.min_p * p.max(), 0.0, p)
    if 0 < s.top_k < WIDTH:
        p = torch.where(p < p.topk(s.top_k).values[-1], 0.0, p)
    p = p / p.sum()
    value, index = p.sort(descending=True)
    p[index[value.cumsum(0) - value >= s.top_p]] = 0.0
    return p / p.sum()


def values(r: random.Random, seed: int) -> tuple[dict[str, float], Adapt]:
    """A client's values as the proxy sends them, and a directive. top_p is 1 for the engine, as it
    always is for a request whose policy may change it."""
    asked = {
        "temperature": r.choice([0.7, 1.0, 1.4]),
        "top_k": r.choice([0, 0, 12]),
        "min_p": r.choice([0.0, 0.0, 0.02]),
        "presence_penalty": r.choice([0.0, 0.8, -0.5]),
        "frequency_penalty": r.choice([0.0, 0.6]),
        "repetition_penalty": r.choice([1.0, 1.3, 0.8]),
    }
    if seed % 4 == 0:
        asked |= {"presence_penalty": 0.0, "frequency_penalty": 0.0, "repetition_penalty": 1.0}
    adapt = Adapt(
        temperature=r.choice([0.0, 0.3, 0.6]),
        top_p=r.choice([0.0, 0.6, 0.9]),
        top_k=r.choice([0, 5]),
        min_p=r.choice([0.0, 0.05]),
        repetition_penalty=r.choice([0.0, 1.5]),
    )
    return asked, adapt


def adapted(runner: str, asked: dict[str, float], adapt: Adapt, z: Any, **ours: Any) -> Any:
    """The logits of one row after us, in an engine that penalises before (v2) or after us."""
    link = FakeLink()
    given = params(rid="r", **ours)
    vars(given).update(asked)
    q = {**request(None), "params": given, "prompt": PROMPT, "output": list(OUTPUT)}
    told = [*attached(free_program()), events.Told((rule(slot=0, adapt=adapt),))]
    if runner == "v1":
        processor = v1(link)
        added = [(0, given, PROMPT, q["output"])]
        processor.update_state(SimpleNamespace(batch_size=1, removed=[], added=added, moved=[]))
        link.events = attached(free_program())
        processor.apply(z.clone().unsqueeze(0))
        link.events = told[-1:]
        out = processor.apply(z.clone().unsqueeze(0))[0]
    else:
        states = V2States(torch, 2, 60, WIDTH)
        processor = v2(link, states)
        write(states, 0, q)
        processor.add_request(0, given)
        link.events = attached(free_program())
        where = context([(0, 0, len(PROMPT) + len(OUTPUT) - 1, OUTPUT[-1])], states)
        for _ in range(2):
            processor.apply_staged_writes()
            out = processor.apply(z.clone().unsqueeze(0), where)[0]
            link.events = told[-1:]
        link.events = told[-1:]
        processor.apply_staged_writes()
        out = processor.apply(z.clone().unsqueeze(0), where)[0]
    assert processor._stats.errors == 0, processor._stats.last_error
    return out


@pytest.mark.parametrize("runner", ["v1", "v2"])
@pytest.mark.parametrize("seed", range(60))
def test_the_engine_samples_an_adapted_row_as_it_would_at_the_tighter_values(
    runner: str, seed: int
) -> None:
    r = random.Random(seed)
    torch.manual_seed(seed)
    asked, adapt = values(r, seed)
    native = SimpleNamespace(**{**vars(params()), **asked})
    z = torch.randn(WIDTH) * 3
    before = penalised(z, native).float() if runner == "v2" else z
    out = adapted(runner, asked, adapt, before)
    final = out.double() if runner == "v2" else penalised(out, native)
    wanted = tighten(native, adapt)
    expected = sampled(penalised(z, wanted), wanted)
    assert torch.allclose(sampled(final, native), expected, atol=2e-6)


@pytest.mark.parametrize("runner", ["v1", "v2"])
def test_a_greedy_request_that_the_proxy_took_over_takes_the_best_penalised_token(
    runner: str,
) -> None:
    z = torch.zeros(WIDTH)
    z[9], z[20] = 3.0, 2.5  # 9 has been said three times
    asked = {"frequency_penalty": 0.5}
    native = SimpleNamespace(**{**vars(params()), **asked})
    before = penalised(z, native).float() if runner == "v2" else z
    out = adapted(runner, asked, Adapt(), before, temperature=0.0)
    assert torch.isfinite(out).nonzero().flatten().tolist() == [20]
