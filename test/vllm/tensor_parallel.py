"""Tensor parallel 2 on the CPU: both ranks decide the same, bans, stops and adaptations included.

A witness behind our processor writes down, on each rank, which logits were denied at every step.
"""

import os
import random
import tempfile
from pathlib import Path

from stage import (
    PHRASES,
    Sidecar,
    case,
    close,
    engine,
    environment,
    expect,
    finish,
    spellings,
    token_texts,
    violations,
)

SOCKET = Path(tempfile.mkdtemp(prefix="checkstream-"), "s.sock")
WITNESS = tempfile.mkdtemp(prefix="checkstream-")


def ranks_agree(llm, sidecar):
    from vllm import SamplingParams

    texts = token_texts(llm)
    r = random.Random(2)
    given = []
    for n in range(12):
        tokens = r.choice(spellings(texts, PHRASES[n % len(PHRASES)], 10, n))
        extra = {
            "adversary_tokens": tokens,
            "checkstream_rid": f"tp-{n}",
            "checkstream_stop": len(texts) - 1,
        }
        if n % 3 == 0:
            extra |= {"checkstream_temperature": 0.7, "checkstream_top_p": 0.9}
        wanted = {"temperature": 1.0 if n % 2 else 0.0, "max_tokens": 40, "ignore_eos": True}
        given.append(SamplingParams(**wanted, stop_token_ids=[len(texts) - 1], extra_args=extra))
    # One request is stopped by the sidecar in mid-generation: that travels by broadcast.
    for n, one in enumerate(given):
        llm.llm_engine.add_request(f"tp-{n}", {"prompt": "Hello"}, one)
    done = {}
    for step in range(500):
        if step == 6:
            sidecar.ask(stop="tp-5")
        for out in llm.llm_engine.step():
            done[out.request_id] = out.outputs[0]
        if not llm.llm_engine.has_unfinished_requests():
            break
    expect(len(done) == 12, f"{len(done)} of 12 requests finished")
    guilty = [i for i, o in done.items() if violations(o.text)]
    expect(not guilty, f"{guilty} said a banned phrase")
    seen = [Path(WITNESS, f"rank{rank}.txt").read_text().splitlines() for rank in (0, 1)]
    expect(len(seen[0]) > 30, f"only {len(seen[0])} steps were witnessed")
    expect(seen[0] == seen[1], "the ranks denied different tokens")
    expect(any(not line.endswith(" 0") for line in seen[0]), "nothing was denied at all")
    expect(done["tp-5"].stop_reason == len(texts) - 1, "the stop did not arrive")
    return f"{len(seen[0])} steps, the same on both ranks; a stop took effect on both"


def main():
    environment(SOCKET)
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["CHECKSTREAM_TEST_WITNESS"] = WITNESS
    sidecar = Sidecar(SOCKET).start()
    processors = ["adversary:Adversary", "checkstream_vllm:CheckStream", "adversary:Witness"]
    llm = engine(*processors, tensor_parallel_size=2)
    case("tensor parallel 2: both ranks decide the same", ranks_agree, llm, sidecar)
    close(llm)
    sidecar.stop()


if __name__ == "__main__":
    main()
    finish()
