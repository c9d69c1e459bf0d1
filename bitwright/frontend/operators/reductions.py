# SPDX-License-Identifier: Apache-2.0
"""Means, sums and maxima over any axes but the samples': one window over what is reduced, per element that is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import prod
from typing import Any

from bitwright.frontend.builder import Builder
from bitwright.frontend.making import Floored, floored
from bitwright.frontend.operands import data_operand, optional_constant
from bitwright.frontend.operators.averages import global_average_pool
from bitwright.frontend.operators.elementwise import affine
from bitwright.frontend.operators.pools import add_pool
from bitwright.frontend.values import Pool, Tensor, Value
from bitwright.ir.per_channel import ZEROS, PerChannel, squeeze
from bitwright.ir.types import IntType
from bitwright.ir.window import Window
from bitwright.reading.model import Node


def reduce_mean(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMean of real values: the exact sum, and the division waits for the quantiser."""
    return _reduced(builder, node, values, global_average_pool)


def reduce_sum(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceSum."""

    def total(builder: Builder, node: Node, tensor: Tensor) -> Tensor:
        made = global_average_pool(builder, node, tensor)
        return affine(node, made, PerChannel.made(prod(tensor.where.shape[2:])), ZEROS)

    return _reduced(builder, node, values, total)


def reduce_max(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMax of integers."""
    return _reduced(builder, node, values, partial(_extreme, 1))


def reduce_min(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """ReduceMin of integers."""
    return _reduced(builder, node, values, partial(_extreme, -1))


def _extreme(sign: int, builder: Builder, node: Node, tensor: Tensor) -> Tensor:
    """The largest, of `sign` 1, or smallest over all spatial axes: a max-pool of integers that rise with it."""
    if tensor.curved:
        raise node.error(
            f"takes the {'largest' if sign > 0 else 'smallest'} of real values", "quantise the activation before it"
        )
    size = tensor.where.shape[2:]
    window = Window((1, size[0]) if len(size) == 1 else (size[0], size[1]))
    return add_pool(builder, node, _rising(builder, node, tensor, sign), Pool(node.name, window))


def _rising(builder: Builder, node: Node, tensor: Tensor, sign: int) -> Tensor:
    """The same values over integers that rise with `sign` times them."""
    signs = PerChannel(tuple(Fraction(-1 if scale * sign < 0 else 1) for scale in tensor.scale.values))
    if set(signs.values) == {1}:
        return tensor
    old = builder.layers[tensor.layer]
    ends = [sorted((int(s) * old.type.lo, int(s) * old.type.hi)) for s in signs.values]
    lows, highs = squeeze(tuple(low for low, _ in ends)), squeeze(tuple(high for _, high in ends))
    constants = Floored(signs.squeezed(), ZEROS, lows, highs)
    real = old.scale, (old.zero * signs).squeezed()
    name = floored(builder, f"{node.name}_turn", tensor, constants, IntType(min(lows), max(highs)), real)
    return replace(tensor, layer=name, scale=(tensor.scale * signs).squeezed(), nodes=())


def _reduced(
    builder: Builder, node: Node, values: tuple[Value | None, ...], reduce: Callable[[Builder, Node, Tensor], Tensor]
) -> Tensor:
    """What `reduce` makes of all spatial axes of an image or signal, for the axes of `node`."""
    tensor = data_operand(node, values)
    if not isinstance(tensor, Tensor) or tensor.pools:
        raise node.error("reduces a tensor that no quantiser turned into integers", "quantise its input")
    shape, axes = tensor.where.shape, _axes(builder, node, values, tensor.where.ndim)
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
    if shape[0] == 1 and len(shape) in (3, 4) and axes == list(range(2, len(shape))):
        return tensor
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    where = tensor.where.transpose(*kept, *axes).reshape(1, -1, prod(shape[axis] for axis in axes))
    return replace(tensor, where=where)


def _axes(builder: Builder, node: Node, values: tuple[Value | None, ...], rank: int) -> list[int]:
    """The axes that are reduced, ascending; none where the node then does nothing."""
    const = optional_constant(node, values, 1)
    given = node.attributes.get("axes", ()) if const is None else const.array.reshape(-1)
    if not len(given) and node.attributes.get("noop_with_empty_axes", 0):
        return []
    axes = [int(axis) for axis in given] or list(range(rank))
    places = {axis % rank for axis in axes}
    free = range(0 in places and not builder.frees(), rank)
    if not places.issubset(free) or not set(axes).issubset(range(-rank, rank)):
        raise node.error(f"reduces axes {axes} of {rank}", "reduce axes of the data, not that of the samples")
    return sorted(places)


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "ReduceSum": reduce_sum,
    "ReduceMax": reduce_max,
    "ReduceMin": reduce_min,
}
"""The handlers of the operators that are added here."""
