"""A rule that changes the sampling at token k: what is sampled then, beside vLLM's own sampling.

A script makes every request say the same words; the rule's pattern is among them, and the token after
them is the model's. Its distribution over 5 120 requests must be that of requests which asked vLLM
for the rule's values themselves (chi-square test of homogeneity), and must not be that of requests
without the rule (so that the test can fail). The engine's seed is fixed, and no step goes on without
its answer, so a run draws what the last one drew. `adapt.py record` writes the p values to
test/bench/record/adapt.json.
"""

import json
import platform
import sys
import tempfile
import time
from collections import Counter
from datetime import date
from pathlib import Path

from serving import PATIENT, Serving
from stage import ROOT, case, close, engine, environment, expect, finish, processor_of

SAMPLES, SLOTS, LEAST_P = 5_120, 256, 0.01
# "v2": that runner's kernels are interpreted on a CPU, so few requests, compared seed by seed; and
# min_p in place of top_p, whose kernel Triton's interpreter cannot run.
IS_V2, SEEDS = "v2" in sys.argv, 20
PROMPT, WORDS = "What should I do?", " I would buy shares in"
PENALTIES = {"presence_penalty": 0.9, "frequency_penalty": 0.4, "repetition_penalty": 1.2}
ASKED = {"temperature": 1.8, "top_p": 1.0}
SAFE = {"temperature": 1.2, **({"min_p": 0.05} if IS_V2 else {"top_p": 0.9})}
SAFER = {**SAFE, "repetition_penalty": 1.5}
FEW = 1_024
# Nobody waits for a rule in monitor, so quick steps would be sent together, and what several tokens
# bring is logged at the last of them: sent one by one, positions are those of enforce.
EVERY_STEP = {"coalesce_steps": 1, **PATIENT}

POLICY = """
name: adapting
version: '1'
description: Two rules of which each changes the sampling where its words are said.
rules:
  - name: safer
    description: shares
    phase: step
    wait: true
    mode: {mode}
    trigger: {{ type: pattern, pattern: 'buy shares' }}
    actions: [{{ type: adapt, temperature: 1.2, {cut} }}]
  - name: repeats-less
    description: stocks
    phase: step
    wait: true
    mode: {mode}
    trigger: {{ type: pattern, pattern: 'buy stocks' }}
    actions: [{{ type: adapt, temperature: 1.2, {cut}, repetition_penalty: 1.5 }}]
"""


def policies(mode):
    return {"adapting": POLICY.format(mode=mode, cut="min_p: 0.05" if IS_V2 else "top_p: 0.9")}


def speak(llm, words, each, rid, beside=()):
    """The token that follows the words in one request for each of these samplings. `beside`: lengths
    of requests that go on meanwhile, for as many tokens."""
    from vllm import SamplingParams

    script = llm.get_tokenizer().encode(words, add_special_tokens=False)
    given = [
        SamplingParams(
            **sampling,
            max_tokens=len(script) + 1,
            ignore_eos=True,
            detokenize=False,
            extra_args={"script_tokens": script, "checkstream_rid": f"{rid}-{n}"},
        )
        for n, sampling in enumerate(each)
    ]
    others = [
        SamplingParams(
            max_tokens=length,
            ignore_eos=True,
            detokenize=False,
            extra_args={"script_tokens": [*script, *([script[0]] * length)]},
        )
        for length in beside
    ]
    asked = {"prompt_token_ids": llm.get_tokenizer().encode(PROMPT)}
    every = [*others, *given]
    out = llm.generate([asked] * len(every), every, use_tqdm=False)[len(others) :]
    said = [list(o.outputs[0].token_ids) for o in out]
    expect(all(s[:-1] == said[0][:-1] for s in said), "the script was not said")
    return [s[-1] for s in said]


def sample(llm, words, sampling, count=SAMPLES, rid="r"):
    """How often each token follows the words."""
    # One that goes on as long as any other: while a row is awaited, every step is.
    return Counter(speak(llm, words, [sampling] * count, rid, beside=[200]))


def homogeneity(a, b):
    """p value of "both counts are draws of one distribution"; tokens with fewer than 10 in all share
    a bin."""
    import torch

    both = a + b
    rare = [t for t in both if both[t] < 10]
    bins = [[t] for t in both if both[t] >= 10] + ([rare] if rare else [])
    total, statistic = both.total(), 0.0
    for tokens in bins:
        share = sum(both[t] for t in tokens) / total
        for counts in (a, b):
            wanted = share * counts.total()
            statistic += (sum(counts[t] for t in tokens) - wanted) ** 2 / wanted
    freedom = len(bins) - 1
    expect(freedom >= 5, f"only {freedom + 1} tokens follow the words: nothing to compare")
    half = torch.tensor([freedom / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1])), freedom + 1


def matches(llm, found, name, words, asked, wanted):
    adapted = sample(llm, words, asked, rid=name)
    native = sample(llm, words, {**asked, **wanted}, rid="native")
    healthy(llm)
    found[name] = adapted
    p, bins = homogeneity(adapted, native)
    found["record"][name] = {"p": round(p, 4), "bins": bins, "samples": SAMPLES}
    expect(p > LEAST_P, f"p = {p:.2g} over {bins} bins: not the distribution of {wanted}")
    return f"p = {p:.3f} over {bins} bins, {SAMPLES} samples each"


def seeded(llm, words, sampling, rid):
    """The token that follows the words, for each seed."""
    return speak(llm, words, [{**sampling, "seed": n} for n in range(SEEDS)], rid)


def same_by_seed(llm, name, words, asked, wanted):
    """The noise of a seed is that of its position, so equal distributions draw equal tokens."""
    adapted = seeded(llm, words, asked, name)
    native = seeded(llm, words, {**asked, **wanted}, "native")
    cooler = seeded(llm, words, {**asked, **wanted, "temperature": 0.8}, "cooler")
    alike = sum(a == b for a, b in zip(adapted, native, strict=True))
    others = sum(a == b for a, b in zip(adapted, cooler, strict=True))
    expect(alike == SEEDS, f"{alike} of {SEEDS} seeds draw the token of {wanted}")
    expect(others < SEEDS, "this test cannot tell a temperature of 1.2 from 0.8")
    healthy(llm)
    return f"{alike} of {SEEDS} seeds draw the same token, {others} at temperature 0.8"


def differs(llm, found):
    """The same comparison tells the rule's temperature from a lower one of the client's."""
    cooler = sample(llm, WORDS, {"temperature": 0.8, "top_p": 0.9}, FEW)
    p, bins = homogeneity(found["plain"], cooler)
    found["record"]["temperature_0.8"] = {"p": p, "bins": bins, "samples": FEW}
    expect(p < 1e-6, f"p = {p:.2g}: this test cannot tell a temperature of 1.2 from 0.8")
    return f"p = {p:.1e}"


def healthy(llm):
    runner = processor_of(llm)._runner
    stats, wanted = runner._stats, "V2" if IS_V2 else "V1"
    expect(type(runner).__name__ == wanted, f"ran on {type(runner).__name__}, not {wanted}")
    expect(stats.errors == 0, f"{stats.errors} errors: {stats.last_error}")
    missed, awaited = stats.missed_deadlines, stats.awaited_steps
    expect(awaited > 0 and missed == 0, f"{missed} of {awaited} awaited steps missed their deadline")


def monitored(llm, found, enforced, folder):
    """The same rules in monitor: the same decisions in the log, and none of the effect."""
    stats = processor_of(llm)._runner._stats
    before, first = stats.reconnects, decisions(enforced, "plain")
    enforced.stop()
    enforced.decisions.unlink()
    watched = Serving(folder, policies=policies("monitor"), vllm=EVERY_STEP).start()
    try:
        until = time.monotonic() + 30
        while stats.reconnects == before and time.monotonic() < until:
            time.sleep(0.05)
        expect(stats.reconnects > before, "the plugin did not attach again")
        untouched = sample(llm, WORDS, ASKED, FEW, rid="plain")
        second = decisions(watched, "plain", len(first))
    finally:
        watched.stop()
    p, _ = homogeneity(untouched, found["plain"])
    expect(p < 1e-6, f"p = {p:.2g}: a rule in monitor changes what is sampled")
    expect(len(first) == FEW, f"{len(first)} decisions for {FEW} requests")
    expect(first == second, f"the logs differ: {sorted(first ^ second)[:2]}")
    return f"{FEW} decisions, the same but for their mode; sampling differs by p = {p:.1e}"


def decisions(serving, rid, wanted=FEW):
    """What was written down of the first requests of this name, but for time, revision, mode
    and salt. The log is written behind the requests, so it is waited for."""
    left, found = ("time", "revision", "mode", "took_us", "commitment"), set()
    mine, until = {f"{rid}-{n}" for n in range(FEW)}, time.monotonic() + 20
    while len(found) < wanted and time.monotonic() < until:
        time.sleep(0.5)
        told = [d for d in serving.log() if d["request_id"] in mine]
        kept = [{k: v for k, v in d.items() if k not in left} for d in told]
        found = {json.dumps(d, sort_keys=True) for d in kept}
    return found


def on_v2():
    folder = tempfile.mkdtemp(prefix="checkstream-")
    serving = Serving(folder, policies=policies("enforce"), vllm=EVERY_STEP)
    environment(serving.step)
    serving.start()
    llm = engine("adversary:Script", "checkstream_vllm:CheckStream", max_num_seqs=SEEDS)
    stocks = WORDS.replace("shares", "stocks")
    penalised = {**ASKED, **PENALTIES}
    case("adapt v2: as native from token k on", same_by_seed, llm, "plain", WORDS, ASKED, SAFE)
    case("adapt v2: with penalties", same_by_seed, llm, "penalties", stocks, penalised, SAFER)
    serving.stop()
    close(llm)


def main():
    folder = tempfile.mkdtemp(prefix="checkstream-")
    enforced = Serving(folder, policies=policies("enforce"), vllm=EVERY_STEP)
    environment(enforced.step)
    enforced.start()
    llm = engine(
        "adversary:Script", "checkstream_vllm:CheckStream", max_num_seqs=SLOTS, seed=11
    )
    sample(llm, WORDS, ASKED, 64, rid="warm")
    found = {"record": {}}
    stocks = WORDS.replace("shares", "stocks")
    penalised = {**ASKED, **PENALTIES}
    case("adapt: as native from token k on", matches, llm, found, "plain", WORDS, ASKED, SAFE)
    case("adapt: with penalties", matches, llm, found, "penalties", stocks, penalised, SAFER)
    case("adapt: the test tells other values", differs, llm, found)
    case("adapt: enforce and monitor log the same", monitored, llm, found, enforced, folder)
    enforced.stop()
    close(llm)
    if "record" in sys.argv:
        record("adapt", found["record"])


def record(name, figures):
    at = {"date": date.today().isoformat(), "cpu": cpu(), "python": platform.python_version()}
    path = ROOT / f"test/bench/record/{name}.json"
    path.write_text(json.dumps({**at, **figures}, indent=2) + "\n")


def cpu():
    """As test/bench/report.ts calls it too."""
    facts = dict(x.split(":", 1) for x in Path("/proc/cpuinfo").read_text().splitlines() if ":" in x)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    wanted = json.loads((ROOT / "test/bench/extensions.json").read_text())
    flags = facts.get("flags", "").split()
    found = [name for name in wanted if name in flags]
    return f"{facts.get('model name', 'unknown')}: {', '.join(found) or 'no vectors'}"


if __name__ == "__main__":
    on_v2() if IS_V2 else main()
    finish()
