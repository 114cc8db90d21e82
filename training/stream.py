"""Trains the streaming scorer: hashed byte n-grams of units, a GRU, smoothed heads. python stream.py

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
from units import BUCKETS, SLOTS, cut, features  # noqa: E402

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
TARGET = HERE.parent / "models/stream"
WIDTH, HIDDEN, KEEP, MAX_UNITS = 64, 160, 0.75, 128
BATCH = 128
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

    def embed(self, feats: torch.Tensor) -> torch.Tensor:
        count = (feats > 0).sum(-1, keepdim=True).clamp(min=1).float().sqrt()
        return torch.tanh(self.table(feats).sum(-2) / count)

    def logits(self, feats: torch.Tensor) -> torch.Tensor:
        """Smoothed logits at every position, [batch, units, heads]."""
        x = nn.functional.dropout(self.embed(feats), 0.2, self.training)
        hidden, _ = self.cell(x)
        raw = self.head(torch.cat([nn.functional.dropout(hidden, 0.2, self.training), x], -1))
        level = self.start.expand(raw.shape[0], -1)
        out = []
        for t in range(raw.shape[1]):
            level = KEEP * level + (1 - KEEP) * raw[:, t]
            out.append(level)
        return torch.stack(out, 1)


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


_CACHE: dict[bytes, list[int]] = {}


def encode(text: str) -> np.ndarray:
    rows = []
    for unit in cut(text.encode())[:MAX_UNITS]:
        found = _CACHE.get(unit)
        if found is None:
            found = features(unit)
            if len(_CACHE) < 400_000:
                _CACHE[unit] = found
        rows.append(found)
    return np.asarray(rows or [[0] * SLOTS], dtype=np.int32)


def pad(items: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(i) for i in items)
    feats = np.zeros((len(items), width, SLOTS), dtype=np.int64)
    mask = np.zeros((len(items), width), dtype=bool)
    for row, item in enumerate(items):
        feats[row, : len(item)] = item
        mask[row, : len(item)] = True
    return torch.from_numpy(feats), torch.from_numpy(mask)


def loss_of(levels: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor, soft: torch.Tensor | None) -> torch.Tensor:
    known = (labels >= 0).float()
    target = labels.clamp(min=0)
    if soft is not None:
        # The encoder's opinion, where there is one; its own mistakes count less than the labels.
        target = torch.where(known > 0, 0.5 * target + 0.5 * soft, soft)
        known = torch.where(known > 0, 1.0, 0.5)
    top = levels.masked_fill(~mask.unsqueeze(-1), -30).max(1).values
    bce = nn.functional.binary_cross_entropy_with_logits
    whole = (bce(top, target, reduction="none") * known).sum() / known.sum()
    # Every position: a negative is one everywhere; a positive becomes one as the text goes on.
    place = torch.cumsum(mask.float(), 1) / mask.sum(1, keepdim=True).clamp(min=1)
    ramp = place.unsqueeze(-1).clamp(max=1.0)
    weight = mask.unsqueeze(-1) * known.unsqueeze(1) * torch.where(target.unsqueeze(1) > 0.5, ramp**2, torch.ones_like(ramp))
    each = bce(levels, target.unsqueeze(1).expand_as(levels), reduction="none")
    return whole + 0.4 * (each * weight).sum() / weight.sum()


def train(model: Stream, rows: list[dict[str, object]], epochs: int, checkpoint: Path) -> None:
    rng = random.Random(9)
    dense = [p for n, p in model.named_parameters() if not n.startswith("table")]
    optimizer = torch.optim.Adam([{"params": dense, "peak": 3e-3}, {"params": [model.table.weight], "peak": 6e-3}], lr=1e-3)
    total, step, first = epochs * (len(rows) // BATCH + 1), 0, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=False)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, first = saved["step"], saved["epoch"]
    for epoch in range(first, epochs):
        rng.seed(epoch)
        order = list(range(len(rows)))
        rng.shuffle(order)
        pools = [sorted(order[i : i + 3200], key=lambda j: len(rows[j]["x"])) for i in range(0, len(order), 3200)]  # type: ignore[arg-type]
        batches = [pool[i : i + 64] for pool in pools for i in range(0, len(pool), BATCH)]
        rng.shuffle(batches)
        model.train()
        begin, running = time.time(), 0.0
        for k, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1.0, step / 200, 1.05 - step / total)
            items = [rows[i]["x"] for i in batch]
            feats, mask = pad(items)  # type: ignore[arg-type]
            if rng.random() < 0.5:  # hashes go missing: unseen words must not surprise
                feats[:, :, 0] = feats[:, :, 0] * (torch.rand(feats.shape[:2]) > 0.3)
            labels = torch.tensor([[-1.0 if v is None else float(v) for v in rows[i]["labels"]] for i in batch])  # type: ignore[attr-defined]
            soft = None
            if "soft" in rows[batch[0]]:
                soft = torch.tensor(np.stack([rows[i]["soft"] for i in batch]))  # type: ignore[misc]
            loss = loss_of(model.logits(feats), mask, labels, soft)
            loss.backward()
            nn.utils.clip_grad_norm_(dense, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            running += (loss.item() - running) / min(k + 1, 200)
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "epoch": epoch + 1}, checkpoint)
        print(f"epoch {epoch} loss {running:.4f} seconds {time.time() - begin:.0f}", flush=True)


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--name", default="stream")
    parser.add_argument("--soft", action="store_true", help="also learn from out/soft.npy (soft.py)")
    parser.add_argument("--export-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(7)
    checkpoint = OUT / f"{args.name}{'-quick' if args.quick else ''}.pt"
    model = Stream()
    if args.export_only:
        model.load_state_dict(torch.load(checkpoint, weights_only=False)["model"])
        export(model, TARGET)
        return
    rows = [json.loads(line) for line in (OUT / "train.jsonl").open()]
    if args.soft:
        for row, soft in zip(rows, np.load(OUT / "soft.npy"), strict=True):
            row["soft"] = soft
    rows = [r for r in rows if r["split"] == "train"]
    for row in rows:
        row["x"] = encode(row["text"])
    print(f"{len(rows)} rows, {len(_CACHE)} distinct units", flush=True)
    train(model, rows, 1 if args.quick else args.epochs, checkpoint)
    export(model, OUT / "stream-quick" if args.quick else TARGET)


if __name__ == "__main__":
    main()
