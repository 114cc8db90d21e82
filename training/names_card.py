"""Measures the exported tagger as the product runs it and writes its card. Figures are never typed.

A span is found when a predicted span of its label overlaps it; exact means the same borders. The
confidence of a span is the mean probability of its label over its units, as in tagger.ts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from names_data import LABELS, PRODUCT, Row, Span, is_held_out, presidio
from sources import data_root, jsonl

Scored = tuple[int, int, str, float]
KINDS = ["PER", "ADDRESS", "LOC", "ORG"]


def wilson(hits: int, count: int) -> tuple[float, float]:
    if count == 0:
        return 0.0, 1.0
    p, z = hits / count, 1.96
    base, middle = 1 + z * z / count, p + z * z / (2 * count)
    half = z * math.sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    return max(0.0, (middle - half) / base), min(1.0, (middle + half) / base)


def probabilities(session: ort.InferenceSession, feats: np.ndarray, window: int, overlap: int) -> np.ndarray:
    """Every unit is judged in the window that shows most of what is around it."""
    count, stride = len(feats), window - overlap
    out = np.zeros((count, len(LABELS)), np.float32)
    for start in range(0, max(1, count - overlap), stride):
        part = feats[start : start + window]
        logits = session.run(["logits"], {"features": part})[0]
        logits -= logits.max(1, keepdims=True)
        powers = np.exp(logits)
        skip = overlap // 2 if start > 0 else 0
        out[start + skip : start + len(part)] = (powers / powers.sum(1, keepdims=True))[skip:]
    return out


def spans_of(values: np.ndarray, places: list[tuple[int, int]]) -> list[Scored]:
    """Neighbouring units with the same best label are one span; its score is their mean."""
    found: list[Scored] = []
    best = values.argmax(1)
    i = 0
    while i < len(best):
        end = i
        while end < len(best) and best[end] == best[i]:
            end += 1
        if best[i] > 0:
            found.append((places[i][0], places[end - 1][1], LABELS[best[i]], float(values[i:end, best[i]].mean())))
        i = end
    return found


def score(rows: list[Row], predicted: list[list[Scored]], bar: float, kinds: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for kind in kinds:
        labelled = found = hits = right = exact = 0
        for (_, spans), guesses in zip(rows, predicted, strict=True):
            mine = [g for g in guesses if g[2] == kind and g[3] >= bar]
            truth = [s for s in spans if s[2] == kind]
            labelled += len(truth)
            found += len(mine)
            hits += sum(any(g[0] < s[1] and g[1] > s[0] for g in mine) for s in truth)
            right += sum(any(g[0] < s[1] and g[1] > s[0] for s in truth) for g in mine)
            exact += sum((s[0], s[1]) in {(g[0], g[1]) for g in mine} for s in truth)
        if labelled > 0:
            out[kind] = {"labelled": labelled, "recall": hits / labelled, "recall_95": wilson(hits, labelled), "precision": right / max(1, found),
                         "precision_95": wilson(right, found), "exact_recall": exact / labelled}
    return out


def reliability(rows: list[Row], predicted: list[list[Scored]]) -> list[tuple[float, float, int]]:
    """(mean confidence, share that was right, count) of names and addresses in bins of confidence."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(5)]
    for (_, spans), guesses in zip(rows, predicted, strict=True):
        for start, end, label, p in guesses:
            if label in ("PER", "ADDRESS"):
                right = any(label == s[2] and start < s[1] and end > s[0] for s in spans)
                bins[min(4, int(p * 5))].append((p, right))
    return [(float(np.mean([p for p, _ in b])), float(np.mean([r for _, r in b])), len(b)) for b in bins if b]


def dev_sets() -> dict[str, list[Row]]:
    root = data_root() / "dev"
    every: list[tuple[str, list[Span], str]] = []
    for name in ("generated_small.json", "generated_large.json.gz"):
        every += [(text, ours, template) for text, ours, _, template in presidio(root / "presidio_research" / name)]
    return {"presidio dev": [(t, s) for t, s, _ in every], "presidio dev, templates never trained on": [(t, s) for t, s, k in every if is_held_out(k)]}


def false_alarms() -> dict[str, list[str]]:
    """Texts in which few people occur: what the tagger says there is mostly wrong."""
    root = data_root() / "dev"
    turns = [str(t) for r in jsonl(next((root / "mt_bench_questions").rglob("*.jsonl*"))) for t in r["turns"]]
    documents = [str(r["content"])[:2000] for r in jsonl(data_root() / "train/tau2_banking/documents.jsonl.gz")][::7]
    return {"MT-Bench questions": turns, "tau2 documents (every seventh; seen in training as text without people)": documents}


CASES = [
    "My name is Maria Fernandez and I live at 12 Baker Street, London NW1 6XE.",
    "Ship to:\nJohn Smith\n742 Evergreen Terrace, Springfield 49007",
    "🙂🙂 Señor José Núñez llamó ayer desde Málaga.",
    "The weather is fine and the report has ten pages.",
    "",
    "   ",
    "Nothing happens here. " * 40 + "Dear Peter Johnson, your card is ready. " + "Nothing happens here. " * 20,
]


def write_cases(predict: Callable[[Row], list[Scored]]) -> None:
    """What the product must find with this model: offsets are UTF-16 there."""
    path = Path(__file__).resolve().parent.parent / "test/data/classifiers/names.jsonl"
    with path.open("w") as f:
        for text in CASES:
            def wide(at: int, text: str = text) -> int:
                return len(text[:at].encode("utf-16-le")) // 2

            found = [[PRODUCT[label], wide(a), wide(b), round(p, 3)] for a, b, label, p in predict((text, []))]
            f.write(json.dumps({"text": text, "found": found}, ensure_ascii=False) + "\n")


def percent(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


INTRO = """# Names and addresses

Tags every unit (a word, a number, a run of signs) as nothing, person (PER), postal address (ADDRESS), place (LOC) or
organisation (ORG). `pii_detector` reports PER as `name` and ADDRESS as `address`; the other two exist so that a town
is not taken for an address, nor a firm for a person. Units are hashed byte n-grams (65 536 buckets of 40, int8), so no
tokenizer is needed; two bidirectional GRUs of 64 carry them. Windows of {window} units, overlapping by {overlap}.
Trained from scratch by `training/names.py` on {rows} rows; probabilities are scaled by a temperature fitted on held-out rows.

Sets: presidio-research synth_dataset_v2 (MIT), wikigold, Broad Twitter Corpus (a, b) and WNUT17 (all CC-BY-4.0),
tau2-bench banking documents (MIT), Banking77 (CC-BY-4.0), GPTeacher (MIT, text by GPT-4) and self-instruct (Apache-2.0)
as text without people, and templates of our own. People and addresses in templates are invented by Faker (MIT).

## Precision and recall by type

At confidence 0.5, with 95 % intervals (Wilson). Found means overlap; `exact` is the share with the same borders.
"""
LIMITS = """## Limits

- Latin script first; Greek and Cyrillic names occur in training, Chinese, Japanese, Arabic and Indic scripts do not.
- Addresses were learnt from templates. Free descriptions ("the blue house behind the station") are not addresses to it.
- A name that is also a word ("Mark", "Rose", "Will") needs its context; lower-case names are found less often.
- Public figures are people too: a text about Alan Turing has a name in it. Policies decide whether that matters.
- 80 % of Presidio's templates were trained on (with other values): the first row of figures is therefore easier than
  traffic, the second and the real sentences are nearer to it.
"""


def write(folder: Path, held: dict[str, list[Row]], encode: Callable[[Row], Any], shape: tuple[int, int], trained: int) -> None:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(folder / "model.onnx"), options)

    def predict(row: Row) -> list[Scored]:
        feats, _, places = encode(row)
        return spans_of(probabilities(session, feats, *shape), places)

    sets = {**dev_sets(), **{f"{name}, held out": rows for name, rows in held.items() if name != "templates"}}
    lines = [INTRO.format(window=shape[0], overlap=shape[1], rows=trained), "| set | type | labelled | recall | precision | exact |", "| --- | --- | --- | --- | --- | --- |"]
    report: dict[str, Any] = {}
    for name, rows in sets.items():
        predicted = [predict(row) for row in rows]
        found = score(rows, predicted, 0.5, KINDS)
        report[name] = {"rows": len(rows), **found}
        for kind, f in found.items():
            lines.append(f"| {name} | {kind} | {f['labelled']} | {percent(f['recall'], f['recall_95'])} | {percent(f['precision'], f['precision_95'])} | {f['exact_recall']:.3f} |")
        if name == "presidio dev, templates never trained on" or name.startswith("wikigold"):
            report[name]["reliability"] = reliability(rows, predicted)
    lines += ["", "## Calibration", "", "Confidence of names and addresses against how often they were right.", "", "| set | confidence | right | spans |", "| --- | --- | --- | --- |"]
    lines += [f"| {name} | {p:.2f} | {r:.2f} | {n} |" for name, f in report.items() for p, r, n in f.get("reliability", [])]
    lines += ["", "## Text in which people are rare", "Alarms; some are right, because MT-Bench names public figures.", "", "| set | texts | with a name | with an address |", "| --- | --- | --- | --- |"]
    for name, texts in false_alarms().items():
        guesses = [predict((t, [])) for t in texts]
        counts = {k: sum(any(g[2] == k and g[3] >= 0.5 for g in one) for one in guesses) for k in ("PER", "ADDRESS")}
        report[name] = {"texts": len(texts), **counts}
        lines.append(f"| {name} | {len(texts)} | {counts['PER']} | {counts['ADDRESS']} |")
    (folder / "README.md").write_text("\n".join(lines) + "\n\n" + LIMITS)
    write_cases(predict)
    (folder / "measured.json").write_text(json.dumps(report, indent=1) + "\n")
    print("\n".join(lines[1:]))
