"""The conversations of test/data/step, with the plugin's client as the engine.

The sidecar's half is acted from the case: what the client writes has to be the `engine` message, and
what the case's sidecar says has to arrive as events. `expect` is about the sidecar and tested there.
What a client of ours cannot say (a spoiled vocabulary, a step before Hello) it does not say here
either; a second Hello is put on its stream as it is. How such a case ends is for it to bear all the same.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
yaml = pytest.importorskip("yaml", reason="pyyaml is not installed")

from google.protobuf.json_format import MessageToDict

from checkstream_vllm import events, protocol
from checkstream_vllm.client import Client
from checkstream_vllm.outbox import Entries, Outbox
from checkstream_vllm.program import TokenProgram
from checkstream_vllm.stats import Stats
from checkstream_vllm.vocabulary import CONTROL, END, TEXT, make_vocabulary
from compiler import phrase_program
from sidecar import serve
from test_client import until

FILE = Path(__file__).resolve().parents[2] / "test/data/step/conversations.yaml"
CASES = yaml.safe_load(FILE.read_text())
TEXTS = [bytes([b]) for b in range(256)] + [b"", b""]
KINDS = bytearray([TEXT] * 256 + [CONTROL, END])
NAMES = {256: b"[bad]", 257: b"</s>"}
VOCABULARY = make_vocabulary([*TEXTS[:256], None, None], KINDS, NAMES)
PROGRAM = TokenProgram(phrase_program(["bad", "worse"], TEXTS, bytes(KINDS), VOCABULARY.digest))
OTHER = TokenProgram(phrase_program(["other"], TEXTS, bytes(KINDS), VOCABULARY.digest))
BLOBS = {
    bytes.fromhex(program.digest): phrase_program(phrases, TEXTS, bytes(KINDS), VOCABULARY.digest)
    for program, phrases in ((PROGRAM, ["bad", "worse"]), (OTHER, ["other"]))
}
WORDS = {
    "$vocabulary": VOCABULARY.digest,
    "$full_vocabulary": VOCABULARY.full_digest,
    "$program": bytes.fromhex(PROGRAM.digest),
    "$other": bytes([9] * 32),
    "$none": b"",
}


def fill(value: Any) -> Any:
    """`$` words to what they stand for."""
    if isinstance(value, list):
        return [fill(item) for item in value]
    if isinstance(value, dict):
        return {key: fill(item) for key, item in value.items()}
    return WORDS.get(value, value) if isinstance(value, str) else value


class Acted:
    """A gRPC server that keeps what it hears and says what it is told to."""

    def __init__(self, socket: Path) -> None:
        self.heard: queue.Queue[Any] = queue.Queue()
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._first = threading.Lock()
        self._server = serve(socket, self._attach)

    def say(self, **body: Any) -> None:
        self._out.put(protocol.SidecarMessage(**body))

    def end(self, code: Any, message: str) -> None:
        self._out.put((code, message))

    def hear(self) -> tuple[str, Any]:
        message = self.heard.get(timeout=20)
        kind = message.WhichOneof("body")
        return kind, getattr(message, kind)

    def stop(self) -> None:
        self._out.put((grpc.StatusCode.OK, ""))
        self._server.stop(0).wait()

    def _attach(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        if not self._first.acquire(blocking=False):
            return  # the client tries again after the end of a case
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        while True:
            message = self._out.get()
            if isinstance(message, tuple):
                code, details = message
                if code is not grpc.StatusCode.OK:
                    context.abort(code, details)
                return
            yield message

    def _read(self, requests: Iterator[Any]) -> None:
        try:
            for message in requests:
                if message.WhichOneof("body") not in ("stats", "program_status"):
                    self.heard.put(message)
        except grpc.RpcError:
            pass


class Player:
    def __init__(self) -> None:
        socket = Path(tempfile.mkdtemp(), "s")
        self.sidecar, self.stats = Acted(socket), Stats()
        self.client = Client(f"unix:{socket}", self._hello, VOCABULARY, self.stats)
        self.outbox = Outbox()
        self.arrived: list[Any] = []
        self._fields: dict[str, Any] = {}
        self._started = False
        self._sent: set[bytes] = set()
        self._default = bytes.fromhex(PROGRAM.digest)
        self._ended = False

    def play(self, turn: dict[str, Any]) -> None:
        if "engine" in turn:
            self._engine(turn["engine"])
        if "attach" in turn:
            self._engine({"$hello": turn["attach"]})
            held = bool(turn["attach"].get("held_programs"))
            self._say("welcome", {"need_vocabulary": not held})
            if not held:
                self._engine("$vocabulary_chunk")
            self._say("bindings", {"default_program": self._default, "revision": 1})
        for kind, body in turn.get("sidecar", {}).items():
            self._say(kind, fill(body))
        if "bans" in turn:
            self._default = bytes.fromhex(OTHER.digest)
        if "programs" in turn:
            assert len(self._sent) == turn["programs"]
            self._until_event(lambda e: self._count(events.ProgramReady) == turn["programs"])
        if "end" in turn:
            self._end(turn["end"])

    def close(self) -> None:
        self.client.close()
        self.sidecar.stop()

    # ------------------------------------------------------------ the engine's half

    def _engine(self, message: Any) -> None:
        body = {message: {}} if isinstance(message, str) else message
        kind, fields = next(iter(body.items()))
        if kind in ("$hello", "hello"):
            self._attach(fill(fields) if kind == "hello" else fill(fields) | {"slots": 8})
        elif kind == "$vocabulary_chunk":
            self._vocabulary(fields)
        elif not self._started:
            # The client's first word is its Hello, whatever there is to tell.
            self._start({})
            assert self.sidecar.hear()[0] == "hello"
        else:
            self._step(fill(fields))

    def _attach(self, fields: dict[str, Any]) -> None:
        if self._started:
            second = protocol.EngineMessage(hello=self._hello([]))
            self.client._stream.put(second)
        else:
            self._start(fields)
        kind, got = self.sidecar.hear()
        assert kind == "hello"
        contains(got, fields)

    def _start(self, fields: dict[str, Any]) -> None:
        self._fields, self._started = fields, True
        for digest in fields.get("held_programs", []):
            self.client._held[digest] = PROGRAM
        self.client.start(lambda: None)

    def _hello(self, held: list[bytes]) -> Any:
        given = {"protocol_major": 1, "engine_id": "e", "vocabulary_digest": VOCABULARY.digest}
        given["full_vocabulary_digest"] = VOCABULARY.full_digest
        return protocol.Hello(**{**given, "logits_width": 258, **self._fields, "held_programs": held})

    def _vocabulary(self, part: dict[str, Any]) -> None:
        """The client sends all of it as soon as it is asked to; the case may cut it otherwise."""
        if part.get("from", 0) > 0:
            return
        kind, got = self.sidecar.hear()
        assert (kind, got.digest, got.total_entries) == ("vocabulary", VOCABULARY.digest, 258)
        assert (got.kinds, got.data) == (bytes(KINDS), bytes(range(256)))
        assert (list(got.name_lengths), got.names) == ([5, 4], b"[bad]</s>")

    def _step(self, fields: dict[str, Any]) -> None:
        for opened in fields.get("opened", []):
            self.outbox.open(opened["slot"], lambda o=opened: protocol.Opened(**o), 0.0)
        if fields.get("slot"):
            columns = [fields[k] for k in ("slot", "generation", "position", "token")]
            self.outbox.add(Entries(*columns, fields.get("state", ())), 0.0)
        for closed in fields.get("closed", []):
            self.outbox.close(closed["slot"], closed["generation"], closed["final_position"], 0.0)
        parcel = self.outbox.take(awaited=fields.get("awaited", False)) or self.outbox.take(True)
        until(lambda: self.client.stream)
        assert parcel is not None and self.client.send(parcel, self.client.stream)
        kind, got = self.sidecar.hear()
        assert kind == "step"
        contains(got, fields)

    # ------------------------------------------------------------ the sidecar's half

    def _say(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "bindings":
            body = {"default_program": self._default, "live_programs": [self._default], **body}
            held = {bytes(digest) for digest in self._fields.get("held_programs", [])}
            for digest in [d for d in body["live_programs"] if d not in self._sent | held]:
                blob = BLOBS[digest]
                chunk = {"digest": digest, "total_bytes": len(blob), "offset": 0, "data": blob}
                self.sidecar.say(program=chunk)
                self._sent.add(digest)
        if kind == "welcome":
            body = {"protocol_major": 1, **body}
        self.sidecar.say(**{kind: body})
        getattr(self, f"_heard_{kind}")(body)

    def _heard_welcome(self, body: dict[str, Any]) -> None:
        self._until_event(lambda e: isinstance(e, events.Terms))
        terms = next(e for e in self.arrived if isinstance(e, events.Terms))
        assert terms.report_state == body.get("report_state", False)

    def _heard_bindings(self, body: dict[str, Any]) -> None:
        def bound(event: Any) -> bool:
            return isinstance(event, events.Bound) and event.default == body["default_program"]

        self._until_event(bound)
        self._until_event(lambda e: isinstance(e, events.Attached))

    def _heard_directives(self, body: dict[str, Any]) -> None:
        if body.get("sequence"):
            assert self.client.wait(body["sequence"], 20)
        for row in body.get("rows", []):
            self._until_event(lambda e, row=row: isinstance(e, events.Told) and tells(e, row))

    def _heard_drain(self, body: dict[str, Any]) -> None:
        until(lambda: self.stats.last_error.startswith("sidecar drains"))

    def _end(self, wanted: dict[str, Any]) -> None:
        code = getattr(grpc.StatusCode, wanted["code"])
        self.sidecar.end(code, wanted.get("message", ""))
        self._until_event(lambda e: isinstance(e, events.Detached))
        assert self.client.stream == 0
        if wanted["code"] != "OK":
            assert wanted["message"] in self.stats.last_error

    def _until_event(self, what: Any) -> None:
        def look() -> bool:
            self.arrived += self.client.drain()
            return any(what(event) for event in self.arrived)

        until(look)

    def _count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.arrived)


def tells(told: events.Told, row: dict[str, Any]) -> bool:
    names = {"from_position": "first", "until_position": "until"}
    return any(
        all(getattr(rule, names.get(key, key)) == value for key, value in row.items())
        for rule in told.rules
    )


def contains(message: Any, fields: dict[str, Any]) -> None:
    """Every field that the case names has its value."""
    for name, wanted in fields.items():
        got = getattr(message, name)
        if isinstance(wanted, list) and wanted and isinstance(wanted[0], dict):
            assert len(got) == len(wanted), MessageToDict(message)
            for one, part in zip(got, wanted, strict=True):
                contains(one, part)
        else:
            assert (list(got) if isinstance(wanted, list) else got) == wanted, name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_plugin_holds_its_half_of_the_conversation(case: dict[str, Any]) -> None:
    player = Player()
    try:
        for turn in case["talk"]:
            player.play(turn)
    finally:
        player.close()
