# SPDX-License-Identifier: Apache-2.0
"""The operators of a float network that can be quantised, by what becomes of them; refusals of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.reading.model import Node
from bitwright.reading.schema import STANDARD

Array = NDArray[Any]
MATRIX = frozenset(("Conv", "Gemm", "MatMul"))
"""Layers with weights."""
SUMS = frozenset(("Add", "AveragePool", "GlobalAveragePool"))
"""Layers that add integers without weights; `Add` of a constant is pointwise."""
TABLES = frozenset(("LeakyRelu", "Sigmoid", "Tanh"))
"""Functions of one operand that become a table over the codes of their input."""
MOVES = frozenset(("Dropout", "Flatten", "Identity", "MaxPool", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))
"""Commute with a quantiser: they move, drop or compare values."""
POINTWISE = frozenset(("Add", "BatchNormalization", "Clip", "Div", "Mul", "Relu", "Sub"))
"""Fold into the requantiser that follows."""
SHAPES = frozenset(("Cast", "Concat", "Constant", "Gather", "Shape", "Slice"))
"""Compute the shape of a Reshape."""
TAIL = frozenset(("ArgMax", "LogSoftmax", "Softmax", "TopK"))
"""Allowed after the last integer layer, where they stay in float."""
SUPPORTED = MATRIX | SUMS | TABLES | MOVES | POINTWISE | SHAPES | TAIL
QUANTISERS = frozenset(
    "BipolarQuant DequantizeLinear DynamicQuantizeLinear FloatQuant IntQuant MultiThreshold QLinearConv QLinearMatMul "
    "Quant QuantizeLinear Trunc".split()
)
RANKS: Mapping[str, tuple[int, ...]] = {"Conv": (3, 4, 5), "Gemm": (2,), "MatMul": (2, 3, 4)}
"""How many axes the weights of each layer may have."""
MAY_BE_INFINITE = ("Clip",)
"""Operators with a constant that may be infinite: a bound that does not bind."""


def check_nodes(nodes: Sequence[Node], constants: Mapping[str, Array]) -> None:
    """Refuse a network that is quantised already, or that holds what cannot be quantised."""
    for node in nodes:
        if node.op in QUANTISERS:
            raise node.error("the model is quantised already", "give the float model, or compile this one as it is")
    for node in nodes:
        if node.op not in SUPPORTED or node.domain not in STANDARD:
            raise node.error("cannot be quantised yet", f"supported: {', '.join(sorted(SUPPORTED))}")
    for node in nodes:
        _check_operands(node, constants)
        _check_numbers(node, constants)


def _check_operands(node: Node, constants: Mapping[str, Array]) -> None:
    """Matrix layers need constant weights, products a constant operand."""
    if node.op in MATRIX:
        weight = node.inputs[1]
        if weight not in constants:
            raise node.error(
                f"its weights, '{weight}', are computed from the input",
                "only layers with constant weights, as the second operand, can be quantised yet",
            )
        array = constants[weight]
        if array.ndim not in RANKS[node.op] or array.size == 0 or array.dtype.kind in "iub":
            raise node.error(f"has weights of type {array.dtype} and shape {array.shape}", "export the model again")
    if node.op in ("Div", "Mul", "Sub") and not any(name in constants for name in node.inputs):
        raise node.error(
            "both its operands are computed from the input",
            "one operand must be constant; only Add takes two tensors yet",
        )


def _check_numbers(node: Node, constants: Mapping[str, Array]) -> None:
    """Refuse a constant that holds a NaN or an infinite number."""
    if node.op in MAY_BE_INFINITE:
        return
    for index, name in enumerate(node.inputs):
        array = constants.get(name)
        if array is not None and array.dtype.kind not in "iub" and not np.isfinite(array.astype(np.float32)).all():
            raise node.error(
                f"has a number in its input {index} ('{name}') that is not finite", "check the checkpoint it came from"
            )


def channel_axis(node: Node) -> int:
    """The axis of a matrix layer's weights that counts its outputs."""
    match node.op:
        case "Conv":
            return 0
        case "Gemm":
            return 0 if node.attributes.get("transB", 0) else 1
        case _:
            return -1
