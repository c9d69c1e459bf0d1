# SPDX-License-Identifier: Apache-2.0
"""Concat of activations and constants along any axis; parts of unlike scales wait for the quantiser that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder, channels_last, invert
from bitwright.frontend.layouts import FIT, flat, gather, reshaped, whole
from bitwright.frontend.making import Floored, floored
from bitwright.frontend.operators.shapes import axis_of, shape_of
from bitwright.frontend.scales import unit
from bitwright.frontend.values import Const, Host, Pieces, T, Tensor, Value
from bitwright.ir.layers import Concat
from bitwright.ir.per_channel import ZEROS, PerChannel, spread, squeeze
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import MAX_CHANNELS, check_size

MAX_BITS = 32
"""Of the integers that a constant without a quantiser is."""


def concat(builder: Builder, node: Node, *values: Value | None) -> Tensor | Pieces:
    """Concat along any axis: at once where the parts are integers alike, else behind the quantiser that follows."""
    parts = tuple(_part(builder, node, value) for value in values)
    shapes = [shape_of(part) for part in parts]
    axis = axis_of(node, len(shapes[0]), 0)
    if axis == 0 and not builder.frees():
        raise node.error("joins along the samples", "join along a data axis")
    if len({(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise node.error(f"joins shapes {' and '.join(map(str, shapes))}", FIT)
    length = sum(shape[axis] for shape in shapes)
    shape = (*shapes[0][:axis], length, *shapes[0][axis + 1 :])
    check_size(node, (prod(shape),))
    pieces = Pieces(node, parts, axis, np.arange(prod(shape)).reshape(shape))
    return pieces if _waits(builder, pieces) else settled(builder, pieces)


def _part(builder: Builder, node: Node, value: Value | None) -> Tensor | Const:
    if isinstance(value, Host | Pieces) or value is None:
        raise node.error("joins activations with a tensor that is none", "quantise all operands")
    if isinstance(value, Const):
        return _of_one_sample(builder, value)
    if value.pools:
        raise node.error("joins a real value that no quantiser turned into integers", "quantise the operand")
    return whole(builder, value, node)


def _of_one_sample(builder: Builder, const: Const) -> Const:
    """The constant without the copies that a file of a larger batch has of it, one for each sample."""
    copies = const.array.shape[:1] == (builder.model.batch,) and const.codes is None
    return Const(const.array[:1]) if copies and (const.array == const.array[:1]).all() else const


def _waits(builder: Builder, pieces: Pieces) -> bool:
    """True if the parts should meet the quantiser that follows one by one."""
    tensors = [part for part in pieces.parts if isinstance(part, Tensor)]
    if len(tensors) < len(pieces.parts) or any(tensor.curved for tensor in tensors):
        return True
    return not _have_pixels_alike(builder, tensors) and not _are_alike(tensors)


def _have_pixels_alike(builder: Builder, tensors: list[Tensor]) -> bool:
    """True if their layers can be joined channel by channel."""
    return len({builder.layers[tensor.layer].shape[:-1] for tensor in tensors}) == 1


def _are_alike(tensors: list[Tensor]) -> bool:
    """True if one scale, offset and clip holds for all elements of all."""
    numbers = [(t.scale.values, t.offset.values, t.low, t.high) for t in tensors]
    return numbers.count(numbers[0]) == len(numbers) and max(map(len, numbers[0])) == 1


def settled(builder: Builder, pieces: Pieces) -> Tensor:
    """The join of integers: pixel by pixel along the channels where the parts have the same pixels, or else flat."""
    node = pieces.node
    tensors = [part for part in pieces.parts if isinstance(part, Tensor)]
    if not tensors or any(tensor.curved for tensor in tensors):
        raise node.error("joins a real value that no quantiser turned into integers", "quantise the operand")
    parts = [_constant(builder, node, part, tensors) if isinstance(part, Const) else part for part in pieces.parts]
    if not _have_pixels_alike(builder, parts):
        parts = [flat(builder, part, node) for part in parts]
    made = _joined(builder, node, parts, pieces.axis)
    return replace(made, where=made.where.reshape(-1)[pieces.where])


def _constant(builder: Builder, node: Node, const: Const, beside: list[Tensor]) -> Tensor:
    """A layer of the integers of a constant: a requantiser that multiplies some integers by 0."""
    codes, scale, zero = _coded(node, const)
    check_size(node, codes.shape, MAX_CHANNELS)
    order, shape = channels_last(codes.shape)
    row = codes.reshape(-1)[order].reshape(-1).tolist()
    held = squeeze(tuple(row))
    made = gather(builder, _smallest(builder, beside), np.zeros(len(row), dtype=np.int64), node)
    constants = Floored(ZEROS, PerChannel(tuple(map(Fraction, held))), held, held)
    real = PerChannel.made(scale), PerChannel.made(zero)
    kind = IntType(min(row), max(row))
    name = floored(builder, f"{node.name}_constant", replace(made, nodes=()), constants, kind, real)
    places = np.arange(len(row))
    return replace(reshaped(builder, builder.codes(name, places), shape, node), where=invert(order, codes.shape))


def _coded(node: Node, const: Const) -> tuple[Ints, Fraction, Fraction]:
    """(codes, scale, zero) of a constant: those of its quantiser, or integers over the largest common unit."""
    if const.codes is not None and const.scale is not None and const.zero is not None:
        scale, zero = const.scale.reshape(-1), const.zero.reshape(-1)
        if scale.size == zero.size == 1:
            return const.codes, Fraction(float(scale[0])), Fraction(float(zero[0]))
    exact = const.exact()
    step = unit(exact.reshape(-1).tolist())
    codes = exact / step
    if max(abs(int(code)).bit_length() for code in codes.reshape(-1)) > MAX_BITS:
        raise node.error("joins a constant that no quantiser turned into integers", "quantise the constant")
    return codes.astype(np.int64), step, Fraction(0)


def _smallest(builder: Builder, beside: list[Tensor]) -> Tensor:
    """The integers that cost least to read once more; those of an input only where nothing else is there yet."""
    names = [name for name, layer in builder.layers.items() if layer.inputs] or [tensor.layer for tensor in beside]
    name = min(names, key=lambda name: prod(builder.layers[name].shape) * builder.layers[name].type.bits)
    return builder.codes(name, np.arange(prod(builder.layers[name].shape)))


def _joined(builder: Builder, node: Node, parts: list[Tensor], axis: int) -> Tensor:
    layers = [builder.layers[part.layer] for part in parts]
    counts = [layer.channels for layer in layers]
    joined = Concat(
        name=node.name,
        inputs=tuple(part.layer for part in parts),
        shape=(*layers[0].shape[:-1], sum(counts)),
        type=layers[0].type,
        scale=_joined_numbers(node, [layer.scale for layer in layers], counts),
        zero=_joined_numbers(node, [layer.zero for layer in layers], counts),
        source=(node.name,),
    )
    return _over(node, parts, counts, builder.add(joined), axis)


def _over(node: Node, parts: list[Tensor], counts: list[int], name: str, axis: int) -> Tensor:
    """The tensor that joins `parts` along `axis`, over the layer `name` that joins theirs."""
    return Tensor(
        name,
        np.concatenate(_places(parts, counts), axis=axis),
        _joined_numbers(node, [part.scale for part in parts], counts),
        _joined_numbers(node, [part.offset for part in parts], counts),
        _side_by_side(node, [part.low for part in parts], counts),
        _side_by_side(node, [part.high for part in parts], counts),
        added=max(part.added for part in parts),
        roundings=max(part.roundings for part in parts),
    )


def _places(parts: list[Tensor], counts: list[int]) -> list[Array]:
    """Where the elements of each part are once their channels lie side by side."""
    total, places, start = sum(counts), [], 0
    for part, count in zip(parts, counts, strict=True):
        places.append(part.where // count * total + start + part.where % count)
        start += count
    return places


def _joined_numbers(node: Node, values: list[PerChannel], counts: list[int]) -> PerChannel:
    return PerChannel(_side_by_side(node, [row.values for row in values], counts))


def _side_by_side(node: Node, values: list[tuple[T, ...]], counts: list[int]) -> tuple[T, ...]:
    """The values of all channels, those of each part behind one another; one where they are all equal."""
    if all(len(row) == 1 and row[0] == values[0][0] for row in values):
        return values[0][:1]
    check_size(node, (sum(counts),), MAX_CHANNELS)
    return squeeze(tuple(v for row, n in zip(values, counts, strict=True) for v in spread(row, n)))


OPERATORS: Mapping[str, Callable[..., Any]] = {"Concat": concat}
"""The handlers of the operators that are added here."""
