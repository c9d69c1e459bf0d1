# SPDX-License-Identifier: Apache-2.0
"""What hardware each kind of layer becomes: kernels and the stream they end in."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod
from typing import TYPE_CHECKING

import numpy as np

from bitwright.exact.forms import Form
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense, Gather, Layer, MaxPool, Multiply, Sum, SumPool
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from bitwright.plan.folding import matrix_lanes, starts_beyond
from bitwright.plan.kernels import (
    Adder,
    Interleave,
    MatrixVector,
    MaxReduce,
    Multiplier,
    Reorder,
    Requantiser,
    Stream,
    SumReduce,
    Window,
    weight_words,
)
from bitwright.plan.rings import ring_depth

if TYPE_CHECKING:
    from bitwright.plan.lower import Lowering

REGISTER_DEPTH = 2
"""FIFO depth of an edge that needs no slack: one elastic register."""


def common_lanes(lanes: int, channels: int) -> int:
    """The most lanes that divide both a stream's lanes and a tensor's channels."""
    return gcd(lanes, channels)


def matrix(low: Lowering, layer: Dense | Conv, x: Stream) -> Stream:
    """A matrix-vector unit, behind a sliding window where the kernel needs one."""
    plan = low.layer_plan(layer)
    in_channels = low.graph.by_name[layer.inputs[0]].channels
    rows, lanes = matrix_lanes(layer, in_channels)
    if rows % plan.pe or lanes % plan.simd:
        raise BitwrightError(
            f"PE {plan.pe} must divide {rows} rows and SIMD {plan.simd} must divide {lanes} columns",
            where=f"plan: layer '{layer.name}'",
            hint="choose divisors",
        )
    x = low.widen(layer, x, plan.simd)
    groups = layer.groups if isinstance(layer, Conv) else 1
    windowed = isinstance(layer, Conv) and (layer.kernel, layer.strides) != ((1, 1), (1, 1))
    if isinstance(layer, Conv) and (windowed or any(layer.pads)):
        x = window(low, layer, x, groups, lanes // plan.simd, layer.pad_value)
    weights = layer.weights.array.reshape(layer.channels, -1)
    row_fold, col_fold = rows // plan.pe, weights.shape[1] // plan.simd
    if row_fold > 1 and x.name not in low.hardware.values() and not x.name.endswith("_window_out"):
        low.deepen(x, col_fold)  # the next vector gathers here while this one is replayed
    name = low.hardware[layer.name]
    vectors = prod(layer.shape[:-1])
    made = low.new_stream(layer, f"{name}_acc", plan.pe, layer.type, vectors * groups * row_fold)
    low.kernels.append(
        MatrixVector(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=vectors * groups * row_fold * col_fold,
            vectors=vectors,
            groups=groups,
            rows=rows,
            cols=weights.shape[1],
            pe=plan.pe,
            simd=plan.simd,
            weights=weight_words(weights, groups, plan.pe, plan.simd),
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory=plan.memory,
        )
    )
    return made


def window(
    low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, blocks: int, inner: int, pad_value: int
) -> Stream:
    """A sliding window with a ring deep enough that it costs no throughput; its elements hold the padding too."""
    name = f"{low.hardware[layer.name]}_window"
    pad_value = pad_value if any(layer.pads) else x.type.lo
    if pad_value not in x.type:
        x = extend(low, layer, x, x.type | IntType(pad_value, pad_value))
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
    low.kernels.append(replace(kernel, cycles=cycles, depth=ring_depth(kernel)))
    field = (*layer.shape[:2], *layer.kernel, blocks * inner * x.lanes)
    return low.edge(replace(x, name=kernel.output, beats=kernel.out_beats, shape=field))


def _padded(low: Lowering, layer: Conv | MaxPool | SumPool, x: Stream, size: tuple[int, int], fill: int) -> Stream:
    """The image `x` of `size` with the padding of `layer` around it, through a frame buffer."""
    top, left, bottom, right = layer.pads
    places = np.arange(x.beats).reshape(*size, -1)
    order = np.pad(places, ((top, bottom), (left, right), (0, 0)), constant_values=-1).reshape(-1)
    name = f"{low.hardware[layer.name]}_pad"
    shape = (size[0] + top + bottom, size[1] + left + right, x.shape[-1])
    made = low.edge(replace(x, name=f"{name}_out", beats=order.size, shape=shape))
    low.kernels.append(_reorder(name, layer, x, made, order, fill))
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
    pad = layer.pad_value if isinstance(layer, SumPool) else layer.type.lo
    x = window(low, layer, x, layer.channels // plan.simd, 1, pad)
    name, fold, groups = low.hardware[layer.name], prod(layer.kernel), prod(layer.shape) // plan.simd
    made = low.new_stream(layer, f"{name}_out", plan.simd, layer.type, groups)
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


def requantise(low: Lowering, layer: Layer, x: Stream, form: Form) -> Stream:
    """A requantiser or a table, one beat per clock."""
    name = low.hardware[layer.name]
    made = low.new_stream(layer, f"{name}_out", x.lanes, layer.type, x.beats)
    low.kernels.append(
        Requantiser(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            form=form,
            lanes=x.lanes,
            folds=layer.channels // x.lanes,
            beats=x.beats,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made


def combine(low: Lowering, layer: Sum | Multiply, operands: list[Stream]) -> Stream:
    """Operands at the widest of their widths, then one adder or multiplier per lane."""
    lanes = max(x.lanes for x in operands)
    operands = [low.widen(layer, x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    name = low.hardware[layer.name]
    beats = operands[0].beats
    shorter = low.sums.get(layer.name)
    kind = shorter.type if shorter else layer.type
    made = low.new_stream(layer, f"{name}_out", lanes, kind, beats)
    others, types = tuple(x.name for x in operands[1:]), tuple(x.type for x in operands)
    if isinstance(layer, Multiply):
        low.kernels.append(
            Multiplier(
                name=name,
                layer=layer.name,
                input=operands[0].name,
                output=made.name,
                cycles=beats,
                others=others,
                lanes=lanes,
                beats=beats,
                x_types=types,
                y_type=kind,
                zeros=layer.zeros,
            )
        )
        return made
    rows = shorter.factors if shorter else layer.factors
    low.kernels.append(
        Adder(
            name=name,
            layer=layer.name,
            input=operands[0].name,
            output=made.name,
            cycles=beats,
            others=others,
            lanes=lanes,
            beats=beats,
            x_types=types,
            y_type=kind,
            factors=Weights(np.stack([np.broadcast_to(np.array(row), layer.channels) for row in rows])),
            folds=layer.channels // lanes,
        )
    )
    return made


def interleave(low: Lowering, layer: Layer, operands: list[Stream], sources: list[Layer]) -> Stream:
    """Operands at lanes that divide every part, then pixel by pixel in turn."""
    lanes = operands[0].lanes
    for x, source in zip(operands, sources, strict=True):
        lanes = gcd(lanes, gcd(x.lanes, source.channels))
    operands = [low.widen(layer, x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    name = low.hardware[layer.name]
    made = low.new_stream(layer, f"{name}_out", lanes, layer.type, prod(layer.shape) // lanes)
    low.kernels.append(
        Interleave(
            name=name,
            layer=layer.name,
            input=operands[0].name,
            output=made.name,
            cycles=made.beats,
            others=tuple(x.name for x in operands[1:]),
            lanes=lanes,
            beats=made.beats,
            x_types=tuple(x.type for x in operands),
            y_type=layer.type,
            pixels=prod(layer.shape[:-1]),
            parts=tuple(source.channels // lanes for source in sources),
        )
    )
    return made


def extend(low: Lowering, layer: Layer, x: Stream, kind: IntType) -> Stream:
    """`x` with elements of `kind`, which holds every value of its type."""
    if x.type.covers(kind):
        return x
    name = f"{low.hardware[layer.name]}_extend"
    made = low.edge(replace(x, name=f"{name}_out", type=kind))
    low.kernels.append(
        Interleave(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            others=(),
            lanes=x.lanes,
            beats=x.beats,
            x_types=(x.type,),
            y_type=kind,
            pixels=x.beats,
            parts=(1,),
        )
    )
    return made


def reorder(low: Lowering, layer: Gather, x: Stream, source: Layer) -> Stream:
    """A frame buffer read in another order, in beats as wide as the order keeps neighbours together."""
    index = layer.indices.array.reshape(-1)
    lanes = gcd(x.lanes, gcd(source.channels, layer.channels))
    while lanes > 1 and not _keeps_together(index, lanes):
        lanes = next(d for d in range(lanes - 1, 0, -1) if lanes % d == 0)
    x = extend(low, layer, low.widen(layer, x, lanes), layer.type)
    name = low.hardware[layer.name]
    order = index[::lanes] // lanes
    made = low.new_stream(layer, f"{name}_out", lanes, layer.type, order.size)
    low.kernels.append(_reorder(name, layer, x, made, order, layer.fill))
    return made


def _reorder(name: str, layer: Layer, x: Stream, made: Stream, order: Ints, fill: int) -> Reorder:
    return Reorder(
        name=name,
        layer=layer.name,
        input=x.name,
        output=made.name,
        cycles=max(x.beats, order.size),
        order=Weights(order),
        fill=fill,
        in_beats=x.beats,
        lanes=x.lanes,
        type=x.type,
    )


def _keeps_together(index: Ints, lanes: int) -> bool:
    """True if each group of `lanes` outputs is an aligned group of inputs in order, or all fill."""
    rows = index.reshape(-1, lanes)
    steps = rows - rows[:, :1]
    aligned = (rows[:, 0] % lanes == 0) & (steps == np.arange(lanes)).all(axis=1)
    return bool((aligned | (rows == -1).all(axis=1)).all())
