# SPDX-License-Identifier: Apache-2.0
"""The interval of every channel of a layer, derived from those of the layers it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from math import gcd, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.check.meaning import meaning
from bitwright.check.moves import index_of
from bitwright.check.saved import Fields, Interval, Layer

Intervals = list[Interval]
Masks = list[NDArray[np.bool_]]


def layer_range(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    """One interval per channel of `layer`; CheckError where it does not fit its `sources`."""
    return RULES[layer.op](layer, sources, reads)


def lattice(layer: Layer, source: Layer, reads: Intervals) -> list[int]:
    """For every output channel of a matrix layer the gcd of the distances between its accumulators."""
    kernel, groups = _kernel(layer, source)
    spacing = [source.type[2] if hi > lo else 0 for lo, hi in reads]
    if layer.is_padded:
        spacing = [gcd(step, layer.fields["pad_value"] - lo) for step, (lo, _) in zip(spacing, reads, strict=True)]
    found = []
    for group, rows in enumerate(np.split(np.abs(kernel), groups)):
        steps = np.array(spacing[group * kernel.shape[3] : (group + 1) * kernel.shape[3]])
        found += np.gcd.reduce((rows * steps).reshape(len(rows), -1), axis=1).tolist()
    return found


def _matrix(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    """Least and greatest sum of weight times input, over the sets of kernel positions that lie on the image."""
    kernel, groups = _kernel(layer, sources[0])
    pad = layer.fields.get("pad_value", 0)
    masks = _masks(layer, sources[0]) if layer.op == "conv" else [np.ones(1, dtype=bool)]
    low, high = (np.array(ends, dtype=object) for ends in zip(*reads[0], strict=True))
    largest = max(map(abs, (*low, *high, pad)))
    if largest * max(-int(kernel.min()), int(kernel.max())) * prod(kernel.shape[1:]) < 1 << 62:
        low, high = low.astype(np.int64), high.astype(np.int64)
    depth = kernel.shape[3]
    found: Intervals = []
    for group, rows in enumerate(np.split(kernel, groups)):
        inputs = slice(group * depth, (group + 1) * depth)
        ends = rows * low[inputs], rows * high[inputs]
        outside = rows.sum(axis=3).reshape(len(rows), -1) * pad
        least = np.minimum(*ends).sum(axis=3).reshape(outside.shape)
        greatest = np.maximum(*ends).sum(axis=3).reshape(outside.shape)
        lows = [np.where(mask, least, outside).sum(axis=1) for mask in masks]
        highs = [np.where(mask, greatest, outside).sum(axis=1) for mask in masks]
        found += zip(np.min(lows, axis=0).tolist(), np.max(highs, axis=0).tolist(), strict=True)
    return found


def _kernel(layer: Layer, source: Layer) -> tuple[NDArray[np.int64], int]:
    """The weights as (outputs, kernel height, kernel width, inputs / groups), and the number of groups."""
    weights, groups = layer.fields["weights"], layer.fields.get("groups", 1)
    layer.require(weights.ndim == (4 if layer.op == "conv" else 2) and weights.size > 0, "has weights of a wrong shape")
    kernel = weights if layer.op == "conv" else weights[:, None, None, :]
    layer.require(
        groups > 0
        and len(kernel) == layer.channels
        and len(kernel) % groups == 0
        and kernel.shape[3] * groups == source.channels,
        "has weights that do not fit its channels",
    )
    return kernel, groups


def _masks(layer: Layer, source: Layer) -> Masks:
    """Every distinct set of kernel positions that lie on the image when a window does its round."""
    layer.require(len(source.shape) == 3 and len(layer.shape) == 3, "has a window, but reads or makes no image")
    window = layer.fields["window"]
    weights = layer.fields.get("weights")
    layer.require(weights is None or weights.shape[1:3] == window["kernel"], "has weights of another kernel")
    axes = []
    for axis in (0, 1):
        stride, dilation, taps = (window[field][axis] for field in ("strides", "dilations", "kernel"))
        before, after, size = window["pads"][axis], window["pads"][axis + 2], source.shape[axis]
        layer.require(min(stride, dilation, taps) > 0 <= min(before, after), "has a window that does not move")
        windows = (size + before + after - (taps - 1) * dilation - 1) // stride + 1
        layer.require(windows == layer.shape[axis], "has a shape that its window does not make")
        axes.append(
            {
                tuple(0 <= place * stride - before + tap * dilation < size for tap in range(taps))
                for place in range(windows)
            }
        )
    return [np.outer(rows, columns).reshape(-1) for rows, columns in product(*axes)]


def _max_pool(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    masks = _masks(layer, sources[0])
    layer.require(all(mask.any() for mask in masks), "has a window that lies wholly in the padding")
    layer.require(layer.channels == sources[0].channels, "changes its channels")
    return reads[0]


def _sum_pool(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    """Least and greatest sum over the window, by how many of its positions lie on the image."""
    masks, pad = _masks(layer, sources[0]), layer.fields["pad_value"]
    layer.require(layer.channels == sources[0].channels, "changes its channels")
    counts = {(int(mask.sum()), int((~mask).sum())) for mask in masks}
    sums = [[(n * lo + padded * pad, n * hi + padded * pad) for n, padded in counts] for lo, hi in reads[0]]
    return [(min(lo for lo, _ in ends), max(hi for _, hi in ends)) for ends in sums]


def _sum(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    layer.require(
        all(source.shape == layer.shape for source in sources) and len(layer.fields["factors"]) == len(sources),
        "does not fit what it adds",
    )
    low, high = [0] * layer.channels, [0] * layer.channels
    for factors, x in zip(layer.fields["factors"], reads, strict=True):
        layer.require(len(factors) in (1, layer.channels), "has the wrong number of factors")
        for channel, (lo, hi) in enumerate(x):
            ends = [factors[channel % len(factors)] * end for end in (lo, hi)]
            low[channel] += min(ends)
            high[channel] += max(ends)
    return list(zip(low, high, strict=True))


def _multiply(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    zeros = layer.fields["zeros"]
    layer.require(len(sources) == len(zeros) == 2, "is no product of two")
    layer.require(all(source.shape == layer.shape for source in sources), "does not fit what it multiplies")
    corners = [[(p - zeros[0]) * (q - zeros[1]) for p in a for q in b] for a, b in zip(reads[0], reads[1], strict=True)]
    return [(min(values), max(values)) for values in corners]


def _concat(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    joined = [interval for x in reads for interval in x]
    layer.require(len(joined) == layer.channels, "has other channels than it joins")
    return joined


def _gather(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    indices = index_of(layer, sources[0])
    places = np.where(indices < 0, -1, indices % sources[0].channels)
    return _hulls(places, [*reads[0], (layer.fields["fill"],) * 2])


def _reshape(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    count = prod(layer.shape)
    layer.require(count == prod(sources[0].shape), "does not hold as many elements as it reads")
    return _hulls((np.arange(count) % sources[0].channels).reshape(layer.shape), reads[0])


def _hulls(places: NDArray[Any], reads: Intervals) -> Intervals:
    """For each channel (last axis) the hull of the intervals whose numbers stand in it; -1 is the last."""
    found = []
    for channel in range(places.shape[-1]):
        lows, highs = zip(*(reads[place] for place in np.unique(places[..., channel])), strict=True)
        found.append((min(lows), max(highs)))
    return found


def _requantise(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    layer.require(layer.shape == sources[0].shape, "changes the shape")
    codes = [(y(lo), y(hi)) for y, (lo, hi) in zip(meaning(layer), reads[0], strict=True)]
    return [(min(ends), max(ends)) for ends in codes]


def _table(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    layer.require(layer.shape == sources[0].shape, "changes the shape")
    first, last, step = sources[0].type
    entries = layer.fields["entries"]
    layer.require(entries.shape == (last - first + 1,), "has not one entry for each code")
    layer.require(all(first <= lo and hi <= last for lo, hi in reads[0]), "reads codes beyond the type of its input")
    rows = [entries[lo - first : hi - first + 1 : step].tolist() for lo, hi in reads[0]]
    return [(min(row), max(row)) for row in rows]


def _arg_max(layer: Layer, sources: list[Layer], reads: list[Intervals]) -> Intervals:
    layer.require(layer.shape == (*sources[0].shape[:-1], 1), "does not make one channel of those that it reads")
    layer.require(layer.fields["last"] in (0, 1), "prefers neither the first nor the last of equals")
    return [(0, sources[0].channels - 1)]


ROUNDED = {"rounding": "text", "shift": "int"}
FIELDS: Mapping[str, Fields] = {
    "input": {},
    "dense": {"weights": "array"},
    "conv": {"window": "window", "weights": "array", "groups": "int", "pad_value": "int"},
    "maxpool": {"window": "window"},
    "sumpool": {"window": "window", "pad_value": "int"},
    "sum": {"factors": "integer rows"},
    "multiply": {"zeros": "pair"},
    "concat": {},
    "gather": {"move": "move", "fill": "int"},
    "requantise": ROUNDED
    | {"multiplier": "fractions", "offset": "fractions", "low": "ints", "high": "ints", "levels": "fraction rows"}
    | {"slope": "fractions"},
    "table": ROUNDED | {"entries": "array", "function": "steps", "low": "int", "high": "int"},
    "argmax": {"last": "int"},
    "reshape": {},
}
"""What is read of each kind of layer beside the common fields."""
RULES: dict[str, Callable[[Layer, list[Layer], list[Intervals]], Intervals]] = {
    "dense": _matrix,
    "conv": _matrix,
    "maxpool": _max_pool,
    "sumpool": _sum_pool,
    "sum": _sum,
    "multiply": _multiply,
    "concat": _concat,
    "gather": _gather,
    "requantise": _requantise,
    "table": _table,
    "argmax": _arg_max,
    "reshape": _reshape,
}
