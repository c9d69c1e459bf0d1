# SPDX-License-Identifier: Apache-2.0
"""The operators of a float network: all that the importer takes, by what becomes of them; refusals of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.frontend.lowering import ANY_DOMAIN, HANDLERS
from bitwright.frontend.refusals import CUT, REFUSED, behind
from bitwright.reading.constants import FOLDED
from bitwright.reading.model import Node
from bitwright.reading.schema import STANDARD

Array = NDArray[Any]
QUANTISERS = ANY_DOMAIN | {"DynamicQuantizeLinear", "FloatQuant"}
SUPPORTED = frozenset(HANDLERS) - QUANTISERS
"""What the importer takes. An operator that no set below names reads integers at all its operands."""
MATRIX = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))
"""Layers with weights: their data operand is integers."""
MOVES = frozenset(
    "DepthToSpace Dropout Expand Flatten Gather GlobalMaxPool Identity MaxPool Pad ReduceMax ReduceMin Reshape Slice "
    "SpaceToDepth Split Squeeze Tile Transpose Unsqueeze".split()
)
"""Commute with a quantiser: they move, drop or compare values; so does `Resize` that repeats its pixels."""
LINES = frozenset("Add BatchNormalization Cast Clip Div HardSigmoid Max Min Mul Neg Relu Sub".split())
"""Lines and clips of one operand: they fold into the requantiser that follows."""
TABLES = frozenset(("LeakyRelu", "Sigmoid", "Tanh"))
"""Functions that the host computes, too, where no integers follow."""
TAIL = frozenset(("ArgMax", "LogSoftmax", "Softmax", "TopK"))
"""Allowed after the last integer layer, where they stay in float."""
RANKS: Mapping[str, tuple[int, ...]] = {"Conv": (3, 4, 5), "ConvTranspose": (3, 4), "Gemm": (2,), "MatMul": (2, 3, 4)}
"""How many axes the weights of each layer may have."""
MAY_BE_INFINITE = ("Clip",)
"""Operators with a constant that may be infinite: a bound that does not bind."""


def fixed_tensors(nodes: Sequence[Node], constants: Mapping[str, Array]) -> set[str]:
    """The tensors that are the same for all data: constants, shapes, and what is computed of these alone."""
    found = {"", *constants}
    for node in nodes:
        if node.op == "Shape" or found.issuperset(node.inputs):
            found.update(node.outputs)
    return found


def moves(node: Node) -> bool:
    """True for a node that commutes with a quantiser of its first operand."""
    if node.op in ("Resize", "Upsample"):
        return str(node.attributes.get("mode", "nearest")) == "nearest"
    return node.op in MOVES


def check_nodes(nodes: Sequence[Node], constants: Mapping[str, Array]) -> None:
    """Refuse a network that is quantised already, or that holds what cannot be quantised."""
    fixed = fixed_tensors(nodes, constants)
    for node in nodes:
        if node.op in QUANTISERS:
            raise node.error("the model is quantised already", "give the float model, or compile this one as it is")
    refuse_between(nodes, {name for node in nodes if node.op in MATRIX for name in node.inputs[:2]})
    for node in nodes:
        _check_operator(node, fixed)
        _check_operands(node, constants)
        _check_numbers(node, constants)


def refuse_between(nodes: Sequence[Node], integers: Set[str]) -> None:
    """Refuse a soft maximum behind which a tensor of `integers` lies: those that layers on integers read."""
    for node in nodes:
        if node.op in ("LogSoftmax", "Softmax"):
            reached = set(node.outputs).union(*(other.outputs for other in behind(nodes, set(node.outputs))))
            if not integers.isdisjoint(reached):
                raise node.error("is a soft maximum before a layer on integers, computed in float", CUT)


def _check_operator(node: Node, fixed: set[str]) -> None:
    """Refuse an operator that the importer does not take, unless its operands are known."""
    if node.op in REFUSED:
        raise node.error(*REFUSED[node.op])
    if node.domain in STANDARD and (node.op in SUPPORTED or (node.op in FOLDED and fixed.issuperset(node.outputs))):
        return
    raise node.error("cannot be quantised yet", f"supported: {', '.join(sorted(SUPPORTED))}")


def _check_operands(node: Node, constants: Mapping[str, Array]) -> None:
    """Matrix layers need constant weights."""
    if node.op not in MATRIX:
        return
    weight = node.inputs[1]
    if weight not in constants:
        raise node.error(
            f"its weights, '{weight}', are computed from the input",
            "only layers with constant weights, as the second operand, can be quantised yet",
        )
    array = constants[weight]
    if array.ndim not in RANKS[node.op] or array.size == 0 or array.dtype.kind in "iub":
        raise node.error(f"has weights of type {array.dtype} and shape {array.shape}", "export the model again")
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or len(array) % groups:
        raise node.error(f"has weights of shape {array.shape} in {groups} groups", "export the model again")


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
        case "ConvTranspose":
            return 1
        case "Gemm":
            return 0 if node.attributes.get("transB", 0) else 1
        case _:
            return -1
