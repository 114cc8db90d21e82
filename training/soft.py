"""The encoder's opinion of training and unlabelled texts, for the streaming scorer: python soft.py

Writes out/unlabelled.json (texts that no label is used of) and out/soft.npy: one row of
probabilities for every line of out/train.jsonl and then for every unlabelled text; NaN where the
encoder was not asked, because the label alone says it all.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np

import evaluate
import sources
from evaluate import encoder_scores
from sources import HEADS

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
# Share of each source's rows that the encoder is asked about: where labels are few, noisy or hard.
ASKED = {"deepset": 1.0, "hatemoji": 0.6, "edos": 0.35, "toxigen": 0.2, "implicit_hate": 0.15, "davidson": 0.15, "inthewild": 0.4, "spikee": 0.3,
         "our_turns": 0.2, "our_questions": 0.1, "our_finance": 0.1, "our_injections": 0.1, "awesome_2025_05": 0.4, "our_triggers": 0.1, "our_identity": 0.05}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--unlabelled", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    evaluate.THREADS = args.threads
    rng = random.Random(31)
    rows = [json.loads(line) for line in (OUT / "train.jsonl").open()]
    texts = list(sources.unlabelled(sources.data_root() / "train"))
    rng.shuffle(texts)
    texts = texts[: args.unlabelled]
    (OUT / "unlabelled.json").write_text(json.dumps(texts))
    asked = [i for i, r in enumerate(rows) if r["split"] == "train" and rng.random() < ASKED.get(r["source"], 0.0)]
    soft = np.full((len(rows) + len(texts), len(HEADS)), np.nan, dtype=np.float32)
    found = encoder_scores(HERE.parent / "models/encoder/model.onnx", [rows[i]["text"] for i in asked] + texts, max_windows=1)
    soft[asked] = found[: len(asked)]
    soft[len(rows) :] = found[len(asked) :]
    np.save(OUT / "soft.npy", soft)
    print(f"{len(asked)} labelled and {len(texts)} unlabelled texts")


if __name__ == "__main__":
    main()
