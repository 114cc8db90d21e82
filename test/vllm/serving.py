"""`checkstream serve` in a process of its own, with bans, policies and a decision log of a case."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from stage import ROOT, Failed

# An answer that comes after the deadline takes effect a token later: where a case asks for an effect
# at one token, a busy machine is waited for.
PATIENT = {"deadline": "10s"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Serving:
    """Sockets, configuration and logs lie in `folder`: step.sock, vllm.sock, decisions.jsonl."""

    def __init__(
        self, folder, bans=(), policies=None, on_failure="resident", folds=("case",), **more
    ):
        self.more = more
        self.folder = Path(folder)
        self.step, self.engine = self.folder / "step.sock", self.folder / "vllm.sock"
        self.decisions = self.folder / "decisions.jsonl"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        (self.folder / "policies").mkdir(exist_ok=True)
        for name, text in (policies or {}).items():
            (self.folder / "policies" / f"{name}.yaml").write_text(text)
        folded = [{"text": t, "match": "substring", "folds": list(folds)} for t in bans]
        (self.folder / "banned.json").write_text(json.dumps(folded))
        self.configure(on_failure)

    def configure(self, on_failure):
        banned = {"banned_tokens_file": str(self.folder / "banned.json")}
        document = {
            "vllm": {"socket": str(self.step), "on_failure": on_failure},
            "server": {"host": "127.0.0.1", "port": self.port},
            "backend": {"url": f"unix://{self.engine}"},
            "guardrails": {"preventive": {"logit_masking": banned}},
            "policies": {"path": str(self.folder / "policies")},
            "cache": {"path": str(self.folder / "cache")},
            "telemetry": {"log_level": "warn", "decisions": str(self.decisions)},
        }
        for key, values in self.more.items():
            document[key] = {**document.get(key, {}), **values}
        (self.folder / "config.yaml").write_text(json.dumps(document))

    def start(self, timeout_s=120):
        log = open(self.folder / "sidecar.log", "a")
        command = ["node", "dist/cli.js", "serve", "--config", str(self.folder / "config.yaml")]
        environment = {k: v for k, v in os.environ.items() if k != "VLLM_SIDECAR_SOCKET"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=log, stderr=log, env=environment
        )
        until = time.monotonic() + timeout_s
        while not self.step.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed("the sidecar did not start: " + self.tail())
            time.sleep(0.05)
        return self

    def tail(self):
        path = self.folder / "sidecar.log"
        return path.read_text()[-1500:] if path.exists() else ""

    def log(self):
        """The decisions that were written down so far."""
        text = self.decisions.read_text() if self.decisions.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
