# SPDX-License-Identifier: Apache-2.0
"""From an ONNX model to a graph: nodes in order, each handed to the handler of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx

from bitwright.frontend import (
    averages,
    branches,
    channels_last,
    deployment,
    elementwise,
    functions,
    indexing,
    matrix,
    pools,
    qdq,
    qonnx,
    qoperator,
    shapes,
    terminal,
    transposed,
    trunc,
)
from bitwright.frontend.builder import Builder
from bitwright.frontend.folding import constant_of, fold, foldable
from bitwright.frontend.inputs import InputType, typed_input
from bitwright.frontend.model import Model, Node, read_model
from bitwright.frontend.results import to_host
from bitwright.frontend.values import Const, Host, Tensor
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.passes import drop_dead, merge_clips, merge_reshapes, pipeline
from bitwright.ir.trace import Place, Trace

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
    "Div": deployment.divide,
    "Relu": elementwise.relu,
    "Clip": elementwise.clip,
    "Sigmoid": elementwise.function(("sigmoid",), "sigmoid"),
    "Tanh": elementwise.function(("tanh",), "tanh"),
    "Exp": functions.fixed(("exp",)),
    "Erf": functions.fixed(("erf",)),
    "Abs": functions.fixed(("abs",)),
    "Softplus": functions.fixed(("softplus",)),
    "HardSwish": functions.fixed(*functions.HARD_SWISH),
    "Elu": functions.unary(functions.elu),
    "Selu": functions.unary(functions.selu),
    "Gelu": functions.unary(functions.gelu),
    "HardSigmoid": functions.hard_sigmoid,
    "PRelu": functions.prelu,
    "Neg": functions.negate,
    "Identity": elementwise.identity,
    "Dropout": elementwise.identity,
    "Cast": deployment.cast,
    "Floor": deployment.floor,
    "RequantShift": deployment.requant_shift,
    "Trunc": trunc.trunc,
    "LeakyRelu": elementwise.leaky_relu,
    "ConvTranspose": transposed.conv_transpose,
    "AveragePool": averages.average_pool,
    "GlobalAveragePool": averages.global_average_pool,
    "ReduceMean": averages.reduce_mean,
    "Concat": branches.concat,
    "Slice": indexing.slice_,
    "Split": indexing.split,
    "Gather": indexing.gather_,
    "DepthToSpace": indexing.depth_to_space,
    "Resize": indexing.resize,
    "Upsample": indexing.resize,
    "Pad": indexing.pad,
    "QLinearConv": qoperator.qlinear_conv,
    "QLinearMatMul": qoperator.qlinear_matmul,
    "QGemm": qoperator.qgemm,
    "QLinearAdd": qoperator.qlinear_binary("Add"),
    "QLinearMul": qoperator.qlinear_binary("Mul"),
    "QLinearConcat": qoperator.qlinear_concat,
    "QLinearLeakyRelu": qoperator.qlinear_unary("LeakyRelu"),
    "QLinearSigmoid": qoperator.qlinear_unary("Sigmoid"),
    "QLinearAveragePool": qoperator.qlinear_unary("AveragePool"),
    "QLinearGlobalAveragePool": qoperator.qlinear_unary("GlobalAveragePool"),
    "MaxPool": pools.max_pool,
    "Transpose": shapes.transpose,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Shape": shapes.shape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    "Softmax": terminal.softmax,
    "LogSoftmax": terminal.softmax,
    "TopK": terminal.top_k,
    "ArgMax": terminal.arg_max,
}
"""Operator name -> handler(builder, node, *inputs) -> output or tuple of outputs."""
STANDARD = ("", "ai.onnx")
ANY_DOMAIN = {
    *("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "RequantShift"),
    *("QuantizeLinear", "DequantizeLinear", "QGemm"),
    *(name for name in HANDLERS if name.startswith("QLinear")),
}
"""Operators that tools put into domains of their own, and that mean the same in each."""


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
    return load_traced(source, inputs=inputs, rounding=rounding)[0]


def load_traced(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    inputs: Mapping[str, InputType] | None = None,
    rounding: str = "onnx",
) -> tuple[Graph, Trace]:
    """What `load_onnx` gives, and where the model's tensors are in it."""
    model = read_model(source)
    builder = Builder(model, reciprocal=rounding == "torch")
    _enter(builder, dict(inputs or {}))
    for node in _in_order(model, set(builder.values)):
        _evaluate(builder, node)
    results = [_result(builder, name) for name in model.outputs]
    graph = builder.graph(model.inputs, results)
    if not graph.layers:
        raise BitwrightError(
            "holds no quantised layer", where=model.file, hint="quantise the network first (bitwright quantize)"
        )
    graph = pipeline(drop_dead, merge_clips, merge_reshapes)(graph)
    return graph, _trace(builder, graph)


def _trace(builder: Builder, graph: Graph) -> Trace:
    """The tensors whose layer stayed in the graph and on which nothing waits."""
    places = {
        name: Place(value.layer, value.where, value.scale, value.offset)
        for name, value in builder.values.items()
        if isinstance(value, Tensor) and value.layer in graph.by_name
        if not (value.bounded or value.function or value.pools)
    }
    return Trace(places, builder.arithmetic)


def _enter(builder: Builder, types: dict[str, InputType]) -> None:
    entries = builder.model.inputs
    for name in types:
        if name not in {entry.name for entry in entries}:
            listed = ", ".join(f"'{entry.name}'" for entry in entries)
            raise BitwrightError(
                f"the model has no input '{name}'", where=f"--input {name}", hint=f"its inputs are {listed}"
            )
    builder.taken.update(entry.name for entry in entries)
    for entry in entries:
        builder.values[entry.name] = typed_input(builder, entry, types.get(entry.name))


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


def _evaluate(builder: Builder, node: Node) -> None:
    _check_schema(node, builder.model.opset)
    operands = [builder.values[name] if name else None for name in node.inputs]
    made: Any
    if node.op == "Constant":
        made = Const(constant_of(node))
    elif foldable(node, operands):
        made = tuple(fold(node, operands, builder.model.opset))
    elif node.domain == channels_last.DOMAIN:
        made = channels_last.wrapped(builder, node, *operands)
    elif node.op in HANDLERS and (node.domain in STANDARD or node.op in ANY_DOMAIN):
        made = HANDLERS[node.op](builder, node, *operands)
    else:
        home = "" if node.domain in STANDARD else f" in the domain '{node.domain}'"
        raise node.error(f"is not supported{home}", "supported operators: " + ", ".join(sorted(HANDLERS)))
    results = made if isinstance(made, tuple) else (made,)
    for name, value in zip(node.outputs, results, strict=False):
        if name and value is not None:
            builder.values[name] = value


def _check_schema(node: Node, opset: int) -> None:
    """Refuse a standard operator without the inputs or attributes that it must have."""
    if node.domain not in STANDARD or not onnx.defs.has(node.op, opset):
        return
    schema = onnx.defs.get_schema(node.op, opset)
    if len(node.inputs) < schema.min_input:
        raise node.error(f"has {len(node.inputs)} inputs of at least {schema.min_input}", "export the model again")
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in node.attributes:
            raise node.error(f"lacks the attribute '{name}'", "export the model again")


def _result(builder: Builder, name: str) -> Host:
    if name not in builder.values:
        raise BitwrightError(
            f"output '{name}' is made by no node", where=builder.model.file, hint="export the model again"
        )
    value = builder.values[name]
    output = Node(name, "output", "", (), (name,), {}, builder.model.file)
    if isinstance(value, Tensor):
        return to_host(builder, value, output)
    if isinstance(value, Const) or value.side == "input":
        raise output.error("does not depend on any quantised layer", "quantise the network first (bitwright quantize)")
    return value
