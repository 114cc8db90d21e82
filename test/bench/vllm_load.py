"""The load of `npm run bench:vllm`: two vLLM servers, one with the plugin, asked in turns.

vllm_load.py MODEL FOLDER: the sidecar's socket is FOLDER/step.sock. Speaks with
bench/vllm.ts over stdin and stdout: prints "sync" when it wants the sidecar that awaits every row.
Completions of a fixed length straight to each server, not streamed; rounds alternate, medians count.
A round is one answer for every client. On a busy machine there are fewer rounds, at least 5. What it does is told on stderr.
"""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx

MODEL, FOLDER = sys.argv[1], Path(sys.argv[2])
TIMES = FOLDER / "times.txt"
LENGTH, ROUNDS, FEWEST, BUDGET_S = 100, 25, 5, 45.0
STARTED = time.monotonic()


def serve(name, processors):
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "VLLM_SIDECAR_SOCKET": str(FOLDER / "step.sock"),
        "CHECKSTREAM_BENCH_TIMES": str(TIMES),
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", MODEL]
    command += ["--served-model-name", "demo", "--uds", str(FOLDER / f"{name}.sock")]
    command += ["--enforce-eager", "--dtype", "float32", "--max-model-len", "256"]
    # One process for scheduler and worker, as vLLM has it where one GPU serves a model.
    command += ["--max-num-seqs", "64", "--distributed-executor-backend", "uni"]
    if processors:
        command += ["--logits-processors", *processors]
    log = open(FOLDER / f"{name}.log", "w")
    return subprocess.Popen(command, env=env, stdout=log, stderr=log)


def client(name):
    transport = httpx.HTTPTransport(uds=str(FOLDER / f"{name}.sock"))
    return httpx.Client(transport=transport, timeout=300.0)


def wait(process, name):
    until = time.monotonic() + 900
    with client(name) as http:
        while time.monotonic() < until and process.poll() is None:
            try:
                if http.get("http://vllm/health").status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
    raise SystemExit(f"{name} did not start: " + (FOLDER / f"{name}.log").read_text()[-2000:])


def load(name, at_once):
    """Tokens per second of one round."""
    body = {"model": "demo", "prompt": "Once", "max_tokens": LENGTH, "ignore_eos": True}
    with client(name) as http, ThreadPoolExecutor(at_once) as pool:

        def one(_):
            answer = http.post("http://vllm/v1/completions", json=body)
            answer.raise_for_status()
            return answer.json()["usage"]["completion_tokens"]

        began = time.perf_counter()
        tokens = sum(pool.map(one, range(at_once)))
        return tokens / (time.perf_counter() - began)


def ratio(at_once):
    """Median over rounds of guarded to bare, the order turned round every time."""
    found, until = [], time.monotonic() + BUDGET_S
    for turn in range(ROUNDS):
        if turn >= FEWEST and time.monotonic() > until:
            break
        names = ("bare", "guarded") if turn % 2 else ("guarded", "bare")
        speed = {name: load(name, at_once) for name in names}
        found.append(speed["guarded"] / speed["bare"])
    say(f"{at_once} at once: {sorted(round(x, 2) for x in found)}, bare {speed['bare']:.0f} tokens/s")
    return round(median(found), 3)


def say(text):
    print(f"{time.monotonic() - STARTED:5.0f} s  {text}", file=sys.stderr, flush=True)


def steps(rows):
    """(added without waiting, waited, processor time) of every step with this many rows since the
    last call."""
    time.sleep(0.2)
    lines = [line.split() for line in TIMES.read_text().splitlines()]
    TIMES.write_text("")
    full = [[float(x) for x in line] for line in lines if len(line) == 4 and int(line[0]) == rows]
    waits = [waited for _, _, waited, _ in full if waited > 0]
    return [took - waited for _, took, waited, _ in full], waits, [worked for *_, worked in full]


def main():
    servers = [serve("bare", []), serve("guarded", ["timed:Timed"])]
    try:
        for process, name in zip(servers, ("bare", "guarded"), strict=True):
            wait(process, name)
        say("both servers are up")
        for name in ("bare", "guarded"):
            load(name, 64)
        TIMES.write_text("")
        result = {f"ratio_{n}": ratio(n) for n in (1, 8)}
        result["ratio_64"] = ratio(64)
        added, _, worked = steps(64)
        result["added_apply_us_p50"] = round(median(added), 1)
        result["added_apply_cpu_us_p50"] = round(median(worked), 1)
        print("sync", flush=True)
        sys.stdin.readline()
        load("guarded", 64)
        TIMES.write_text("")
        result["sync_ratio_64"] = ratio(64)
        _, waited, _ = steps(64)
        result["sync_wait_us_p50"] = round(median(waited), 1) if waited else -1
        print(json.dumps(result), flush=True)
    finally:
        for process in servers:
            process.terminate()
        for process in servers:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


main()
