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
from bitwright.frontend.spelling import INVERSE, mirrored, spelled, with_cubic
from bitwright.frontend.values import ONE, ZERO, Tensor
from bitwright.ir.functions import Affine, Clip, Function, Power, TimesInput
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, squeeze, width
from bitwright.reading.model import Node


def combine(builder: Builder, node: Node, left: Tensor, right: Tensor) -> Tensor:
    """Add, Sub or Mul of two activations."""
    if left.layer == right.layer and (made := _of_one(builder, node, left, right)):
        return made
    if node.op == "Div":
        raise node.error("divides one activation by another", "not a function of fixed-point numbers")
    left, right = _aligned(builder, node, integers(builder, left, node), integers(builder, right, node))
    return _product(builder, node, left, right) if node.op == "Mul" else _sum(builder, node, left, right)


def _of_one(builder: Builder, node: Node, left: Tensor, right: Tensor) -> Tensor | None:
    """Two functions of one tensor as one function of it; None if integers can be joined instead."""
    if left.curved or right.curved:
        return _of_functions(node, left, right)
    if _is_square(builder, node, left, right):
        return replace(left, function=(Power(Fraction(2)),)).then(node.name, node.op)
    if node.op == "Mul" and _is_bent(left, right):
        return _product_of_clip(node, *((left, right) if right.bounded else (right, left)))
    return None


def _of_functions(node: Node, left: Tensor, right: Tensor) -> Tensor | None:
    match node.op:
        case "Mul":
            return _product_of_functions(node, left, right)
        case "Div" if right.curved:
            return _product_of_functions(node, left, replace(right, function=(*right.function, INVERSE)))
        case "Add":
            return _cubic(node, left, right)
        case _:
            return None


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
    return _in_words(other, steps, quotient=node.op == "Div").then(node.name, node.op)


def _in_words(tensor: Tensor, steps: Function, *, quotient: bool) -> Tensor:
    """The function that `steps` are, of a tensor or of what is that upside down."""
    if quotient and spelled(steps)[:1] == (Affine(-ONE, ZERO),):
        return replace(tensor, scale=-tensor.scale, offset=-tensor.offset, function=mirrored(steps))
    in_words = quotient or any(isinstance(step, Power) for step in steps)
    return replace(tensor, function=spelled(steps) if in_words else steps)


def _cubic(node: Node, left: Tensor, right: Tensor) -> Tensor | None:
    """The sum of a cube and its own input, as in GELU by tanh; None if it is another."""
    plain, other = (left, right) if right.curved else (right, left)
    ratio = ZERO if plain.curved or other.slopes != ONES else _ratio(plain, other)
    steps = with_cubic(other.function, ratio) if ratio and np.array_equal(plain.where, other.where) else None
    return replace(other, function=steps).then(node.name, node.op) if steps else None


def _is_square(builder: Builder, node: Node, left: Tensor, right: Tensor) -> bool:
    """True for a product of a tensor with itself that no product of integers is, or that is multiplied by it again."""
    if node.op != "Mul" or left.pools or left.rest or not _is_same(left, right):
        return False
    readers = builder.readers(node.outputs[0])
    cubes = any(other.op == "Mul" and node.inputs[0] in other.inputs for other in readers)
    return cubes or _zero(left) is None or (left.bounded and not falls_on_integers(left))


def _is_same(left: Tensor, right: Tensor) -> bool:
    """True for one line twice, with the same limits."""
    one, two = ((each.layer, each.scale, each.offset, each.low, each.high, each.curved) for each in (left, right))
    return one == two and not left.curved and np.array_equal(left.where, right.where)


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
