# SPDX-License-Identifier: Apache-2.0
"""How a file holds the integers of each layer: as floating point numbers that every order of summation leaves exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.spread import spread_of
from bitwright.exact.ranges import Ranges
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Dense, Input, Limited, Multiply, Passing, Sum, SumPool
from bitwright.ir.weights import Ints

Array = NDArray[Any]
OWN_FORMAT = "save the graph in bitwright's own format, which holds all there is (docs/files.md)"
FLOAT32, FLOAT64 = 1 << 24, 1 << 53
"""Integers up to these are exact in the two types."""


@dataclass(frozen=True, eq=False)
class Held:
    """The integers a of a layer as the numbers `view(a)`, which are a - offset but for float32 roundings.

    offset: (channels,). No partial sum on the way to these numbers is larger than `bound`. `wide`: in float64.
    """

    offset: Ints
    bound: int
    wide: bool
    pool: int = 1  # the numbers are means of so many, times that count

    def view(self, a: Ints) -> Array:
        """The numbers for integers (..., channels)."""
        if self.wide:
            return np.asarray(a - self.offset, dtype=np.float64)
        x = (a - self.offset).astype(np.float32)
        return np.asarray(x / np.float32(self.pool) * np.float32(self.pool))


def held(layer: Input | AnyLayer, graph: Graph, reached: Mapping[str, Ranges], known: Mapping[str, Held]) -> Held:
    """How the file holds `layer`, given how it holds what the layer reads."""
    offset, bound, pool = _sums(layer, graph, reached)
    if bound >= FLOAT64:
        raise BitwrightError(
            f"its sums need {bound.bit_length() + 1} bits, floating point holds integers of at most 54",
            where=f"layer '{layer.name}'",
            hint=f"quantise weights or inputs to fewer bits, or {OWN_FORMAT}",
        )
    moved = isinstance(layer, Passing)
    wide = bound > FLOAT32 or (moved and any(known[name].wide for name in layer.inputs))
    return Held(offset, bound, wide, pool)


def _sums(layer: Input | AnyLayer, graph: Graph, reached: Mapping[str, Ranges]) -> tuple[Ints, int, int]:
    """Offset, bound and pool of a layer, as `Held` has them."""
    sources = [reached[name] for name in layer.inputs]
    offset = np.zeros(layer.channels, dtype=np.int64)
    pool = 1
    match layer:
        case Dense():
            bound = _partial_sums(layer.weights.array, sources[0])
        case Conv():
            zero = centre(graph, layer)
            kernel = layer.weights.array
            offset = zero * kernel.reshape(len(kernel), -1).sum(axis=1)
            bound = _windows(layer, sources[0], zero)
        case SumPool():
            zero, pool = centre(graph, layer), layer.window.size
            offset, bound = offset + zero * pool, pool * max(largest(sources[0], zero), abs(layer.pad_value - zero))
        case Sum():
            bound = sum(_scaled(row, x) for row, x in zip(layer.factors, sources, strict=True))
        case Multiply():
            bound = largest(sources[0], layer.zeros[0]) * largest(sources[1], layer.zeros[1])
        case _:
            if not isinstance(layer, Passing | Limited):
                assert_never(layer)
            bound = largest(reached[layer.name])
    return offset, bound, pool


def centre(graph: Graph, layer: Conv | SumPool) -> int:
    """What is subtracted from the input, so that padding with zero is padding with the layer's value."""
    spread = spread_of(graph, layer) if isinstance(layer, Conv) else None
    if spread:
        return spread.fill
    return layer.pad_value if layer.window.is_padded else 0


def largest(x: Ranges, zero: int = 0) -> int:
    """The largest magnitude of x - zero."""
    return max(abs(int(x.lo.min()) - zero), abs(int(x.hi.max()) - zero))


def _scaled(factors: Sequence[int], x: Ranges) -> int:
    reach = np.maximum(np.abs(x.lo), np.abs(x.hi)).tolist()
    row = list(factors) * (len(reach) if len(factors) == 1 else 1)
    return max(int(abs(f) * r) for f, r in zip(row, reach, strict=True))


def _windows(layer: Conv, x: Ranges, zero: int) -> int:
    """The largest partial sum of a convolution of x - zero, group by group; padding is 0."""
    outputs, depth = len(layer.weights.array), layer.weights.array.shape[-1]
    rows = outputs // layer.groups
    taps = layer.window.size
    bounds = []
    for group in range(layer.groups):
        matrix = layer.weights.array[group * rows : (group + 1) * rows].reshape(rows, -1)
        part = slice(group * depth, (group + 1) * depth)
        lo, hi = (np.tile(end[part] - zero, taps) for end in (x.lo, x.hi))
        bounds.append(_partial_sums(matrix, Ranges(np.minimum(lo, 0), np.maximum(hi, 0))))
    return max(bounds)


def _partial_sums(matrix: Ints, x: Ranges) -> int:
    """The largest magnitude of a sum of some of the products of a row with integers of x."""
    kind = np.int64 if int(np.abs(matrix).max(initial=0)) * largest(x) * matrix.shape[1] < 1 << 62 else object
    ends = [matrix.astype(kind) * end.astype(kind) for end in (x.lo, x.hi)]
    up = int(np.maximum(np.maximum(*ends), 0).sum(axis=1).max())
    down = int(np.minimum(np.minimum(*ends), 0).sum(axis=1).min())
    return max(up, -down)
