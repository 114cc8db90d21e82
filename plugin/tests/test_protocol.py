"""The descriptor beside the plugin is the one that the .proto compiles to."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkstream_vllm import protocol

ROOT = Path(__file__).resolve().parents[2]


def test_the_descriptor_is_compiled_from_the_proto(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed")
    out = tmp_path / "engine.binpb"
    proto = "checkstream/v1/engine.proto"
    protoc.main(
        ["", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}", str(ROOT / "proto" / proto)]
    )
    committed = ROOT / "plugin/checkstream_vllm/engine.binpb"
    assert out.read_bytes() == committed.read_bytes()


def test_a_step_survives_the_wire() -> None:
    step = protocol.Step(sequence=7, slot=[1, 2], token=[3, 4], awaited=True)
    again = protocol.Step.FromString(step.SerializeToString())
    assert (again.sequence, list(again.slot), again.awaited) == (7, [1, 2], True)
