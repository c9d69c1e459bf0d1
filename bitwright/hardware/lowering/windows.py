# SPDX-License-Identifier: Apache-2.0
"""Sliding windows, and the pools behind them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from bitwright.hardware.choice import Folded, Pooled
from bitwright.hardware.clocks.rings import ring_depth
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.reduce import MaxReduce, SumReduce
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lanes import is_parallel, line_of, starts_beyond
from bitwright.hardware.lowering.emit import Contents, Emit, frame_buffer
from bitwright.hardware.lowering.stages import extend
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import AnyLayer, Conv, MaxPool, Pool, SumPool, Windowed
from bitwright.ir.types import IntType


def before_unit(emit: Emit, layer: Conv, x: Stream, choice: Folded) -> Stream:
    """`x` through the window in front of the unit of a convolution, if it needs one."""
    channels = x.shape[-1]
    if is_parallel(layer, channels, choice.simd):
        return parallel_window(emit, layer, x, channels // x.lanes, alone=choice.alone)
    if (layer.window.kernel, layer.window.strides) == ((1, 1), (1, 1)) and not layer.window.is_padded:
        return x
    inner = channels // layer.groups // choice.simd
    return window(emit, layer, x, channels // x.lanes // inner, inner, layer.pad_value)


def kept_lines(kernel: Window) -> int:
    """The depth of a ring for the lines between the outermost kernel positions and those of one stride.

    It is an estimate: `hardware.clocks.rings` finds the depth at which a window loses no clock.
    """
    rows, columns = kernel.window.span
    return ((rows + kernel.window.strides[0] - 1) * kernel.width + columns + 1) * kernel.blocks * kernel.inner


def window(emit: Emit, layer: Windowed, x: Stream, blocks: int, inner: int, pad_value: int) -> Stream:
    """A sliding window with a ring deep enough that it costs no throughput; its elements hold the padding too."""
    name = f"{emit.name}_window"
    x, pad_value = _holding_padding(emit, layer, x, pad_value)
    height, width, _ = x.shape
    moved = layer.window
    if starts_beyond(layer, height, width):
        x = _padded(emit, layer, x, (height, width), pad_value)
        (height, width), moved = moved.padded((height, width)), replace(moved, pads=(0, 0, 0, 0))
    kernel = Window(
        name=name,
        layer=layer.name,
        input=x.name,
        output=f"{name}_out",
        height=height,
        width=width,
        blocks=blocks,
        inner=inner,
        window=moved,
        pad_value=pad_value,
        lanes=x.lanes,
        type=x.type,
        depth=0,
    )
    depth = ring_depth(kernel.walk_over(), kernel.alone) if emit.contents is Contents.REAL else kept_lines(kernel)
    emit.add(replace(kernel, depth=depth))
    field = (*layer.shape[:2], *layer.window.kernel, blocks * inner * x.lanes)
    return emit.edge(replace(x, name=kernel.output, beats=kernel.out_beats, shape=field))


def parallel_window(emit: Emit, layer: Conv, x: Stream, blocks: int, *, alone: bool) -> Stream:
    """A sliding window that shows a whole receptive field of each beat of channels.

    `alone`: there is time for the last windows not to wait for the next frame's beats, whenever those come.
    """
    name = f"{emit.name}_window"
    in_shape = x.shape
    x, pad_value = _holding_padding(emit, layer, x, layer.pad_value)
    along = line_of(layer, in_shape)
    assert along is not None, f"{name}: no line shows all positions of the kernel"
    period = along.alone if alone else along.period
    kernel = ParallelWindow(
        name=name,
        layer=layer.name,
        input=x.name,
        output=f"{name}_out",
        height=in_shape[0],
        width=in_shape[1],
        blocks=blocks,
        window=layer.window,
        pad_value=pad_value,
        lanes=x.lanes,
        type=x.type,
        first=along.first,
        period=period,
    )
    emit.add(kernel)
    field = (*layer.shape[:2], blocks, *layer.window.kernel, x.lanes)
    lanes = layer.window.size * x.lanes
    return emit.edge(replace(x, name=kernel.output, lanes=lanes, beats=kernel.out_beats, shape=field))


def padded_type(layer: AnyLayer, x_type: IntType) -> IntType:
    """The type of the elements that a unit reads: those of its input, and the padding."""
    match layer:
        case Conv() | SumPool() if layer.window.is_padded:
            value = layer.pad_value
        case MaxPool() if layer.window.is_padded:
            value = layer.type.lo
        case _:
            return x_type
    return x_type if value in x_type else x_type | IntType(value, value)


def _holding_padding(emit: Emit, layer: Windowed, x: Stream, pad_value: int) -> tuple[Stream, int]:
    """`x` with elements that hold the value of the padding, and that value; any of its values if there is none."""
    if not layer.window.is_padded:
        return x, x.type.lo
    return extend(emit, x, padded_type(layer, x.type)), pad_value


def _padded(emit: Emit, layer: Windowed, x: Stream, size: tuple[int, int], fill: int) -> Stream:
    """The image `x` of `size` with the padding of `layer` around it, through a frame buffer."""
    top, left, bottom, right = layer.window.pads
    places = np.arange(x.beats).reshape(*size, -1)
    order = np.pad(places, ((top, bottom), (left, right), (0, 0)), constant_values=-1).reshape(-1)
    name = f"{emit.name}_pad"
    shape = (*layer.window.padded(size), x.shape[-1])
    made = emit.edge(replace(x, name=f"{name}_out", beats=order.size, shape=shape))
    emit.add(frame_buffer(name, layer, x, made, order, fill))
    return made


def pool(emit: Emit, layer: Pool, x: Stream, choice: Pooled) -> Stream:
    """A window over each beat of channels, then a maximum or a sum."""
    lanes = choice.lanes
    if layer.channels % lanes:
        raise BitwrightError(
            f"SIMD {lanes} must divide {layer.channels} channels",
            where=f"plan: layer '{layer.name}'",
            hint="choose a divisor",
        )
    x = emit.widen(x, lanes)
    pad = layer.pad_value if isinstance(layer, SumPool) else layer.type.lo
    x = window(emit, layer, x, layer.channels // lanes, 1, pad)
    name, fold, groups = emit.name, layer.window.size, prod(layer.shape) // lanes
    made = emit.stream(f"{name}_out", lanes, layer.type, groups, x.order)
    kind = MaxReduce if isinstance(layer, MaxPool) else SumReduce
    emit.add(
        kind(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            fold=fold,
            groups=groups,
            lanes=lanes,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made
