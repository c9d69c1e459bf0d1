# SPDX-License-Identifier: Apache-2.0
"""From an ONNX model to a graph: nodes in order, each handed to the handler of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bitwright.exact.ranges import ranges
from bitwright.frontend import elementwise, matrix, pools, qdq, qonnx, shapes, terminal
from bitwright.frontend.builder import Builder
from bitwright.frontend.folding import constant_of, fold, foldable
from bitwright.frontend.inputs import InputType, typed_input
from bitwright.frontend.model import Model, Node, read_model
from bitwright.frontend.results import to_host
from bitwright.frontend.values import Const, Host, Tensor, Value
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer, MaxPool, Reshape
from bitwright.ir.passes import drop_dead, merge_reshapes, pipeline
from bitwright.ir.types import IntType

HANDLERS: Mapping[str, Callable[..., Any]] = {
    "Quant": qonnx.quant,
    "IntQuant": qonnx.quant,
    "BipolarQuant": qonnx.bipolar_quant,
    "MultiThreshold": qonnx.multi_threshold,
    "QuantizeLinear": qdq.quantize_linear,
    "DequantizeLinear": qdq.dequantize_linear,
    "Conv": matrix.conv,
    "Gemm": matrix.gemm,
    "MatMul": matrix.matmul,
    "BatchNormalization": elementwise.batch_normalization,
    "Add": elementwise.arithmetic,
    "Sub": elementwise.arithmetic,
    "Mul": elementwise.arithmetic,
    "Div": elementwise.arithmetic,
    "Relu": elementwise.relu,
    "Clip": elementwise.clip,
    "Sigmoid": elementwise.function(("sigmoid",), "sigmoid"),
    "Tanh": elementwise.function(("tanh",), "tanh"),
    "Identity": elementwise.identity,
    "Dropout": elementwise.identity,
    "Cast": elementwise.identity,
    "MaxPool": pools.max_pool,
    "Transpose": shapes.transpose,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Softmax": terminal.softmax,
    "LogSoftmax": terminal.softmax,
    "TopK": terminal.top_k,
    "ArgMax": terminal.arg_max,
}
"""Operator name -> handler(builder, node, *inputs) -> output or tuple of outputs."""


def load_onnx(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    inputs: Mapping[str, InputType] | None = None,
    rounding: str = "onnx",
) -> Graph:
    """The graph of a quantised ONNX model; `inputs` types real-valued model inputs.

    `rounding` "torch" multiplies by float32(1/scale) where "onnx" divides. BitwrightError names the node that cannot
    be taken.
    """
    model = read_model(source)
    builder = Builder(model, reciprocal=rounding == "torch")
    values = _inputs(builder, model, dict(inputs or {}))
    for name, array in model.constants.items():
        values[name] = Const(array)
    for node in _in_order(model, set(values)):
        _evaluate(builder, node, values)
    results = [_result(builder, name, values) for name in model.outputs]
    graph = builder.graph(model.inputs, results)
    if not graph.layers:
        raise BitwrightError(
            "holds no quantised layer", where=model.file, hint="quantise the network first (bitwright quantize)"
        )
    return pipeline(drop_dead, merge_reshapes, tighten)(graph)


def tighten(graph: Graph) -> Graph:
    """Accumulators (and what only passes them on) take the exact range that their inputs allow."""
    reached = ranges(graph)

    def narrow(layer: Layer) -> Layer:
        if not isinstance(layer, Dense | Conv | MaxPool | Reshape):
            return layer
        if isinstance(layer, MaxPool | Reshape):
            kind = types[layer.inputs[0]]
        else:
            kind = IntType(int(reached[layer.name].lo.min()), int(reached[layer.name].hi.max()))
        types[layer.name] = kind
        return replace(layer, type=kind)

    types = {layer.name: layer.type for layer in (*graph.inputs, *graph.layers)}
    return replace(graph, layers=tuple(narrow(layer) for layer in graph.layers))


def _inputs(builder: Builder, model: Model, types: dict[str, InputType]) -> dict[str, Value]:
    known = {entry.name for entry in model.inputs}
    for name in types:
        if name not in known:
            listed = ", ".join(f"'{entry.name}'" for entry in model.inputs)
            raise BitwrightError(
                f"the model has no input '{name}'", where=f"--input {name}", hint=f"its inputs are {listed}"
            )
    values: dict[str, Value] = {}
    for entry in model.inputs:
        builder.taken.add(entry.name)
        values[entry.name] = typed_input(builder, entry, types.get(entry.name))
    return values


def _in_order(model: Model, known: set[str]) -> list[Node]:
    """The nodes in topological order, whatever order the file has them in."""
    order: list[Node] = []
    waiting = list(model.nodes)
    while waiting:
        ready = [node for node in waiting if all(name in known or not name for name in node.inputs)]
        if not ready:
            node = waiting[0]
            missing = next(name for name in node.inputs if name and name not in known)
            raise node.error(
                f"reads '{missing}', which nothing makes before it", "the graph has a cycle or a gap; export it again"
            )
        order.extend(ready)
        known.update(output for node in ready for output in node.outputs)
        done = set(map(id, ready))
        waiting = [node for node in waiting if id(node) not in done]
    return order


def _evaluate(builder: Builder, node: Node, values: dict[str, Value]) -> None:
    operands = [values[name] if name else None for name in node.inputs]
    made: Any
    if node.op == "Constant":
        made = Const(constant_of(node))
    elif node.op == "Shape" and operands and not isinstance(operands[0], Const):
        made = Const(np.array(shapes.shape_of(operands[0]), dtype=np.int64))
    elif foldable(node, operands) and node.op not in ("QuantizeLinear", "DequantizeLinear"):
        made = tuple(fold(node, operands, builder.model.opset))
    elif node.op in HANDLERS:
        made = HANDLERS[node.op](builder, node, *operands)
    else:
        raise node.error("is not supported", "supported operators: " + ", ".join(sorted(HANDLERS)))
    results = made if isinstance(made, tuple) else (made,)
    for name, value in zip(node.outputs, results, strict=False):
        if name and value is not None:
            values[name] = value
            if isinstance(value, Const):
                builder.constants[name] = value.array


def _result(builder: Builder, name: str, values: dict[str, Value]) -> Host:
    if name not in values:
        raise BitwrightError(
            f"output '{name}' is made by no node", where=builder.model.file, hint="export the model again"
        )
    value = values[name]
    output = Node(name, "output", "", (), (name,), {}, builder.model.file)
    if isinstance(value, Tensor):
        return to_host(builder, value, output)
    if isinstance(value, Const) or value.side == "input":
        raise output.error("does not depend on any quantised layer", "quantise the network first (bitwright quantize)")
    return value
