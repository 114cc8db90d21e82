"""Chooses one threshold per head and writes calibration.json: python calibrate.py encoder|stream.

A threshold is the highest of the quantiles that the benign sets below demand at their rates; the
binding set is named. `calibrate` is a held-out part of the training sources, the others are the
development sets. Beside it stand points for the rates that policies may name: the threshold of each on
all benign rows of these sets together, where they are enough to show the rate. The model's digest is
computed as src/classifiers/models-file.ts does it.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
from pathlib import Path

import numpy as np

import devsets
from evaluate import encoder_scores, interval, stream_scores
from sources import HEADS

HERE = Path(__file__).resolve().parent
FILES = ["config.json", "model.onnx", "tokenizer.json", "tokenizer_config.json", "emoji.json"]
# head -> benign set -> wanted false-positive rate. `calibrate` holds rows with a known 0.
WANTED = {
    "toxicity": {"calibrate": 0.03, "clinc": 0.003, "banking77": 0.003, "mt_bench": 0.003, "multilingual": 0.015},
    "prompt_injection": {"calibrate": 0.01, "clinc": 0.004, "mitre_frr": 0.025, "personas": 0.049, "triggers": 0.035, "multilingual": 0.01},
    "financial_advice": {"calibrate": 0.005, "banking77": 0.004, "tau2": 0.004, "clinc": 0.002, "finance_hard": 0.01},
    "self_harm": {"calibrate": 0.002, "clinc": 0.001},
    "risk": {"calibrate": 0.02, "clinc": 0.005},
}
# head -> set with groups -> false positives that its worst group may have.
GROUPS = {"toxicity": {"madlibs": 0.05}}


def bar_at(benign: np.ndarray, rate: float) -> float:
    """The lowest threshold that at most `rate` of the benign scores reach."""
    return float(np.sort(benign)[::-1][int(len(benign) * rate)]) + 1e-6


# As in src/classifiers/calibration.ts.
RATES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]


def upper(hits: int, count: int) -> float:
    """The exact upper 95 % bound of a rate (Clopper and Pearson, 1934)."""
    if hits >= count:
        return 1.0
    k = np.arange(hits + 1)
    steps = np.log((count - k[1:] + 1) / k[1:])
    choose = np.concatenate([[0.0], np.cumsum(steps)])
    low, high = hits / count, 1.0
    for _ in range(60):
        p = (low + high) / 2
        at_most = np.exp(choose + k * np.log(p) + (count - k) * np.log1p(-p)).sum()
        low, high = (p, high) if at_most > 0.05 else (low, p)
    return high


def points(benign: np.ndarray) -> list[dict[str, float]]:
    """The threshold of every rate that at least one of these scores may exceed, with what was seen."""
    found = []
    for rate in (r for r in RATES if r * len(benign) >= 1):
        # Rounded up, so that what is stored holds the rate as well.
        bar = min(1.0, float(np.ceil(bar_at(benign, rate) * 1e6) / 1e6))
        hits = int((benign >= bar).sum())
        found.append({"rate": rate, "threshold": bar, "observed": hits / len(benign), "upper": round(upper(hits, len(benign)), 6)})
    return found


def digest(folder: Path) -> tuple[dict[str, str], str]:
    files = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in FILES if (folder / n).exists()}
    listed = json.dumps(sorted(files.items()), separators=(",", ":"))
    return files, hashlib.sha256(listed.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["encoder", "stream"])
    parser.add_argument("--scores", type=Path, nargs="*", default=[], help="scores of the development sets from evaluate.py --save")
    parser.add_argument("--thin", action="store_true", help="every third or fourth row of the large sets")
    args = parser.parse_args()
    folder = HERE.parent / "models" / args.kind
    score = encoder_scores if args.kind == "encoder" else stream_scores
    held = [json.loads(line) for line in (HERE / "out/train.jsonl").open()]
    held = [r for r in held if r["split"] == "calibrate"][:2000]
    sets = devsets.load(args.thin)
    names = {n for wanted in [*WANTED.values(), *GROUPS.values()] for n in wanted} - {"calibrate"}
    saved = {n: v for path in args.scores for n, v in np.load(path).items()}
    own = saved["calibrate"] if "calibrate" in saved else score(folder / "model.onnx", [r["text"] for r in held])
    scores = {n: saved[n] if n in saved else score(folder / "model.onnx", [t for t, _, _ in sets[n]]) for n in names}
    heads = {}
    for k, head in enumerate(HEADS):
        bars: dict[str, float] = {}
        pools: dict[str, np.ndarray] = {}
        for name, rate in WANTED[head].items():
            if name == "calibrate":
                benign = own[[i for i, r in enumerate(held) if r["labels"][k] == 0], k]
            else:
                labels = np.array([label for _, label, _ in sets[name]])
                benign = scores[name][labels == 0, k]
            pools[name] = benign
            bars[name] = bar_at(benign, rate)
        for name, rate in GROUPS.get(head, {}).items():
            groups = np.array([group for _, _, group in sets[name]])
            pools[name] = scores[name][:, k]
            bars[name] = max(bar_at(pools[name][groups == g], rate) for g in set(groups))
        binding = max(bars, key=lambda n: bars[n])
        bar, benign = min(bars[binding], 0.999), pools[binding]
        hits = int((benign >= bar).sum())
        rates = ", ".join(f"{n} {(p >= bar).mean():.4f}" for n, p in pools.items())
        heads[head] = {
            "threshold": round(bar, 6), "target_fpr": {**WANTED[head], **GROUPS.get(head, {})}[binding], "observed_fpr": hits / len(benign),
            "upper_fpr": interval(hits, len(benign))[1], "benign": len(benign),
            "source": f"binding set {binding}; false positives: {rates}",
            "points": points(np.concatenate(list(pools.values()))),
            "pool": {
                "benign": sum(len(p) for p in pools.values()),
                "source": "all benign rows of " + ", ".join(f"{n} {len(p)}" for n, p in pools.items()),
            },
            "quantiles": [round(float(np.quantile(pools["calibrate"], q)), 6) for q in (0.5, 0.75, 0.9, 0.95, 0.99)],
        }
        print(head, heads[head]["threshold"], heads[head]["source"])
    _, model_digest = digest(folder)
    data = hashlib.sha256("".join(r["text"] for r in held).encode()).hexdigest()
    out = {"format": 1, "model_digest": model_digest, "data_digest": data, "made": datetime.date.today().isoformat(), "heads": heads}
    (folder / "calibration.json").write_text(json.dumps(out, indent=1) + "\n")


def register() -> None:
    """Rewrites models/registry.json with the digests of what lies there."""
    models = {}
    for name, tier in (("stream", "A"), ("encoder", "B")):
        folder = HERE.parent / "models" / name
        if (folder / "model.onnx").exists():
            models[name] = {"folder": name, "version": "1", "tier": tier, "files": digest(folder)[0]}
    labels = {"toxicity_detector": "toxicity", "prompt_injection": "prompt_injection", "finance_regulatory": "financial_advice", "self_harm": "self_harm", "risk": "risk"}
    names = {n: {"label": label, "models": list(models)} for n, label in labels.items()}
    path = HERE.parent / "models/registry.json"
    before = json.loads(path.read_text())  # models that other scripts registered stay
    models, names = {**before["models"], **models}, {**before["names"], **names}
    path.write_text(json.dumps({"format": 1, "models": models, "names": names}, indent=1) + "\n")


if __name__ == "__main__":
    main()
    register()
