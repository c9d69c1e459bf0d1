# SPDX-License-Identifier: Apache-2.0
"""Layers with two or more activations: add, subtract, multiply, concatenate; exact for any scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import falls_on_integers, integers, weighted
from bitwright.frontend.layouts import FIT, flat, like, whole
from bitwright.frontend.operators.shapes import axis_of
from bitwright.frontend.scales import unit
from bitwright.frontend.values import ZERO, Const, Host, T, Tensor, Value
from bitwright.ir.functions import Affine, Clip, TimesInput
from bitwright.ir.layers import Concat, Multiply
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, spread, squeeze, width
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import MAX_CHANNELS, check_size


def combine(builder: Builder, node: Node, left: Tensor, right: Tensor) -> Tensor:
    """Add, Sub or Mul of two activations."""
    if node.op == "Mul" and left.layer == right.layer and (left.curved or right.curved):
        return _product_of_functions(node, left, right)
    if node.op == "Mul" and _is_bent(left, right):
        return _product_of_clip(node, *((left, right) if right.bounded else (right, left)))
    if node.op == "Div":
        raise node.error("divides one activation by another", "not a function of fixed-point numbers")
    left, right = _aligned(builder, node, integers(builder, left, node), integers(builder, right, node))
    return _product(builder, node, left, right) if node.op == "Mul" else _sum(builder, node, left, right)


def concat(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """Concat of activations along any axis; each part keeps its own scale."""
    parts = [_part(builder, node, value) for value in values]
    rank = parts[0].where.ndim
    axis = axis_of(node, rank, 0)
    if axis == 0 and not builder.single:
        raise node.error("joins along the samples", "join along a data axis")
    shapes = [part.where.shape for part in parts]
    if len({(len(shape), *shape[:axis], *shape[axis + 1 :]) for shape in shapes}) > 1:
        raise node.error(f"joins shapes {' and '.join(map(str, shapes))}", FIT)
    if len({builder.layers[part.layer].shape[:-1] for part in parts}) > 1:
        parts = [flat(builder, part, node) for part in parts]
    return _joined(builder, node, parts, axis)


def _part(builder: Builder, node: Node, value: Value | None) -> Tensor:
    if isinstance(value, Host | Const) or value is None:
        raise node.error("joins activations with a tensor that is none", "quantise all operands")
    if value.curved or value.pools:
        raise node.error("joins a real value that no quantiser turned into integers", "quantise the operand")
    return whole(builder, value, node)


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


def _aligned(builder: Builder, node: Node, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Both operands over layers of one shape and order: the larger one leads, the other follows it."""
    if left.where.size >= right.where.size:
        left = whole(builder, left, node)
        return left, like(builder, right, left, node)
    right = whole(builder, right, node)
    return like(builder, left, right, node), right


def _sum(builder: Builder, node: Node, left: Tensor, right: Tensor) -> Tensor:
    """The sum or difference as an integer sum over the common unit of their scales."""
    size = width(left.scale, right.scale)
    sign = -1 if node.op == "Sub" else 1
    pairs = list(zip(left.scale.each(size), right.scale.each(size), strict=True))
    units = [unit(pair) for pair in pairs]
    scale = PerChannel(tuple(units)).squeezed()
    factors = [
        squeeze(tuple(int(pair[k] / step) * (sign if k else 1) for pair, step in zip(pairs, units, strict=True)))
        for k in (0, 1)
    ]
    name = weighted(builder, node.name, (left, right), (factors[0], factors[1]), (scale, ZEROS), (node.name,))
    return Tensor(
        name,
        left.where,
        scale,
        (left.offset + right.offset * sign).squeezed(),
        integer=left.integer and right.integer,
        added=left.added + right.added,
        roundings=left.roundings + right.roundings + 1,
    )


def _zero(tensor: Tensor) -> int | None:
    """The one integer that means zero in every channel; None if there is none."""
    size = width(tensor.scale, tensor.offset)
    channels = list(zip(tensor.scale.each(size), tensor.offset.each(size), strict=True))
    places = {-o / s for s, o in channels if s}
    constant = any(o for s, o in channels if not s)
    if constant or len(places) != 1 or next(iter(places)).denominator != 1:
        return None
    return int(places.pop())


def _product(builder: Builder, node: Node, left: Tensor, right: Tensor) -> Tensor:
    zeros = [zero for zero in (_zero(left), _zero(right)) if zero is not None]
    if len(zeros) < 2:
        raise node.error(
            "multiplies by a tensor whose zero point is no single integer",
            "quantise it with one integer zero point",
        )
    scale = (left.scale * right.scale).squeezed()
    old = builder.layers[left.layer]
    name = builder.add(
        Multiply(
            name=node.name,
            inputs=(left.layer, right.layer),
            shape=old.shape,
            type=old.type,
            scale=scale,
            zero=ZEROS,
            zeros=(zeros[0], zeros[1]),
            source=(node.name,),
        )
    )
    return Tensor(name, left.where, scale, ZEROS, integer=left.integer and right.integer)


def _product_of_functions(node: Node, left: Tensor, right: Tensor) -> Tensor:
    """A function times its own input, up to a factor, as in SiLU and GELU: one more step of the function."""
    plain, other = (left, right) if right.curved else (right, left)
    ratio = ZERO if plain.curved or other.slopes != ONES else _ratio(plain, other)
    if not ratio or not np.array_equal(plain.where, other.where):
        raise node.error("multiplies two functions of one tensor", "quantise one of them first")
    steps = (*other.function, TimesInput(), Affine(ratio, ZERO))
    return replace(other, function=steps).then(node.name, node.op)


def _is_bent(left: Tensor, right: Tensor) -> bool:
    """True for a tensor and a clip of it that no product of integers is: it falls between them, or is around none."""
    apart = left.layer == right.layer and left.bounded != right.bounded
    whole = falls_on_integers(right if right.bounded else left) and None not in (_zero(left), _zero(right))
    return apart and not whole


def _product_of_clip(node: Node, plain: Tensor, other: Tensor) -> Tensor:
    """A line with limits times its own input, as in the hard swish: a function of that input."""
    size = width(plain.scale, plain.offset, other.scale, other.offset)
    scale, offset = plain.scale.each(size), plain.offset.each(size)
    rows = list(zip(scale, offset, other.scale.each(size), other.offset.each(size), strict=True))
    slope, rest = next(((c / a, d - c / a * b) for a, b, c, d in rows if a), (ZERO, ZERO))
    same = all(c == slope * a and d == slope * b + rest for a, b, c, d in rows)
    ends = width(squeeze(other.low), squeeze(other.high)) == 1
    if not (slope and same and ends) or not np.array_equal(plain.where, other.where):
        raise node.error("multiplies a tensor by limits of another", "quantise one of them first")
    steps = (Affine(slope, rest), Clip(other.low[0], other.high[0]), TimesInput())
    return replace(plain, function=steps, nodes=other.nodes).then(node.name, node.op)


def _ratio(plain: Tensor, other: Tensor) -> Fraction:
    """By what the values of `other` before its function are multiplied to be those of `plain`; 0 if by no number."""
    size = width(plain.scale, plain.offset, other.scale, other.offset)
    pairs = zip(plain.scale.each(size), other.scale.each(size), strict=True)
    ratios = {a / b if b else ZERO for a, b in pairs if a or b}
    ratio = ratios.pop() if len(ratios) == 1 else ZERO
    moved = (other.offset * ratio).each(size)
    return ZERO if plain.bounded or other.bounded or moved != plain.offset.each(size) else ratio


OPERATORS: Mapping[str, Callable[..., Any]] = {"Concat": concat}
"""The handlers of the operators that are added here."""
