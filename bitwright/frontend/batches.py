# SPDX-License-Identifier: Apache-2.0
"""Numbers that a file computes from the shapes of its tensors: whether they follow the number of samples."""

from __future__ import annotations

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.values import Const, Host, Tensor
from bitwright.reading.constants import compute
from bitwright.reading.model import Array, Node

MANY = 1_000_003
"""A number of samples that no size in a file is."""


def of_many(builder: Builder, name: str) -> Array | None:
    """What a tensor is for `MANY` samples; None if it is not made of shapes and constants alone."""
    if name in builder.model.constants:
        return builder.model.constants[name]
    node = next((node for node in builder.model.nodes if name in node.outputs), None)
    if node is None or not isinstance(builder.values.get(name), Const):
        return None
    return _shape(builder, node) if node.op == "Shape" else _computed(builder, node, name)


def _computed(builder: Builder, node: Node, name: str) -> Array | None:
    operands = {each: of_many(builder, each) for each in node.inputs if each}
    if any(array is None for array in operands.values()):
        return None
    made = compute(node, [operands.get(each) for each in node.inputs], builder.model.opset)
    return made[node.outputs.index(name)]


def _shape(builder: Builder, node: Node) -> Array | None:
    value = builder.values.get(node.inputs[0])
    if not isinstance(value, Host | Tensor) or not value.shape:
        return None
    dims = np.array([value.shape[0] * MANY, *value.shape[1:]], dtype=np.int64)
    return dims[node.attributes.get("start", 0) : node.attributes.get("end", len(dims))]
