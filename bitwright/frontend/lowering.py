# SPDX-License-Identifier: Apache-2.0
"""From an ONNX model to a graph: nodes in order, each handed to the handler of its operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import onnx

from bitwright.exact.ranges import Known, ranges
from bitwright.frontend.beginnings import Begun
from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects import channels_last, deployment, qdq, qonnx, qoperator, trunc
from bitwright.frontend.dialects.quantise import quantise
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.folding import fold, foldable
from bitwright.frontend.inputs import InputType, typed_input
from bitwright.frontend.operators import (
    averages,
    elementwise,
    extremes,
    functions,
    indexing,
    joins,
    matrix,
    pools,
    reductions,
    resize,
    shapes,
    terminal,
    transposed,
)
from bitwright.frontend.operators.joins import settled
from bitwright.frontend.operators.selections import MASKED, take
from bitwright.frontend.operators.tails import or_on_host
from bitwright.frontend.parts import taken
from bitwright.frontend.refusals import REFUSED, refuse_float
from bitwright.frontend.results import left_off, to_host, unfolded
from bitwright.frontend.tracing import traced
from bitwright.frontend.values import Const, Host, Pieces, Tensor, Value
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import HARD_SWISH, Abs, Erf, Exp, Sigmoid, Softplus, Tanh
from bitwright.ir.graph import Graph
from bitwright.ir.passes import (
    drop_dead,
    merge_clips,
    merge_gathers,
    merge_reshapes,
    pipeline,
    remove_channels,
    subpixel,
)
from bitwright.ir.trace import Trace
from bitwright.reading.constants import constant_of
from bitwright.reading.model import Model, Node
from bitwright.reading.order import in_order
from bitwright.reading.read import Asked, read_model
from bitwright.reading.schema import CHANNELS_LAST, STANDARD, check_node
from bitwright.reading.sizes import refuse_large

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
    "Sigmoid": elementwise.function(Sigmoid()),
    "Tanh": elementwise.function(Tanh()),
    "Exp": functions.fixed(Exp()),
    "Erf": functions.fixed(Erf()),
    "Abs": functions.fixed(Abs()),
    "Softplus": functions.fixed(Softplus()),
    "HardSwish": functions.fixed(*HARD_SWISH),
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
    "Round": deployment.floor,
    "Ceil": deployment.floor,
    "Sign": deployment.sign,
    **functions.OPERATORS,
    "RequantShift": deployment.requant_shift,
    "Trunc": trunc.trunc,
    "LeakyRelu": elementwise.leaky_relu,
    "ConvTranspose": transposed.conv_transpose,
    "AveragePool": averages.average_pool,
    "GlobalAveragePool": averages.global_average_pool,
    **reductions.OPERATORS,
    "ReduceMean": deployment.reduce_mean,
    **extremes.OPERATORS,
    **joins.OPERATORS,
    "Slice": indexing.slice_,
    "Split": indexing.split,
    "Gather": indexing.gather_,
    "DepthToSpace": indexing.depth_to_space,
    "SpaceToDepth": indexing.space_to_depth,
    **resize.OPERATORS,
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
    "QLinearSoftmax": qoperator.qlinear_softmax,
    "QLinearGlobalAveragePool": qoperator.qlinear_unary("GlobalAveragePool"),
    **pools.OPERATORS,
    "Transpose": shapes.transpose,
    "Reshape": shapes.reshape,
    "Flatten": shapes.flatten,
    "Expand": shapes.expand,
    "Tile": shapes.tile,
    "Shape": shapes.shape,
    "Squeeze": shapes.squeeze,
    "Unsqueeze": shapes.unsqueeze,
    **terminal.OPERATORS,
}
"""Operator name -> handler(builder, node, *inputs) -> output or tuple of outputs."""
ANY_DOMAIN = {
    *("Quant", "IntQuant", "BipolarQuant", "Trunc", "MultiThreshold", "RequantShift"),
    *("QuantizeLinear", "DequantizeLinear", "QGemm"),
    *(name for name in HANDLERS if name.startswith("QLinear")),
}
"""Operators that tools put into domains of their own, and that mean the same in each."""
SAVED = ", or give a graph saved by bitwright"
"""What else is taken where an ONNX file is."""
MEET_PIECES = {
    *("QuantizeLinear", "Quant", "IntQuant", "BipolarQuant"),
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Split", "Gather", "DepthToSpace"),
    *("SpaceToDepth", "Expand", "Tile", "Shape", "Identity", "Dropout"),
}
"""Operators that take the parts of a join one by one, or that only move its elements."""
POINTWISE = {
    *("Add", "Sub", "Mul", "Div", "Neg", "Abs", "Relu", "Clip", "LeakyRelu", "Elu", "Sigmoid", "HardSigmoid"),
    *("Tanh", "Softplus", "HardSwish", "Gelu", "Exp", "Erf"),
}
"""Functions of one number, and of a second one that is constant."""
MALFORMED = "cannot be taken as it is"
MALFORMED_HINT = "the file may be malformed; if other tools run it, please report it"
"""The last resort for what no handler foresaw; the fuzzer counts it as a defect."""


def load_onnx(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    inputs: Mapping[str, InputType] | None = None,
    rounding: str = "onnx",
    **asked: Unpack[Asked],
) -> Graph:
    """The graph of a quantised ONNX model, without the channels that carry nothing; `inputs` types real-valued inputs.

    `asked` is what `read_model` takes. `rounding` "torch" multiplies by float32(1/scale) where "onnx" divides.
    BitwrightError names the node that cannot be taken.
    """
    builder, graph = _lowered(source, inputs, rounding, asked)
    return _without_idle_channels(graph, builder.known)


def load_traced(
    source: str | Path | bytes | onnx.ModelProto,
    *,
    inputs: Mapping[str, InputType] | None = None,
    rounding: str = "onnx",
    **asked: Unpack[Asked],
) -> tuple[Graph, Trace]:
    """The graph of a model with all its channels, and where the model's tensors are in it."""
    builder, graph = _lowered(source, inputs, rounding, asked)
    return graph, traced(builder, graph)


def _lowered(
    source: str | Path | bytes | onnx.ModelProto,
    inputs: Mapping[str, InputType] | None,
    rounding: str,
    asked: Asked,
) -> tuple[Builder, Graph]:
    model = read_model(source, SAVED, **asked)
    builder = Builder(model, reciprocal=rounding == "torch")
    enter(builder, inputs or {})
    order = in_order(model)
    refuse_float(model, order, bool(inputs))
    for node in order:
        check_node(node, model.opset)
        evaluate(builder, node)
    return builder, _finish(builder)


def lower_model(
    model: Model,
    values: Mapping[str, Value],
    quantisers: Mapping[str, tuple[Node, Quantiser]],
    *,
    whole: bool = False,
    begun: Begun | None = None,
) -> Graph:
    """The graph of a float model, nodes checked and in order, some of whose tensors have quantised twins.

    Channels that carry nothing leave it, unless it shall be `whole`.

    `values` holds twins of constants, by their names; a quantiser makes the output of its node of the tensor by whose
    name it is found. What another model that began alike made of its first nodes is found in `begun`.
    """
    builder = Builder(model)
    enter(builder, {})
    builder.values.update(values)
    keys = begun.keys(model) if begun else []
    first = begun.resumed(keys, builder) if begun else 0
    for place, node in list(enumerate((None, *model.nodes)))[first:]:
        if _has_quantised(builder, node, quantisers) and begun:
            begun.others.keep(keys[place], builder)
    graph = _finish(builder)
    return graph if whole else _without_idle_channels(graph, builder.known)


def _has_quantised(builder: Builder, node: Node | None, quantisers: Mapping[str, tuple[Node, Quantiser]]) -> bool:
    """Evaluate a node, or take the inputs, with the quantisers of what is made there; True if there are any."""
    if node is not None:
        evaluate(builder, node)
    made = [entry.name for entry in builder.model.inputs] if node is None else node.outputs
    met = [name for name in made if name in quantisers]
    for name in met:
        twin, quantiser = quantisers[name]
        builder.values[twin.outputs[0]] = quantise(builder, twin, quantiser, builder.values[name])
    return bool(met)


def _finish(builder: Builder) -> Graph:
    """The graph of everything that was built, after the passes that leave every channel in place."""
    model = builder.model
    results = [_result(builder, name) for name in model.outputs]
    builder.after.extend(left_off(model, results))
    graph = builder.graph(model.inputs, results)
    if not graph.layers:
        raise BitwrightError(
            "holds no quantised layer", where=model.file, hint="quantise the network first (bitwright quantize)"
        )
    try:
        return pipeline(drop_dead, merge_clips, merge_reshapes, subpixel, merge_gathers)(graph)
    except BitwrightError as error:
        raise BitwrightError(error.what, where=f"{model.file}: {error.where}", hint=error.hint) from error


def _without_idle_channels(graph: Graph, known: Mapping[str, Known]) -> Graph:
    left = remove_channels(graph, lambda graph: ranges(graph, known))
    return left if left is graph else pipeline(merge_gathers)(left)


def enter(builder: Builder, types: Mapping[str, InputType]) -> None:
    """Put the model's inputs among the builder's values, those that are typed as integers."""
    entries = builder.model.inputs
    for name in types:
        if name not in {entry.name for entry in entries}:
            listed = ", ".join(f"'{entry.name}'" for entry in entries)
            raise BitwrightError(
                f"the model has no input '{name}'", where=f"--input {name}", hint=f"its inputs are {listed}"
            )
    builder.taken.update(entry.name for entry in entries)
    for entry in entries:
        refuse_large(entry.shape, f"{builder.model.file}: input '{entry.name}'")
        builder.values[entry.name] = typed_input(builder, entry, types.get(entry.name))


def evaluate(builder: Builder, node: Node) -> None:
    """Put what `node` makes among the builder's values; every error names the node."""
    try:
        if take(builder, node):
            return
        operands = [builder.values[name] if name else None for name in node.inputs]
        made = _of_parts(builder, node, operands) or _made(builder, node, _joined(builder, node, operands))
    except BitwrightError as error:
        raise error if error.where.startswith(builder.model.file) else node.error(error.what, error.hint) from error
    except MemoryError as error:
        raise node.error("needs more memory than there is", "use a smaller network, or a larger machine") from error
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise node.error(f"{MALFORMED}: {type(error).__name__}: {error}", MALFORMED_HINT) from error
    _keep(builder, node, made if isinstance(made, tuple) else (made,))


def _keep(builder: Builder, node: Node, results: Sequence[Value | None]) -> None:
    for name, value in zip(node.outputs, results, strict=False):
        if name and value is not None:
            builder.values[name] = value


def is_taken(node: Node) -> bool:
    """True if there is a handler for an operator, whatever it then says."""
    own = node.op in HANDLERS and (node.domain in STANDARD or node.op in ANY_DOMAIN)
    return own or node.domain == CHANNELS_LAST or (node.op in MASKED and node.domain in STANDARD)


def _of_parts(builder: Builder, node: Node, operands: Sequence[Value | None]) -> Pieces | None:
    """What a function of single numbers makes of a join that waits: of each part for itself."""
    first, *others = operands or (None,)
    if not isinstance(first, Pieces) or node.op not in POINTWISE or not all(map(_is_number, others)):
        return None
    made = [_made(builder, node, [part, *others]) for part in first.parts]
    return replace(first, parts=tuple(part[0] if isinstance(part, tuple) else part for part in made))


def _is_number(value: Value | None) -> bool:
    """True for a constant of one element, and for what is not there."""
    return value is None or (isinstance(value, Const) and value.array.size == 1)


def _joined(builder: Builder, node: Node, operands: Sequence[Value | None]) -> Sequence[Value | None]:
    """The operands of a node; a join waits no longer where the node neither quantises it nor only moves it."""
    if node.op in MEET_PIECES:
        return operands
    return [settled(builder, value) if isinstance(value, Pieces) else value for value in operands]


def _made(builder: Builder, node: Node, operands: Sequence[Value | None]) -> Any:
    if node.op == "Constant":
        return Const(constant_of(node))
    if foldable(node, operands):
        return tuple(fold(node, operands, builder.model.opset))
    if node.domain == CHANNELS_LAST:
        return channels_last.wrapped(builder, node, *operands)
    if is_taken(node):
        return or_on_host(builder, node, operands, lambda: taken(builder, node, operands, HANDLERS[node.op]))
    raise unsupported(node)


def unsupported(node: Node) -> BitwrightError:
    """The error that nothing takes an operator."""
    if node.op in REFUSED:
        return node.error(*REFUSED[node.op])
    home = "" if node.domain in STANDARD else f" in the domain '{node.domain}'"
    return node.error(f"is not supported{home}", "supported operators: " + ", ".join(sorted((*HANDLERS, *MASKED))))


def _result(builder: Builder, name: str) -> Host:
    if name not in builder.values:
        raise BitwrightError(
            f"output '{name}' is made by no node", where=builder.model.file, hint="export the model again"
        )
    value = builder.values[name]
    output = Node(name, "output", "", (), (name,), {}, builder.model.file)
    if isinstance(value, Pieces):
        value = settled(builder, value)
    if isinstance(value, Tensor):
        return unfolded(builder, to_host(builder, value, output))
    if isinstance(value, Const) or value.side == "input":
        raise output.error("does not depend on any quantised layer", "quantise the network first (bitwright quantize)")
    return unfolded(builder, value)
