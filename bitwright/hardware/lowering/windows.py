# SPDX-License-Identifier: Apache-2.0
"""Sliding windows, and the pools behind them."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.reduce import MaxReduce, SumReduce
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lanes import is_parallel, line_of, pace_around, starts_beyond
from bitwright.hardware.lowering.stages import extend, frame_buffer
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, MaxPool, SumPool
from bitwright.ir.types import IntType

if TYPE_CHECKING:
    from bitwright.hardware.lowering.lower import Lowering


def windowed(low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, simd: int) -> Stream:
    """`x` through the window in front of a unit of `simd` input lanes, if the layer needs one."""
    channels = low.graph.by_name[layer.inputs[0]].channels
    if not isinstance(layer, Conv):
        pad = layer.pad_value if isinstance(layer, SumPool) else layer.type.lo
        return window(low, layer, x, channels // x.lanes, 1, pad)
    if is_parallel(layer, channels, simd):
        return parallel_window(low, layer, x, channels // x.lanes)
    if (layer.kernel, layer.strides) == ((1, 1), (1, 1)) and not any(layer.pads):
        return x
    inner = channels // layer.groups // simd
    return window(low, layer, x, channels // x.lanes // inner, inner, layer.pad_value)


def window(
    low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, blocks: int, inner: int, pad_value: int
) -> Stream:
    """A sliding window with a ring deep enough that it costs no throughput; its elements hold the padding too."""
    name = f"{low.hardware[layer.name]}_window"
    x, pad_value = _holding_padding(low, layer, x, pad_value)
    height, width, _ = low.graph.by_name[layer.inputs[0]].shape
    pads = layer.pads
    if starts_beyond(layer, height, width):
        x = _padded(low, layer, x, (height, width), pad_value)
        height, width, pads = height + pads[0] + pads[2], width + pads[1] + pads[3], (0, 0, 0, 0)
    kernel = Window(
        name=name,
        layer=layer.name,
        input=x.name,
        output=f"{name}_out",
        cycles=0,
        height=height,
        width=width,
        blocks=blocks,
        inner=inner,
        kernel=layer.kernel,
        strides=layer.strides,
        dilations=layer.dilations,
        pads=pads,
        out_height=layer.shape[0],
        out_width=layer.shape[1],
        pad_value=pad_value,
        lanes=x.lanes,
        type=x.type,
        depth=0,
    )
    cycles = max(kernel.in_beats, kernel.out_beats)
    low.kernels.append(replace(kernel, cycles=cycles, depth=low.ring(kernel)))
    field = (*layer.shape[:2], *layer.kernel, blocks * inner * x.lanes)
    return low.edge(replace(x, name=kernel.output, beats=kernel.out_beats, shape=field))


def parallel_window(low: Lowering, layer: Conv, x: Stream, blocks: int) -> Stream:
    """A sliding window that shows a whole receptive field of each beat of channels."""
    name = f"{low.hardware[layer.name]}_window"
    x, pad_value = _holding_padding(low, layer, x, layer.pad_value)
    in_shape = low.graph.by_name[layer.inputs[0]].shape
    along = line_of(layer, in_shape)
    assert along is not None, f"{name}: no line shows all positions of the kernel"
    # Where there is time the last windows do not wait for the next frame's beats, whenever those come.
    unhurried = along.alone * blocks <= (low.pace or pace_around(low.graph, layer, low.lanes))
    period = along.alone if unhurried else along.period
    kernel = ParallelWindow(
        name=name,
        layer=layer.name,
        input=x.name,
        output=f"{name}_out",
        cycles=period * blocks,
        height=in_shape[0],
        width=in_shape[1],
        blocks=blocks,
        kernel=layer.kernel,
        strides=layer.strides,
        dilations=layer.dilations,
        pads=layer.pads,
        out_height=layer.shape[0],
        out_width=layer.shape[1],
        pad_value=pad_value,
        lanes=x.lanes,
        type=x.type,
        first=along.first,
        period=period,
    )
    low.kernels.append(kernel)
    field = (*layer.shape[:2], blocks, *layer.kernel, x.lanes)
    lanes = kernel.taps * x.lanes
    return low.edge(replace(x, name=kernel.output, lanes=lanes, beats=kernel.out_beats, shape=field))


def _holding_padding(low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, pad_value: int) -> tuple[Stream, int]:
    """`x` with elements that hold the value of the padding, and that value; any of its values if there is none."""
    if not any(layer.pads):
        return x, x.type.lo
    if pad_value not in x.type:
        x = extend(low, layer, x, x.type | IntType(pad_value, pad_value))
    return x, pad_value


def _padded(low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, size: tuple[int, int], fill: int) -> Stream:
    """The image `x` of `size` with the padding of `layer` around it, through a frame buffer."""
    top, left, bottom, right = layer.pads
    places = np.arange(x.beats).reshape(*size, -1)
    order = np.pad(places, ((top, bottom), (left, right), (0, 0)), constant_values=-1).reshape(-1)
    name = f"{low.hardware[layer.name]}_pad"
    shape = (size[0] + top + bottom, size[1] + left + right, x.shape[-1])
    made = low.edge(replace(x, name=f"{name}_out", beats=order.size, shape=shape))
    low.kernels.append(frame_buffer(name, layer, x, made, order, fill))
    return made


def pool(low: Lowering, layer: MaxPool | SumPool, x: Stream) -> Stream:
    """A window over each beat of channels, then a maximum or a sum."""
    plan = low.layer_plan(layer)
    if layer.channels % plan.simd:
        raise BitwrightError(
            f"SIMD {plan.simd} must divide {layer.channels} channels",
            where=f"plan: layer '{layer.name}'",
            hint="choose a divisor",
        )
    x = low.widen(layer, x, plan.simd)
    x = windowed(low, layer, x, plan.simd)
    name, fold, groups = low.hardware[layer.name], prod(layer.kernel), prod(layer.shape) // plan.simd
    made = low.new_stream(layer, f"{name}_out", plan.simd, layer.type, groups, x.order)
    if isinstance(layer, MaxPool):
        low.kernels.append(
            MaxReduce(
                name=name,
                layer=layer.name,
                input=x.name,
                output=made.name,
                cycles=x.beats,
                fold=fold,
                groups=groups,
                lanes=plan.simd,
                type=layer.type,
            )
        )
    else:
        low.kernels.append(
            SumReduce(
                name=name,
                layer=layer.name,
                input=x.name,
                output=made.name,
                cycles=x.beats,
                fold=fold,
                groups=groups,
                lanes=plan.simd,
                x_type=x.type,
                y_type=layer.type,
            )
        )
    return made
