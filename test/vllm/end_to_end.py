"""vLLM's own API server, the plugin in it, and the sidecar in front: requests as a client sends them.

The adversary's tokens travel in `vllm_xargs`, which the proxy passes on but for keys of its own.
"""

import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from stage import (
    PHRASES,
    ROOT,
    Failed,
    case,
    end_group,
    environment,
    expect,
    finish,
    model_folder,
    spellings,
    violations,
)

FOLDER = Path(tempfile.mkdtemp(prefix="checkstream-"))
STEP, ENGINE = FOLDER / "step.sock", FOLDER / "vllm.sock"
MODEL = model_folder()
ATTACKS, AT_ONCE, LENGTH = 200, 32, 40
TIMEOUT = httpx.Timeout(120.0)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Guarded:
    """`checkstream serve` and vLLM beside it."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sidecar = self.engine = None
        (FOLDER / "policies").mkdir()
        (FOLDER / "banned.json").write_text(json.dumps([phrase(p) for p in PHRASES]))
        self.configure("resident")

    def configure(self, on_failure):
        document = {
            "vllm": {"socket": str(STEP), "on_failure": on_failure},
            "server": {"host": "127.0.0.1", "port": self.port},
            "backend": {"url": f"unix://{ENGINE}"},
            "guardrails": {
                "preventive": {
                    "logit_masking": {"banned_tokens_file": str(FOLDER / "banned.json")}
                }
            },
            "policies": {"path": str(FOLDER / "policies")},
            "cache": {"path": str(FOLDER / "cache")},
            "telemetry": {"log_level": "warn"},
        }
        (FOLDER / "config.yaml").write_text(json.dumps(document))

    def start_sidecar(self):
        log = open(FOLDER / "sidecar.log", "a")
        command = ["node", "dist/cli.js", "serve", "--config", str(FOLDER / "config.yaml")]
        self.sidecar = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
        )

    def start_engine(self):
        log = open(FOLDER / "vllm.log", "w")
        command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", MODEL, "--served-model-name", "demo", "--uds", str(ENGINE)]
        command += ["--enforce-eager", "--dtype", "float32", "--max-model-len", "256"]
        command += ["--max-num-seqs", "64", "--logits-processors"]
        command += ["adversary:Adversary", "checkstream_vllm:CheckStream"]
        self.engine = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def wait(self, path, timeout_s, url=None, client=None):
        until, last = time.monotonic() + timeout_s, ""
        while time.monotonic() < until:
            if self.engine is not None and self.engine.poll() is not None:
                raise Failed("vLLM has ended: " + tail("vllm.log"))
            try:
                answer = (client or httpx).get((url or self.url) + path, timeout=5.0)
                if answer.status_code == 200:
                    return answer
                last = f"{answer.status_code} {answer.text[:300]}"
            except httpx.HTTPError as error:
                last = repr(error)
            time.sleep(0.5)
        raise Failed(f"{path}: {last}; sidecar: {tail('sidecar.log')}; vLLM: {tail('vllm.log')}")

    def stop(self):
        for process in (self.engine, self.sidecar):
            if process is not None:
                end_group(process, 20)


def phrase(text):
    return {"text": text, "match": "substring", "folds": ["case"]}


def tail(name):
    path = FOLDER / name
    return path.read_text()[-800:] if path.exists() else ""


def texts_of_model():
    from transformers import AutoTokenizer

    from checkstream_vllm.vocabulary import from_tokenizer

    width = json.loads(Path(MODEL, "config.json").read_text())["vocab_size"]
    vocabulary = from_tokenizer(AutoTokenizer.from_pretrained(MODEL), width, set())
    at, texts = 0, []
    for length in vocabulary.lengths.tolist():
        texts.append(vocabulary.data[at : at + length])
        at += length
    return texts


def bodies(texts, count, **more):
    r, out = random.Random(9), []
    for n in range(count):
        tokens = r.choice(spellings(texts, PHRASES[n % len(PHRASES)], 40, 7))
        out.append(
            {
                "model": "demo",
                "prompt": r.choice(["Hello", "The bank", "Can you"]),
                "max_tokens": LENGTH,
                "temperature": 0.9 if n % 2 else 0.0,
                "stream": n % 4 < 2,
                "vllm_xargs": {"adversary_tokens": tokens},
                **more,
            }
        )
    return out


def complete(client, url, body):
    """The text of a completion, streamed or not."""
    if not body.get("stream"):
        answer = client.post(url + "/v1/completions", json=body, timeout=TIMEOUT)
        expect(answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}")
        return "\n".join(c["text"] for c in answer.json()["choices"])
    text = {}
    with client.stream("POST", url + "/v1/completions", json=body, timeout=TIMEOUT) as answer:
        expect(answer.status_code == 200, f"{answer.status_code}")
        for line in answer.iter_lines():
            if line.startswith("data: ") and line != "data: [DONE]":
                event = json.loads(line[6:])
                expect("error" not in event, f"an error in the stream: {line[:300]}")
                for choice in event.get("choices", []):
                    text[choice["index"]] = text.get(choice["index"], "") + choice["text"]
    return "\n".join(text.values())


def attack(guarded, texts, url=None, client=None, count=ATTACKS, **more):
    client = client or httpx.Client(limits=httpx.Limits(max_connections=AT_ONCE))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = [
            pool.submit(complete, client, url or guarded.url, b) for b in bodies(texts, count, **more)
        ]
        said = [w.result() for w in work]
    return sum(bool(violations(t)) for t in said), said


def direct():
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(ENGINE)), timeout=TIMEOUT)


def becomes_ready(guarded):
    guarded.start_sidecar()
    guarded.start_engine()
    guarded.wait("/health", 420, url="http://vllm", client=direct())
    guarded.wait("/health/ready", 120)
    return "ready after its canary"


def attacks(guarded, texts):
    guilty, said = attack(guarded, texts)
    expect(guilty == 0, f"{guilty} of {ATTACKS} attacks got through")
    expect(sum(map(len, said)) > 1_000, "nothing was said")
    return f"0 of {ATTACKS} attacks got through, streamed and not, {AT_ONCE} at a time"


def around(guarded, texts):
    """Requests that go around the proxy have no identity and get the default program."""
    guilty, _ = attack(guarded, texts, "http://vllm", direct(), 32)
    expect(guilty == 0, f"{guilty} of 32 got through around the proxy")


def three(guarded, texts):
    guilty, said = attack(guarded, texts, count=16, n=3, temperature=0.8)
    expect(guilty == 0, f"{guilty} of 16 got through")


def disconnects(guarded, texts):
    """Clients that hang up in mid-stream; the engine must go on, and slots be clean."""
    for body in bodies(texts, 12, stream=True, ignore_eos=True, max_tokens=200):
        with httpx.Client() as client, client.stream(
            "POST", guarded.url + "/v1/completions", json=body, timeout=TIMEOUT
        ) as answer:
            next(answer.iter_lines(), None)
    guilty, _ = attack(guarded, texts, count=24)
    expect(guilty == 0, f"{guilty} of 24 got through after disconnects")


def shows_its_end(guarded, texts):
    """A client that wants to see what ended a text sees what vLLM alone would show it."""
    shown = {"include_stop_str_in_output": True, "skip_special_tokens": False}
    plain = {"model": "demo", "temperature": 0.0, "max_tokens": 200, "vllm_xargs": {}, **shown}
    prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    words = complete(direct(), "http://vllm", {**plain, "prompt": prompt})
    later = words[4:].encode()
    last = next(n for n, text in enumerate(texts) if text and len(text) > 2 and text in later)
    ends = [{}, {"stop": words[6:10]}, {"stop_token_ids": [last]}, {"max_tokens": 3}]
    for stream, end in [(s, e) for s in (False, True) for e in ends]:
        body = {**plain, "prompt": prompt, "stream": stream, **end}
        alone = complete(direct(), "http://vllm", body)
        said = complete(httpx.Client(), guarded.url, body)
        expect(said == alone, f"stream {stream}, {end}: {said!r}, alone {alone!r}")
    return f"{len(ends)} ends, streamed and not; the whole text ends with {words[-12:]!r}"


def shows_metrics(guarded, texts):
    text = httpx.get(guarded.url + "/metrics", timeout=10).text
    lines = [x for x in text.splitlines() if "plugin" in x and not x.startswith("#")]
    expect(lines, "no plugin metrics in /metrics")
    errors = [x for x in lines if "error" in x and not x.endswith(" 0")]
    expect(not errors, f"the plugin counted errors: {errors[:3]}")
    return f"{len(lines)} series"


def killed(guarded, texts, mode, following):
    """SIGKILL while requests run around the proxy; then a new sidecar on the same socket."""
    result = {}

    def run():
        result["guilty"], result["said"] = attack(
            guarded, texts, "http://vllm", direct(), 32, ignore_eos=True, max_tokens=150
        )

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.4)
    guarded.sidecar.kill()
    guarded.sidecar.wait()
    thread.join(120)
    expect(not thread.is_alive() and "said" in result, "requests did not end")
    expect(guarded.engine.poll() is None, "vLLM has ended")
    guarded.configure(following)
    guarded.start_sidecar()
    guarded.wait("/health/ready", 90)
    guilty, _ = attack(guarded, texts, count=16)
    expect(guilty == 0, f"{guilty} got through after the new sidecar came")
    if mode == "open":
        expect(result["guilty"] > 0, "open, and yet nobody got through while it was dead")
    else:
        expect(result["guilty"] == 0, f"{result['guilty']} got through while it was dead")
    series = httpx.get(guarded.url + "/metrics", timeout=10).text.splitlines()
    again = [x for x in series if x.startswith("checkstream_plugin_reconnects_total")]
    expect(again and float(again[0].split()[-1]) >= 1, f"/metrics tells of no reconnect: {again}")
    shorter = sum(len(t) for t in result["said"])
    return f"{result['guilty']} of 32 said it while it was dead, {shorter} characters; attached again"


def main():
    environment(STEP)
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "1"
    guarded = Guarded()
    try:
        case("end to end: ready", becomes_ready, guarded)
        texts = texts_of_model()
        case("end to end: attacks through the proxy", attacks, guarded, texts)
        case("end to end: attacks around the proxy", around, guarded, texts)
        case("end to end: n = 3", three, guarded, texts)
        case("end to end: clients that hang up", disconnects, guarded, texts)
        case("end to end: what ended a text is shown", shows_its_end, guarded, texts)
        case("end to end: plugin metrics", shows_metrics, guarded, texts)
        case("end to end: sidecar killed, resident", killed, guarded, texts, "resident", "closed")
        case("end to end: sidecar killed, closed", killed, guarded, texts, "closed", "open")
        case("end to end: sidecar killed, open", killed, guarded, texts, "open", "resident")
    finally:
        guarded.stop()


main()
finish()
