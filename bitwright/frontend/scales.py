# SPDX-License-Identifier: Apache-2.0
"""The real values of integers that a layer computes, from those of what it reads: exact scales and zero points."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm, prod
from typing import TypeVar

import numpy as np

from bitwright.frontend.values import ONE, ZERO
from bitwright.ir.layers import Layer
from bitwright.ir.per_channel import ZEROS, PerChannel, squeeze, width
from bitwright.ir.weights import Ints

T = TypeVar("T")
Real = tuple[PerChannel, PerChannel]
"""Scale and zero of a layer: the real value of an integer q is scale * (q - zero)."""


class Mixed(Exception):
    """Integers of unequal scales or zero points, as it says, meet where the arithmetic cannot tell them apart."""


def of_products(x: Layer, weights: Ints, groups: int, weight_scale: PerChannel) -> Real:
    """Of sums of weights times inputs: weights are (outputs, ..., inputs / groups), outputs ordered by group."""
    outputs, reads = len(weights), weights.shape[-1]
    scales, zeros = [], []
    for output, factor in enumerate(weight_scale.each(outputs)):
        start = output * groups // outputs * reads
        step, zero = (values.take(range(start, start + reads)) for values in (x.scale, x.zero))
        scales.append(_single(step.values, "scales") * factor)
        totals = weights[output].reshape(-1, len(zero.values)).sum(axis=0).tolist()
        zeros.append(sum((t * z for t, z in zip(totals, zero.values, strict=True)), ZERO))
    return PerChannel(squeeze(tuple(scales))), PerChannel(squeeze(tuple(zeros)))


def of_elements(x: Layer, indices: Ints) -> Real:
    """Of elements `indices` of the flattened `x` in another order and shape; -1 is none of them."""
    if x.scale.is_single and x.zero.is_single:
        return x.scale, x.zero
    step, zero = (values.each(x.channels) for values in (x.scale, x.zero))
    found = []
    for column in indices.reshape(-1, indices.shape[-1]).T:
        channels = np.unique(column[column >= 0] % x.channels).tolist()
        pairs = tuple((step[c], zero[c]) for c in channels) or ((step[0], zero[0]),)
        found.append(_single(pairs, "scales or zero points"))
    return PerChannel(squeeze(tuple(s for s, _ in found))), PerChannel(squeeze(tuple(z for _, z in found)))


def of_sum(operands: Sequence[Layer]) -> tuple[tuple[tuple[int, ...], ...], Real]:
    """(factors, real) of the sum of real values: integers over the largest unit that every scale is a multiple of."""
    size = width(*(x.scale for x in operands))
    rows = [x.scale.each(size) for x in operands]
    units = tuple(unit(column) for column in zip(*rows, strict=True))
    factors = tuple(squeeze(tuple(int(s / u) for s, u in zip(row, units, strict=True))) for row in rows)
    return factors, (PerChannel(squeeze(units)), of_weighted(operands, factors))


def of_weighted(operands: Sequence[Layer], factors: Sequence[Sequence[int]]) -> PerChannel:
    """The zero of sum over k of factors[k] * x[k]."""
    terms = (x.zero * PerChannel.made(factor) for factor, x in zip(factors, operands, strict=True))
    return sum(terms, ZEROS).squeezed()


def of_product(a: Layer, b: Layer) -> Real:
    """Of the product of integers less their zero points."""
    return (a.scale * b.scale).squeezed(), ZEROS


def of_concat(operands: Sequence[Layer]) -> Real:
    """Of the operands side by side along the channels."""
    scale = PerChannel(tuple(value for x in operands for value in x.scale.each(x.channels)))
    zero = PerChannel(tuple(value for x in operands for value in x.zero.each(x.channels)))
    return scale.squeezed(), zero.squeezed()


def common(operands: Sequence[Layer]) -> PerChannel:
    """The scale that all operands have."""
    return _single(tuple(x.scale for x in operands), "scales")


def whole_zero(x: Layer) -> int:
    """The zero point of the whole of `x`, an integer."""
    zero = _single(x.zero.values, "zero points")
    if zero.denominator != 1:
        raise Mixed(f"fractions of codes, as the zero point {zero} is one")
    return int(zero)


def places(shape: tuple[int, ...]) -> Ints:
    """The index of every element of a tensor of `shape`, in that shape."""
    return np.arange(prod(shape)).reshape(shape)


def _single(values: tuple[T, ...], what: str) -> T:
    """The one value of them all."""
    if any(value != values[0] for value in values):
        raise Mixed(what)
    return values[0]


def unit(scales: Sequence[Fraction]) -> Fraction:
    """The largest rational of which all are integer multiples; 1 of zeros alone."""
    return Fraction(gcd(*(s.numerator for s in scales)), lcm(*(s.denominator for s in scales))) or ONE
