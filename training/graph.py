"""Writes the encoder as an int8 ONNX graph for onnxruntime on a CPU, and reads its weights back.

The graph is built node by node, not traced: one matrix for query, key and value, one operator for
attention, int8 matrices with a scale per output and activations quantised per run. Weights keep 7 of
8 bits, so that processors without VNNI add two products without saturation. Initializers are named
as in the model: NAME, or NAME.int8 [in, out] with NAME.scale [out]; rows of embeddings have a scale
each.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
HEAD_WIDTH = 32
MATRIX_TOP, ROW_TOP = 64, 127
Weights = dict[str, np.ndarray]


def whole_numbers(weight: np.ndarray, axis: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """int8 values and the scale of each slice along `axis`."""
    scale = np.abs(weight).max(axis=axis, keepdims=True) / top
    scale[scale == 0] = 1.0
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)


class Graph:
    def __init__(self, weights: Weights) -> None:
        self.weights, self.nodes, self.held = weights, [], {}

    def const(self, name: str, value: object, kind: type = np.float32) -> str:
        self.held[name] = numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype=kind)), name)
        return name

    def own(self, name: str) -> str:
        return self.const(name, self.weights[name])

    def op(self, kind: str, inputs: list[str], domain: str = "", outputs: int = 1, **attributes: object) -> str:
        stem = f"{kind}_{len(self.nodes)}"
        names = [stem] if outputs == 1 else [f"{stem}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=stem, domain=domain, **attributes))
        return stem

    def norm(self, value: str, name: str) -> str:
        return self.op("LayerNormalization", [value, self.own(f"{name}.weight"), self.own(f"{name}.bias")], axis=-1, epsilon=1e-12)

    def linear(self, value: str, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
        """`weight` as torch has it, [out, in]."""
        quantised, scale = whole_numbers(weight.T, 0, MATRIX_TOP)
        inputs = [value, self.const(f"{name}.weight.int8", quantised, np.int8), self.const(f"{name}.weight.scale", scale[0]), "", self.const(f"{name}.bias", bias)]
        return self.op("DynamicQuantizeMatMul", inputs, MICROSOFT)

    def dense(self, value: str, name: str) -> str:
        return self.linear(value, name, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def embeddings(self) -> str:
        stem = "body.embeddings"
        name = f"{stem}.word_embeddings.weight"
        quantised, scale = whole_numbers(self.weights[name], 1, ROW_TOP)
        values = self.op("Cast", [self.op("Gather", [self.const(f"{name}.int8", quantised, np.int8), "input_ids"])], to=TensorProto.FLOAT)
        words = self.op("Mul", [values, self.op("Gather", [self.const(f"{name}.scale", scale), "input_ids"])])
        tokens = self.op("Shape", ["input_ids"], start=1, end=2)
        places = self.op("Slice", [self.own(f"{stem}.position_embeddings.weight"), self.const("first", [0], np.int64), tokens, self.const("rows", [0], np.int64)])
        kind = self.const(f"{stem}.token_type_embeddings.weight", self.weights[f"{stem}.token_type_embeddings.weight"])
        first = self.op("Gather", [kind, self.const("own_kind", 0, np.int64)])
        # Sum, not Add: onnxruntime joins Add and LayerNormalization to an operator that is eight times slower.
        return self.norm(self.op("Sum", [words, places, first]), f"{stem}.LayerNorm")

    def layer(self, value: str, stem: str, mask: str) -> str:
        own = f"{stem}.attention.self"
        parts = [f"{own}.{part}" for part in ("query", "key", "value")]
        weight, bias = (np.concatenate([self.weights[f"{part}.{kind}"] for part in parts]) for kind in ("weight", "bias"))
        width = len(bias) // 3
        joined = self.linear(value, f"{own}.joined", weight, bias)
        cut = self.op("Split", [joined, self.const(f"{own}.widths", [width] * 3, np.int64)], outputs=3, axis=-1)
        context = self.op("MultiHeadAttention", [*(f"{cut}_{i}" for i in range(3)), "", mask], MICROSOFT, num_heads=width // HEAD_WIDTH)
        value = self.norm(self.op("Sum", [self.dense(context, f"{stem}.attention.output.dense"), value]), f"{stem}.attention.output.LayerNorm")
        inner = self.op("Gelu", [self.dense(value, f"{stem}.intermediate.dense")])
        return self.norm(self.op("Sum", [self.dense(inner, f"{stem}.output.dense"), value]), f"{stem}.output.LayerNorm")

    def pooled(self, value: str) -> str:
        tokens = self.const("tokens", [1], np.int64)
        mask = self.op("Unsqueeze", [self.op("Cast", ["attention_mask"], to=TensorProto.FLOAT), self.const("widths", [2], np.int64)])
        mean = self.op("Div", [self.op("ReduceSum", [self.op("Mul", [value, mask]), tokens], keepdims=0), self.op("ReduceSum", [mask, tokens], keepdims=0)])
        hidden = self.op("Mul", [self.op("Sub", [mask, self.const("one", 1.0)]), self.const("far", 1e4)])
        top = self.op("ReduceMax", [self.op("Add", [value, hidden]), tokens], keepdims=0)
        self.nodes.append(helper.make_node("Gemm", [self.op("Concat", [mean, top], axis=1), self.own("head.weight"), self.own("head.bias")], ["logits"], transB=1))
        return "logits"


def write(weights: Weights, path: Path) -> None:
    """`weights`: the state of `encoder.Encoder` as arrays; layers may be narrower than the config says."""
    graph = Graph(weights)
    value = graph.embeddings()
    mask = graph.op("Cast", ["attention_mask"], to=TensorProto.INT32)
    layers = sum(name.endswith("intermediate.dense.bias") for name in weights)
    for i in range(layers):
        value = graph.layer(value, f"body.encoder.layer.{i}", mask)
    graph.pooled(value)
    tokens = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(weights["head.bias"])])
    whole = helper.make_graph(graph.nodes, "encoder", tokens, [logits], list(graph.held.values()))
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)], ir_version=9)
    onnx.save(model, str(path))


def read(path: Path) -> Weights:
    """The weights of a graph that `write` wrote, as arrays named as in the model."""
    held = {i.name: numpy_helper.to_array(i) for i in onnx.load(str(path)).graph.initializer}
    found: Weights = {}
    for name, value in held.items():
        if name.endswith(".int8"):
            stem = name.removesuffix(".int8")
            whole = value.astype(np.float32) * held[f"{stem}.scale"]
            found[stem] = whole if "embeddings" in stem else whole.T
        elif not name.endswith(".scale"):
            found[name] = value
    for name in [n for n in found if ".joined." in n]:
        for part, value in zip(("query", "key", "value"), np.split(found.pop(name), 3), strict=True):
            found[name.replace("joined", part)] = value
    return found
