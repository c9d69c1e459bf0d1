# SPDX-License-Identifier: Apache-2.0
"""Files whose weights are codes and whose activations are quantised by what each run shows (`quantize_dynamic`).

The product of integers stands for that of the real values: the tensor as it was, and the codes times their scale.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from bitwright.compress.coded import Coded
from bitwright.ir.types import IntType
from bitwright.reading.model import Array, Model, Node

PRODUCTS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}
"""Products of integers, and what they are of real numbers."""
DYNAMIC = "DynamicQuantizeLinear"
NONE = np.zeros((), np.int32)
"""Where no zero point is."""


def static(model: Model) -> tuple[Model, Mapping[str, Coded]]:
    """The model, constants folded, with products of real numbers in place of those, and the codes of their weights."""
    if not any(node.op == DYNAMIC for node in model.nodes):
        return model, {}
    found = _Products(model)
    return replace(model, nodes=tuple(map(found.real, model.nodes)), constants=found.constants), found.coded


class _Products:
    """A model's products of integers, and what they become."""

    def __init__(self, model: Model) -> None:
        self.makers = {name: node for node in model.nodes for name in node.outputs}
        self.constants = dict(model.constants)
        self.coded: dict[str, Coded] = {}

    def real(self, node: Node) -> Node:
        """The product of real numbers in place of a multiplication that makes them of integers; else the node."""
        product = self._scaled(node)
        scale = None if product is None else self._scale(node, product)
        if product is None or scale is None or not self._is_coded(product):
            return node
        weight = _weight(
            product, scale, *(self.constants[name] for name in (*product.inputs[1:2], *product.inputs[3:]))
        )
        if weight is None:
            return node
        name = f"{product.inputs[1]}_real"
        while name in self.constants and self.coded.get(name) != weight:
            name += "_"
        self.coded[name], self.constants[name] = weight, weight.value
        inputs = (self.makers[product.inputs[0]].inputs[0], name)
        return replace(product.acting(PRODUCTS[product.op]), inputs=inputs, outputs=node.outputs)

    def _scaled(self, node: Node) -> Node | None:
        """The product of integers that a node multiplies."""
        if node.op != "Mul":
            return None
        behind = (self._behind_cast(name) for name in node.inputs)
        return next((maker for maker in behind if maker is not None and self._is_dynamic(maker)), None)

    def _behind_cast(self, name: str) -> Node | None:
        maker = self.makers.get(name)
        return self.makers.get(maker.inputs[0]) if maker is not None and maker.op == "Cast" else maker

    def _is_dynamic(self, node: Node) -> bool:
        """True for a product of integers of a tensor that is quantised as it comes."""
        source = self.makers.get(node.inputs[0]) if node.op in PRODUCTS and len(node.inputs) > 2 else None
        return source is not None and source.op == DYNAMIC and node.inputs[2] == source.outputs[2]

    def _is_coded(self, product: Node) -> bool:
        """True if the weight and its zero point are constants, of integers."""
        held = [self.constants.get(name) for name in (*product.inputs[1:2], *product.inputs[3:])]
        return all(array is not None and array.dtype.kind in "iu" for array in held)

    def _scale(self, node: Node, product: Node) -> Array | None:
        """What the weight's codes are multiplied by, if the activation's are by their scale."""
        scale = self.makers[product.inputs[0]].outputs[1]
        found = (self._beside(name, scale) for name in node.inputs)
        return next((array for array in found if array is not None), None)

    def _beside(self, name: str, scale: str) -> Array | None:
        """What a tensor is times `scale`."""
        if name == scale:
            return np.ones((), np.float32)
        maker = self.makers.get(name)
        if maker is None or maker.op != "Mul" or scale not in maker.inputs:
            return None
        return self.constants.get(maker.inputs[1 - maker.inputs.index(scale)])


def _weight(product: Node, scale: Array, held: Array, zero: Array = NONE) -> Coded | None:
    """The codes of a weight around zero, and their scale: one, or one for each output."""
    spatial = [1] * (held.ndim - 2) if product.op == "ConvInteger" else []
    if scale.size > 1 and spatial and scale.shape[-len(spatial) - 1 :] != (len(held), *spatial):
        return None
    outputs = (-1, 1, *spatial) if spatial else (-1,)
    scale, zero = (array.reshape(outputs if array.size > 1 else ()) for array in (scale, zero.astype(np.int32)))
    ends = np.iinfo(held.dtype)
    kind = IntType(int(ends.min - zero.max()), int(ends.max - zero.min()))
    return Coded(held.astype(np.int32) - zero, scale.astype(np.float32), kind)
