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


def static(model: Model) -> tuple[Model, Mapping[str, Coded]]:
    """The model, constants folded, with products of real numbers in place of those, and the codes of their weights."""
    if not any(node.op == "DynamicQuantizeLinear" for node in model.nodes):
        return model, {}
    makers = {name: node for node in model.nodes for name in node.outputs}
    constants, coded, nodes = dict(model.constants), dict[str, Coded](), []
    for node in model.nodes:
        product = _scaled_product(node, makers)
        weight = None if product is None else _weight(product, node, makers, model.constants)
        if product is None or weight is None:
            nodes.append(node)
            continue
        name = f"{product.inputs[1]}_real"
        while name in constants and coded.get(name) != weight:
            name += "_"
        coded[name], constants[name] = weight, weight.value
        inputs = (makers[product.inputs[0]].inputs[0], name)
        nodes.append(replace(product.acting(PRODUCTS[product.op]), inputs=inputs, outputs=node.outputs))
    return replace(model, nodes=tuple(nodes), constants=constants), coded


def _scaled_product(node: Node, makers: Mapping[str, Node]) -> Node | None:
    """The product of integers that a multiplication makes real numbers of, of a tensor quantised as it came."""
    if node.op != "Mul":
        return None
    for name in node.inputs:
        maker = makers.get(name)
        if maker is not None and maker.op == "Cast":
            maker = makers.get(maker.inputs[0])
        if maker is not None and maker.op in PRODUCTS and len(maker.inputs) > 2:
            source = makers.get(maker.inputs[0])
            if source is not None and source.op == "DynamicQuantizeLinear" and maker.inputs[2] == source.outputs[2]:
                return maker
    return None


def _weight(product: Node, node: Node, makers: Mapping[str, Node], constants: Mapping[str, Array]) -> Coded | None:
    """The codes of a product's weight, if the multiplication is by the scales of both operands."""
    source = makers[product.inputs[0]]
    found = (_beside(name, source.outputs[1], makers, constants) for name in node.inputs)
    scale = next((scale for scale in found if scale is not None), None)
    held = constants.get(product.inputs[1])
    zero = constants.get(product.inputs[3], np.zeros(())) if len(product.inputs) > 3 else np.zeros(())
    if scale is None or held is None or held.dtype.kind not in "iu":
        return None
    outputs = (-1, *[1] * (held.ndim - 1)) if product.op == "ConvInteger" else (-1,)
    if scale.size > 1 and (product.op == "ConvInteger" and scale.shape[-3:] != (len(held), *[1] * (held.ndim - 2))):
        return None
    zero = zero.astype(np.int32)
    codes = held.astype(np.int32) - (zero.reshape(outputs) if zero.size > 1 else zero.reshape(()))
    ends = np.iinfo(held.dtype)
    kind = IntType(int(ends.min - zero.max()), int(ends.max - zero.min()))
    return Coded(codes, (scale.reshape(outputs) if scale.size > 1 else scale.reshape(())).astype(np.float32), kind)


def _beside(name: str, scale: str, makers: Mapping[str, Node], constants: Mapping[str, Array]) -> Array | None:
    """What a tensor is times the activation's scale."""
    if name == scale:
        return np.ones((), np.float32)
    maker = makers.get(name)
    if maker is None or maker.op != "Mul" or scale not in maker.inputs:
        return None
    return constants.get(maker.inputs[1 - maker.inputs.index(scale)])
