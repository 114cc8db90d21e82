"""The opinion of a trained encoder of every training row, as training reads it: python opinion.py FOLDER

`encoder.py --part` leaves heads as they were by it. Writes out/opinions.json: text -> probabilities.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import encoder
import evaluate

BATCH = 32


def opinions(path: Path, rows: list[dict[str, object]]) -> np.ndarray:
    """Probabilities [rows, heads] of every row's first window."""
    read = encoder.tokenize(rows)
    order = sorted(range(len(rows)), key=lambda i: len(read[i]))
    model = evaluate.session(path)
    found = np.zeros((len(rows), len(encoder.HEADS)), dtype=np.float32)
    for start in range(0, len(order), BATCH):
        part = order[start : start + BATCH]
        ids, mask = encoder.pad([read[i] for i in part])
        logits = model.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]
        found[part] = 1 / (1 + np.exp(-logits))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="an exported encoder")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    evaluate.THREADS = args.threads
    rows = encoder.load_rows()
    found = opinions(args.folder / "model.onnx", rows)
    named = {str(row["text"]): [round(float(p), 5) for p in own] for row, own in zip(rows, found, strict=True)}
    (encoder.OUT / "opinions.json").write_text(json.dumps(named))


if __name__ == "__main__":
    main()
