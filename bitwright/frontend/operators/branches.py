# SPDX-License-Identifier: Apache-2.0
"""Layers with two or more activations: add, subtract, multiply; exact for any scales."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import falls_on_integers, integers
from bitwright.frontend.layouts import like, whole
from bitwright.frontend.making import multiplied, weighted
from bitwright.frontend.scales import unit
from bitwright.frontend.values import ZERO, Tensor
from bitwright.ir.functions import Affine, Clip, TimesInput
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, squeeze, width
from bitwright.reading.model import Node


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


def _aligned(builder: Builder, node: Node, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Both operands over layers of one shape and order: the larger one leads, the other follows it."""
    if left.where.shape[:1] != right.where.shape[:1]:
        builder.meet()
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
    name = multiplied(builder, node.name, (left, right), (zeros[0], zeros[1]), scale, (node.name,))
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
