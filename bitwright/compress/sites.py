# SPDX-License-Identifier: Apache-2.0
"""Where a float network needs quantisers of activations: the inputs of every layer that works on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from bitwright.compress.operators import MATRIX, MOVES, SUMS, TABLES
from bitwright.reading.model import Node

Constants = Mapping[str, NDArray[Any]]


class Edge(NamedTuple):
    """Where a tensor is read: the first output of the node that reads it, and at which of its inputs."""

    reader: str
    position: int


@dataclass(frozen=True, slots=True)
class Site:
    """One quantiser of activations: the tensor it reads, and the edges that read it after.

    `non_negative` is true if no value of the tensor can be below zero, whatever the data.
    """

    tensor: str
    edges: tuple[Edge, ...]
    non_negative: bool


def key(node: Node) -> str:
    """The first tensor that a node makes: every tensor has one maker, so this names the node."""
    return next(filter(None, node.outputs))


def find_sites(nodes: Sequence[Node], constants: Constants, outputs: Sequence[str]) -> tuple[Site, ...]:
    """The quantisers of activations, in the order of their first reader."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    reads = Counter([*outputs, *(name for node in nodes for name in node.inputs)])
    integer = _before_matrix(nodes)
    positive = _non_negative(nodes, constants)
    edges: dict[str, list[Edge]] = {}
    for node in nodes:
        for position in _integer_operands(node, constants, integer):
            tensor, edge = node.inputs[position], Edge(key(node), position)
            # Quantising before a max-pool gives the same values and makes the pool compare narrow codes.
            while tensor in makers and makers[tensor].op in MOVES and reads[tensor] == 1:
                mover = makers[tensor]
                tensor, edge = mover.inputs[0], Edge(key(mover), 0)
            edges.setdefault(tensor, []).append(edge)
    return tuple(Site(name, tuple(dict.fromkeys(found)), name in positive) for name, found in edges.items())


def _integer_operands(node: Node, constants: Constants, before_matrix: set[str]) -> Iterator[int]:
    """The inputs of `node` that must be integers in hardware."""
    if node.op in MATRIX:
        yield 0
    elif node.op in SUMS and not any(name in constants for name in node.inputs):
        yield from range(len(node.inputs))
    elif node.op in TABLES and node.outputs[0] in before_matrix:
        yield 0


def _before_matrix(nodes: Sequence[Node]) -> set[str]:
    """The tensors from which a matrix layer can be reached; what lies beyond the last one stays in float."""
    found: set[str] = set()
    for node in reversed(nodes):
        if node.op in MATRIX or found.intersection(node.outputs):
            found.update(filter(None, node.inputs))
    return found


def _non_negative(nodes: Sequence[Node], constants: Constants) -> set[str]:
    """The tensors of which no value can be below zero, whatever the data."""
    found: set[str] = set()
    for node in nodes:
        match node.op:
            case "Relu" | "Sigmoid":
                positive = True
            case "Clip":
                positive = _clip_low(node, constants) >= 0
            case "Add":
                positive = all(name in found for name in node.inputs)
            case op:
                positive = (op in MOVES or op in SUMS) and node.inputs[0] in found
        if positive:
            found.update(filter(None, node.outputs))
    return found


def _clip_low(node: Node, constants: Constants) -> float:
    if len(node.inputs) > 1 and node.inputs[1]:
        low = constants.get(node.inputs[1])
        return float("-inf") if low is None or low.size == 0 else float(low.min())
    return float(node.attributes.get("min", float("-inf")))
