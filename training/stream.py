"""Trains the streaming scorer: hashed byte n-grams of units, a GRU, smoothed heads. python stream.py

First the n-gram table learns the meaning of words: a unit's vector should be that of the same word
in MiniLM's vocabulary (64 principal components). Then labels, and with --soft the encoder's opinion
of the same and of unlabelled texts (soft.py). The budget is counted in rows, not in time.
State: GRU hidden and the smoothed logits. A position's probability is the sigmoid of an exponential
mean of the head's logits, so one odd unit cannot raise an alarm: evidence must last. The loss is on
the highest smoothed logit of a text (what an alarm sees) and, more lightly, on every position.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from sources import HEADS  # noqa: E402
from units import BUCKETS, MAX_UNIT, SLOTS, cut, features  # noqa: E402

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
TARGET = HERE.parent / "models/stream"
WIDTH, HIDDEN, KEEP, MAX_UNITS = 64, 160, 0.7, 110
BATCH = 128
# Read more often than the encoder reads them: what a small model takes longest to tell apart.
OFTEN = {"our_finance": 1.2, "our_terse": 2.0, "our_triggers": 2.5, "catqa_finance": 3.0, "our_prompts": 1.0}
STATE = HIDDEN + len(HEADS)


class Stream(nn.Module):
    """One step: features [rows, SLOTS] and state [rows, STATE] -> probabilities, new state."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(BUCKETS, WIDTH, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.15)
        with torch.no_grad():
            self.table.weight[0] = 0
        self.cell = nn.GRU(WIDTH, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN + WIDTH, len(HEADS))
        self.start = nn.Parameter(torch.full((len(HEADS),), -3.0))

    def bags(self, flat: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Sum of each unit's vectors over the root of their number, before tanh."""
        starts = torch.cumsum(counts, 0) - counts
        summed = nn.functional.embedding_bag(flat, self.table.weight, starts, mode="sum", padding_idx=0)
        return summed / counts.clamp(min=1).float().sqrt().unsqueeze(-1)

    def logits(self, flat: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Smoothed logits at every position, [batch, units, heads]; `counts` is [batch, units]."""
        x = torch.tanh(self.bags(flat, counts.reshape(-1)).reshape(*counts.shape, WIDTH))
        x = nn.functional.dropout(x, 0.25, self.training)
        hidden, _ = self.cell(x)
        raw = self.head(torch.cat([nn.functional.dropout(hidden, 0.35, self.training), x], -1))
        # The exponential mean of all positions at once: a lower triangle of powers.
        at = torch.arange(raw.shape[1])
        age = at[:, None] - at[None, :]
        share = torch.where(age >= 0, (1 - KEEP) * KEEP ** age.clamp(min=0).float(), torch.zeros(()))
        return torch.einsum("ts,bsh->bth", share, raw) + (KEEP ** (at + 1.0))[None, :, None] * self.start


class Step(nn.Module):
    """The exported form: state in, state out; the same arithmetic as `Stream.logits`."""

    def __init__(self, model: Stream) -> None:
        super().__init__()
        weight = model.table.weight.detach()
        self.scale = float(weight.abs().max() / 127)
        self.register_buffer("table", (weight / self.scale).round().clamp(-127, 127).to(torch.int8))
        gru = model.cell
        self.register_buffer("wi", gru.weight_ih_l0.detach().t().contiguous())
        self.register_buffer("wh", gru.weight_hh_l0.detach().t().contiguous())
        self.register_buffer("bi", gru.bias_ih_l0.detach())
        self.register_buffer("bh", gru.bias_hh_l0.detach())
        self.register_buffer("hw", model.head.weight.detach().t().contiguous())
        self.register_buffer("hb", model.head.bias.detach())

    def forward(self, feats: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        count = (feats > 0).to(torch.float32).sum(-1, keepdim=True).clamp(min=1).sqrt()
        x = torch.tanh(self.table[feats.long()].to(torch.float32).sum(-2) * self.scale / count)
        h, level = state[:, :HIDDEN], state[:, HIDDEN:]
        gi = x @ self.wi + self.bi
        gh = h @ self.wh + self.bh
        r = torch.sigmoid(gi[:, :HIDDEN] + gh[:, :HIDDEN])
        z = torch.sigmoid(gi[:, HIDDEN : 2 * HIDDEN] + gh[:, HIDDEN : 2 * HIDDEN])
        n = torch.tanh(gi[:, 2 * HIDDEN :] + r * gh[:, 2 * HIDDEN :])
        h = (1 - z) * n + z * h
        level = KEEP * level + (1 - KEEP) * (torch.cat([h, x], -1) @ self.hw + self.hb)
        return torch.sigmoid(level), torch.cat([h, level], -1)


Encoded = tuple[np.ndarray, np.ndarray]
_CACHE: dict[bytes, np.ndarray] = {}


def encode(text: str) -> Encoded:
    """All features of the text's units one after the other, and how many each unit has."""
    rows = []
    for unit in cut(text.encode()[: MAX_UNITS * 16])[:MAX_UNITS]:
        found = _CACHE.get(unit)
        if found is None:
            found = np.asarray([f for f in features(unit) if f > 0], dtype=np.int32)
            if len(_CACHE) < 400_000:
                _CACHE[unit] = found
        rows.append(found)
    if not rows:
        return np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64)
    return np.concatenate(rows), np.asarray([len(r) for r in rows], dtype=np.int64)


def pad(items: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features of all units in row order, counts [rows, units], mask [rows, units]."""
    width = max(len(counts) for _, counts in items)
    counts = np.zeros((len(items), width), dtype=np.int64)
    mask = np.zeros((len(items), width), dtype=bool)
    for row, (_, own) in enumerate(items):
        counts[row, : len(own)] = own
        mask[row, : len(own)] = True
    flat = np.concatenate([f for f, _ in items]).astype(np.int64)
    return torch.from_numpy(flat), torch.from_numpy(counts), torch.from_numpy(mask)


def warm_start(model: Stream, steps: int) -> None:
    """The table learns that a spelling means what MiniLM's vocabulary says of the word."""
    from encoder import base_folder
    from transformers import AutoModel, AutoTokenizer

    vocab = AutoTokenizer.from_pretrained(base_folder()).get_vocab()
    vectors = AutoModel.from_pretrained(base_folder()).embeddings.word_embeddings.weight.detach()
    words = [w for w in vocab if w.isalpha() and w.isascii() and 1 < len(w) < MAX_UNIT]
    wanted = vectors[[vocab[w] for w in words]]
    wanted = wanted - wanted.mean(0)
    _, _, axes = torch.linalg.svd(wanted[:8000], full_matrices=False)
    wanted = wanted @ axes[:WIDTH].T
    wanted = torch.tanh(0.5 * wanted / wanted.std(0))
    spelled = [encode(f" {w}") for w in words]
    optimizer = torch.optim.Adam([model.table.weight], lr=1e-2)
    rng = np.random.default_rng(5)
    for step in range(steps):
        chosen = rng.integers(0, len(words), 512)
        flat, counts, _ = pad([spelled[i] for i in chosen])
        # The whole word's own hash goes missing half of the time: n-grams must carry the meaning.
        first = (torch.cumsum(counts.reshape(-1), 0) - counts.reshape(-1))[torch.rand(512) < 0.5]
        flat[first] = 0
        loss = nn.functional.mse_loss(torch.tanh(model.bags(flat, counts.reshape(-1))), wanted[chosen])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if step % 100 == 0:
            print(f"warm {step} loss {loss.item():.4f} of {wanted.var().item():.4f}", flush=True)


def plan(rows: list[dict[str, object]], rng: random.Random) -> list[list[int]]:
    """Batches of like lengths; a source is read as OFTEN or the encoder's plan says, at least half."""
    from encoder import VISITS

    chosen: list[int] = []
    for i, row in enumerate(rows):
        visits = max(0.5, min(3.0, (VISITS | OFTEN).get(str(row["source"]), 1.0)))
        chosen += [i] * (int(visits) + (rng.random() < visits % 1))
    rng.shuffle(chosen)
    pools = [sorted(chosen[i : i + 3200], key=lambda j: len(str(rows[j]["text"]))) for i in range(0, len(chosen), 3200)]
    batches = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
    rng.shuffle(batches)
    return batches


def loss_of(levels: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor | None) -> torch.Tensor:
    known = (labels >= 0).float()
    target = labels.clamp(min=0)
    if soft is not None:
        # The encoder's opinion, where it was asked: it says more than a label does.
        asked = ~torch.isnan(soft)
        mixed = torch.where(known > 0, 0.3 * target + 0.7 * soft.nan_to_num(), soft.nan_to_num())
        target = torch.where(asked, mixed, target)
        known = torch.where(asked, 1.0, known)
    top = levels.masked_fill(~mask.unsqueeze(-1), -30).max(1).values
    bce = nn.functional.binary_cross_entropy_with_logits
    whole = (bce(top, target, reduction="none") * known).sum() / known.sum()
    # Every position: a negative is one everywhere; a positive becomes one as the text goes on.
    place = torch.cumsum(mask.float(), 1) / mask.sum(1, keepdim=True).clamp(min=1)
    ramp = place.unsqueeze(-1).clamp(max=1.0)
    weight = mask.unsqueeze(-1) * known.unsqueeze(1) * torch.where(target.unsqueeze(1) > 0.5, ramp**2, torch.ones_like(ramp))
    each = bce(levels, target.unsqueeze(1).expand_as(levels), reduction="none")
    return whole + 0.4 * (each * weight).sum() / weight.sum()


def train(model: Stream, rows: list[dict[str, object]], wanted: int, peak: float, checkpoint: Path) -> None:
    dense = [p for n, p in model.named_parameters() if not n.startswith("table")]
    optimizer = torch.optim.Adam([{"params": dense, "peak": peak}, {"params": [model.table.weight], "peak": peak}], lr=1e-3, fused=True)
    step, done, number, last = 0, 0, 0, time.time()
    running = 0.0
    model.train()
    while done < wanted:
        rng = random.Random(900 + number)
        for batch in plan(rows, rng):
            share = done / wanted
            if share >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1.0, (step + 1) / 100, (1.02 - share) / 0.6)
            for i in batch:
                if "x" not in rows[i]:
                    rows[i]["x"] = encode(str(rows[i]["text"]))
            flat, counts, mask = pad([rows[i]["x"] for i in batch])  # type: ignore[misc]
            if rng.random() < 0.5:  # whole words go missing: unseen ones must not surprise
                each = counts.reshape(-1)
                full = each > 0
                flat[(torch.cumsum(each, 0) - each)[full & (torch.rand(len(each)) < 0.3)]] = 0
            labels = torch.tensor([[-1.0 if v is None else float(v) for v in rows[i]["labels"]] for i in batch])  # type: ignore[attr-defined]
            soft = torch.tensor(np.stack([rows[i]["soft"] for i in batch])) if "soft" in rows[batch[0]] else None  # type: ignore[misc]
            loss = loss_of(model.logits(flat, counts), mask, labels, soft)
            loss.backward()
            nn.utils.clip_grad_norm_(dense, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step, done = step + 1, done + len(batch)
            running += (loss.item() - running) / min(step, 100)
            if step % 50 == 0:
                print(f"{time.strftime('%H:%M:%S')} rows {done} of {wanted} loss {running:.4f}", flush=True)
            if time.time() - last > 120:
                torch.save({"model": model.state_dict()}, checkpoint)
                last = time.time()
        number += 1
    torch.save({"model": model.state_dict()}, checkpoint)


def export(model: Stream, folder: Path) -> None:
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    step = Step(model.eval())
    feats, state = torch.randint(1, 99, (3, SLOTS), dtype=torch.int32), torch.zeros(3, STATE)
    axes = {n: {0: "rows"} for n in ("features", "state", "probabilities", "next_state")}
    axes["features"][1] = "slots"  # short units need few: the caller sends as many columns as it uses
    path = folder / "model.onnx"
    torch.onnx.export(step, (feats, state), str(path), input_names=["features", "state"], output_names=["probabilities", "next_state"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    onnx.checker.check_model(str(path))
    start = [0.0] * HIDDEN + [round(float(v), 6) for v in model.start.detach()]
    meta = {"kind": "stream", "labels": HEADS, "state": STATE, "slots": SLOTS, "buckets": BUCKETS, "start": start}
    (folder / "config.json").write_text(json.dumps(meta) + "\n")


def load_rows(soft: bool) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in (OUT / "train.jsonl").open()]
    if soft:
        rows += [{"text": t, "labels": [None] * len(HEADS), "source": "unlabelled", "split": "train"} for t in json.loads((OUT / "unlabelled.json").read_text())]
        for row, opinion in zip(rows, np.load(OUT / "soft.npy"), strict=True):
            row["soft"] = opinion
    return [r for r in rows if r["split"] == "train"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=450_000)
    parser.add_argument("--peak", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="stream")
    parser.add_argument("--start", type=Path, help="a checkpoint to go on from, instead of the warm start")
    parser.add_argument("--soft", action="store_true", help="also learn from out/soft.npy (soft.py)")
    parser.add_argument("--export-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    checkpoint = OUT / f"{args.name}{'-quick' if args.quick else ''}.pt"
    model = Stream()
    if args.export_only or args.start:
        model.load_state_dict(torch.load(args.start or checkpoint, weights_only=False)["model"])
    else:
        warm_start(model, 100 if args.quick else 1200)
    if not args.export_only:
        rows = load_rows(args.soft)
        print(f"{len(rows)} rows", flush=True)
        train(model, rows, 6000 if args.quick else args.rows, args.peak, checkpoint)
    export(model, OUT / f"{args.name}-quick" if args.quick else TARGET)


if __name__ == "__main__":
    main()
