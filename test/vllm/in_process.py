"""Cases in which vLLM runs in this process: in_process.py v1|async|v2|spec

One engine serves many cases, because starting one costs seconds.
"""

import json
import random
import sys
import tempfile
import time
from pathlib import Path

from stage import (
    PHRASES,
    ROOT,
    Sidecar,
    case,
    close,
    engine,
    environment,
    expect,
    finish,
    processor_of,
    spellings,
    token_texts,
    violations,
)

MODE = sys.argv[1]
SOCKET = Path(tempfile.mkdtemp(prefix="checkstream-"), "s.sock")
SMALL = MODE in ("v2", "spec")
ATTACKS = 16 if SMALL else 200
LENGTH = 20 if SMALL else 40
PROMPTS = ["Hello", "What is an account?", "Tell me about", "I would like", "Can you", "The bank"]
ADVERSARY, GUARD = "adversary:Adversary", "checkstream_vllm:CheckStream"


def params(**given):
    from vllm import SamplingParams

    extra = given.pop("extra", {})
    given = {"max_tokens": LENGTH, "temperature": 0.0, **given}
    return SamplingParams(**given, extra_args=extra or None)


def attacks(texts, count):
    """Requests that are pushed to say a banned phrase, every second one sampled and not greedy."""
    r, out = random.Random(4), []
    cuts = {phrase: spellings(texts, phrase, 40, 7) for phrase in PHRASES}
    for number in range(count):
        tokens = r.choice(cuts[PHRASES[number % len(PHRASES)]])
        extra = {"adversary_tokens": tokens, "checkstream_rid": f"attack-{number}"}
        if number % 3 == 0:
            extra.pop("checkstream_rid")  # a request that went around the proxy
        given = {"temperature": 0.9} if number % 2 else {}
        out.append((r.choice(PROMPTS), params(extra=extra, **given)))
    return out


def broken(llm, requests):
    """How many outputs contain a banned phrase."""
    prompts, given = [p for p, _ in requests], [s for _, s in requests]
    outputs = llm.generate(prompts, given, use_tqdm=False)
    return sum(bool(violations(o.text)) for out in outputs for o in out.outputs), outputs


def plain(llm):
    outputs = llm.generate(PROMPTS, params(max_tokens=LENGTH), use_tqdm=False)
    return [list(o.outputs[0].token_ids) for o in outputs]


def healthy(llm, note=""):
    runner = processor_of(llm)._runner
    stats = runner._stats
    wanted = "V2" if SMALL else "V1"
    expect(type(runner).__name__ == wanted, f"ran on {type(runner).__name__}, not {wanted}")
    is_async = runner._worker.asynchronous
    expect(MODE != "async" or is_async, "async scheduling was not on")
    expect(stats.errors == 0, f"the plugin counted {stats.errors} errors: {stats.last_error}")
    return note


def baseline(found):
    llm = engine(ADVERSARY)
    found["texts"] = token_texts(llm)
    count, _ = broken(llm, attacks(found["texts"], ATTACKS))
    found["plain"] = plain(llm)
    close(llm)
    expect(count > ATTACKS * 3 / 4, f"only {count} of {ATTACKS} attacks worked without the guard")
    return f"{count} of {ATTACKS} attacks say a banned phrase"


def guarded(llm, found):
    count, outputs = broken(llm, attacks(found["texts"], ATTACKS))
    expect(count == 0, f"{count} of {ATTACKS} attacks got through")
    said = sum(len(o.token_ids) for out in outputs for o in out.outputs)
    return healthy(llm, f"0 of {ATTACKS} attacks got through, {said} tokens")


def unaffected(llm, found):
    expect(plain(llm) == found["plain"], "greedy output differs from an engine without the guard")
    return healthy(llm, f"{len(PROMPTS)} greedy outputs are token-identical")


def golden(llm):
    """What PyTorch said with the same weights, as the embedded engine says it, but for what is banned."""
    cases = json.loads((ROOT / "models/demo-lm/golden.json").read_text())["cases"]
    cases, length = (cases[:2], 20) if SMALL else (cases, 100)
    given = params(max_tokens=length, ignore_eos=True)
    prompts = [{"prompt_token_ids": c["prompt_ids"]} for c in cases]
    outputs = [o.outputs[0] for o in llm.generate(prompts, given, use_tqdm=False)]
    wanted = [c["output_ids"][:length] for c in cases]
    decode = llm.get_tokenizer().decode
    banned = [n for n, ids in enumerate(wanted) if violations(decode(ids))]
    same = [n for n, o in enumerate(outputs) if list(o.token_ids) == wanted[n]]
    expect(sorted(same + banned) == [*range(len(cases))], f"only {same} are as in the golden file")
    return healthy(llm, f"{len(same)} outputs of {length} tokens, and {len(banned)} that is banned")


def children(llm, found):
    tokens = spellings(found["texts"], PHRASES[0], 1, 1)[0]
    extra = {"adversary_tokens": tokens, "checkstream_rid": "three"}
    given = params(n=3, temperature=0.8, extra=extra)
    count, outputs = broken(llm, [(PROMPTS[0], given)] * 4)
    expect(count == 0, f"{count} children said a banned phrase")
    expect(all(len(out.outputs) == 3 for out in outputs), "not three children a request")
    return healthy(llm)


def aborted(llm, found):
    core = llm.llm_engine
    requests = attacks(found["texts"], 12)
    ids = [add(llm, f"abort-{n}", prompt, given) for n, (prompt, given) in enumerate(requests)]
    for _ in range(4):
        core.step()
    core.abort_request(ids[:6])
    texts = run_out(llm)
    expect(not any(violations(t) for t, _ in texts.values()), "a banned phrase after an abort")
    count, _ = broken(llm, attacks(found["texts"], 12))
    expect(count == 0, "a banned phrase in a slot that was used before")
    return healthy(llm)


def schema(llm, found):
    from vllm.sampling_params import StructuredOutputsParams

    wanted = {
        "type": "object",
        "properties": {"answer": {"enum": ["guaranteed returns", "none"]}},
        "required": ["answer"],
    }
    tokens = spellings(found["texts"], "guaranteed returns", 1, 1)[0]
    given = params(
        max_tokens=60,
        structured_outputs=StructuredOutputsParams(json=wanted),
        extra={"adversary_tokens": tokens, "checkstream_rid": "schema"},
    )
    out = llm.generate(PROMPTS[:1], given, use_tqdm=False)[0].outputs[0]
    expect(not violations(out.text), f"said {out.text!r}")
    if out.finish_reason == "stop":
        expect('"none"' in out.text, f"said {out.text!r}")
    return healthy(llm, f"said {out.text[:40]!r}, finished by {out.finish_reason}")


def preempted(found):
    llm = engine(
        ADVERSARY,
        GUARD,
        num_gpu_blocks_override=9,
        block_size=32,
        max_num_seqs=6,
        enable_prefix_caching=False,
    )
    long = [
        (p, params(max_tokens=110, temperature=s.temperature, extra=s.extra_args, ignore_eos=True))
        for p, s in attacks(found["texts"], 6 if SMALL else 18)
    ]
    count, _ = broken(llm, long)
    times = sum(
        m.value for m in llm.get_metrics() if m.name == "vllm:num_preemptions" and hasattr(m, "value")
    )
    note = healthy(llm, f"{times:.0f} preemptions")
    close(llm)
    expect(count == 0, f"{count} attacks got through")
    expect(times > 0, "nothing was preempted")
    return note


def add(llm, name, prompt, given):
    llm.llm_engine.add_request(name, {"prompt": prompt}, given)
    return name


def run_out(llm, steps=100_000):
    """Steps until nothing is left; text and stop reason by request."""
    out = {}
    core = llm.llm_engine
    while core.has_unfinished_requests() and steps > 0:
        steps -= 1
        for o in core.step():
            out[o.request_id] = (o.outputs[0].text, o.outputs[0])
    return out


def killed(llm, found, sidecar, mode):
    """SIGKILL in mid-generation, then a new sidecar on the same socket."""
    runner = processor_of(llm)._runner
    before = runner._stats.reconnects
    for n, (prompt, given) in enumerate(attacks(found["texts"], 16)):
        given.ignore_eos, given.stop_token_ids = True, [found["stop"]]
        given.extra_args = {**given.extra_args, "checkstream_stop": found["stop"]}
        add(llm, f"kill-{mode}-{n}", prompt, given)
    for _ in range(8):
        llm.llm_engine.step()
    sidecar.kill()
    time.sleep(0.3)
    texts = run_out(llm)
    guilty = sum(bool(violations(t)) for t, _ in texts.values())
    stopped = sum(o.stop_reason == found["stop"] for _, o in texts.values())
    expect(len(texts) == 16, "the engine lost requests")
    if mode == "open":
        expect(guilty > 0, "open, and yet nobody got through")
    else:
        expect(guilty == 0, f"{guilty} attacks got through")
    if mode == "closed":
        expect(stopped == 16, f"{stopped} of 16 were stopped")
    again = Sidecar(SOCKET, found["next"]).start()
    until = time.monotonic() + 20
    while runner._stats.reconnects == before and time.monotonic() < until:
        time.sleep(0.05)
    expect(runner._stats.reconnects == before + 1, "the plugin did not attach again")
    count, _ = broken(llm, attacks(found["texts"], 8))
    expect(count == 0, "a banned phrase after the new sidecar came")
    found["sidecar"] = again
    return f"{guilty} of 16 said it, {stopped} were stopped; attached again"


def kills(llm, found):
    """resident, closed, open: each sidecar says what the next failure means."""
    found["stop"] = len(found["texts"]) - 1
    for mode, following in (("resident", "closed"), ("closed", "open"), ("open", "resident")):
        found["next"] = following
        case(f"{MODE}: sidecar killed, {mode}", killed, llm, found, found["sidecar"], mode)


def agreed(found):
    """The sidecar followed the same states (it counts every difference)."""
    status = found["sidecar"].status()
    text = str(status.get("counters", {}))
    bad = {k: v for k, v in status.get("counters", {}).items() if "diff" in k.lower() and v}
    expect(not bad, f"the sidecar counted differences: {bad}")
    return text[:300]


def main():
    environment(SOCKET)
    found = {"sidecar": Sidecar(SOCKET).start()}
    if MODE == "spec":
        options = {"method": "ngram_gpu", "num_speculative_tokens": 3, "prompt_lookup_max": 3}
        llm = engine(ADVERSARY, GUARD, speculative_config=options, max_num_seqs=8)
        found["texts"] = token_texts(llm)
        case("spec: attacks under n-gram speculation", guarded, llm, found)
        case("spec: the sidecar agrees on every state", agreed, found)
    else:
        case(f"{MODE}: attacks without the guard", baseline, found)
        few = {"max_num_seqs": 8} if SMALL else {}
        llm = engine(ADVERSARY, GUARD, enable_prefix_caching=True, **few)
        case(f"{MODE}: attacks with the guard, prefix caching on", guarded, llm, found)
        case(f"{MODE}: unaffected requests", unaffected, llm, found)
        case(f"{MODE}: the golden file", golden, llm)
        case(f"{MODE}: n = 3", children, llm, found)
        case(f"{MODE}: aborts", aborted, llm, found)
        case(f"{MODE}: JSON schema under a ban", schema, llm, found)
        case(f"{MODE}: the sidecar agrees on every state", agreed, found)
        if MODE == "v1":
            kills(llm, found)
        close(llm)
        case(f"{MODE}: preemption, prefix caching off", preempted, found)
    found["sidecar"].stop()


main()
finish()
