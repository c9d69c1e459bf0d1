# SPDX-License-Identifier: Apache-2.0
"""Which integers can occur: per-channel intervals, propagated from the inputs' types through every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.exact import branches
from bitwright.exact.meaning import evaluate
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

LIMIT = 1 << 62
"""Accumulators stay below this magnitude, so that they and one more addition fit in int64."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """The closed interval lo[c]..hi[c] of every channel c of the last axis, in int64."""

    lo: Ints
    hi: Ints

    @property
    def type(self) -> IntType:
        """The narrowest type that holds every channel."""
        return IntType(int(self.lo.min()), int(self.hi.max()))


def ranges(graph: Graph) -> dict[str, Ranges]:
    """The interval of every layer by name, tight where the inputs of a sum are independent."""
    found = {layer.name: type_range(layer) for layer in graph.inputs}
    for layer in graph.layers:
        sources = [graph.by_name[name] for name in layer.inputs]
        found[layer.name] = layer_range(layer, [found[name] for name in layer.inputs], sources)
    return found


def type_range(layer: Layer) -> Ranges:
    """Every channel over the whole of the layer's type."""
    return Ranges(np.full(layer.channels, layer.type.lo), np.full(layer.channels, layer.type.hi))


def layer_range(layer: Layer, inputs: Sequence[Ranges], sources: Sequence[Layer]) -> Ranges:
    """The interval of `layer` from those of the layers it reads, which are `sources`."""
    match layer:
        case Input():
            return type_range(layer)
        case Dense():
            return accumulator_range(layer.weights.array, inputs[0], where=f"layer '{layer.name}'")
        case Conv():
            return accumulator_range(
                layer.weights.array,
                inputs[0],
                groups=layer.groups,
                pads=layer.pads,
                pad_value=layer.pad_value,
                strides=layer.strides,
                dilations=layer.dilations,
                size=sources[0].shape[:2],
                where=f"layer '{layer.name}'",
            )
        case MaxPool():
            return inputs[0]
        case Requantise():
            ends = [evaluate(layer, inputs[0].lo), evaluate(layer, inputs[0].hi)]
            return Ranges(np.minimum(*ends), np.maximum(*ends))
        case Table():
            return _table_range(layer.entries.array, inputs[0], sources[0].type)
        case Reshape():
            return _reshaped(inputs[0], sources[0].shape, layer.shape)
        case Sum():
            return _bounded(layer, *branches.sum_range(layer, inputs))
        case Multiply():
            return _bounded(layer, *branches.product_range(layer, inputs))
        case SumPool():
            return _bounded(layer, *branches.pool_range(layer, inputs[0]))
        case Gather():
            return _bounded(layer, *branches.gather_range(layer, inputs[0], sources[0].shape))
        case Concat():
            return Ranges(np.concatenate([x.lo for x in inputs]), np.concatenate([x.hi for x in inputs]))
        case _:
            raise AssertionError(f"no range rule for {layer.op}")


def _bounded(layer: Layer, lo: Ints, hi: Ints) -> Ranges:
    """The interval as int64, or BitwrightError when it does not fit."""
    worst = max(-int(lo.min()), int(hi.max()))
    if worst >= LIMIT:
        raise BitwrightError(
            f"it reaches {worst:.2e} and needs more than 63 bits",
            where=f"layer '{layer.name}'",
            hint="quantise its inputs to fewer bits, or to scales that are nearer to each other",
        )
    return Ranges(lo.astype(np.int64), hi.astype(np.int64))


def accumulator_range(
    weights: Ints,
    x: Ranges,
    *,
    groups: int = 1,
    pads: Sequence[int] = (0, 0, 0, 0),
    pad_value: int = 0,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    size: Sequence[int] = (1, 1),
    where: str = "accumulator",
) -> Ranges:
    """The interval of every output channel of a dense (outputs, inputs) or convolution layer over inputs in `x`.

    Weights of a convolution are (outputs, kernel h, kernel w, inputs / groups), the other arguments those of `Conv`;
    `size` is its input's (height, width). The result is the union over the border classes, the sets of kernel positions
    that lie on the image. Both ends are attained when the inputs are independent. BitwrightError beyond 63 bits.
    """
    kernel = weights if weights.ndim == 4 else weights[:, None, None, :]
    outputs, height, width, depth = kernel.shape
    low, high = int(min(x.lo.min(), pad_value)), int(max(x.hi.max(), pad_value))
    worst = max(abs(low), abs(high)) * int(np.abs(kernel).max()) * height * width * depth
    number = np.int64 if 4 * worst < LIMIT else object
    rows = kernel.reshape(groups, -1, depth).astype(number, copy=False)
    inside = matrix_range(rows, x.lo.reshape(groups, depth), x.hi.reshape(groups, depth))
    shape = (outputs, height * width)
    outside = rows.sum(axis=-1).reshape(shape) * pad_value
    covered = _border_classes((height, width), pads, strides, dilations, size)
    fixed = outside.sum(axis=1, keepdims=True)
    lo = (fixed + (inside.lo.reshape(shape) - outside) @ covered).min(axis=1)
    hi = (fixed + (inside.hi.reshape(shape) - outside) @ covered).max(axis=1)
    if max(-int(lo.min()), int(hi.max())) >= LIMIT:
        raise BitwrightError(
            f"its accumulator reaches {max(-int(lo.min()), int(hi.max())):.2e} and needs more than 63 bits",
            where=where,
            hint="quantise weights or inputs to fewer bits",
        )
    return Ranges(lo.astype(np.int64), hi.astype(np.int64))


def matrix_range(matrix: NDArray[Any], lo: Ints, hi: Ints) -> Ranges:
    """The exact interval of matrix @ x for independent x in lo..hi: (..., rows) from (..., rows, cols) and (..., cols).

    sum of min and max of (w*lo, w*hi)  =  (w @ (lo + hi) -+ |w| @ (hi - lo)) / 2;  the dtype is the matrix's.
    """
    centre = (matrix @ (lo + hi)[..., None])[..., 0]
    spread = (np.abs(matrix) @ (hi - lo)[..., None])[..., 0]
    return Ranges((centre - spread) // 2, (centre + spread) // 2)


def _border_classes(
    kernel: Sequence[int], pads: Sequence[int], strides: Sequence[int], dilations: Sequence[int], size: Sequence[int]
) -> Ints:
    """(kernel positions, classes): 1 where the position lies on the image, one column per distinct window."""
    axes = [
        _covered(kernel[axis], pads[axis], pads[axis + 2], strides[axis], dilations[axis], size[axis])
        for axis in (0, 1)
    ]
    return np.array([np.outer(row, column).ravel() for row in axes[0] for column in axes[1]], dtype=np.int64).T


def _covered(kernel: int, before: int, after: int, stride: int, dilation: int, size: int) -> list[tuple[bool, ...]]:
    """Along one axis: the distinct tuples that say which taps lie inside 0..size-1."""
    last = size + after - (kernel - 1) * dilation - 1
    starts = range(-before, last + 1, stride)
    return sorted({tuple(0 <= start + tap * dilation < size for tap in range(kernel)) for start in starts})


def _table_range(entries: Ints, x: Ranges, source: IntType) -> Ranges:
    """The extremes of the entries that each channel's codes reach."""
    reached = [entries[lo - source.lo : hi - source.lo + 1 : source.step] for lo, hi in zip(x.lo, x.hi, strict=True)]
    return Ranges(np.array([row.min() for row in reached]), np.array([row.max() for row in reached]))


def _reshaped(x: Ranges, old: Sequence[int], new: Sequence[int]) -> Ranges:
    """Each new channel's hull over the old channels whose elements land in it."""
    others = tuple(range(len(new) - 1))
    return Ranges(
        np.broadcast_to(x.lo, old).reshape(new).min(axis=others),
        np.broadcast_to(x.hi, old).reshape(new).max(axis=others),
    )
