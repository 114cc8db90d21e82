"""Builds the training rows: reads, cleans, deduplicates, balances; writes out/train.jsonl and a report.

Rule: nothing that is a near copy of a development text is trained on. Two tests decide: the same
normalised text, or at least 60 % of a text's 6-grams inside another. Run: python data.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import random
import re
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import devsets
import sources
from corpora import asks, benign, finance, injections, multilingual, people, persuasion, prompts, questions, terse
from corpora.grammar import distinct_ngrams
from sources import ADVICE, BENIGN, HEADS, INJECTION, Labels, Row, toxic

OUT = Path(__file__).resolve().parent / "out"
SEED = 20260
# At most this many rows of (source, label): no source may drown the others.
CAPS = {"edos:0": 12500, "implicit_hate:1": 4000, "implicit_hate:0": 3600, "clinc150:0": 5000, "banking77:0": 2500,
        "gpteacher_codegen_answers:0": 900, "gpteacher_toolformer_0.6_answers:0": 400,
        "mlma_ar:1": 500, "mlma_fr:1": 700, "mlma_en:1": 900, "gpteacher_codegen:0": 900, "gpteacher_toolformer_0.6:0": 900,
        "gpteacher_roleplay:0": 1900, "davidson:0": 3000, "hh_rlhf_chosen:0": 1000, "tau2_documents:0": 1100}
# Sets made of variants on purpose: the same carrier with another order, one emoji exchanged.
PAIRED = {"deepset", "hatemoji"}


def normal(text: str) -> str:
    """Lower case, no punctuation; symbols stay, because an emoji can carry the label."""
    return re.sub(r"[\s!-/:-@\[-`{-~\u2010-\u2027]+", " ", unicodedata.normalize("NFKC", text).lower()).strip()


def grams(text: str) -> set[int]:
    words = normal(text).split()
    return {zlib.crc32(" ".join(words[i : i + 6]).encode()) for i in range(len(words) - 5)}


class Near:
    """Near-duplicate index. Short texts (under 6 words) are compared exactly only."""

    def __init__(self) -> None:
        self.exact: set[str] = set()
        self.where: dict[int, list[int]] = defaultdict(list)
        self.sizes: list[int] = []

    def add(self, text: str) -> None:
        self.exact.add(normal(text))
        ident = len(self.sizes)
        found = grams(text)
        self.sizes.append(len(found))
        for gram in found:
            if len(self.where[gram]) < 64:
                self.where[gram].append(ident)

    def holds(self, text: str, both_ways: bool, exactly: bool = False) -> bool:
        if normal(text) in self.exact or exactly:
            return normal(text) in self.exact
        own = grams(text)
        if not own:
            return False
        counts = Counter(i for gram in own for i in self.where.get(gram, ()))
        for ident, shared in counts.items():
            if shared / len(own) >= 0.6 or (both_ways and shared / self.sizes[ident] >= 0.6):
                return True
        return False


def written(rng: random.Random, scale: float) -> Iterable[Row]:
    """The corpora that we wrote ourselves."""
    n = lambda count: max(20, int(count * scale))  # noqa: E731
    for text, label in finance.rows(rng, n(4200)):
        yield text, ADVICE if label else BENIGN, "our_finance"
    for text in benign.triggers(rng, n(2200)):
        yield text, BENIGN, "our_triggers"
    for text in terse.rows(rng, n(3200)):
        yield text, BENIGN, "our_terse"
    for text in asks.follow_ups(rng, n(2200)):
        yield text, BENIGN, "our_follow_ups"
    for text in asks.structured(rng, n(2000)):
        yield text, BENIGN, "our_structured"
    for text in asks.harmful(rng, n(900)):
        yield text, sources.HARMFUL_ASK, "our_harmful_asks"
    for text in benign.personas(rng, n(2200)):
        yield text, BENIGN, "our_personas"
    for text in benign.health_legal(rng, n(900)):
        yield text, BENIGN, "our_health_legal"
    for _, text in multilingual.benign(rng, n(110)):
        yield text, BENIGN, "our_multilingual"
    for text, label in people.identity(rng, n(3000)):
        yield text, toxic(bool(label)), "our_identity"
    for text, label in people.self_harm(rng, n(900)):
        yield text, ((None, 0, 0, 1, 1) if label else BENIGN), "our_self_harm"
    for text in injections.direct(rng, n(3000)):
        yield text, INJECTION, "our_injections"
    for text in injections.jailbreaks(rng, n(2200)):
        yield text, INJECTION, "our_jailbreaks"
    for text in questions.benign(rng, n(2200)):
        yield text, BENIGN, "our_questions"
    for text in questions.turned(rng, n(2600)):
        yield text, INJECTION, "our_turns"
    for text in prompts.rows(rng, n(3000)):
        yield text, BENIGN, "our_prompts"
    for text in prompts.commands(rng, n(2100)):
        yield text, BENIGN, "our_commands"
    for text in prompts.injections(rng, n(2500)):
        yield text, INJECTION, "our_foreign_injections"
    for text, label in persuasion.rows(rng, n(2500), n(2000)):
        yield text, INJECTION if label else BENIGN, "our_persuasion"
    for text, label in persuasion.plain(rng, n(400)):
        yield text, sources.HARMFUL_ASK if label else BENIGN, "our_plain_asks"


def spliced(rng: random.Random, train: Path, scale: float) -> Iterable[Row]:
    carriers = sources.tool_texts(train)
    rng.shuffle(carriers)
    lures = sources.lines(train / "tasktracker_injections/saved_injections.txt")
    orders = [a for v in json.loads((train / "bipia/text_attack_train.json").read_text()).values() for a in v]
    for carrier in carriers[: int(1800 * scale)]:
        parts = sources.chunks(carrier, words=55, limit=6)
        if not parts:
            continue
        part = rng.choice(parts)
        yield part, BENIGN, "carriers"
        for _ in range(2):
            attack = injections.payload(rng)
            if rng.random() < 0.2:
                attack = f"{rng.choice(lures)} {rng.choice(orders)}"
            yield injections.splice(rng, rng.choice(parts), attack), INJECTION, "our_spliced"


def label_key(labels: Labels) -> str:
    return "1" if 1 in labels else "0"


def collect(rng: random.Random, scale: float) -> tuple[list[Row], dict[str, object]]:
    train = sources.data_root() / "train"
    dev_index = Near()
    for name, rows in devsets.load().items():
        for text, _, _ in rows:
            # Long texts are compared window by window, as they are trained on.
            for part in sources.chunks(text, limit=8) if name not in ("clinc", "banking77") else [text]:
                dev_index.add(part)
    # Near copies are dropped within a label only: a pair that differs in one word and in its label
    # (deepset, HatemojiBuild) is what teaches the boundary.
    own_index = {"0": Near(), "1": Near()}
    kept: list[Row] = []
    report: dict[str, Counter[str]] = defaultdict(Counter)
    licensed = [*sources.injections(train, rng), *sources.advice(train), *sources.benign(train, rng), *sources.toxicity(train)]
    rng.shuffle(licensed)
    licensed.sort(key=lambda row: label_key(row[1]) == "0")  # a text that is in both classes keeps label 1
    if scale < 1:
        licensed = [r for i, r in enumerate(licensed) if i % int(1 / scale) == 0]
    seen: Counter[str] = Counter()
    for text, labels, source in licensed:
        label = label_key(labels)
        key, other = f"{source}:{label}", own_index["1" if label == "0" else "0"]
        text = text.strip()
        if len(text) < 3:
            report[key]["empty"] += 1
        elif dev_index.holds(text, both_ways=labels[1] == 1):
            report[key]["copy of a development text"] += 1
        elif normal(text) in other.exact or own_index[label].holds(text, both_ways=False, exactly=source in PAIRED):
            report[key]["duplicate"] += 1
        elif seen[key] >= CAPS.get(key, 10**9) * scale:
            report[key]["over the cap"] += 1
        else:
            seen[key] += 1
            own_index[label].add(text)
            kept.append((text, labels, source))
            report[key]["kept"] += 1
    for text, labels, source in [*written(rng, scale), *spliced(rng, train, scale)]:
        key = f"{source}:{label_key(labels)}"
        if any(normal(text) in index.exact for index in own_index.values()) or dev_index.holds(text, both_ways=False):
            report[key]["duplicate or copy of a development text"] += 1
            continue
        own_index[label_key(labels)].exact.add(normal(text))
        kept.append((text, labels, source))
        report[key]["kept"] += 1
    return kept, {k: dict(v) for k, v in sorted(report.items())}


def variety(rows: list[Row]) -> dict[str, object]:
    texts: dict[str, list[str]] = defaultdict(list)
    for text, _, source in rows:
        if source.startswith("our_"):
            texts[source].append(text)
    out = {}
    for source, own in sorted(texts.items()):
        count, share = distinct_ngrams(own)
        out[source] = {"rows": len(own), "distinct_3grams": count, "share": round(share, 3)}
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    rng = random.Random(SEED)
    rows, report = collect(rng, 0.1 if args.quick else 1.0)
    rng.shuffle(rows)
    OUT.mkdir(exist_ok=True)
    with (OUT / "train.jsonl").open("w") as f:
        for i, (text, labels, source) in enumerate(rows):
            split = "calibrate" if i % 20 == 0 else "validate" if i % 20 == 1 else "train"
            f.write(json.dumps({"text": text, "labels": labels, "source": source, "split": split}, ensure_ascii=False) + "\n")
    positives = {h: sum(1 for r in rows if r[1][i] == 1) for i, h in enumerate(HEADS)}
    summary = {"rows": len(rows), "positives": positives, "sources": report, "variety_of_our_corpora": variety(rows)}
    (OUT / "data-report.json").write_text(json.dumps(summary, indent=1))
    print(json.dumps({"rows": len(rows), "positives": positives}, indent=1))


if __name__ == "__main__":
    main()
