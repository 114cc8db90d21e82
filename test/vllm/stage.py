"""What the cases share: a sidecar process, an engine in this process, phrases and their spellings.

A case is a function; `case(name)` runs it, prints one JSON line, and never lets a failure end the
others. scripts/test-vllm.mjs counts the lines.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PHRASES = ["guaranteed returns", "cannot lose", "wire the money", "secret account", "double your"]
STARTED = time.monotonic()


def model_folder():
    """models/demo-lm, or what CHECKSTREAM_TEST_MODEL names."""
    return os.environ.get("CHECKSTREAM_TEST_MODEL") or str(ROOT / "models/demo-lm")


class Failed(AssertionError):
    pass


def expect(condition, message):
    if not condition:
        raise Failed(message)


def case(name, run, *args):
    began = time.monotonic()
    try:
        note = run(*args)
        status = "passed"
    except Exception as error:
        status = "failed"
        note = f"{type(error).__name__}: {error}"
        if not isinstance(error, Failed):
            traceback.print_exc()
    say(name, status, note, time.monotonic() - began)


def skip(name, reason):
    say(name, "skipped", reason, 0.0)


def say(name, status, note, seconds):
    line = {"case": name, "status": status, "note": note or "", "seconds": round(seconds, 1)}
    print(json.dumps(line), flush=True)


def end_group(process, grace_s=30):
    """SIGTERM, then SIGKILL for all that the process started: vLLM's engine outlives its server.
    Assumes that the process leads a session of its own."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Sidecar:
    """The real step plane in a process of its own (test/step/sidecar-fixture.ts)."""

    def __init__(self, socket, on_failure="resident", bans=PHRASES):
        self.socket = str(socket)
        self.folder = tempfile.mkdtemp(prefix="checkstream-")
        self.bans = Path(self.folder, "bans.json")
        self.bans.write_text(json.dumps(list(bans)))
        self.on_failure = on_failure
        self.process = None

    def start(self):
        settings = json.dumps({"onFailure": self.on_failure, "reportState": True})
        self.process = subprocess.Popen(
            ["node", "--import", "tsx", "test/step/sidecar-fixture.ts"]
            + [self.socket, str(self.bans), settings],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.read("ready", 60)
        return self

    def read(self, kind, timeout_s=20):
        """The next event of a kind."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            line = self.process.stdout.readline()
            if not line:
                raise Failed("the sidecar has ended")
            event = json.loads(line)
            if event.get("kind") == kind:
                return event
        raise Failed(f"no {kind} from the sidecar within {timeout_s} s")

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def status(self):
        self.ask(status=1)
        return self.read("status")

    def kill(self):
        """SIGKILL: no goodbye, the socket file stays."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.stdin.close()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


def spellings(texts, phrase, count, seed):
    """Ways to cut a phrase into tokens: each a list of ids whose bytes are the phrase's."""
    r, want = random.Random(seed), phrase.encode()
    by_first = {}
    for token, text in enumerate(texts):
        if text and text in want:
            by_first.setdefault(text[0], []).append((token, text))
    found = {}
    for _ in range(count * 20):
        at, out = 0, []
        while at < len(want):
            fits = [(t, x) for t, x in by_first.get(want[at], []) if want.startswith(x, at)]
            if not fits:
                break
            token, text = r.choice(fits)
            out.append(token)
            at += len(text)
        else:
            found[tuple(out)] = None
        if len(found) >= count:
            break
    if not found:
        raise Failed(f"the vocabulary cannot spell {phrase!r}")
    return [list(s) for s in found]


def token_texts(llm):
    """Token id to bytes, as the plugin tells it to the sidecar."""
    from checkstream_vllm.vocabulary import from_tokenizer

    width = llm.llm_engine.model_config.get_vocab_size()
    vocabulary = from_tokenizer(llm.get_tokenizer(), width, set())
    at, texts = 0, []
    for length in vocabulary.lengths.tolist():
        texts.append(vocabulary.data[at : at + length])
        at += length
    return texts


def violations(text):
    return [p for p in PHRASES if p in text.lower()]


def environment(socket):
    os.environ.update(
        HF_HUB_OFFLINE="1",
        VLLM_NO_USAGE_STATS="1",
        VLLM_CPU_KVCACHE_SPACE="1",
        VLLM_CPU_OMP_THREADS_BIND="nobind",
        OMP_NUM_THREADS="1",
        VLLM_LOGGING_LEVEL=os.environ.get("VLLM_LOGGING_LEVEL", "ERROR"),
        VLLM_SIDECAR_SOCKET=str(socket),
        CHECKSTREAM_START_TIMEOUT_S="60",
    )
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")


def engine(*processors, **options):
    from vllm import LLM

    given = {
        "model": model_folder(),
        "enforce_eager": True,
        "dtype": "float32",
        "max_model_len": 256,
        "max_num_seqs": 32,
        "kv_cache_memory_bytes": 64 << 20,
        "logits_processors": list(processors),
        "disable_log_stats": False,
    }
    return LLM(**{**given, **options})


def processor_of(llm):
    """Our processor inside a V1 engine that runs in this process."""
    core = llm.llm_engine.engine_core.engine_core
    runner = core.model_executor.driver_worker.worker.model_runner
    sampler = getattr(runner, "sampler", None)
    lists = getattr(sampler, "logits_processors", None)
    if isinstance(lists, list):
        found = lists
    else:
        found = list(runner.input_batch.logitsprocs.all)
    return next(p for p in found if type(p).__name__ == "CheckStream")


def close(llm):
    import gc

    llm.llm_engine.engine_core.shutdown()
    del llm
    gc.collect()


def finish():
    print(f"done after {time.monotonic() - STARTED:.0f} s", file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(0)
