"""Tool calls through a real vLLM: a script makes the model write each format that vLLM has a parser
for, vLLM's parser makes a call of it, and a policy rewrites a value or blocks a name, streamed and not.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import yaml

from serving import PATIENT, Serving
from stage import ROOT, Failed, case, end_group, environment, expect, finish, model_folder

FORMATS = yaml.safe_load((ROOT / "test/data/tools/engine-parsers.yaml").read_text())
FOLDER = Path(tempfile.mkdtemp(prefix="checkstream-"))
SAFE = "support@bank.example"
# One token, so that the script finds its place again when the engine was made to say it.
DESK = "7"
POLICY = f"""
name: tools
version: '1'
description: Mail goes to the bank; nobody deletes an account.
rules:
  - name: mail-to-the-bank
    description: rewrites other recipients
    phase: tool
    mode: enforce
    trigger: {{ type: tool, name: send_email, argument: to, domain_not_in: [bank.example] }}
    actions: [{{ type: rewrite_tool, argument: to, value: {SAFE} }}]
  - name: notes-to-the-bank
    description: a value that is always the same, so that the engine is made to say it
    phase: tool
    mode: enforce
    trigger: {{ type: tool, name: send_note }}
    actions: [{{ type: rewrite_tool, argument: to, value: '{DESK}' }}]
  - name: no-deletion
    description: blocks a name
    phase: tool
    mode: enforce
    trigger: {{ type: tool, name: delete_account }}
    actions: [{{ type: block_tool_call, message: Not allowed. }}]
"""
TEXT = {"type": "string"}


def tool(name):
    properties = {"to": TEXT, "subject": TEXT}
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def with_tokens(folder):
    """A copy of the model whose vocabulary has the tokens that some parsers look for. Their rows are
    zero: only the script ever says them."""
    import torch
    from safetensors.torch import load_file, save_file

    source, folder = Path(model_folder()), Path(folder)
    folder.mkdir()
    for path in source.iterdir():
        if path.suffix in (".json", ".jinja"):
            (folder / path.name).write_text(path.read_text())
    config = json.loads((folder / "config.json").read_text())
    first, width = config["vocab_size"], config["vocab_size"] + 64
    words = json.loads((folder / "tokenizer.json").read_text())
    known = {token["content"] for token in words["added_tokens"]}
    wanted = [
        (t, f.get("control", False)) for f in FORMATS for t in f.get("tokens", []) if t not in known
    ]
    for number, (content, control) in enumerate(wanted):
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        entry = {"id": first + number, "content": content, **flags, "special": control}
        words["added_tokens"].append(entry)
    (folder / "tokenizer.json").write_text(json.dumps(words))
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": width}))
    weights = load_file(source / "model.safetensors")
    for name, tensor in weights.items():
        if tensor.shape[0] == first:
            rest = torch.zeros(width - first, *tensor.shape[1:], dtype=tensor.dtype)
            weights[name] = torch.cat([tensor, rest])
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


class Engine:
    def __init__(self, serving):
        self.model = with_tokens(FOLDER / "model")
        from transformers import AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(self.model)
        log = open(FOLDER / "vllm.log", "w")
        parsers = [f["parser"] for f in FORMATS]
        command = [sys.executable, "tool_server.py", str(self.model), str(serving.engine), *parsers]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.client = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(serving.engine)), timeout=60
        )

    def use(self, parser):
        return self.client.post(f"http://vllm/use/{parser}").json()["refused"]

    def script(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False) + [2]


def wait(client, url, process, timeout_s):
    until = time.monotonic() + timeout_s
    while time.monotonic() < until and process.poll() is None:
        try:
            if client.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise Failed(f"{url} did not answer: {(FOLDER / 'vllm.log').read_text()[-1500:]}")


def body(engine, text, stream, tools=("send_email", "delete_account")):
    return {
        "model": "demo",
        "messages": [{"role": "user", "content": "Please write to them."}],
        "tools": [tool(name) for name in tools],
        "max_tokens": 250,
        "temperature": 0,
        "stream": stream,
        "vllm_xargs": {"script_tokens": engine.script(text)},
    }


def ask(url, engine, text, stream, client=httpx):
    """(raw answer, [(name, arguments)], finish reason) of a chat completion."""
    answer = client.post(f"{url}/v1/chat/completions", json=body(engine, text, stream), timeout=60)
    expect(answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}")
    return answer.text, *calls_of(answer, stream)


def calls_of(answer, stream):
    """[(name, arguments)] and the finish reason."""
    if not stream:
        choice = answer.json()["choices"][0]
        calls = [c["function"] for c in choice["message"].get("tool_calls") or []]
        return [(c["name"], c["arguments"]) for c in calls], choice["finish_reason"]
    calls, reason = {}, None
    for line in answer.text.splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line[6:])
        expect("error" not in event, f"an error in the stream: {line[:300]}")
        for choice in event["choices"]:
            reason = choice["finish_reason"] or reason
            for delta in choice["delta"].get("tool_calls") or []:
                call = calls.setdefault(delta["index"], ["", ""])
                given = delta.get("function") or {}
                call[0] += given.get("name") or ""
                call[1] += given.get("arguments") or ""
    return [tuple(c) for c in calls.values()], reason


def unguarded(engine, form):
    """Without the sidecar: vLLM's parser makes a call of the text, so that what follows means something."""
    refused = engine.use(form["parser"])
    expect(refused is None, f"vLLM does not serve this parser here: {refused}")
    for stream in (False, True):
        _, calls, _ = ask("http://vllm", engine, form["call"], stream, engine.client)
        expect(len(calls) == 1, f"stream {stream}: vLLM made {len(calls)} calls of the text")
        name, arguments = calls[0]
        expect(name == "send_email", f"stream {stream}: called {name}")
        expect("mallory@evil.example" in arguments, f"stream {stream}: arguments {arguments}")


def rewritten(serving, engine, form):
    unguarded(engine, form)
    for stream in (False, True):
        raw, calls, reason = ask(serving.url, engine, form["call"], stream)
        expect("evil.example" not in raw, f"stream {stream}: the value came through: {raw[-600:]}")
        expect(len(calls) == 1 and calls[0][0] == "send_email", f"stream {stream}: calls {calls}")
        arguments = json.loads(calls[0][1])
        expect(arguments["to"] == SAFE, f"stream {stream}: {arguments}")
        expect(arguments["subject"] == "Hi", f"stream {stream}: {arguments}")
        expect(reason == "tool_calls", f"stream {stream}: finished by {reason}")


def stub(engine, form):
    """Proof that this parser cannot be tried here: vLLM itself says that it needs another model."""
    engine.use(form["parser"])
    given = body(engine, form["call"], False)
    answer = engine.client.post("http://vllm/v1/chat/completions", json=given)
    expect(answer.status_code == 501, f"{answer.status_code} {answer.text[:300]}")
    expect(form["refusal"] in answer.text, answer.text[:300])
    return f"vLLM answers 501: {answer.json()['error']['message']}"


def blocked(serving, engine, form):
    """The stream takes the call out. Where the name is steered it cannot be sampled in the first place:
    the model says something else there, and the script goes on blindly after it, so that what is left
    is a call by another name, or text that vLLM's own parser fails on."""
    steered, notes = form.get("steered", False), []
    text = form["call"].replace("send_email", "delete_account")
    for stream in (False, True):
        given = body(engine, text, stream)
        answer = httpx.post(f"{serving.url}/v1/chat/completions", json=given, timeout=60)
        if steered and (answer.status_code == 500 or 'data: {"error"' in answer.text):
            expect('"delete_account"' not in answer.text, f"stream {stream}: {answer.text[-600:]}")
            notes.append("what was left is no call to vLLM")
            continue
        expect(answer.status_code == 200, f"stream {stream}: {answer.status_code} {answer.text}")
        names = [name for name, _ in calls_of(answer, stream)[0]]
        expect("delete_account" not in names, f"stream {stream}: called {names}")
        expect(steered or names == [], f"stream {stream}: called {names}")
        hidden = steered or "delete_account" not in answer.text
        expect(hidden, f"stream {stream}: the name came through: {answer.text[-600:]}")
        notes.append(f"called {names}")
    return "; ".join(notes)


def forced(serving, engine, form):
    """The engine is made to say the safe value: vLLM's own parser sees it, and the log says so."""
    text = form["call"].replace("send_email", "send_note").replace("mallory@evil.example", f"x{DESK}")
    for stream in (False, True):
        told = len(serving.log())
        given = body(engine, text, stream, ["send_note"])
        answer = httpx.post(f"{serving.url}/v1/chat/completions", json=given, timeout=60)
        expect(answer.status_code == 200, f"stream {stream}: {answer.status_code} {answer.text}")
        calls, reason = calls_of(answer, stream)
        expect(len(calls) == 1 and calls[0][0] == "send_note", f"stream {stream}: {answer.text}")
        arguments = json.loads(calls[0][1])
        expect(str(arguments["to"]) == DESK, f"stream {stream}: {arguments}")
        expect(arguments["subject"] == "Hi", f"stream {stream}: {arguments}")
        expect(arguments["_checkstream_modified"] is True, f"stream {stream}: {arguments}")
        expect(reason == "tool_calls", f"stream {stream}: finished by {reason}")
        actions = wait_for_actions(serving, told)
        expect("force" in actions, f"stream {stream}: the log has {actions}")


def wait_for_actions(serving, told):
    """What was done by the rule since the log had so many lines. It is written behind the requests."""
    until, actions = time.monotonic() + 10, set()
    while not actions and time.monotonic() < until:
        time.sleep(0.2)
        lines = [d for d in serving.log()[told:] if d.get("rule") == "notes-to-the-bank"]
        actions = {line["action"] for line in lines}
    return actions


def main():
    serving = Serving(FOLDER, policies={"tools": POLICY}, vllm=PATIENT).start()
    environment(serving.step)
    engine = Engine(serving)
    try:
        wait(engine.client, "http://vllm/health", engine.process, 420)
        wait(httpx, f"{serving.url}/health/ready", engine.process, 90)
        for form in FORMATS:
            if "refusal" in form:
                case(f"tools: {form['parser']} is for another model", stub, engine, form)
                continue
            case(f"tools: {form['parser']}, a value rewritten", rewritten, serving, engine, form)
            case(f"tools: {form['parser']}, a name blocked", blocked, serving, engine, form)
            if form.get("steered", False):
                case(f"tools: {form['parser']}, a value forced", forced, serving, engine, form)
    finally:
        end_group(engine.process)
        serving.stop()


if __name__ == "__main__":
    main()
    finish()
