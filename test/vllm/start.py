"""`npm start -- --engine vllm` as a user types it: the demo model, and a folder named with --model.

Both run at once, for most of a start is one core's work. Nothing may be left of either: no process, no
socket, no file.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from stage import ROOT, Failed, case, expect, finish

READY_S = 500
STOP_S = 40
COPY = "a-model-of-mine"
PROMPTS = json.loads((ROOT / "models/demo-lm/prompts.json").read_text())["prompts"]
# What these prompts' `says` hold is masked, forced or redacted by policies/demo.yaml.
GUARDED = [p for p in PROMPTS if p["id"] not in ("risk-rising", "safe", "long")]
# Disguised, the phrase that may not be said is longer than what the model is known to say of it.
PHRASE = "guaranteedreturn"
LEET = str.maketrans("013457@$", "oieastas")


class Started:
    """scripts/start.mjs with a folder for temporary files of its own."""

    def __init__(self, port, *args):
        self.folder = Path(tempfile.mkdtemp(prefix="checkstream-"))
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.args = ["--engine", "vllm", "--port", str(port), *args]
        self.process, self.said = None, ""

    def start(self, where=ROOT):
        environment = {**os.environ, "TMPDIR": str(self.temporary)}
        environment["CHECKSTREAM_VLLM_VENV"] = sys.prefix
        # Two engines on one machine: neither may claim a core for itself.
        environment.update(VLLM_CPU_OMP_THREADS_BIND="nobind", OMP_NUM_THREADS="1")
        environment.pop("PYTHONPATH", None)
        # What npm tells a script of where it was typed.
        environment.update(npm_lifecycle_event="start", INIT_CWD=str(where))
        self.out = open(self.folder / "out", "w+")
        command = ["node", "scripts/start.mjs", *self.args]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self.out, stderr=subprocess.STDOUT
        )

    def ready(self):
        until = time.monotonic() + READY_S
        while "CheckStream is ready" not in self.text():
            expect(self.process.poll() is None, f"npm start has ended: {self.text()}")
            if time.monotonic() > until:
                raise Failed(f"not ready within {READY_S} s: {self.text()}")
            time.sleep(0.2)
        return self.found(r"ready after (\S+ s)")

    def text(self):
        return (self.folder / "out").read_text()

    def found(self, pattern):
        match = re.search(pattern, self.text())
        expect(match is not None, f"{pattern} is not in what was printed: {self.text()}")
        return match.group(1)

    @property
    def url(self):
        return self.found(r"API\s+(http:\S+)/v1")

    @property
    def model(self):
        return self.found(r"\(model (\S+), vllm engine\)")

    def left(self):
        """Processes that were started with our folder for temporary files, or name it."""
        mark, found = str(self.temporary).encode(), []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                    found.append(f"{path.name} {(path / 'comm').read_text().strip()}")
            except OSError:
                continue  # ended meanwhile, or not ours
        return found

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()


def ask(started, prompt):
    """What the client receives: the answer's text and its tool calls."""
    body = {"model": started.model, "temperature": 0, "max_tokens": 100}
    body.update({k: prompt[k] for k in ("messages", "tools") if k in prompt})
    answer = httpx.post(started.url + "/v1/chat/completions", json=body, timeout=300)
    expect(answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}")
    message = answer.json()["choices"][0]["message"]
    return (message["content"] or "") + json.dumps(message.get("tool_calls") or "")


def unguarded(started, prompt):
    """The playground's other side: the same engine under a program that bans nothing."""
    body = {"prompt": prompt["messages"][-1]["content"]}
    url, text = started.url + "/playground/api/run", ""
    with httpx.stream("POST", url, json=body, timeout=300) as answer:
        for line in answer.iter_lines():
            event = json.loads(line[6:]) if line.startswith("data: ") else {}
            if event.get("t") == "text" and event["side"] == "plain":
                text += event["text"]
    return text


def says(text, prompt):
    if not prompt["id"].startswith("disguise"):
        return prompt["says"] in text
    plain = unicodedata.normalize("NFKC", text).lower().translate(LEET)
    return PHRASE in re.sub(r"\W", "", plain)


def unsaid(started, prompt):
    """Said by the engine without the guard, and not with it."""
    if "tools" not in prompt and len(prompt["messages"]) == 1:
        said = unguarded(started, prompt)
        expect(says(said, prompt), f"{prompt['id']}: unguarded, it does not say it: {said}")
    said = ask(started, prompt)
    expect(len(said) > 10, f"{prompt['id']}: nothing was said")
    expect(not says(said, prompt), f"{prompt['id']}: it says {prompt['says']!r}: {said}")


def holds(started, prompts):
    with ThreadPoolExecutor(len(prompts)) as pool:
        for done in [pool.submit(unsaid, started, prompt) for prompt in prompts]:
            done.result()
    return f"{len(prompts)} prompts, none said what it says without the guard"


def doctor(started):
    command = started.found(r"(node dist/cli\.js doctor .*)").split()
    command += ["--python", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    expect(done.returncode == 0, done.stdout + done.stderr)
    expect(len(lines) == 11 and all(line.startswith("✓ ") for line in lines), done.stdout)
    return f"{len(lines)} checks"


def interrupted(started):
    began = time.monotonic()
    started.process.send_signal(signal.SIGINT)
    code = started.process.wait(STOP_S)
    took = time.monotonic() - began
    expect(code == 0, f"exit code {code}: {started.text()}")
    expect(started.left() == [], f"processes are left: {started.left()}")
    files = [str(p) for p in started.temporary.rglob("*")]
    expect(files == [], f"files are left: {files}")
    return f"nothing left after {took:.1f} s"


def refused(folder):
    """A folder without config.json: one line, before anything is started."""
    (folder / "config.json").unlink()
    started = Started(8390, "--model", str(folder))
    started.start()
    try:
        code = started.process.wait(60)
    finally:
        started.end()
        text, left = started.text(), list(started.temporary.iterdir())
        shutil.rmtree(started.folder)
    expect(code == 1, f"exit code {code}")
    wanted = f"checkstream: --model: {folder}: config.json not found"
    expect(text.startswith(wanted), text)
    expect(text.count("\n") == 1, text)
    expect(left == [], f"left: {left}")


def main():
    models = Path(tempfile.mkdtemp(prefix="checkstream-"))
    shutil.copytree(ROOT / "models/demo-lm", models / COPY)
    demo, own = Started(8290), Started(8340, "--model", f"./{COPY}")
    try:
        demo.start()
        own.start(where=models)
        case("start: ready", demo.ready)
        case("start: doctor has nothing to say", doctor, demo)
        case("start: what the demo model says is guarded", holds, demo, GUARDED)
        case("start: SIGINT leaves nothing", interrupted, demo)
        case("start --model: a folder, from where the user is", own.ready)
        # Without the demo's parser no tools are offered.
        plain = [p for p in GUARDED if "tools" not in p]
        case("start --model: it is guarded", holds, own, plain)
        case("start --model: SIGINT leaves nothing", interrupted, own)
        case("start --model: a folder without config.json", refused, models / COPY)
    finally:
        demo.end()
        own.end()
        for folder in (models, demo.folder, own.folder):
            shutil.rmtree(folder, ignore_errors=True)


main()
finish()
