# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions without the zeros between their pixels: one small kernel for each phase of the output."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Gather, Layer, Requantise
from bitwright.ir.moves import Spread, ToSpace
from bitwright.ir.passes.cleanup import drop_dead
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window

T = TypeVar("T")


class _Axis(NamedTuple):
    """One axis of a convolution over pixels that lie `stride` apart, as one kernel for each phase of the output."""

    stride: int
    taps: Ints  # (stride, kernel): which tap of the wide kernel each tap of a phase's kernel is, -1 for none
    before: int  # padding in front of the pixels
    size: int  # outputs of each phase


def subpixel(graph: Graph) -> Graph:
    """requantise(conv(spread x)) -> the pixels of requantise(conv x) in another order. Drops the dead.

    The new convolution has stride x stride channels for each old one, a phase of the output each, and multiplies no
    fill. What the fill contributed, where it is not 0, is in the offsets of the requantiser.
    """
    for layer in graph.layers:
        if isinstance(layer, Requantise):
            made = _phases(graph, layer)
            if made:
                graph = graph.expand(layer.name, *made)
    return drop_dead(graph)


def _phases(graph: Graph, layer: Requantise) -> list[AnyLayer]:
    """The layers that replace `layer`; none if it does not follow a transposed convolution."""
    conv = graph.source_of(layer)
    if not isinstance(conv, Conv) or not _alone(graph, conv) or not conv.window.is_dense:
        return []
    spread = graph.source_of(conv)
    if not isinstance(spread, Gather) or not _alone(graph, spread) or spread.fill != conv.pad_value:
        return []
    if not isinstance(spread.move, Spread) or spread.move.strides == (1, 1):
        return []
    x, strides = graph.source_of(spread), spread.move.strides
    kernel, pads = conv.window.kernel, conv.window.pads
    rows, cols = (_axis(kernel[i], strides[i], pads[i], x.shape[i], conv.shape[i]) for i in range(2))
    kernels, missing = _kernels(conv, rows, cols)
    narrow = _convolution(graph, conv, x, kernels, rows, cols)
    codes = _requantiser(graph, layer, narrow, missing * spread.fill, conv.groups)
    return [narrow, codes, _shuffle(layer, codes, conv.groups, rows, cols)]


def _alone(graph: Graph, layer: Layer) -> bool:
    return len(graph.readers[layer.name]) == 1 and layer.name not in graph.outputs


def _axis(kernel: int, stride: int, pad: int, size: int, out: int) -> _Axis:
    """Output stride * q + r meets tap k at pixel q + (r + k - pad) / stride, where that is whole."""
    found = {
        (r, (r + k - pad) // stride): k for r in range(stride) for k in range(kernel) if (r + k - pad) % stride == 0
    }
    places = [place for _, place in found]
    first, last = min(places), max(places)
    taps = np.full((stride, last - first + 1), -1)
    for (r, place), k in found.items():
        taps[r, place - first] = k
    return _Axis(stride, taps, -first, max(-(-out // stride), size - first - taps.shape[1] + 1))


def _kernels(conv: Conv, rows: _Axis, cols: _Axis) -> tuple[Ints, Ints]:
    """The kernels (group, row phase, column phase, output, h, w, inputs), and the sum of what each leaves out."""
    array = conv.weights.array
    wide = array.reshape(conv.groups, -1, *array.shape[1:])
    padded = np.pad(wide, ((0, 0), (0, 0), (0, 1), (0, 1), (0, 0)))  # tap -1 is 0
    small = padded[:, :, rows.taps[:, None, :, None], cols.taps[None, :, None, :]].transpose(0, 2, 3, 1, 4, 5, 6)
    missing = wide.sum(axis=(2, 3, 4))[:, None, None] - small.sum(axis=(4, 5, 6))
    return small, missing.reshape(-1)


def _convolution(graph: Graph, conv: Conv, x: Layer, kernels: Ints, rows: _Axis, cols: _Axis) -> Conv:
    channels = int(np.prod(kernels.shape[:4]))
    ends = [axis.size - 1 - axis.before + axis.taps.shape[1] for axis in (rows, cols)]
    weights = kernels.reshape(channels, *kernels.shape[4:])
    taps = (rows.taps.shape[1], cols.taps.shape[1])
    reach = x.type | IntType(conv.pad_value, conv.pad_value)
    least, most = (np.where(weights > 0, a, b) for a, b in ((reach.lo, reach.hi), (reach.hi, reach.lo)))
    low, high = (int((weights * side).sum(axis=(1, 2, 3)).min()) for side in (least, -most))
    return replace(
        conv,
        name=_fresh(graph, f"{conv.name}_phases"),
        inputs=(x.name,),
        shape=(rows.size, cols.size, channels),
        type=IntType(low, -high),
        scale=_phased(conv.scale, conv.groups, channels),
        zero=_phased(conv.zero, conv.groups, channels),
        weights=Weights(weights),
        window=Window(taps, pads=(rows.before, cols.before, ends[0] - x.shape[0], ends[1] - x.shape[1])),
    )


def _requantiser(graph: Graph, layer: Requantise, conv: Conv, missing: Ints, groups: int) -> Requantise:
    """`layer` for every phase, `missing` added to what it reads."""
    channels = conv.channels
    multiplier, offset = (_phased(values, groups, channels) for values in (layer.multiplier, layer.offset))
    return replace(
        layer,
        name=_fresh(graph, f"{layer.name}_phases"),
        inputs=(conv.name,),
        shape=conv.shape,
        scale=_phased(layer.scale, groups, channels),
        zero=_phased(layer.zero, groups, channels),
        multiplier=multiplier,
        offset=offset + multiplier * PerChannel.made(missing.tolist()) if missing.any() else offset,
        low=_repeated(layer.low, groups, channels),
        high=_repeated(layer.high, groups, channels),
        levels=_repeated(layer.levels, groups, channels),
        slope=_phased(layer.slope, groups, channels),
    )


def _shuffle(layer: Requantise, codes: Layer, groups: int, rows: _Axis, cols: _Axis) -> Gather:
    """The phases of `codes` (q, p, group, row phase, column phase, output) as the pixels of `layer`."""
    return Gather(
        name=layer.name,
        inputs=(codes.name,),
        shape=layer.shape,
        type=layer.type,
        scale=layer.scale,
        zero=layer.zero,
        source=layer.source,
        move=ToSpace((rows.stride, cols.stride), groups, (layer.shape[0], layer.shape[1])),
    )


def _phased(values: PerChannel, groups: int, channels: int) -> PerChannel:
    return PerChannel(_repeated(values.values, groups, channels))


def _repeated(values: tuple[T, ...], groups: int, channels: int) -> tuple[T, ...]:
    """One value for each channel of all phases, from one for each output; one for the whole tensor stays."""
    if len(values) <= 1:
        return values
    size = len(values) // groups
    rows = [values[start : start + size] * (channels // len(values)) for start in range(0, len(values), size)]
    return tuple(value for row in rows for value in row)


def _fresh(graph: Graph, name: str) -> str:
    while name in graph.by_name:
        name += "_"
    return name
