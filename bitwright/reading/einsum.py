# SPDX-License-Identifier: Apache-2.0
"""Einsum of data and a constant, as the matrix product that it is between transpositions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import NamedTuple

import numpy as np

from bitwright.reading.model import Array, Model, Node

KEEP_SHAPE = frozenset(("DequantizeLinear", "QuantizeLinear", "Quant", "Clip", "Cast", "Identity"))
"""Operators behind which a constant has the shape that it had."""


class _Product(NamedTuple):
    """Axes by their letters: of the data, the constant and the result; those kept, summed over and new."""

    data: str
    constant: str
    result: str
    kept: str
    summed: str
    new: str


def without_einsum(model: Model) -> Model:
    """`model` with an Einsum of data and a constant in other words; it stays where it is no product of matrices."""
    if not any(node.op == "Einsum" for node in model.nodes):
        return model
    shapes = _constant_shapes(model)
    taken = {name for node in model.nodes for name in (*node.inputs, *node.outputs)} | {*model.constants}
    constants: dict[str, Array] = dict(model.constants)
    nodes = [made for node in model.nodes for made in _spelled(node, shapes, taken, constants)]
    return replace(model, nodes=tuple(nodes), constants=constants)


def _spelled(
    node: Node, shapes: Mapping[str, Sequence[int]], taken: set[str], constants: dict[str, Array]
) -> list[Node]:
    """The nodes in place of one; it itself where it is no product."""
    place = next((i for i, name in enumerate(node.inputs) if name in shapes), 0)
    product = _product(node, place) if node.op == "Einsum" and len(node.inputs) == 2 else None
    shape = shapes.get(node.inputs[place]) if product else None
    if product is None or shape is None or len(shape) != len(product.constant):
        return [node]
    return _Spelling(node, taken, constants).write(product, node.inputs[1 - place], node.inputs[place], shape)


def _constant_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """The shapes of constants and of what quantisers make of them."""
    found = {name: array.shape for name, array in model.constants.items()}
    for node in model.nodes:
        if node.op in KEEP_SHAPE and set(node.inputs[:1]) <= {*found}:
            found |= {name: found[node.inputs[0]] for name in node.outputs}
    return found


def _product(node: Node, place: int) -> _Product | None:
    """The axes of a product whose operand at `place` is constant; None if it is none of two matrices."""
    equation = _text(node.attributes.get("equation", "")).replace(" ", "").replace("...", ".")
    given, arrow, result = equation.partition("->")
    operands = given.split(",")
    if not arrow or len(operands) != 2 or "." in operands[place]:
        return None
    data, constant = operands[1 - place], operands[place]
    new = "".join(letter for letter in constant if letter not in data)
    kept = "".join(letter for letter in result if letter not in new)
    product = _Product(data, constant, result, kept, "".join(filter(data.__contains__, constant)), new)
    return product if _is_whole(product) else None


def _is_whole(product: _Product) -> bool:
    """True if every axis is summed over, kept or new, and none twice; axes that are not named stay in front."""
    data, constant, result, kept, summed, new = product
    if "." in data and (data != kept + summed or result != kept + new):
        return False
    once = all(len(set(axes)) == len(axes) for axes in (data, constant, result))
    return bool(summed) and once and sorted(kept + summed) == sorted(data) and sorted(kept + new) == sorted(result)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Spelling:
    """The nodes in place of one, and the names that they need."""

    def __init__(self, node: Node, taken: set[str], constants: dict[str, Array]) -> None:
        self.node, self.taken, self.constants = node, taken, constants
        self.nodes: list[Node] = []

    def write(self, product: _Product, data: str, constant: str, shape: Sequence[int]) -> list[Node]:
        """Transpositions to (kept, summed) and (summed, new), the product of matrices, and one to the result."""
        sizes = dict(zip(product.constant, shape, strict=True))
        summed, new = ([sizes[axis] for axis in axes] for axes in (product.summed, product.new))
        data = self._turned(data, product.data, product.kept + product.summed)
        data = self._behind(data, product.kept, (len(summed), [-1]), needed=len(summed) != 1)
        constant = self._turned(constant, product.constant, product.summed + product.new)
        constant = self._reshaped(constant, [prod(summed), prod(new)], needed=len(summed) != 1 or len(new) != 1)
        made = self._add("MatMul", data, constant)
        made = self._behind(made, product.kept, (1, new), needed=len(new) != 1)
        made = self._turned(made, product.kept + product.new, product.result)
        self.nodes[-1] = replace(self.nodes[-1], outputs=self.node.outputs)
        return self.nodes

    def _turned(self, name: str, axes: str, wanted: str) -> str:
        if axes == wanted:
            return name
        return self._add("Transpose", name, perm=[axes.index(axis) for axis in wanted])

    def _reshaped(self, name: str, shape: Sequence[int], *, needed: bool) -> str:
        return self._add("Reshape", name, self._held(shape)) if needed else name

    def _behind(self, name: str, kept: str, ends: tuple[int, Sequence[int]], *, needed: bool) -> str:
        """The tensor with so many of its last axes in another shape; those that are not named may be any number."""
        last, shape = ends
        if "." not in kept or not needed:
            return self._reshaped(name, [0] * len(kept) + [*shape], needed=needed)
        first = self._add("Slice", self._add("Shape", name), self._held([0]), self._held([-last]))
        return self._add("Reshape", name, self._add("Concat", first, self._held(shape), axis=0))

    def _held(self, numbers: Sequence[int]) -> str:
        """The name of a new constant."""
        name = self._fresh("shape")
        self.constants[name] = np.array(numbers, dtype=np.int64)
        return name

    def _add(self, op: str, *inputs: str, **attributes: object) -> str:
        made = self._fresh(op.lower())
        name = self.node.name if op == "MatMul" else made
        node = Node(name, op, "", inputs, (made,), attributes, self.node.file, self.node.op)
        self.nodes.append(node)
        return made

    def _fresh(self, word: str) -> str:
        name = f"{self.node.name}/{word}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name
