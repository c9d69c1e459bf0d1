# SPDX-License-Identifier: Apache-2.0
"""Where Resize looks for its pixels, exactly: places, neighbours and rational weights along one axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from bitwright.frontend.values import ONE, ZERO
from bitwright.ir.weights import Ints

HALF = Fraction(1, 2)
SIMPLEST = 4096
"""Denominators up to which a float32 scale is read as the simplest fraction that it is nearest to."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """One axis: how long it is, how long it becomes, and by which scale its places are found."""

    length: int
    out: int
    scale: Fraction

    @property
    def changes(self) -> bool:
        """False if the axis stays as it is."""
        return (self.out, self.scale) != (self.length, ONE)


Taps = Callable[[Fraction], Mapping[int, Fraction]]
"""The pixels around a place, and the weight of each; they add up to 1."""
Place = Callable[[Any, Any, Sizes], Any]
"""The place in the input of output i, from (i, scale, sizes), in exact or in float32 arithmetic alike."""


def _half_pixel(i: Any, scale: Any, _: Sizes) -> Any:
    half = type(scale)(HALF)
    return (i + half) / scale - half


def _asymmetric(i: Any, scale: Any, _: Sizes) -> Any:
    return i / scale


def _align_corners(i: Any, scale: Any, sizes: Sizes) -> Any:
    number = type(scale)
    return i * number(sizes.length - 1) / number(sizes.out - 1) if sizes.out > 1 else number(0)


def _pytorch(i: Any, scale: Any, sizes: Sizes) -> Any:
    return _half_pixel(i, scale, sizes) if sizes.out > 1 else type(scale)(0)


def _symmetric(i: Any, scale: Any, sizes: Sizes) -> Any:
    number = type(scale)
    half = number(HALF)
    centre = number(sizes.length) * half
    moved = centre * (number(1) - number(sizes.out) / (scale * number(sizes.length)))
    return moved + (i + half) / scale - half


def _tf_half_pixel(i: Any, scale: Any, _: Sizes) -> Any:
    return (i + type(scale)(HALF)) / scale


PLACES: Mapping[str, Place] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _symmetric,
    "pytorch_half_pixel": _pytorch,
    "align_corners": _align_corners,
    "asymmetric": _asymmetric,
    "tf_half_pixel_for_nn": _tf_half_pixel,
}
"""Every `coordinate_transformation_mode` but that of a crop."""
NEAREST: Mapping[str, Callable[[Any], int]] = {
    "round_prefer_floor": lambda x: ceil(x - type(x)(HALF)),
    "round_prefer_ceil": lambda x: floor(x + type(x)(HALF)),
    "floor": floor,
    "ceil": ceil,
}
"""Every `nearest_mode`."""


def simplest(scale: float) -> Fraction:
    """The fraction that a float32 scale stands for: the simplest that is nearest to it, or else its own value."""
    exact = Fraction(scale)
    for bits in range(SIMPLEST.bit_length()):
        found = exact.limit_denominator(1 << bits)
        if float(np.float32(float(found))) == scale:
            return found
    return exact


def neighbours(sizes: Sizes, place: str, mode: str) -> Ints | None:
    """The nearest pixel of every output; None where it depends on how float32 rounds the place."""
    nearest, at = NEAREST[mode], PLACES[place]
    exact = [nearest(at(Fraction(i), sizes.scale, sizes)) for i in range(sizes.out)]
    rough = [nearest(at(np.float32(i), np.float32(float(sizes.scale)), sizes)) for i in range(sizes.out)]
    made = np.clip(exact, 0, sizes.length - 1)
    return made if np.array_equal(made, np.clip(rough, 0, sizes.length - 1)) else None


@dataclass(frozen=True, slots=True)
class Blocks:
    """Outputs as blocks of `phases`, each of a kernel over pixels that lie `stride` further for the next block.

    `pixels` are those of the input that the kernels run over, repeated at its ends; `weights` are (phases, kernel)
    integers that add up to `unit`.
    """

    stride: int
    pixels: Ints
    weights: Ints
    unit: int
    count: int

    @property
    def phases(self) -> int:
        """Outputs of a block."""
        return len(self.weights)


def blocks(sizes: Sizes, place: str, taps: Taps, *, inside: bool) -> Blocks:
    """The outputs of an axis, whose weights `taps` finds from their places; only those `inside` count, or all do.

    Beyond its ends the axis holds its first and its last pixel.
    """
    step, count = _step(sizes, place), phases(sizes, place, inside=inside)
    rows = [taps(PLACES[place](Fraction(i), sizes.scale, sizes)) for i in range(count)]
    if count == sizes.out:
        return _whole(sizes, rows, inside=inside)
    first, last = min(map(min, rows)), max(map(max, rows))
    count = -(-sizes.out // step.denominator)
    pixels = np.arange(first, step.numerator * (count - 1) + last + 1).clip(0, sizes.length - 1)
    kernels = [[row.get(first + k, ZERO) for k in range(last - first + 1)] for row in rows]
    return _blocks(step.numerator, pixels, kernels, count)


def phases(sizes: Sizes, place: str, *, inside: bool) -> int:
    """The outputs with weights of their own: those of a block, or all where no block comes again."""
    return sizes.out if inside else min(_step(sizes, place).denominator, sizes.out)


def _step(sizes: Sizes, place: str) -> Fraction:
    """How far the places of two outputs are apart."""
    if place == "align_corners" and sizes.out > 1:
        return Fraction(sizes.length - 1, sizes.out - 1)
    return ONE / sizes.scale


def _whole(sizes: Sizes, rows: Sequence[Mapping[int, Fraction]], *, inside: bool) -> Blocks:
    """All outputs as one block over the whole axis."""
    kernels = []
    for row in rows:
        kernel = [ZERO] * sizes.length
        counted = {k: weight for k, weight in row.items() if not inside or 0 <= k < sizes.length}
        for k, weight in counted.items():
            kernel[min(max(k, 0), sizes.length - 1)] += weight / sum(counted.values())
        kernels.append(kernel)
    return _blocks(1, np.arange(sizes.length), kernels, 1)


def _blocks(stride: int, pixels: Ints, kernels: Sequence[Sequence[Fraction]], count: int) -> Blocks:
    unit = int(np.lcm.reduce([weight.denominator for kernel in kernels for weight in kernel]))
    weights = np.array([[int(weight * unit) for weight in kernel] for kernel in kernels], dtype=np.int64)
    return Blocks(stride, pixels, weights, unit, count)


def linear(place: Fraction) -> Mapping[int, Fraction]:
    """The two pixels around a place, the nearer the more of it."""
    first = floor(place)
    part = place - first
    return {k: weight for k, weight in ((first, 1 - part), (first + 1, part)) if weight}


def cubic(sharpness: Fraction) -> Taps:
    """The four pixels around a place, by a cubic convolution with that coefficient."""

    def taps(place: Fraction) -> Mapping[int, Fraction]:
        first = floor(place) - 1
        weights = {k: _cubic(abs(place - k), sharpness) for k in range(first, first + 4)}
        return {k: weight for k, weight in weights.items() if weight}

    return taps


def _cubic(x: Fraction, a: Fraction) -> Fraction:
    if x <= 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a if x < 2 else ZERO
