"""Trains the demo model: a Llama of 2.9 million parameters, on two cores in under half an hour.

Three stages: the whole corpus; then the questions of the demo; then long contexts.

    python train.py [--out RUN] [--quick] [--threads 2]

Same seed, same corpus, same order of batches. A checkpoint is written every 10 steps and a
second start goes on from it. `--quick` trains for a minute, to see that everything works.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

import tokenizer as bpe
from corpus import FINAL, LATER, Corpus
from optimizer import Muon, split_parameters

SEED = 20_260
CONTEXT = 2048
TOKENS_PER_STEP = 4096
COPY_ROWS = 3


@dataclass(frozen=True)
class Stage:
    """Learning rates start at `peak` of their values and fall over the last `decay` of the steps."""

    steps: int
    long_steps: int
    warm_up: int
    peak: float
    decay: float
    # From the first of these steps on there is more to copy; until the second, some rows are
    # random tokens repeated. None: the corpus of the last stage.
    copy: tuple[int, int] | None


STAGES = [Stage(720, 40, 30, 1.0, 0.4, (400, 560)), Stage(120, 10, 6, 0.5, 0.8, None), Stage(40, 40, 3, 0.4, 0.8, None)]
QUICK = [Stage(30, 2, 5, 1.0, 0.4, (10, 20)), Stage(10, 2, 2, 0.5, 0.8, None), Stage(4, 4, 1, 0.4, 0.8, None)]


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

    def at(self, step: int, stage: Stage) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch of a step; the steps must be asked for one after another."""
        if step == 0 and stage.copy is None:
            self.corpus.shares, self.corpus.is_final = FINAL, True
        if stage.copy is not None and step == stage.copy[0]:
            self.corpus.shares = LATER
        length = CONTEXT if step >= stage.steps - stage.long_steps else 512
        pairs, weights = self.next(TOKENS_PER_STEP // length, length)
        if stage.copy is not None and stage.copy[0] <= step < stage.copy[1]:
            for row in range(min(COPY_ROWS, len(weights))):
                pairs[:, row], weights[row] = self._repetition(length)
        return pairs, weights

    def _repetition(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Random tokens said over and over: nothing can be learnt from it but to copy. It was meant
        to make the model copy any text; in so short a time it did not (see the card)."""
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


def rate(step: int, stage: Stage) -> float:
    """Warm-up, then flat, then down to nothing."""
    if step < stage.warm_up:
        return stage.peak * (step + 1) / stage.warm_up
    return stage.peak * min(1.0, (stage.steps - step) / (stage.decay * stage.steps))


def optimizers_of(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    matrices, others = split_parameters(model)
    made = [Muon(matrices, lr=0.02), torch.optim.AdamW(others, lr=4e-3, betas=(0.9, 0.95), weight_decay=0.0)]
    for optimizer in made:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return made


class Run:
    """What a checkpoint holds: the stage, the step in it, the weights, the optimizers."""

    def __init__(self, out: Path):
        self.out, self.path = out, out / "checkpoint.pt"
        self.coder = Tokenizer.from_file(str(out / "tokenizer.json"))
        self.stage, self.step, self.cpu_s = 0, 0, 0.0
        self.model = build()
        self.optimizers = optimizers_of(self.model)
        if self.path.exists():
            self._restore()

    def _restore(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.stage, self.step, self.cpu_s = state["stage"], state["step"], state["cpu_s"]
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)

    def next_stage(self) -> None:
        self.stage, self.step = self.stage + 1, 0
        self.optimizers = optimizers_of(self.model)

    def save(self) -> None:
        optimizers = [o.state_dict() for o in self.optimizers]
        state = {"stage": self.stage, "step": self.step, "cpu_s": self.cpu_s, "model": self.model.state_dict(), "optimizers": optimizers}
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.path)

    def train_step(self, pairs: torch.Tensor, weights: torch.Tensor, factor: float) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
        loss = loss_of(self.model, pairs, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        assert math.isfinite(loss.item()), f"step {self.step}: the loss is {loss.item()}"
        self.step += 1
        return loss.item()


def train_stage(run: Run, stage: Stage) -> None:
    if run.step == stage.steps:
        return
    batches = Batches(run.coder, SEED + 1 + run.stage)
    for step in range(run.step):
        batches.at(step, stage)
    started, log = time.process_time() - run.cpu_s, (run.out / "train.jsonl").open("a")
    while run.step < stage.steps:
        loss = run.train_step(*batches.at(run.step, stage), rate(run.step, stage))
        run.cpu_s = time.process_time() - started
        log.write(json.dumps({"stage": run.stage, "step": run.step, "loss": round(loss, 4), "cpu_s": round(run.cpu_s, 1)}) + "\n")
        log.flush()
        if run.step % 10 == 0 or run.step == stage.steps:
            run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "run")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out: Path = options.out
    if not (out / "tokenizer.json").exists():
        bpe.save(bpe.train(SEED), out, CONTEXT)
    run, stages = Run(out), QUICK if options.quick else STAGES
    train_stage(run, stages[run.stage])
    while run.stage + 1 < len(stages):
        run.next_stage()
        train_stage(run, stages[run.stage])


if __name__ == "__main__":
    main()
