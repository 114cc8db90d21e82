"""Trains the tagger of names and addresses and exports it: python names.py [--quick].

It reads the units of units.py (hashed byte n-grams and a shape flag), so it needs no tokenizer: an
embedding table, two bidirectional GRUs, one label a unit. Bounded by passes, about eight minutes on
one core. The table is exported as int8. Writes models/names with its card and its registry entry;
`--quick` takes a tenth of the rows once and writes beside out/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

import names_card  # noqa: E402
from names_data import LABELS, PRODUCT, Row, build  # noqa: E402
from units import BUCKETS, SLOTS, cut, features  # noqa: E402

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
TARGET = HERE.parent / "models/names"
WIDTH, HIDDEN, WINDOW, OVERLAP, BATCH = 40, 64, 128, 32, 64
_CACHE: dict[bytes, list[int]] = {}


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(BUCKETS, WIDTH, padding_idx=0)
        nn.init.normal_(self.table.weight, std=0.15)
        with torch.no_grad():
            self.table.weight[0] = 0
        self.first = nn.GRU(WIDTH, HIDDEN, batch_first=True, bidirectional=True)
        self.second = nn.GRU(2 * HIDDEN + WIDTH, HIDDEN, batch_first=True, bidirectional=True)
        self.head = nn.Linear(4 * HIDDEN + WIDTH, len(LABELS))

    def forward(self, feats: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        count = (feats > 0).sum(-1, keepdim=True).clamp(min=1).float().sqrt()
        x = nn.functional.dropout(torch.tanh(self.table(feats).sum(-2) / count), 0.3, self.training)
        a = self._run(self.first, x, lengths)
        b = self._run(self.second, torch.cat([nn.functional.dropout(a, 0.3, self.training), x], -1), lengths)
        return self.head(nn.functional.dropout(torch.cat([a, b, x], -1), 0.3, self.training))

    @staticmethod
    def _run(cell: nn.GRU, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(cell(packed)[0], batch_first=True, total_length=x.shape[1])[0]


class Exported(nn.Module):
    """One window: features [units, SLOTS] -> logits [units, labels], at the fitted temperature."""

    def __init__(self, model: Tagger, temperature: float) -> None:
        super().__init__()
        weight = model.table.weight.detach()
        self.scale = float(weight.abs().max() / 127)
        self.register_buffer("table", (weight / self.scale).round().clamp(-127, 127).to(torch.int8))
        self.first, self.second, self.head = model.first, model.second, model.head
        self.temperature = temperature

    def forward(self, feats: torch.Tensor) -> torch.Tensor:
        count = (feats > 0).to(torch.float32).sum(-1, keepdim=True).clamp(min=1).sqrt()
        x = torch.tanh(self.table[feats.long()].to(torch.float32).sum(-2) * self.scale / count).unsqueeze(0)
        a, _ = self.first(x)
        b, _ = self.second(torch.cat([a, x], -1))
        return self.head(torch.cat([a, b, x], -1)).squeeze(0) / self.temperature


Encoded = tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]


def encode(row: Row) -> Encoded:
    """Features and labels of every unit, and where it lies in the text (code points, without its space)."""
    text, spans = row
    feats, labels, places = [], [], []
    at, done = 0, b""
    for unit in cut(text.encode()):
        found = _CACHE.get(unit)
        if found is None:
            found = _CACHE[unit] = features(unit)
        feats.append(found)
        done += unit
        end = len(done.decode(errors="ignore")) if unit[-1] >= 128 else at + len(unit.decode(errors="ignore"))
        body = end - len(text[at:end].lstrip())
        owner = next((label for a, b, label in spans if body < b and max(end, body + 1) > a), "O")
        labels.append(LABELS.index(owner))
        places.append((body, end))
        at = end
    if not feats:
        feats, labels, places = [[0] * SLOTS], [0], [(0, 0)]
    return np.asarray(feats, np.int32), np.asarray(labels, np.int64), places


def windows(item: Encoded) -> list[Encoded]:
    feats, labels, places = item
    return [(feats[i : i + WINDOW], labels[i : i + WINDOW], places[i : i + WINDOW]) for i in range(0, len(labels), WINDOW)]


def pad(items: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = max(len(i[1]) for i in items)
    slots = max(int((i[0] > 0).sum(1).max()) for i in items)
    feats = np.zeros((len(items), width, max(1, slots)), np.int64)
    labels = np.full((len(items), width), -100, np.int64)
    for r, (f, y, _) in enumerate(items):
        feats[r, : len(y)] = f[:, : feats.shape[2]]
        labels[r, : len(y)] = y
    return torch.from_numpy(feats), torch.from_numpy(labels), torch.tensor([len(i[1]) for i in items])


def train(model: Tagger, items: list[Encoded], passes: int) -> None:
    rng = random.Random(5)
    table = [model.table.weight]
    dense = [p for n, p in model.named_parameters() if not n.startswith("table")]
    optimizer = torch.optim.Adam([{"params": dense, "peak": 2e-3}, {"params": table, "peak": 6e-3}], lr=1e-3)
    total, step = passes * (len(items) // BATCH + 1), 0
    for epoch in range(passes):
        order = list(range(len(items)))
        rng.shuffle(order)
        pools = [sorted(order[i : i + 3200], key=lambda j: len(items[j][1])) for i in range(0, len(order), 3200)]
        batches = [pool[i : i + BATCH] for pool in pools for i in range(0, len(pool), BATCH)]
        rng.shuffle(batches)
        model.train()
        begin, running = time.time(), 0.0
        for k, batch in enumerate(batches):
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min(1.0, step / 100, max(0.02, 1.03 - step / total))
            feats, labels, lengths = pad([items[i] for i in batch])
            # Whole words go missing, so that shape, n-grams and neighbours must carry unseen names.
            feats[:, :, 0] *= torch.rand(feats.shape[:2]) > 0.4
            logits = model(feats, lengths)
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), label_smoothing=0.02)
            loss.backward()
            nn.utils.clip_grad_norm_(dense, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            running += (loss.item() - running) / min(k + 1, 100)
        print(f"pass {epoch} loss {running:.4f} seconds {time.time() - begin:.0f}", flush=True)


@torch.no_grad()
def temperature_of(model: Tagger, items: list[Encoded]) -> float:
    """The temperature under which held-out units are likeliest: probabilities become frequencies."""
    model.eval()
    logits, labels = [], []
    for i in range(0, len(items), 128):
        feats, y, lengths = pad(items[i : i + 128])
        logits.append(model(feats, lengths).flatten(0, 1))
        labels.append(y.flatten())
    x, y = torch.cat(logits), torch.cat(labels)
    steps = [0.5 + 0.05 * i for i in range(41)]
    return min(steps, key=lambda t: float(nn.functional.cross_entropy(x / t, y)))


def export(model: Tagger, temperature: float, folder: Path) -> None:
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(Exported(model.eval(), temperature), (torch.randint(1, 99, (9, SLOTS), dtype=torch.int32),), str(path), input_names=["features"],
                      output_names=["logits"], dynamic_axes={"features": {0: "units", 1: "slots"}, "logits": {0: "units"}}, opset_version=17, dynamo=False)
    onnx.checker.check_model(str(path))


def describe(folder: Path) -> None:
    config = {"kind": "tagger", "labels": [PRODUCT[label] for label in LABELS], "slots": SLOTS, "buckets": BUCKETS, "window_units": WINDOW, "overlap_units": OVERLAP}
    (folder / "config.json").write_text(json.dumps(config) + "\n")


def register(folder: Path) -> None:
    """Names the files by digest in the registry; other models' entries stay."""
    path = TARGET.parent / "registry.json"
    registry = json.loads(path.read_text())
    files = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in ("config.json", "model.onnx")}
    registry["models"]["names"] = {"folder": "names", "version": "1", "tier": "B", "files": files}
    registry["names"]["pii_detector"] = {"label": "name", "labels": ["name", "address"], "models": ["names"]}
    path.write_text(json.dumps(registry, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--passes", type=int, default=6)
    parser.add_argument("--card-only", action="store_true", help="measure and write the card of the model that is there")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    begin = time.time()
    folder = OUT / "names-quick" if args.quick else TARGET
    rows, held = build(7, 0.1 if args.quick else 1.0)
    if not args.card_only:
        items = [w for row in rows for w in windows(encode(row))]
        print(f"{len(rows)} rows, {len(_CACHE)} distinct units, {time.time() - begin:.0f} s", flush=True)
        model = Tagger()
        train(model, items, 1 if args.quick else args.passes)
        temperature = temperature_of(model, [w for name in held for row in held[name] for w in windows(encode(row))])
        export(model, temperature, folder)
        print(f"temperature {temperature:.2f}, {time.time() - begin:.0f} s", flush=True)
    describe(folder)
    names_card.write(folder, held, encode, (WINDOW, OVERLAP), len(rows))
    if not args.quick:
        register(folder)


if __name__ == "__main__":
    main()
