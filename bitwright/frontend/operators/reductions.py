# SPDX-License-Identifier: Apache-2.0
"""Means, sums and maxima over any axes but the samples': one window over what is reduced, per element that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

from bitwright.frontend.builder import Builder
from bitwright.frontend.operands import data_operand, optional_constant
from bitwright.frontend.operators.averages import global_average_pool
from bitwright.frontend.operators.elementwise import affine
from bitwright.frontend.operators.pools import global_largest, is_plain
from bitwright.frontend.values import Tensor, Value
from bitwright.ir.per_channel import ZEROS, PerChannel
from bitwright.reading.model import Node


def reduce_mean(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMean: the exact sum, and the division waits for the quantiser."""
    tensor = data_operand(node, values)
    if isinstance(tensor, Tensor) and tensor.integer:
        raise node.error("averages integers, which truncates", "sum them and divide, or cast them to float before it")
    return _reduced(builder, node, values, global_average_pool)


def reduce_sum(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceSum."""

    def total(builder: Builder, node: Node, tensor: Tensor) -> Tensor:
        made = global_average_pool(builder, node, tensor)
        return affine(node, made, PerChannel.made(prod(tensor.where.shape[2:])), ZEROS)

    return _reduced(builder, node, values, total)


def reduce_max(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMax of codes."""

    def largest(builder: Builder, node: Node, tensor: Tensor) -> Tensor:
        if tensor.curved or tensor.bounded or not is_plain(builder, tensor):
            raise node.error("takes the largest of real values", "quantise the activation before it")
        return global_largest(builder, node, tensor)

    return _reduced(builder, node, values, largest)


def _reduced(
    builder: Builder, node: Node, values: tuple[Value | None, ...], reduce: Callable[[Builder, Node, Tensor], Tensor]
) -> Tensor:
    """What `reduce` makes of all spatial axes of an image or signal, for the axes of `node`."""
    tensor = data_operand(node, values)
    if not isinstance(tensor, Tensor) or tensor.pools:
        raise node.error("reduces a tensor that no quantiser turned into integers", "quantise its input")
    shape, axes = tensor.where.shape, _axes(node, values, tensor.where.ndim)
    if not axes:
        return tensor
    made = reduce(builder, node, _spatial(tensor, axes))
    lengths = [1 if axis in axes else n for axis, n in enumerate(shape)]
    if not node.attributes.get("keepdims", 1):
        lengths = [n for axis, n in enumerate(lengths) if axis not in axes]
    return replace(made, where=made.where.reshape(lengths), integer=tensor.integer)


def _spatial(tensor: Tensor, axes: list[int]) -> Tensor:
    """The tensor as an image or signal whose spatial axes are `axes`: itself, or one channel per kept element."""
    shape = tensor.where.shape
    if len(shape) in (3, 4) and axes == list(range(2, len(shape))):
        return tensor
    kept = [axis for axis in range(1, len(shape)) if axis not in axes]
    where = tensor.where.transpose(0, *kept, *axes).reshape(1, -1, prod(shape[axis] for axis in axes))
    return replace(tensor, where=where)


def _axes(node: Node, values: tuple[Value | None, ...], rank: int) -> list[int]:
    """The axes that are reduced, ascending; none where the node then does nothing."""
    const = optional_constant(node, values, 1)
    given = node.attributes.get("axes", ()) if const is None else const.array.reshape(-1)
    if not len(given) and node.attributes.get("noop_with_empty_axes", 0):
        return []
    axes = [int(axis) for axis in given] or list(range(rank))
    places = {axis % rank for axis in axes}
    if min(axes) < -rank or max(axes) >= rank or 0 in places:
        raise node.error(f"reduces axes {axes} of {rank}", "reduce axes of the data, not that of the samples")
    return sorted(places)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "ReduceMean": reduce_mean,
    "ReduceSum": reduce_sum,
    "ReduceMax": reduce_max,
}
"""The handlers of the operators that are added here."""
