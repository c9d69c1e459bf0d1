# SPDX-License-Identifier: Apache-2.0
"""What a gather's move means, found from the coordinates of the elements that it makes, one axis after the other."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitwright.check.saved import Layer

Ints = NDArray[np.int64]
Coordinates = list[Ints]
MOST = 1 << 26
"""Elements that a gather may make: a file of a few bytes could ask for any number."""


def index_of(layer: Layer, source: Layer) -> Ints:
    """For each element of the gather `layer` its place in the flattened source, or -1 where it is filled."""
    move = layer.fields["move"]
    layer.require(prod(layer.shape) <= MOST, "makes more elements than are checked")
    if move["op"] == "take":
        index: Ints = move["indices"]
        inside = index.shape == layer.shape and index.min() >= -1 and index.max() < prod(source.shape)
        layer.require(inside, "gathers from outside its input")
        return index
    at = [axis.astype(np.int64) for axis in np.indices(layer.shape)]
    for name, values in move.items():
        layer.require(name in ("op", *SINGLE) or len(values) in RANKS.get(name, (len(source.shape),)), "fits no shape")
    filled, came = MOVES[move["op"]](layer, source, at)
    layer.require(len(came) == len(source.shape), "makes a shape of another rank than its move")
    for axis, size in zip(came, source.shape, strict=True):
        layer.require(bool(((axis >= 0) & (axis < size) | filled).all()), "gathers from outside its input")
    clipped = [np.where(filled, 0, axis) for axis in came]
    return np.where(filled, -1, np.ravel_multi_index(tuple(clipped), source.shape))


def _nothing(at: Coordinates) -> NDArray[np.bool_]:
    return np.zeros(at[0].shape, dtype=bool)


Found = tuple[NDArray[np.bool_], Coordinates]


def _transpose(layer: Layer, source: Layer, at: Coordinates) -> Found:
    axes = layer.fields["move"]["axes"]
    layer.require(sorted(axes) == list(range(len(at))), "orders its axes by no permutation")
    return _nothing(at), [at[axes.index(axis)] for axis in range(len(at))]


def _slice(layer: Layer, source: Layer, at: Coordinates) -> Found:
    move = layer.fields["move"]
    layer.require(move["lengths"] == layer.shape, "makes other lengths than it slices")
    return _nothing(at), [s + d * axis for s, d, axis in zip(move["starts"], move["steps"], at, strict=True)]


def _pad(layer: Layer, source: Layer, at: Coordinates) -> Found:
    widths = layer.fields["move"]["widths"]
    layer.require(all(len(width) == 2 and min(width) >= 0 for width in widths), "pads by no two widths")
    ends = zip(source.shape, widths, strict=True)
    layer.require(layer.shape == tuple(n + a + b for n, (a, b) in ends), "makes another shape than it pads")
    came = [axis - before for axis, (before, _) in zip(at, widths, strict=True)]
    outside = [(axis < 0) | (axis >= size) for axis, size in zip(came, source.shape, strict=True)]
    return np.any(outside, axis=0), came


def _repeat(layer: Layer, source: Layer, at: Coordinates) -> Found:
    factors = layer.fields["move"]["factors"]
    layer.require(min(factors) > 0, "repeats less than once")
    shape = tuple(n * factor for n, factor in zip(source.shape, factors, strict=True))
    layer.require(layer.shape == shape, "makes another shape than it repeats")
    return _nothing(at), [axis // factor for axis, factor in zip(at, factors, strict=True)]


def _spread(layer: Layer, source: Layer, at: Coordinates) -> Found:
    steps = (*layer.fields["move"]["strides"], 1)
    layer.require(len(source.shape) == 3 and min(steps) > 0, "spreads no image")
    shape = tuple((n - 1) * step + 1 for n, step in zip(source.shape, steps, strict=True))
    layer.require(layer.shape == shape, "makes another shape than it spreads")
    between = [axis % step != 0 for axis, step in zip(at, steps, strict=True)]
    return np.any(between, axis=0), [axis // step for axis, step in zip(at, steps, strict=True)]


def _to_space(layer: Layer, source: Layer, at: Coordinates) -> Found:
    move = layer.fields["move"]
    (rows, columns), groups = move["block"], move["groups"]
    layer.require(len(source.shape) == 3 and len(at) == 3, "makes pixels of no image")
    layer.require(min(rows, columns, groups) > 0 and move["size"] == layer.shape[:2], "makes another size than it says")
    whole = layer.channels * rows * columns == source.channels and layer.channels % groups == 0
    layer.require(whole, "divides its channels into no blocks")
    y, x, channel = at
    outputs = layer.channels // groups
    phase = (channel // outputs * rows + y % rows) * columns + x % columns
    return _nothing(at), [y // rows, x // columns, phase * outputs + channel % outputs]


SINGLE = ("groups", "indices")
"""Fields that are no list along the axes."""
RANKS = {"strides": (2,), "block": (2,), "size": (2,)}
"""How long the others are where that is not the rank of the source."""
MOVES: dict[str, Callable[[Layer, Layer, Coordinates], Found]] = {
    "transpose": _transpose,
    "slice": _slice,
    "pad": _pad,
    "repeat": _repeat,
    "spread": _spread,
    "tospace": _to_space,
}
