# SPDX-License-Identifier: Apache-2.0
"""Where a float network needs quantisers of activations: the inputs of every layer that works on integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from bitwright.compress.operators import LINES, MATRIX, TABLES, TAIL, fixed_tensors, moves
from bitwright.reading.model import Node

Constants = Mapping[str, NDArray[Any]]
MEANS = frozenset(("AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum"))
FUNCTIONS = TABLES | {"Abs", "Elu", "Erf", "Exp", "Gelu", "HardSwish", "PRelu", "Selu", "Softplus"}
"""Of one operand, a table over the codes of their input."""
POOLS = frozenset(("GlobalMaxPool", "MaxPool"))
"""Wait for a quantiser behind them where there is one."""
OF_CODES = frozenset(("Pad", "ReduceMax", "ReduceMin"))
"""Move and compare values, but codes alone."""
BENT = frozenset(("Clip", "HardSigmoid", "Max", "Min", "Relu"))
"""Clips of one operand."""


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


def find_sites(
    nodes: Sequence[Node], constants: Constants, outputs: Sequence[str], unsigned: Set[str] = frozenset()
) -> tuple[Site, ...]:
    """The quantisers of activations, in the order of their first reader; inputs that are `unsigned` are so by type."""
    makers = {name: node for node in nodes for name in node.outputs if name}
    reads = Counter([*outputs, *(name for node in nodes for name in node.inputs)])
    positions = _integer_operands(nodes, makers, constants)
    positive = _non_negative(nodes, constants, unsigned)
    pooled = _pooled_for_integers(nodes, positions, reads)
    edges: dict[str, list[Edge]] = {}
    for node in nodes:
        for position in positions[key(node)]:
            tensor, edge = node.inputs[position], Edge(key(node), position)
            # Quantising before a max-pool gives the same values and makes the pool compare narrow codes.
            while tensor in makers and moves(makers[tensor]) and (reads[tensor] == 1 or tensor in pooled):
                mover = makers[tensor]
                tensor, edge = mover.inputs[0], Edge(key(mover), 0)
            edges.setdefault(tensor, []).append(edge)
    return tuple(Site(name, tuple(dict.fromkeys(found)), name in positive) for name, found in edges.items())


def _pooled_for_integers(
    nodes: Sequence[Node], positions: Mapping[str, list[int]], reads: Mapping[str, int]
) -> set[str]:
    """What pools make and what is read as integers throughout, by other such pools too: as in spatial pyramids."""
    whole: Counter[str] = Counter()
    found = set()
    for node in reversed(nodes):
        name = key(node)
        if node.op in POOLS and whole[name] == reads[name] > 0:
            found.add(name)
        for position, tensor in enumerate(node.inputs):
            whole[tensor] += position in positions[name] or (node.op in POOLS and name in found)
    return found


def _integer_operands(nodes: Sequence[Node], makers: Mapping[str, Node], constants: Constants) -> dict[str, list[int]]:
    """The inputs of each node, by its key, that must be integers in hardware."""
    fixed = fixed_tensors(nodes, constants)
    data = {key(node): [i for i, name in enumerate(node.inputs) if name not in fixed] for node in nodes}
    found = {key(node): _read_as_integers(node, data[key(node)]) for node in nodes}
    for node in nodes:
        if node.op == "Mul" and len(data[key(node)]) == 2:
            found |= _gated(node, makers, data)
    _apart_behind_curves(nodes, constants, data, found)
    _end_in_float(nodes, data, found)
    return found


def _apart_behind_curves(
    nodes: Sequence[Node], constants: Constants, data: Mapping[str, list[int]], found: dict[str, list[int]]
) -> None:
    """A line of each channel's own reads integers where a function comes before it: a table is one for all channels."""
    curved: set[str] = set()
    for node in nodes:
        name, places = key(node), data[key(node)]
        if _bends(node, places, found[name]):
            curved.update(filter(None, node.outputs))
        elif len(places) == 1 and not found[name] and node.inputs[places[0]] in curved:
            if node.op in LINES and _is_of_channels(node, constants):
                found[name] = places
            elif moves(node) or node.op in LINES:
                curved.update(filter(None, node.outputs))


def _is_of_channels(node: Node, constants: Constants) -> bool:
    return any(constants[name].size > 1 for name in node.inputs if name in constants)


def _bends(node: Node, data: list[int], read: list[int]) -> bool:
    """True for a function that a table becomes, and for a product with one of the same tensor."""
    gate = node.op == "Mul" and len(data) == 2 and len(read) < 2
    return gate or (len(data) == 1 and node.op in FUNCTIONS)


def _end_in_float(nodes: Sequence[Node], data: Mapping[str, list[int]], found: dict[str, list[int]]) -> None:
    """Where no integers follow, functions read real values, and pools codes: no quantiser comes to wait for."""
    needed: set[str] = set()
    for node in reversed(nodes):
        name = key(node)
        last = needed.isdisjoint(node.outputs)
        if last and node.op in TABLES | POOLS:
            found[name] = data[name] if node.op in POOLS else []
        if found[name] or not last:
            needed.update(filter(None, node.inputs))


def _read_as_integers(node: Node, data: list[int]) -> list[int]:
    """The data operands of a node that a quantiser comes before."""
    if node.op in MATRIX:
        return [0]
    line = node.op in LINES and len(data) == 1
    waits = moves(node) and node.op not in OF_CODES
    return [] if line or waits or node.op in TAIL else data


def _gated(node: Node, makers: Mapping[str, Node], data: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """What a product of a tensor and a function of it reads as integers: that tensor alone, as in SiLU and GELU."""
    for plain, other in ((0, 1), (1, 0)):
        inner, tensor = [], node.inputs[other]
        while tensor in makers and _is_function(makers[tensor], data):
            inner.append(makers[tensor])
            tensor = inner[-1].inputs[data[key(inner[-1])][0]]
            if tensor == node.inputs[plain] and any(step.op in FUNCTIONS | BENT for step in inner):
                first = key(inner.pop())
                return {key(node): [plain], first: data[first]} | {key(step): [] for step in inner}
    return {}


def _is_function(node: Node, data: Mapping[str, list[int]]) -> bool:
    """True for a node that computes each element of its one data operand by itself."""
    return len(data[key(node)]) == 1 and (node.op in LINES or node.op in FUNCTIONS)


def _non_negative(nodes: Sequence[Node], constants: Constants, unsigned: Set[str]) -> set[str]:
    """The tensors of which no value can be below zero, whatever the data."""
    numbers = ((name, array) for name, array in constants.items() if array.dtype.kind in "fiub")
    found = {name for name, array in numbers if not (array < 0).any()} | unsigned
    for node in nodes:
        if _is_positive(node, constants, found):
            found.update(filter(None, node.outputs))
    return found


def _is_positive(node: Node, constants: Constants, positive: Set[str]) -> bool:
    """True if a node makes nothing below zero of tensors of which those of `positive` hold nothing below it."""
    match node.op:
        case "Abs" | "Exp" | "HardSigmoid" | "Relu" | "Sigmoid" | "Softplus":
            return True
        case "Clip":
            return _clip_low(node, constants) >= 0
        case "Add" | "Concat" | "Div" | "Mul":
            return set(node.inputs) <= positive
        case op:
            return (moves(node) or op in MEANS or op == "Cast") and node.inputs[0] in positive


def _clip_low(node: Node, constants: Constants) -> float:
    if len(node.inputs) > 1 and node.inputs[1]:
        low = constants.get(node.inputs[1])
        return float("-inf") if low is None or low.size == 0 else float(low.min())
    return float(node.attributes.get("min", float("-inf")))
