# SPDX-License-Identifier: Apache-2.0
"""Where a float model needs quantisers: the inputs and the weights of every layer that works on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import onnx
from numpy.typing import NDArray

from bitwright.compress.constants import constants, fold_constants
from bitwright.ir.errors import BitwrightError

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


@dataclass(frozen=True, slots=True)
class Site:
    """One quantiser of activations: the tensor it reads, and the edges (node index, input index) that read it after."""

    tensor: str
    edges: tuple[tuple[int, int], ...]
    non_negative: bool


@dataclass(frozen=True, slots=True)
class WeightSite:
    """One quantiser of weights: the constant, its output-channel axis, and the node index that reads it at input 1."""

    tensor: str
    axis: int
    node: int


@dataclass(frozen=True)
class FloatModel:
    """A float model and the places in it that need quantisers; made by `float_model`, which refuses the rest."""

    model: onnx.ModelProto
    constants: Mapping[str, NDArray[Any]]
    inputs: tuple[onnx.ValueInfoProto, ...]

    @cached_property
    def producer(self) -> Mapping[str, int]:
        """For every tensor that a node makes the index of that node."""
        return {name: index for index, node in enumerate(self.model.graph.node) for name in node.output if name}

    @cached_property
    def readers(self) -> Mapping[str, int]:
        """How often every tensor is read, by nodes or as an output of the model."""
        outputs = [output.name for output in self.model.graph.output]
        return Counter([*outputs, *(name for node in self.model.graph.node for name in node.input)])

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The quantisers of activations, in the order of their first reader."""
        edges: dict[str, list[tuple[int, int]]] = {}
        for index, node in enumerate(self.model.graph.node):
            for position in self._integer_operands(node):
                tensor, edge = self._climb(node.input[position], (index, position))
                edges.setdefault(tensor, []).append(edge)
        return tuple(Site(name, tuple(dict.fromkeys(e)), self._non_negative(name)) for name, e in edges.items())

    @cached_property
    def weights(self) -> tuple[WeightSite, ...]:
        """The quantisers of weights, in the order of the nodes."""
        return tuple(
            WeightSite(node.input[1], _channel_axis(node), index)
            for index, node in enumerate(self.model.graph.node)
            if node.op_type in MATRIX
        )

    @cached_property
    def _before_matrix(self) -> frozenset[str]:
        """The tensors from which a matrix layer can be reached; what lies beyond the last one stays in float."""
        found: set[str] = set()
        for node in reversed(self.model.graph.node):
            if node.op_type in MATRIX or found.intersection(node.output):
                found.update(node.input)
        return frozenset(found)

    def _integer_operands(self, node: onnx.NodeProto) -> Iterator[int]:
        """The inputs of `node` that must be integers in hardware."""
        if node.op_type in MATRIX:
            yield 0
        elif node.op_type in SUMS and not any(name in self.constants for name in node.input):
            yield from range(len(node.input))
        elif node.op_type in TABLES and node.output[0] in self._before_matrix:
            yield 0

    def _climb(self, tensor: str, edge: tuple[int, int]) -> tuple[str, tuple[int, int]]:
        """The earliest tensor that can be quantised in place of `tensor`, through nodes that commute with a quantiser.

        Quantising before a max-pool gives the same values and makes the pool compare narrow codes.
        """
        index = self.producer.get(tensor)
        if index is None or self.model.graph.node[index].op_type not in MOVES or self.readers[tensor] > 1:
            return tensor, edge
        return self._climb(self.model.graph.node[index].input[0], (index, 0))

    def _non_negative(self, tensor: str) -> bool:
        """True if no value of `tensor` can be below zero, whatever the data."""
        if tensor not in self.producer:
            return False
        node = self.model.graph.node[self.producer[tensor]]
        match node.op_type:
            case "Relu" | "Sigmoid":
                return True
            case "Clip":
                return self._clip_low(node) >= 0
            case "Add":
                return all(self._non_negative(name) for name in node.input)
            case op:
                return (op in MOVES or op in SUMS) and self._non_negative(node.input[0])

    def _clip_low(self, node: onnx.NodeProto) -> float:
        if len(node.input) > 1 and node.input[1]:
            return float(self.constants[node.input[1]]) if node.input[1] in self.constants else float("-inf")
        return next((float(a.f) for a in node.attribute if a.name == "min"), float("-inf"))


def float_model(model: onnx.ModelProto) -> FloatModel:
    """The model with its constants folded, checked: float, every node supported, every matrix layer with weights."""
    for node in model.graph.node:
        if node.op_type in QUANTISERS:
            raise BitwrightError(
                f"the model is quantised already ({node.op_type})",
                where=f"node {node.name or node.output[0]!r}",
                hint="give the float model, or compile this one as it is",
            )
    for node in model.graph.node:
        if node.op_type not in SUPPORTED or node.domain not in ("", "ai.onnx"):
            raise BitwrightError(
                f"{node.op_type} cannot be quantised yet",
                where=f"node {node.name or node.output[0]!r}",
                hint=f"supported: {', '.join(sorted(SUPPORTED))}",
            )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise BitwrightError(
            f"is not valid ONNX: {str(error).splitlines()[0]}",
            where=f"graph {model.graph.name!r}",
            hint="export the model again",
        ) from error
    folded = fold_constants(model)
    known = constants(folded)
    for node in folded.graph.node:
        _check_operands(node, known)
    if not any(node.op_type in MATRIX for node in folded.graph.node):
        raise BitwrightError(
            "has no layer with weights",
            where=f"graph {model.graph.name!r}",
            hint=f"quantising is for networks with {', '.join(sorted(MATRIX))}",
        )
    inputs = tuple(entry for entry in folded.graph.input if entry.name not in known)
    return FloatModel(folded, known, inputs)


def _check_operands(node: onnx.NodeProto, known: Mapping[str, NDArray[Any]]) -> None:
    """Matrix layers need constant weights, products a constant operand."""
    if node.op_type in MATRIX and node.input[1] not in known:
        raise BitwrightError(
            f"the weights of this {node.op_type}, {node.input[1]!r}, are computed from the input",
            where=f"node {node.name or node.output[0]!r}",
            hint="only layers with constant weights, as the second operand, can be quantised yet",
        )
    if node.op_type in ("Div", "Mul", "Sub") and not any(name in known for name in node.input):
        raise BitwrightError(
            f"both operands of this {node.op_type} are computed from the input",
            where=f"node {node.name or node.output[0]!r}",
            hint="one operand must be constant; only Add takes two tensors yet",
        )


def _channel_axis(node: onnx.NodeProto) -> int:
    """The axis of a matrix layer's weights that counts its outputs."""
    match node.op_type:
        case "Conv":
            return 0
        case "Gemm":
            return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
        case _:
            return -1
