"""Trains the demo model: a Llama of 2.8 million parameters, on two cores in under half an hour.

    python train.py [--out RUN] [--quick] [--threads 2]

Same seed, same corpus, same order of batches. A checkpoint is written every 50 steps and a
second start goes on from it. `--quick` trains for a minute, to see that everything works.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

import tokenizer as bpe
from corpus import LATER, Corpus
from optimizer import Muon, split_parameters

SEED = 20_260
CONTEXT = 2048
TOKENS_PER_STEP = 4096
STEPS, LONG_STEPS, WARM_UP = 720, 40, 30
# From the first of these steps on there is more to copy; until the second, some rows are nothing else.
COPY_STEPS, COPY_ROWS = (400, 560), 3
SHAPE = dict(
    vocab_size=bpe.SIZE, hidden_size=192, intermediate_size=576, num_hidden_layers=5,
    num_attention_heads=6, num_key_value_heads=2, head_dim=32, tie_word_embeddings=True,
    max_position_embeddings=CONTEXT, rms_norm_eps=1e-5, initializer_range=0.02,
    bos_token_id=None, eos_token_id=2, pad_token_id=0,
)  # fmt: skip


class Batches:
    """Packs documents one after another; weights are 1 on what the assistant says, else 0.15."""

    def __init__(self, coder: Tokenizer, seed: int):
        self.coder, self.corpus = coder, Corpus(seed)
        self.ids: list[int] = []
        self.weights: list[float] = []
        start, end = coder.token_to_id("<|im_start|>"), coder.token_to_id("<|im_end|>")
        self.start, self.end = start, end
        self.says = coder.encode("assistant\n", add_special_tokens=False).ids

    def _append(self, text: str) -> None:
        ids = self.coder.encode(text, add_special_tokens=False).ids
        chat, ours = self.start in ids, False
        for i, token in enumerate(ids):
            opened = ids[i - len(self.says) : i] == self.says and ids[i - len(self.says) - 1] == self.start
            ours = ours or opened
            self.weights.append(1.0 if ours or not chat else 0.15)
            if token == self.end:
                ours = False
        self.ids += ids

    def at(self, step: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of a step; the steps must be asked for one after another."""
        if step == COPY_STEPS[0]:
            self.corpus.shares = LATER
        length = CONTEXT if step >= steps - LONG_STEPS and steps == STEPS else 512
        pairs, weights = self.next(TOKENS_PER_STEP // length, length)
        if COPY_STEPS[0] <= step < COPY_STEPS[1]:
            for row in range(COPY_ROWS):
                pairs[:, row], weights[row] = self._repetition(length)
        return pairs, weights

    def _repetition(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random tokens said over and over: nothing can be learnt from it but to copy. A model this
        small does not find that out from text alone in so short a time."""
        rng = self.corpus.rng
        period = rng.randint(4, 64)
        first = [rng.randrange(10, bpe.SIZE) for _ in range(period)]
        ids = torch.tensor((first * (length // period + 2))[: length + 1])
        weights = torch.ones(length)
        weights[: period - 1] = 0.0
        return torch.stack([ids[:-1], ids[1:]]), weights

    def next(self, rows: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        need = rows * length + 1
        while len(self.ids) < need:
            self._append(self.corpus.document())
        ids, weights = torch.tensor(self.ids[:need]), torch.tensor(self.weights[1:need])
        del self.ids[: need - 1], self.weights[: need - 1]
        pairs = torch.stack([ids[:-1], ids[1:]]).view(2, rows, length)
        return pairs, weights.view(rows, length)


def build() -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE, attn_implementation="sdpa"))
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.data.zero_()
        layer.mlp.down_proj.weight.data.zero_()
    return model


def loss_of(model: LlamaForCausalLM, pairs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    logits = model(pairs[0], use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), pairs[1].flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


def rate(step: int, steps: int) -> float:
    """Warm-up, then flat, then down to nothing over the last 40 %."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return min(1.0, (steps - step) / (0.4 * steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    steps = 40 if options.quick else STEPS
    out: Path = options.out
    if not (out / "tokenizer.json").exists():
        bpe.save(bpe.train(SEED), out, CONTEXT)
    batches = Batches(Tokenizer.from_file(str(out / "tokenizer.json")), SEED + 1)
    model = build()
    matrices, others = split_parameters(model)
    optimizers = [Muon(matrices, lr=0.02), torch.optim.AdamW(others, lr=4e-3, betas=(0.9, 0.95), weight_decay=0.0)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    first, spent = restore(out, model, optimizers, batches, steps)
    started, log = time.process_time() - spent, (out / "train.jsonl").open("a")
    for step in range(first, steps):
        pairs, weights = batches.at(step, steps)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate(step, steps)
        loss = loss_of(model, pairs, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        assert math.isfinite(loss.item()), f"step {step}: the loss is {loss.item()}"
        spent = time.process_time() - started
        log.write(json.dumps({"step": step, "loss": round(loss.item(), 4), "cpu_s": round(spent, 1)}) + "\n")
        log.flush()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            state = {"step": step + 1, "cpu_s": spent, "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
            torch.save(state, out / "checkpoint.tmp")
            (out / "checkpoint.tmp").replace(out / "checkpoint.pt")


def restore(out: Path, model, optimizers, batches: Batches, steps: int) -> tuple[int, float]:
    """Goes on from the last checkpoint; the corpus is replayed up to it."""
    path = out / "checkpoint.pt"
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    for step in range(state["step"]):
        batches.at(step, steps)
    return state["step"], state["cpu_s"]


if __name__ == "__main__":
    main()
