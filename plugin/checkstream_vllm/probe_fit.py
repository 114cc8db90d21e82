"""Fits a probe: python -m checkstream_vllm.probe_fit MODEL TEXTS.jsonl OUT [LABEL]

TEXTS has {"text": …, "label": 0 or 1} a line: what has been said so far, prompt included, and whether
it has become what the probe is to find. The hidden state of the last token is what the probe sees, as
when an answer has come that far. A text of label 0 is harmless wherever it is cut off, and the probe is
asked at every token, so some of its beginnings are harmless examples too. Of the texts 70 % fit the
weights (logistic regression), 15 % calibrate (Platt), 15 % tell how good it is. Prints one JSON object.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .probe import WATCH, probe_bytes

MAX_TOKENS = 512
LEAST = 40
# Beginnings of each harmless text beside the whole of it.
BEGINNINGS = 4


def read(path: str) -> tuple[list[str], Any]:
    lines = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
    label = np.array([int(line["label"]) for line in lines])
    if min(int((label == 0).sum()), int((label == 1).sum())) < LEAST:
        raise SystemExit(f"{path}: wanted at least {LEAST} texts of each label")
    return [str(line["text"]) for line in lines], label


def hidden_states(model: str, texts: list[str], label: Any) -> tuple[torch.Tensor, Any]:
    """float32 [examples, hidden], what vLLM computes logits of after each, and the text of each."""
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    from vllm import LLM, SamplingParams
    from vllm.model_executor.model_loader.utils import get_model_architecture

    llm = LLM(model=model, enforce_eager=True, max_model_len=MAX_TOKENS + 8, max_num_seqs=1)
    WATCH.wrap(get_model_architecture(llm.llm_engine.model_config)[0])
    tokenizer, r = llm.get_tokenizer(), random.Random(3)
    prompts: list[Any] = []
    source: list[int] = []
    for number, text in enumerate(texts):
        tokens = tokenizer.encode(text)[-MAX_TOKENS:]
        sizes = {len(tokens)}
        if not label[number]:
            sizes |= {r.randint(1, len(tokens)) for _ in range(BEGINNINGS)}
        prompts += [{"prompt_token_ids": tokens[:size]} for size in sorted(sizes)]
        source += [number] * len(sizes)
    # One sequence at a time, first come first served: a step an example, in order.
    WATCH.last_rows = rows = []
    llm.generate(prompts, SamplingParams(max_tokens=1), use_tqdm=False)
    WATCH.last_rows = None
    if len(rows) != len(prompts):
        raise SystemExit(f"vLLM showed {len(rows)} hidden states for {len(prompts)} texts")
    return torch.stack(rows), np.array(source)


def logistic(x: torch.Tensor, y: torch.Tensor, decay: float) -> tuple[torch.Tensor, float]:
    """weight [n] and bias of the minimum of log loss + decay · |weight|²; float64."""
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        z = x @ w[:-1] + w[-1]
        value = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
        value = value + decay * (w[:-1] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    found = w.detach()
    return found[:-1], float(found[-1])


def fit(hidden: torch.Tensor, label: Any, source: Any) -> tuple[Any, float, dict[str, str]]:
    """Weight, bias and facts of a calibrated probe. `label` and `source` (which text) are of each
    example; no text is on two sides, and the facts are of texts that fitted nothing."""
    order = np.random.default_rng(7).permutation(int(source.max()) + 1)
    cuts = [int(0.7 * len(order)), int(0.85 * len(order))]
    train, tune, test = (
        torch.tensor(np.flatnonzero(np.isin(source, part))) for part in np.split(order, cuts)
    )
    x, y = hidden.double(), torch.tensor(label, dtype=torch.float64)
    mean, scale = x[train].mean(0), x[train].std(0) + 1e-6
    x = (x - mean) / scale
    w, b = logistic(x[train], y[train], 1e-3)
    slope, shift = logistic((x[tune] @ w + b).unsqueeze(1), y[tune], 1e-4)
    weight = w / scale * slope[0]
    bias = (b - float((w * mean / scale).sum())) * float(slope[0]) + shift
    told = torch.sigmoid(hidden.double()[test] @ weight + bias).numpy()
    facts = {"auroc": f"{auroc(told, label[test.numpy()]):.4f}", "texts": str(len(order))}
    return weight.float().numpy(), bias, {**facts, "examples": str(len(label))}


def auroc(score: Any, label: Any) -> float:
    """Share of pairs in order, ties half."""
    above = score[label == 1][:, None] - score[label == 0][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def main(model: str, texts: str, out: str, name: str = "unsafe") -> None:
    words, label = read(texts)
    hidden, source = hidden_states(model, words, label)
    weight, bias, facts = fit(hidden, label[source], source)
    facts |= {"format": "checkstream-probe/1", "label": name, "model": Path(model).name}
    data = probe_bytes(weight, bias, facts)
    Path(out).write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    print(json.dumps({"out": out, "digest": digest, "hidden": len(weight), **facts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
