"""A sidecar small enough to be read: a real gRPC server on a real socket, scripted by the test."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from checkstream_vllm import protocol

Answer = Callable[[Any], Any]


def serve(socket: Any, attach: Any) -> Any:
    """A started gRPC server on a Unix socket; `attach(requests, context)` yields its answers."""
    options = [("grpc.max_receive_message_length", 1 << 26)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=options)
    handler = grpc.stream_stream_rpc_method_handler(
        attach,
        request_deserializer=protocol.EngineMessage.FromString,
        response_serializer=lambda message: message.SerializeToString(),
    )
    service = grpc.method_handlers_generic_handler("checkstream.v1.Engine", {"Attach": handler})
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    return server


class Sidecar:
    """Bans what `compile` makes of the vocabulary; answers each Step with what `answer` returns."""

    def __init__(
        self,
        socket: Path,
        compile: Callable[[list[bytes], bytes, bytes], list[bytes]],
        answer: Answer = lambda step: None,
        **welcome: Any,
    ) -> None:
        self.socket = socket
        self.compile = compile
        self.answer = answer
        self.welcome = {"protocol_major": 1, "sidecar_version": "test", **welcome}
        self.hellos: list[Any] = []
        self.steps: list[Any] = []
        self.stats: list[Any] = []
        self.statuses: list[Any] = []
        self.programs: list[bytes] = []
        self.streams: list[queue.SimpleQueue[Any]] = []
        self.bound = threading.Event()
        self._known: tuple[list[bytes], bytes, bytes] | None = None
        self._server: Any = None

    def start(self) -> Sidecar:
        self._server = serve(self.socket, self._attach)
        return self

    def stop(self) -> None:
        for stream in self.streams:
            stream.put(None)
        self._server.stop(0).wait()
        self.socket.unlink(missing_ok=True)

    def push(self, **body: Any) -> None:
        """A message on the sidecar's own account, on the newest stream."""
        self.streams[-1].put(protocol.SidecarMessage(**body))

    def bind(self, default: bytes) -> None:
        self.push(bindings={"default_program": default, "live_programs": [default]})

    def send_program(self, blob: bytes) -> bytes:
        digest = hashlib.sha256(blob).digest()
        for at in range(0, len(blob), 1 << 20):
            chunk = {"digest": digest, "total_bytes": len(blob), "offset": at}
            self.push(program={**chunk, "data": blob[at : at + (1 << 20)]})
        return digest

    def _attach(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.streams.append(out)
        threading.Thread(target=self._read, args=(requests, out), daemon=True).start()
        while True:
            message = out.get()
            if message is None:
                return
            yield message

    def _read(self, requests: Iterator[Any], out: queue.SimpleQueue[Any]) -> None:
        kinds, texts = b"", []
        try:
            for message in requests:
                kind = message.WhichOneof("body")
                if kind == "hello":
                    self.hellos.append(message.hello)
                    need = self._known is None
                    body = {**self.welcome, "need_vocabulary": need}
                    out.put(protocol.SidecarMessage(welcome=body))
                    if not need:
                        self._bind_all()
                elif kind == "vocabulary":
                    chunk = message.vocabulary
                    at = 0
                    for length in chunk.lengths:
                        texts.append(chunk.data[at : at + length])
                        at += length
                    kinds += chunk.kinds
                    if len(texts) == chunk.total_entries:
                        self._known = (texts, kinds, chunk.digest)
                        self._bind_all()
                elif kind == "step":
                    self.steps.append(message.step)
                    answer = self.answer(message.step)
                    if answer is not None:
                        out.put(protocol.SidecarMessage(directives=answer))
                elif kind == "stats":
                    self.stats.append(message.stats)
                elif kind == "program_status":
                    self.statuses.append(message.program_status)
        except grpc.RpcError:
            pass
        out.put(None)

    def _bind_all(self) -> None:
        assert self._known is not None
        self.programs = [self.send_program(blob) for blob in self.compile(*self._known)]
        default = self.programs[0] if self.programs else b""
        self.push(bindings={"default_program": default, "live_programs": self.programs})
        self.bound.set()
