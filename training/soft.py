"""The encoder's opinion of many more texts than carry labels, for the streaming scorer: python soft.py

Asked are all training rows of sources whose labels are few, noisy or hard, texts of the training sets
that no label is used of, and variants: beginnings and pieces of rows, and rows with other emoji.
Writes out/unlabelled.json (the texts without a label) and out/soft.npy: one row of probabilities for
every line of out/train.jsonl and then for every unlabelled text; NaN where the encoder was not asked.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import evaluate
import sources
from evaluate import encoder_scores
from sources import HEADS

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"
# Share of each source's rows that the encoder is asked about, and how many variants a row gets.
ASKED = {"deepset": 1.0, "hatemoji": 1.0, "edos": 1.0, "toxigen": 0.7, "implicit_hate": 0.7, "davidson": 0.5, "inthewild": 1.0, "spikee": 1.0,
         "our_finance": 0.5, "awesome_2025_05": 1.0, "conversationai": 0.7, "mlma_en": 0.5}
VARIANTS = {"deepset": 12.0, "hatemoji": 3.0, "edos": 0.8, "toxigen": 0.6, "implicit_hate": 0.4, "davidson": 0.4, "inthewild": 4.0, "spikee": 4.0, "gptfuzz": 8.0,
            "our_finance": 0.8, "awesome_2025_05": 6.0, "our_turns": 0.8, "our_injections": 0.6, "our_jailbreaks": 0.8, "our_personas": 0.6, "catqa_finance": 3.0}
EMOJI = re.compile(r"[\U0001F300-\U0001FAFF\u2600-\u27BF]\ufe0f?(?:[\U0001F3FB-\U0001F3FF])?")


def exchanged(text: str, rng: random.Random, emoji: list[str]) -> str:
    return EMOJI.sub(lambda _: rng.choice(emoji), text)


def piece(text: str, rng: random.Random) -> str:
    """The beginning of a text or a run out of it; at least four words."""
    words = re.findall(r"\S+\s*", text)
    length = rng.randint(min(4, len(words)), len(words))
    start = 0 if rng.random() < 0.6 else rng.randint(0, len(words) - length)
    return "".join(words[start : start + length]).strip()


def variants(rows: list[dict[str, str]], rng: random.Random) -> Iterator[str]:
    emoji = sorted({e for r in rows if r["source"] == "hatemoji" for e in EMOJI.findall(r["text"])})
    for row in rows:
        wanted = VARIANTS.get(row["source"], 0.15)
        for _ in range(int(wanted) + (rng.random() < wanted % 1)):
            text = exchanged(row["text"], rng, emoji) if rng.random() < 0.7 else row["text"]
            made = piece(text, rng) if text == row["text"] or rng.random() < 0.2 else text
            if made and made != row["text"]:
                yield made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--unlabelled", type=int, default=24_000)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    evaluate.THREADS = args.threads
    rng = random.Random(31)
    rows = [json.loads(line) for line in (OUT / "train.jsonl").open()]
    texts = list(sources.unlabelled(sources.data_root() / "train"))
    rng.shuffle(texts)
    texts = texts[: args.unlabelled] + list(variants([r for r in rows if r["split"] == "train"], rng))
    (OUT / "unlabelled.json").write_text(json.dumps(texts))
    asked = [i for i, r in enumerate(rows) if r["split"] == "train" and rng.random() < ASKED.get(r["source"], 0.1)]
    print(f"{len(asked)} labelled and {len(texts)} unlabelled texts", flush=True)
    soft = np.full((len(rows) + len(texts), len(HEADS)), np.nan, dtype=np.float32)
    found = encoder_scores(HERE.parent / "models/encoder/model.onnx", [rows[i]["text"] for i in asked] + texts, max_windows=1)
    soft[asked] = found[: len(asked)]
    soft[len(rows) :] = found[len(asked) :]
    np.save(OUT / "soft.npy", soft)


if __name__ == "__main__":
    main()
