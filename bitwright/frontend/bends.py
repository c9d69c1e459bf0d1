# SPDX-License-Identifier: Apache-2.0
"""Joins of two lines of one tensor, each bent at zero at most: max(x, a * x), relu(x) - a * relu(-x), (x - |x|) / 2.

Exporters spell leaky ReLUs and PReLUs so. Each operand is known by its values one step below zero and one above.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from operator import add, sub

import numpy as np

from bitwright.exact.tabulate import evaluate
from bitwright.frontend.builder import Builder
from bitwright.frontend.values import ONE, ZERO, Tensor, Value
from bitwright.ir.functions import Abs, Affine, Clip, Function, LeakyRelu, Step
from bitwright.ir.per_channel import ONES, PerChannel, spread, width
from bitwright.reading.model import Node

JOINS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {"Add": add, "Sub": sub, "Max": max, "Min": min}
QUANTISE = frozenset(("QuantizeLinear", "Quant", "IntQuant", "BipolarQuant"))
MOVES = frozenset("Dropout Flatten Identity MaxPool Reshape Squeeze Transpose Unsqueeze".split())
"""Operators behind which a tensor that is bent still meets its quantiser."""
Side = tuple[Fraction, Fraction]
"""The values at a place below zero and at one as far above it."""


def joined(builder: Builder, node: Node, operands: Sequence[Value | None]) -> Tensor | None:
    """The join of two operands as one tensor that is bent at zero; None if it is none, or integers serve better."""
    tensors = [value for value in operands if isinstance(value, Tensor)]
    if node.op not in JOINS or not len(operands) == len(tensors) == 2 or not _alike(*tensors):
        return None
    waits = any(tensor.curved for tensor in tensors) or _is_quantised(builder, node.outputs[0])
    made = _bent(tensors[0], tensors[1], JOINS[node.op]) if waits else None
    return made and _sourced(made, tensors).then(node.name, node.op)


def _sourced(made: Tensor, tensors: Sequence[Tensor]) -> Tensor:
    """What was made of tensors, with their nodes, and how far float32 may be from it."""
    nodes = tuple(dict.fromkeys(pair for tensor in tensors for pair in tensor.nodes))
    added, roundings = sum(tensor.added for tensor in tensors), sum(tensor.roundings for tensor in tensors) + 1
    return replace(made, nodes=nodes, added=added, roundings=roundings)


def _bent(left: Tensor, right: Tensor, does: Callable[[Fraction, Fraction], Fraction]) -> Tensor | None:
    """What `does` makes of two tensors; None if they are not bent at one zero, or the result is no leak."""
    size = max(width(each.scale, each.offset, each.low, each.high, each.slopes) for each in (left, right))
    zero, one, two = _zero(left, right, size), _sides(left, size), _sides(right, size)
    if zero is None or one is None or two is None:
        return None
    return _of_values(left, [(does(a, c), does(b, d)) for (a, b), (c, d) in zip(one, two, strict=True)], zero)


def _alike(left: Tensor, right: Tensor) -> bool:
    """True if both are of the same elements, and something is bent or may be."""
    waits = left.pools or right.pools or left.rest or right.rest or left.integer or right.integer
    return not waits and left.layer == right.layer and np.array_equal(left.where, right.where)


def _is_quantised(builder: Builder, name: str) -> bool:
    """True if only quantisers read a tensor, behind what moves its elements."""
    readers = builder.readers(name)
    return bool(readers) and all(
        node.op in QUANTISE or (node.op in MOVES and _is_quantised(builder, node.outputs[0])) for node in readers
    )


def _zero(left: Tensor, right: Tensor, size: int) -> list[Fraction] | None:
    """For each channel the integer, or place between two, at which both lines are zero; None if there is none."""
    columns = zip(*(of.each(size) for each in (left, right) for of in (each.scale, each.offset)), strict=True)
    places = [_place((a, b), (c, d)) for a, b, c, d in columns]
    found = [place for place in places if place is not None]
    return found if len(found) == size else None


def _place(*lines: tuple[Fraction, Fraction]) -> Fraction | None:
    """The one zero of the lines (scale, offset)."""
    places = {-offset / scale for scale, offset in lines if scale}
    if len(places) > 1 or any(offset for scale, offset in lines if not scale):
        return None
    return places.pop() if places else ZERO


def _sides(tensor: Tensor, size: int) -> list[Side] | None:
    """The values of a tensor on both sides of its zero, for each channel; None if it is bent elsewhere."""
    rows = zip(*(spread(of, size) for of in (tensor.low, tensor.high)), strict=True)
    slopes = tensor.slopes.each(size)
    found = []
    for scale, slope, (low, high) in zip(tensor.scale.each(size), slopes, rows, strict=True):
        if (low or ZERO) or (high or ZERO) or not all(map(_bends_at_zero, tensor.function)):
            return None
        steps = (Clip(low, high), LeakyRelu(slope), *tensor.function)
        below, above = (_value(steps, value) for value in (-scale, scale))
        found.append((below, above))
    return found


def _bends_at_zero(step: Step) -> bool:
    if isinstance(step, Affine):
        return not step.offset
    if isinstance(step, Clip):
        return not (step.low or ZERO) and not (step.high or ZERO)
    return isinstance(step, Abs | LeakyRelu)


def _value(steps: Function, value: Fraction) -> Fraction:
    real = evaluate(steps, value, 1)
    assert isinstance(real, Fraction), "steps that bend at zero are rational"
    return real


def _of_values(tensor: Tensor, values: Sequence[Side], zero: Sequence[Fraction]) -> Tensor | None:
    """The tensor with these values on both sides of its zero; None if it is negative on both."""
    made = replace(tensor, low=(None,), high=(None,), slopes=ONES, function=())
    if all(max(side) == 0 for side in values):
        return _scaled(replace(made, high=(ZERO,)), [above or -below for below, above in values], zero)
    if any(max(side) <= 0 and any(side) for side in values):
        return None
    made = _scaled(made, [above if above > 0 else -below for below, above in values], zero)
    return _leaking(made, PerChannel(tuple(map(_slope, values))).squeezed())


def _leaking(tensor: Tensor, slopes: PerChannel) -> Tensor:
    if not slopes.is_single:
        return replace(tensor, slopes=slopes)
    slope = slopes.of(0)
    if slope == 1:
        return tensor
    return replace(tensor, function=(LeakyRelu(slope),)) if slope else tensor.clip(ZERO, None)


def _slope(side: Side) -> Fraction:
    """By what the line that has the value above zero, or else the one below, is multiplied where it is negative."""
    below, above = side
    if above > 0:
        return -below / above
    return -above / below if below else ONE


def _scaled(tensor: Tensor, scales: Sequence[Fraction], zero: Sequence[Fraction]) -> Tensor:
    offsets = tuple(-scale * place for scale, place in zip(scales, zero, strict=True))
    return replace(tensor, scale=PerChannel(tuple(scales)).squeezed(), offset=PerChannel(offsets).squeezed())
