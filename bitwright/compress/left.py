# SPDX-License-Identifier: Apache-2.0
"""A constant matrix on the left of its data, as in graph networks and mixers: W x is the transpose of x' W'."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from bitwright.reading.inference import infer
from bitwright.reading.model import Array, Model, Node


def turned(model: Model) -> Model:
    """The model with every such matrix on the right, between transpositions of data of which the rank is known."""
    if not any(_is_left(node, model) for node in model.nodes):
        return model
    kinds, constants, nodes = infer(model).kinds, dict(model.constants), list[Node]()
    for node in model.nodes:
        kind = kinds.get(node.inputs[1]) if _is_left(node, model) else None
        if kind is None or len(kind.shape) < 3:
            nodes.append(node)
        else:
            constants[f"{node.outputs[0]}/weights"] = _matrix(constants[node.inputs[0]]).T.copy()
            nodes += _around(node, len(kind.shape))
    return replace(model, nodes=tuple(nodes), constants=constants)


def _is_left(node: Node, model: Model) -> bool:
    """True for one matrix, a constant, before data."""
    if node.op != "MatMul" or node.inputs[0] not in model.constants or node.inputs[1] in model.constants:
        return False
    array = model.constants[node.inputs[0]]
    return array.ndim > 1 and array.size == prod(array.shape[-2:])


def _matrix(array: Array) -> Array:
    return array.reshape(array.shape[-2:])


def _around(node: Node, rank: int) -> Iterator[Node]:
    """The product of the data's columns, and what puts them back."""
    perm = [*range(rank - 2), rank - 1, rank - 2]
    (made,), data = node.outputs, node.inputs[1]
    columns, product = f"{made}/columns", f"{made}/product"
    turn = replace(node.acting("Transpose"), attributes={"perm": perm})
    yield replace(turn, name=f"{node.name}/columns", inputs=(data,), outputs=(columns,))
    yield replace(node, inputs=(columns, f"{made}/weights"), outputs=(product,))
    yield replace(turn, name=f"{node.name}/rows", inputs=(product,), outputs=(made,))
