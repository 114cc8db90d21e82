"""The messages of proto/checkstream/v1/engine.proto, from the descriptor beside this file.

Built at import from `engine.binpb` and not from generated code, because generated code refuses
every protobuf runtime older than its generator, and the runtime here is the engine's choice.
`scripts/proto.mjs` writes the descriptor; a test compares it with the .proto.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


def _load() -> dict[str, Any]:
    data = (Path(__file__).parent / "engine.binpb").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    names: list[str] = []
    for file in descriptor_pb2.FileDescriptorSet.FromString(data).file:
        pool.AddSerializedFile(file.SerializeToString())
        names += [f"{file.package}.{message.name}" for message in file.message_type]
    get = message_factory.GetMessageClass
    return {n.rsplit(".", 1)[1]: get(pool.FindMessageTypeByName(n)) for n in names}


_MESSAGES = _load()

EngineMessage = _MESSAGES["EngineMessage"]
SidecarMessage = _MESSAGES["SidecarMessage"]
Hello = _MESSAGES["Hello"]
Welcome = _MESSAGES["Welcome"]
VocabularyChunk = _MESSAGES["VocabularyChunk"]
ProgramChunk = _MESSAGES["ProgramChunk"]
Bindings = _MESSAGES["Bindings"]
ProgramStatus = _MESSAGES["ProgramStatus"]
Step = _MESSAGES["Step"]
Opened = _MESSAGES["Opened"]
Closed = _MESSAGES["Closed"]
SamplingParameters = _MESSAGES["SamplingParameters"]
DenySet = _MESSAGES["DenySet"]
ProbeImage = _MESSAGES["ProbeImage"]
Directives = _MESSAGES["Directives"]
RowDirective = _MESSAGES["RowDirective"]
Adapt = _MESSAGES["Adapt"]
Drain = _MESSAGES["Drain"]
Stats = _MESSAGES["Stats"]
