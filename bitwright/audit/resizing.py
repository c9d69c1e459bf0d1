# SPDX-License-Identifier: Apache-2.0
"""Resize and Upsample in float32: places and weights as the source tools compute them, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Attributes = Mapping[str, Any]
ONE, HALF = np.float32(1), np.float32(0.5)

NEAREST: Mapping[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - HALF),
    "round_prefer_ceil": lambda x: np.floor(x + HALF),
    "floor": np.floor,
    "ceil": np.ceil,
}


def resize(attributes: Attributes, x: Array, *others: Array | None) -> Array:
    """Resize, and Upsample or a Resize of before opset 11, which have no input beside their scales.

    Those take the pixel behind its place where they shrink, and else the one before.
    """
    old = len(others) < 2
    attributes = _known(attributes, *others)
    places = _found(attributes, x.shape, *others)
    match str(attributes.get("mode", "nearest")):
        case "nearest":
            nearest = NEAREST[str(attributes.get("nearest_mode", "round_prefer_floor"))]
            for axis, place in places.items():
                pixels = np.ceil(place) if old and len(place) < x.shape[axis] else nearest(place)
                x = np.take(x, pixels.clip(0, x.shape[axis] - 1).astype(np.int64), axis)
            return x
        case "linear":
            return _linear(x, places)
        case _:
            for axis in reversed(places):
                x = _cubic(attributes, x, axis, places[axis])
            return x


def _known(attributes: Attributes, *others: Array | None) -> Attributes:
    """The attributes, with those that are fixed where there is no input beside the scales."""
    fixed = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if len(others) < 2 else {}
    return {**attributes, **fixed}


def taps_of(attributes: Attributes, shape: tuple[int, ...], *others: Array | None) -> dict[int, tuple[Array, Array]]:
    """Along every axis that an interpolation changes, the pixels that make each place, and their weights."""
    attributes = _known(attributes, *others)
    taps = _linear_taps if attributes.get("mode") == "linear" else _cubic_taps
    found = _found(attributes, shape, *others)
    return {axis: taps(attributes, shape[axis], place) for axis, place in found.items()}


def _found(attributes: Attributes, shape: tuple[int, ...], *others: Array | None) -> dict[int, Array]:
    """The places of the pixels along every axis that changes."""
    way = str(attributes.get("coordinate_transformation_mode", "half_pixel"))
    given, sized = _given(attributes, *others)
    found = {}
    for place, number in zip(attributes.get("axes", range(len(shape))), given, strict=True):
        axis = int(place) % len(shape)
        length = shape[axis]
        scale = np.float32(number) / np.float32(length if sized else 1)
        out = int(number) if sized else int(np.float32(length) * scale)
        if axis and not out == length * scale == length:
            found[axis] = _places(way, length, out, scale)
    return dict(sorted(found.items()))


def _given(attributes: Attributes, *others: Array | None) -> tuple[Array, bool]:
    """The numbers that say how long axes become, and whether they are sizes."""
    *scales, sizes = (*others, None, None, None)[:3]
    if sizes is not None and sizes.size:
        return sizes.reshape(-1), True
    found = next((each for each in scales[::-1] if each is not None), None)
    return np.asarray(attributes["scales"] if found is None else found).reshape(-1), False


def _linear(x: Array, places: Mapping[int, Array]) -> Array:
    """The pixels around each place, the product of their weights first."""
    total: Array = np.zeros((), dtype=np.float32)
    for corner in product(range(2), repeat=len(places)):
        pixels, weights = x, np.ones((), dtype=np.float32)
        for side, (axis, place) in zip(corner, places.items(), strict=True):
            taken, share = _linear_taps({}, x.shape[axis], place)
            pixels = np.take(pixels, taken[:, side], axis)
            weights = np.asarray(weights * _beside(share[:, side], axis, x.ndim))
        total = np.asarray(total + weights * pixels)
    return total


def _linear_taps(attributes: Attributes, length: int, place: Array) -> tuple[Array, Array]:
    """The two pixels around each place, and their weights."""
    inside = place.clip(0, length - 1)
    first = np.floor(inside)
    other = np.minimum(first + 1, length - 1)
    shares = [np.where(first == other, HALF, np.abs(inside - end)) for end in (other, first)]
    return np.stack([first, other], axis=1).astype(np.int64), np.stack(shares, axis=1)


def _cubic(attributes: Attributes, x: Array, axis: int, place: Array) -> Array:
    """The four pixels around each place along one axis."""
    pixels, weights = _cubic_taps(attributes, x.shape[axis], place)
    total: Array = np.zeros((), dtype=np.float32)
    for k in range(4):
        total = np.asarray(total + np.take(x, pixels[:, k], axis) * _beside(weights[:, k], axis, x.ndim))
    return total


def _cubic_taps(attributes: Attributes, length: int, place: Array) -> tuple[Array, Array]:
    """The four pixels around each place, and their weights."""
    taps = np.floor(place)[:, None] + np.arange(-1, 3).astype(np.float32)
    weights = _coefficients(np.abs(place[:, None] - taps), np.float32(attributes.get("cubic_coeff_a", -0.75)))
    if attributes.get("exclude_outside", 0):
        weights = np.where((taps >= 0) & (taps < length), weights, np.float32(0))
        weights = weights / weights.sum(axis=1, keepdims=True)
    return taps.clip(0, length - 1).astype(np.int64), weights


def _beside(values: Array, axis: int, rank: int) -> Array:
    """One number for each place of an axis."""
    return values.reshape([-1 if i == axis else 1 for i in range(rank)])


def _places(way: str, length: int, out: int, scale: np.float32) -> Array:
    """Where in the input each output is looked for."""
    i = np.arange(out, dtype=np.float32)
    match way:
        case "asymmetric":
            return np.asarray(i / scale)
        case "align_corners":
            return np.asarray(i * np.float32(length - 1) / np.float32(max(out - 1, 1)))
        case "tf_half_pixel_for_nn":
            return np.asarray((i + HALF) / scale)
        case "half_pixel_symmetric":
            moved = np.float32(length) * HALF * (ONE - np.float32(out) / (scale * np.float32(length)))
            return np.asarray(moved + (i + HALF) / scale - HALF)
    made = np.asarray((i + HALF) / scale - HALF)
    return made * np.float32(0) if way == "pytorch_half_pixel" and out == 1 else made


def _coefficients(x: Array, a: np.float32) -> Array:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, np.float32(0))).astype(np.float32)
