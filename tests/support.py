# SPDX-License-Identifier: Apache-2.0
"""The table of what is supported, made by trying: every operator with a handler, each dialect, each engine."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import bitwright
from bitwright.frontend.dialects.channels_last import INNER
from bitwright.frontend.lowering import HANDLERS
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reading.tflite.operators import OPERATORS as TFLITE
from bitwright.sim.engines import ENGINES
from tests.frontend.nets import QONNX, Net, grid

IMAGE, VECTOR = (4, 6, 6), (8,)
Probe = Callable[[Net, str, str], str]
"""(network, quantised input, dialect) -> the tensor that the operator makes."""
DIALECTS = {"QDQ": "QDQ", "QONNX": "QONNX", "codes": "on codes"}
"""Between QuantizeLinear and DequantizeLinear; between Quant; on the integers themselves."""


def quantised(net: Net, x: str, dialect: str, scale: float = 0.5) -> str:
    """`x` behind a quantiser of the dialect, as the real values or as the codes."""
    if dialect == "QONNX":
        return net.quant(x, scale)
    codes = net.quantize(x, scale, 0, np.int8)
    return codes if dialect == "codes" else net.dequantize(codes, scale, 0, np.int8)


def weights(net: Net, dialect: str, *shape: int) -> str:
    array = grid(shape[0], *shape[1:], step=1, span=5)
    if dialect == "QONNX":
        return net.weights(array)
    return net.dequantize(net.const(array, np.int8), 1.0, 0, np.int8)


def plain(op: str, *constants: Any, dtype: Any = np.float32, **attributes: Any) -> Probe:
    """The operator on `x` and constants."""

    def probe(net: Net, x: str, dialect: str) -> str:
        return net.add(op, x, *(net.const(value, dtype) for value in constants), **attributes)

    return probe


def matrix(op: str, *shape: int, **attributes: Any) -> Probe:
    return lambda net, x, dialect: net.add(op, x, weights(net, dialect, *shape), **attributes)


def twice(op: str, **attributes: Any) -> Probe:
    """The operator on `x` and on `x` activated and quantised again."""
    return lambda net, x, dialect: net.add(op, x, quantised(net, net.add("Relu", x), dialect, 0.25), **attributes)


def norm(net: Net, x: str, dialect: str) -> str:
    parts = [net.const(np.full(4, value)) for value in (2.0, 1.0, 0.5, 1.0)]
    return net.add("BatchNormalization", x, *parts, epsilon=0.0)


def levels(net: Net, x: str, dialect: str) -> str:
    return net.add("MultiThreshold", x, net.const([[-1.0, 0.0, 2.0]]), domain=QONNX, data_layout="NCHW")


def truncated(net: Net, x: str, dialect: str) -> str:
    return net.add("Trunc", x, *(net.const(v) for v in (0.5, 0.0, 8.0, 4.0)), domain=QONNX, rounding_mode="FLOOR")


def shifted(net: Net, x: str, dialect: str) -> str:
    return net.add("RequantShift", x, net.const(3), net.const(0), div=16, n_levels=256, signed=1)


def shaped(net: Net, x: str, dialect: str) -> str:
    """A Reshape to what Shape says."""
    return net.add("Reshape", x, net.add("Shape", x))


def selection(op: str) -> Probe:
    """A limit by a comparison, one way or the other."""

    def probe(net: Net, x: str, dialect: str) -> str:
        bound = net.const(4, np.int8 if dialect == "codes" else np.float32)
        condition = net.add(op if op not in ("Not", "Where") else "Less", x, bound)
        if op == "Not":
            condition = net.add("Not", condition)
        above = op.startswith("Greater") or op == "Not"
        return net.add("Where", condition, *((x, bound) if above else (bound, x)))

    return probe


INTEGERS = {"dtype": np.int64}
UNARY = """
    Abs Ceil Celu Dropout Elu Erf Exp Floor Gelu HardSigmoid HardSwish Identity LeakyRelu Log Mish Neg Reciprocal Relu
    Round Selu Sigmoid Sign Softplus Softsign Sqrt Tanh ThresholdedRelu
""".split()
PROBES: Mapping[str, tuple[tuple[int, ...], Probe]] = {
    "Conv": (IMAGE, matrix("Conv", 5, 4, 3, 3)),
    "ConvTranspose": (IMAGE, matrix("ConvTranspose", 4, 5, 2, 2, strides=[2, 2])),
    "Gemm": (VECTOR, matrix("Gemm", 8, 5)),
    "MatMul": (VECTOR, matrix("MatMul", 8, 5)),
    "BatchNormalization": (IMAGE, norm),
    **{op: (IMAGE, twice(op)) for op in ("Add", "Sub", "Mul", "Max", "Min")},
    "Concat": (IMAGE, twice("Concat", axis=1)),
    "Div": (IMAGE, plain("Div", 4.0)),
    "Pow": (IMAGE, plain("Pow", 2.0)),
    "Clip": (IMAGE, plain("Clip", -2.0, 6.0)),
    "PRelu": (IMAGE, plain("PRelu", 0.25)),
    **{
        op: (IMAGE, plain(op))
        for op in ("Relu LeakyRelu Sigmoid Tanh Exp Erf Abs Softplus HardSwish Elu Selu Gelu").split()
    },
    **{
        op: (IMAGE, plain(op))
        for op in ("HardSigmoid Neg Identity Dropout Floor Round Ceil Sign Softsign Mish").split()
    },
    **{op: (IMAGE, plain(op)) for op in ("Celu ThresholdedRelu Sqrt Log Reciprocal").split()},
    "Cast": (IMAGE, plain("Cast", to=1)),
    "AveragePool": (IMAGE, plain("AveragePool", kernel_shape=[2, 2])),
    "MaxPool": (IMAGE, plain("MaxPool", kernel_shape=[2, 2])),
    "GlobalAveragePool": (IMAGE, plain("GlobalAveragePool")),
    "GlobalMaxPool": (IMAGE, plain("GlobalMaxPool")),
    **{f"Reduce{op}": (IMAGE, plain(f"Reduce{op}", [2, 3], **INTEGERS)) for op in ("Mean", "Sum", "Max", "Min")},
    "Slice": (IMAGE, plain("Slice", [1], [5], [2], **INTEGERS)),
    "Split": (IMAGE, lambda net, x, dialect: net.add("Split", x, axis=1, outputs=2, num_outputs=2)),
    "Gather": (IMAGE, plain("Gather", [2, 0, 1], axis=1, **INTEGERS)),
    "DepthToSpace": (IMAGE, plain("DepthToSpace", blocksize=2)),
    "SpaceToDepth": (IMAGE, plain("SpaceToDepth", blocksize=2)),
    "Resize": (IMAGE, lambda net, x, d: net.add("Resize", x, "", net.const([1, 1, 2, 2]), mode="nearest")),
    "Upsample": (IMAGE, plain("Upsample", [1, 1, 2, 2], mode="nearest")),
    "Pad": (IMAGE, plain("Pad", [0, 0, 1, 1, 0, 0, 1, 1], **INTEGERS)),
    "Transpose": (IMAGE, plain("Transpose", perm=[0, 2, 3, 1])),
    "Reshape": (IMAGE, plain("Reshape", [1, 2, 72], **INTEGERS)),
    "Flatten": (IMAGE, plain("Flatten")),
    "Shape": (IMAGE, shaped),
    "Expand": ((4, 1, 6), plain("Expand", [1, 4, 6, 6], **INTEGERS)),
    "Tile": (IMAGE, plain("Tile", [1, 2, 1, 1], **INTEGERS)),
    "Einsum": (VECTOR, matrix("Einsum", 8, 5, equation="bi,io->bo")),
    "Squeeze": ((1, 6, 6), plain("Squeeze", [1], **INTEGERS)),
    "Unsqueeze": (IMAGE, plain("Unsqueeze", [1], **INTEGERS)),
    "Softmax": (VECTOR, plain("Softmax", axis=-1)),
    "LogSoftmax": (VECTOR, plain("LogSoftmax", axis=-1)),
    "ArgMax": (VECTOR, plain("ArgMax", axis=1, keepdims=0)),
    "TopK": (VECTOR, lambda net, x, d: net.add("TopK", x, net.const([2], np.int64), outputs=2)),
    "MultiThreshold": (IMAGE, levels),
    "Trunc": (IMAGE, truncated),
    **{op: (IMAGE, selection(op)) for op in ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Not", "Where")},
    "RequantShift": (IMAGE, shifted),
}
"""Operator -> the shape of its input, and how it is put behind it."""
QUANTISERS = ("Quant", "IntQuant", "BipolarQuant", "QuantizeLinear", "DequantizeLinear")
"""Operators that every network of a dialect has."""
ENDS = ("Softmax", "LogSoftmax", "ArgMax", "TopK")
OPSETS = {"Upsample": 9, "Selu": 13}


def tried(op: str, dialect: str) -> Graph | None:
    """The graph of an operator between quantisers; None where it is refused."""
    shape, probe = PROBES[op]
    net = Net(*shape, opset=OPSETS.get(op, 20))
    first = net.add("Relu", quantised(net, net.x, "QONNX" if dialect == "QONNX" else "QDQ", 0.25))
    made = probe(net, quantised(net, first, dialect), dialect)
    try:
        if op not in ENDS:
            made = net.dequantize(made, 0.5, 0, np.int8) if dialect == "codes" else made
            made = quantised(net, net.add("Relu", made), "QDQ" if dialect == "codes" else dialect)
        return bitwright.load(net.proto(made))
    except BitwrightError:
        return None


def becomes(op: str, graph: Graph) -> str:
    """What the source node became: layers, a part of the next quantiser, or a step on the host."""
    names = {f"{op.lower()}{i}" for i in range(20)}
    layers = sorted({layer.op for layer in graph.layers if names & set(layer.source)})
    host = any(row["node"] in names and row["side"] == "output" for row in graph.host)
    return ", ".join(layers) or ("the host" if host else "layout")


def engines(graph: Graph) -> dict[str, bool]:
    """Which engines have what a graph needs; the two that simulate a design are asked for its texts."""
    design = bitwright.compile(graph) if graph.layers else None
    bitwright.run(graph, [np.zeros((1, *spec.shape), spec.dtype) for spec in graph.entry.specs], engine="reference")
    have = dict.fromkeys(ENGINES, True)
    for name, backend in (("hls", "hls"), ("rtl", "verilog")):
        have[name] = design is not None and bool(design.files(backend))
    return have


def table() -> str:
    """The page, Markdown."""
    rows = []
    for op in sorted(PROBES):
        graphs = {dialect: tried(op, dialect) for dialect in DIALECTS}
        known = [graph for graph in graphs.values() if graph is not None]
        marks = ["yes" if graph is not None else "" for graph in graphs.values()]
        own = "yes" if f"QLinear{op}" in HANDLERS or (op == "Gemm" and "QGemm" in HANDLERS) else ""
        last = "yes" if op in INNER else ""
        works = engines(known[0]) if known else dict.fromkeys(ENGINES, False)
        where = ["yes" if works[name] else "" for name in ENGINES]
        rows.append([f"`{op}`", *marks, own, last, becomes(op, known[0]) if known else "", *where])
    heads = ["operator", *DIALECTS.values(), "QOperator", "channels last", "becomes", *ENGINES]
    lines = ["| " + " | ".join(row).replace("  ", " ") + " |" for row in (heads, ["---"] * len(heads), *rows)]
    listed = textwrap.fill(", ".join(f"`{name}`" for name in sorted(TFLITE)), 118, break_long_words=False)
    return HEAD + "\n".join(lines) + TAIL.format(listed)


HEAD = """# What is supported

Made by `pytest tests/test_support.py --update-golden`, which tries every operator that has a handler: between two
quantisers of a dialect, or on the codes themselves. An empty field is a refusal that names the node. *QOperator*: there
is a QLinear form (or QGemm); *channels last*: the wrappers of QONNX. What a node becomes is a layer of its own, a part
of the layer or quantiser beside it, a move of its neighbours' numbers (*layout*), or a step on the host, which
`inspect` lists. Of each the texts of the C++ and of the SystemVerilog are made, and the reference is run; `fast` takes
every kind of layer by its types. Sizes, axes and attributes have limits of their own; `bitwright inspect MODEL` says
which of a file's nodes are beyond them.

"""
TAIL = """

The quantisers themselves: `QuantizeLinear` and `DequantizeLinear` (2 to 32 bits, ONNX's domain and com.microsoft's),
`Quant`, `IntQuant`, `BipolarQuant`, `MultiThreshold` and `Trunc` (QONNX), `RequantShift`, and Floor, Round or Cast
behind products (integer-deployment graphs).

Operators of TFLite files, read as the QDQ of the same numbers:

{}.
"""
