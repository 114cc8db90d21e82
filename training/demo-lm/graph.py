"""Writes `model.onnx`: the same network for onnxruntime, with a key-value cache that lives outside.

There is one set of weights. The graph's initialisers are external data that point into
`model.safetensors` (float16); they are cast, joined and transposed once, when a session is made.
Inputs: input_ids [B, T]; seqlens_k [B] (tokens in the cache after this run, minus one);
total_sequence_length; past_key_i, past_value_i [B, kv heads, slots, head dim]. Outputs: logits of
the last position [B, V]; present_*_i, which may be the very buffers of past_*_i.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

OPSET = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]


def safetensors_index(path: Path) -> dict[str, tuple[list[int], int, int]]:
    """name → (shape, offset in the file, length), from the header of the file."""
    with path.open("rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
    base = 8 + size
    return {
        name: (entry["shape"], base + entry["data_offsets"][0], entry["data_offsets"][1] - entry["data_offsets"][0])
        for name, entry in header.items()
        if name != "__metadata__"
    }


class Graph:
    def __init__(self, config: dict, weights: Path):
        self.config, self.index = config, safetensors_index(weights)
        self.file = weights.name
        self.nodes: list = []
        self.initializers: list = []

    def op(self, kind: str, inputs: list[str], outputs: list[str], domain: str = "", **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=f"{kind}_{outputs[0]}", domain=domain, **attributes))
        return outputs[0]

    def weight(self, name: str) -> str:
        """A float32 view of a tensor of the weights file."""
        shape, offset, length = self.index[name]
        tensor = TensorProto(name=f"{name}.half", data_type=TensorProto.FLOAT16, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self.file), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return self.op("Cast", [tensor.name], [name], to=TensorProto.FLOAT)

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def linear(self, x: str, names: list[str], out: str) -> str:
        """x times the transpose of the rows of all the named matrices."""
        rows = [self.weight(name) for name in names]
        joined = rows[0] if len(rows) == 1 else self.op("Concat", rows, [f"{out}.rows"], axis=0)
        turned = self.op("Transpose", [joined], [f"{out}.weight"], perm=[1, 0])
        return self.op("MatMul", [x, turned], [out])

    def norm(self, x: str, weight: str, out: str) -> str:
        eps = self.config["rms_norm_eps"]
        return self.op("SimplifiedLayerNormalization", [x, self.weight(weight)], [out], axis=-1, epsilon=eps)

    def add_norm(self, x: str, residual: str, weight: str, out: str) -> tuple[str, str]:
        eps, total = self.config["rms_norm_eps"], f"{out}.sum"
        self.op("SkipSimplifiedLayerNormalization", [x, residual, self.weight(weight)], [out, "", "", total], "com.microsoft", epsilon=eps)
        return out, total

    def attention(self, x: str, layer: int) -> str:
        prefix = f"model.layers.{layer}.self_attn"
        names = [f"{prefix}.{part}_proj.weight" for part in "qkv"]
        qkv = self.linear(x, names, f"qkv_{layer}")
        inputs = [qkv, "", "", f"past_key_{layer}", f"past_value_{layer}", "seqlens_k", "total_sequence_length", "cos", "sin"]
        outputs = [f"attention_{layer}", f"present_key_{layer}", f"present_value_{layer}"]
        heads, kv_heads = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        self.op("GroupQueryAttention", inputs, outputs, "com.microsoft", num_heads=heads, kv_num_heads=kv_heads, do_rotary=1, rotary_interleaved=0)
        return self.linear(outputs[0], [f"{prefix}.o_proj.weight"], f"attended_{layer}")

    def feed_forward(self, x: str, layer: int) -> str:
        prefix = f"model.layers.{layer}.mlp"
        both = self.linear(x, [f"{prefix}.gate_proj.weight", f"{prefix}.up_proj.weight"], f"both_{layer}")
        gate, up = f"gate_{layer}", f"up_{layer}"
        self.op("Split", [both], [gate, up], axis=-1, num_outputs=2)
        curve = self.op("Sigmoid", [gate], [f"sigmoid_{layer}"])
        open_gate = self.op("Mul", [gate, curve], [f"silu_{layer}"])
        return self.linear(self.op("Mul", [open_gate, up], [f"inner_{layer}"]), [f"{prefix}.down_proj.weight"], f"fed_{layer}")


def rotary(config: dict) -> tuple[np.ndarray, np.ndarray]:
    half = config["head_dim"] // 2
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    frequency = 1.0 / theta ** (np.arange(half, dtype=np.float32) * 2 / config["head_dim"])
    angles = np.outer(np.arange(config["max_position_embeddings"], dtype=np.float32), frequency.astype(np.float32))
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def write_graph(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    graph = Graph(config, folder / "model.safetensors")
    cos, sin = rotary(config)
    graph.constant("cos", cos)
    graph.constant("sin", sin)
    graph.constant("last", np.array(-1, dtype=np.int64))
    embedding = graph.weight("model.embed_tokens.weight")
    residual = graph.op("Gather", [embedding, "input_ids"], ["embedded"], axis=0)
    x = graph.norm(residual, "model.layers.0.input_layernorm.weight", "normed_0")
    layers = config["num_hidden_layers"]
    for layer in range(layers):
        attended = graph.attention(x, layer)
        x, residual = graph.add_norm(attended, residual, f"model.layers.{layer}.post_attention_layernorm.weight", f"middle_{layer}")
        fed = graph.feed_forward(x, layer)
        following = f"model.layers.{layer + 1}.input_layernorm.weight" if layer + 1 < layers else "model.norm.weight"
        x, residual = graph.add_norm(fed, residual, following, f"normed_{layer + 1}")
    final = graph.op("Gather", [x, "last"], ["final"], axis=1)
    turned = graph.op("Transpose", [embedding], ["head"], perm=[1, 0])
    graph.op("MatMul", [final, turned], ["logits"])
    save(to_model(graph, config), str(folder / "model.onnx"))


def to_model(graph: Graph, config: dict) -> object:
    value = helper.make_tensor_value_info
    cache = ["batch", config["num_key_value_heads"], "slots", config["head_dim"]]
    sides = [f"{side}_{i}" for i in range(config["num_hidden_layers"]) for side in ("key", "value")]
    inputs = [
        value("input_ids", TensorProto.INT64, ["batch", "tokens"]),
        value("seqlens_k", TensorProto.INT32, ["batch"]),
        value("total_sequence_length", TensorProto.INT32, []),
        *(value(f"past_{side}", TensorProto.FLOAT, cache) for side in sides),
    ]
    outputs = [
        value("logits", TensorProto.FLOAT, ["batch", config["vocab_size"]]),
        *(value(f"present_{side}", TensorProto.FLOAT, cache) for side in sides),
    ]
    body = helper.make_graph(graph.nodes, "demo-lm", inputs, outputs, graph.initializers)
    return helper.make_model(body, opset_imports=OPSET, ir_version=9, producer_name="checkstream")
