# SPDX-License-Identifier: Apache-2.0
"""The kernels of one layer at one choice of lanes, without its weights: all that an estimate looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from bitwright.ir.layers import Conv, Dense, MaxPool, SumPool
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.plan.arithmetic import legal_styles
from bitwright.plan.folding import is_parallel, kernels_per_channel, line_of
from bitwright.plan.kernels import (
    Depthwise,
    Kernel,
    MatrixVector,
    MaxReduce,
    Memory,
    ParallelWindow,
    Stream,
    SumReduce,
    Window,
)
from bitwright.plan.plan import LayerPlan

Planned = Dense | Conv | MaxPool | SumPool
"""The layers whose lanes a plan chooses."""
MEMORIES: tuple[Memory, ...] = ("lut", "block")


@dataclass(frozen=True, eq=False)
class Shape(Weights):
    """Weights of which only the shape is read: a view of one number, which `Weights` would copy out."""

    def __post_init__(self) -> None:
        """Keep the view."""


def units(layer: Planned, x: Stream, in_channels: int, pe: int, simd: int) -> Iterator[tuple[LayerPlan, Kernel]]:
    """What can compute `layer` from the stream `x`: a kernel for each weight memory and style, and its plan."""
    if isinstance(layer, MaxPool | SumPool):
        yield LayerPlan(pe=pe, simd=simd), _reduce(layer, x)
        return
    made = _unit(layer, x, in_channels, pe, simd)
    styles = legal_styles(made.weight_type, made.x_type) if isinstance(made, MatrixVector) else ("lut",)
    for style in styles:
        styled = replace(made, style=style) if isinstance(made, MatrixVector) else made
        for memory in MEMORIES:
            yield LayerPlan(pe=pe, simd=simd, memory=memory, style=style), replace(styled, memory=memory)


def window(
    layer: Planned, x: Stream, in_shape: tuple[int, ...], simd: int
) -> tuple[Window | ParallelWindow | None, Stream]:
    """The sliding window in front of a unit, if it has one, and the stream that the unit reads.

    The ring of a window is counted as the lines between its outermost kernel positions and those of one stride.
    """
    if isinstance(layer, Dense):
        return None, x
    if isinstance(layer, Conv) and not any(layer.pads) and (layer.kernel, layer.strides) == ((1, 1), (1, 1)):
        return None, x
    if any(layer.pads):
        value = layer.type.lo if isinstance(layer, MaxPool) else layer.pad_value
        x = replace(x, type=x.type | IntType(value, value))
    if isinstance(layer, Conv) and is_parallel(layer, in_shape[-1], simd):
        line = _parallel(layer, x, in_shape)
        return line, replace(x, name=line.output, lanes=line.taps * x.lanes, beats=line.out_beats)
    made = _window(layer, x, in_shape)
    return made, replace(x, name=made.output, beats=made.out_beats)


def _window(layer: Conv | MaxPool | SumPool, x: Stream, in_shape: tuple[int, ...]) -> Window:
    height, width, channels = in_shape
    blocks = channels // x.lanes
    rows, cols = ((k - 1) * d for k, d in zip(layer.kernel, layer.dilations, strict=True))
    kept = (rows + layer.strides[0] - 1) * width + cols + 1
    made = Window(
        name=f"{layer.name}_window",
        layer=layer.name,
        input=x.name,
        output=f"{layer.name}_window_out",
        cycles=0,
        height=height,
        width=width,
        blocks=blocks,
        inner=1,
        kernel=layer.kernel,
        strides=layer.strides,
        dilations=layer.dilations,
        pads=layer.pads,
        out_height=layer.shape[0],
        out_width=layer.shape[1],
        pad_value=0,
        lanes=x.lanes,
        type=x.type,
        depth=kept * blocks,
    )
    return replace(made, cycles=max(made.in_beats, made.out_beats))


def _parallel(layer: Conv, x: Stream, in_shape: tuple[int, ...]) -> ParallelWindow:
    along = line_of(layer, in_shape)
    assert along is not None, f"{layer.name}: no line shows all positions of the kernel"
    height, width, channels = in_shape
    return ParallelWindow(
        name=f"{layer.name}_window",
        layer=layer.name,
        input=x.name,
        output=f"{layer.name}_window_out",
        cycles=along.period * channels // x.lanes,
        height=height,
        width=width,
        blocks=channels // x.lanes,
        kernel=layer.kernel,
        strides=layer.strides,
        dilations=layer.dilations,
        pads=layer.pads,
        out_height=layer.shape[0],
        out_width=layer.shape[1],
        pad_value=0,
        lanes=x.lanes,
        type=x.type,
        first=along.first,
        period=along.period,
    )


def _unit(layer: Dense | Conv, x: Stream, in_channels: int, pe: int, simd: int) -> MatrixVector | Depthwise:
    """The unit behind its window; `x` is what it reads."""
    array, vectors = layer.weights.array, prod(layer.shape[:-1])
    groups = layer.groups if isinstance(layer, Conv) else 1
    cols = array.size // layer.channels
    words = array.size // (pe * simd)
    weights = Shape(np.broadcast_to(np.int64(0), (words, pe, simd)))
    per_channel = kernels_per_channel(layer, in_channels)
    if per_channel and pe >= per_channel:
        lanes = pe // per_channel
        return Depthwise(
            name=layer.name,
            layer=layer.name,
            input=x.name,
            output=f"{layer.name}_acc",
            cycles=vectors * words,
            vectors=vectors,
            blocks=groups // lanes,
            fold=cols // simd,
            lanes=lanes,
            multiplier=per_channel,
            simd=simd,
            weights=weights,
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory="lut",
        )
    return MatrixVector(
        name=layer.name,
        layer=layer.name,
        input=x.name,
        output=f"{layer.name}_acc",
        cycles=vectors * words,
        vectors=vectors,
        groups=groups,
        rows=layer.channels // groups,
        cols=cols,
        pe=pe,
        simd=simd,
        weights=weights,
        weight_type=layer.weights.type,
        x_type=x.type,
        acc_type=layer.type,
        memory="lut",
        style="lut",
    )


def _reduce(layer: MaxPool | SumPool, x: Stream) -> MaxReduce | SumReduce:
    """The maximum or sum behind the window of a pool."""
    fold, groups = prod(layer.kernel), prod(layer.shape) // x.lanes
    name, made = layer.name, f"{layer.name}_out"
    if isinstance(layer, MaxPool):
        return MaxReduce(
            name=name,
            layer=name,
            input=x.name,
            output=made,
            cycles=fold * groups,
            fold=fold,
            groups=groups,
            lanes=x.lanes,
            type=layer.type,
        )
    return SumReduce(
        name=name,
        layer=name,
        input=x.name,
        output=made,
        cycles=fold * groups,
        fold=fold,
        groups=groups,
        lanes=x.lanes,
        x_type=x.type,
        y_type=layer.type,
    )
