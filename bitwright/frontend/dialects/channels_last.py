# SPDX-License-Identifier: Apache-2.0
"""The channels_last wrappers of QONNX: standard operators whose data and weights have their channels last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bitwright.frontend.builder import Builder
from bitwright.frontend.operands import data_operand
from bitwright.frontend.operators import pools
from bitwright.frontend.operators.elementwise import batch_normalization
from bitwright.frontend.operators.matrix import conv
from bitwright.frontend.operators.shapes import move, shape_of
from bitwright.frontend.values import Const, Value
from bitwright.reading.model import Node

INNER: dict[str, Callable[..., Any]] = {
    "Conv": conv,
    "BatchNormalization": batch_normalization,
    **pools.OPERATORS,
}


def wrapped(builder: Builder, node: Node, *values: Value | None) -> Value:
    """The operator with channels first, between two transposes; Conv's weights (O, kH, kW, I) are turned too."""
    if node.op not in INNER:
        raise node.error("has no meaning with its channels last", "export it with channels first")
    data = _first(builder, node, data_operand(node, values))
    others = list(values[1:])
    if node.op == "Conv" and isinstance(others[0], Const):
        others[0] = _first(builder, node, others[0])
    made: Value = INNER[node.op](builder, replace(node, domain=""), data, *others)
    rank = len(shape_of(made))
    return move(builder, node, made, lambda array: array.transpose(0, *range(2, rank), 1))


def _first(builder: Builder, node: Node, value: Value) -> Value:
    rank = len(shape_of(value))
    return move(builder, node, value, lambda array: array.transpose(0, rank - 1, *range(1, rank - 1)))
