# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions: a convolution with a channel for each phase of the output, and the gather behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Gather, Layer, Requantise
from bitwright.ir.moves import Spread, ToSpace
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window

T = TypeVar("T")
Strides = tuple[int, int]


def without_phases(graph: Graph) -> Graph:
    """The pixels of requantise(conv x) in another order -> requantise(conv(spread x)), as a file says it."""
    for layer in graph.layers:
        made = _wide(graph, layer) if isinstance(layer, Gather) else []
        if made:
            codes = graph.source_of(layer)
            layers = tuple(old for old in graph.layers if old.name not in (codes.name, codes.inputs[0]))
            graph = replace(graph, layers=layers).expand(layer.name, *made)
    return graph


def _wide(graph: Graph, layer: Gather) -> list[AnyLayer]:
    """The spread, the convolution and the requantiser that `layer` and the two in front of it stand for; or none."""
    codes = graph.source_of(layer)
    conv = graph.source_of(codes) if codes.inputs else codes
    if not isinstance(codes, Requantise) or not isinstance(conv, Conv) or not conv.window.is_dense:
        return []
    alone = all(len(graph.readers[old.name]) == 1 and old.name not in graph.outputs for old in (codes, conv))
    move = layer.move
    if not alone or not isinstance(move, ToSpace) or move.groups != conv.groups:
        return []
    return _widened(graph, layer, codes, conv, move.block)


def _widened(graph: Graph, layer: Gather, codes: Requantise, conv: Conv, strides: Strides) -> list[AnyLayer]:
    spread = _spread(graph, graph.source_of(conv), strides, conv.pad_value)
    wide = _convolution(conv, spread, strides, layer.shape)
    quantiser = wide and _quantiser(codes, layer, conv, wide, strides)
    return [spread, wide, quantiser] if wide and quantiser else []


def _spread(graph: Graph, x: Layer, strides: Strides, fill: int) -> Gather:
    move = Spread(strides)
    name = f"{x.name}_gather"
    while name in graph.by_name:
        name += "_"
    return Gather(
        name=name,
        inputs=(x.name,),
        shape=move.makes(x.shape) or (),
        type=x.type,
        scale=x.scale,
        zero=x.zero,
        move=move,
        fill=fill,
    )


def _convolution(conv: Conv, spread: Gather, strides: Strides, shape: tuple[int, ...]) -> Conv | None:
    """The kernels of all phases in one: phase r meets tap stride * (i - before) + pad - r of it in its own tap i."""
    groups, outputs, inputs = conv.groups, shape[2] // conv.groups, conv.weights.array.shape[-1]
    small = conv.weights.array.reshape(groups, *strides, outputs, *conv.window.kernel, inputs)
    used = [np.asarray(small.any(axis=axes)) for axes in ((0, 2, 3, 5, 6), (0, 1, 3, 4, 6))]
    places = [_places(taps, step, before) for taps, step, before in zip(used, strides, conv.window.pads, strict=False)]
    pads = [max(0, -int(place[taps].min(initial=0))) for place, taps in zip(places, used, strict=True)]
    sizes = [int((place[t] + pad).max(initial=0)) + 1 for place, t, pad in zip(places, used, pads, strict=True)]
    ends = [out - n - pad + k - 1 for out, n, pad, k in zip(shape, spread.shape, pads, sizes, strict=False)]
    if min(ends) < 0:
        return None
    wide = np.zeros((groups, outputs, *sizes, inputs), dtype=np.int64)
    for r, i in np.argwhere(used[0]):
        for c, j in np.argwhere(used[1]):
            wide[:, :, places[0][r, i] + pads[0], places[1][c, j] + pads[1]] = small[:, r, c, :, i, j]
    return replace(
        conv,
        name=conv.name.removesuffix("_phases"),
        inputs=(spread.name,),
        shape=shape,
        scale=conv.scale.take([0]),
        zero=conv.zero.take([0]),
        weights=Weights(wide.reshape(groups * outputs, *sizes, inputs)),
        window=Window((sizes[0], sizes[1]), pads=(pads[0], pads[1], ends[0], ends[1])),
    )


def _places(taps: NDArray[Any], stride: int, before: int) -> Ints:
    """Where tap i of phase r lies in the wide kernel, up to its padding."""
    return np.asarray(stride * (np.arange(taps.shape[1]) - before) - np.arange(stride)[:, None])


def _quantiser(codes: Requantise, layer: Gather, conv: Conv, wide: Conv, strides: Strides) -> Requantise | None:
    """The requantiser of all phases without what the fill adds to each; None if they differ in anything else."""
    phases, outputs = prod(strides), layer.shape[2] // conv.groups
    small = conv.weights.array.reshape(conv.groups, phases, outputs, -1).sum(axis=3)
    total = wide.weights.array.reshape(conv.groups, 1, outputs, -1).sum(axis=3)
    missing = ((total - small) * conv.pad_value).reshape(-1).tolist()
    groups = (conv.groups, phases)
    moved = codes.offset - codes.multiplier * PerChannel.made(missing)
    multiplier, offset = _common(codes.multiplier.values, *groups), _common(moved.values, *groups)
    low, high = _common(codes.low, *groups), _common(codes.high, *groups)
    levels, slope = _common(codes.levels, *groups), _common(codes.slope.values, *groups)
    if None in (multiplier, offset, low, high, levels, slope):
        return None
    assert multiplier and offset and low and high and levels is not None and slope is not None
    return replace(
        codes,
        name=layer.name,
        inputs=(wide.name,),
        shape=layer.shape,
        scale=layer.scale,
        zero=layer.zero,
        multiplier=PerChannel(multiplier),
        offset=PerChannel(offset),
        low=low,
        high=high,
        levels=levels,
        slope=PerChannel(slope),
    )


def _common(values: Sequence[T], groups: int, phases: int) -> tuple[T, ...] | None:
    """Of values per channel of all phases one for each output, if the phases agree."""
    if len(values) <= 1:
        return tuple(values)
    size = len(values) // groups // phases
    starts = range(0, len(values), size)
    rows = [tuple(values[start : start + size]) for start in starts]
    first = [rows[group * phases] for group in range(groups)]
    same = all(row == first[number // phases] for number, row in enumerate(rows))
    return tuple(value for row in first for value in row) if same else None
