# SPDX-License-Identifier: Apache-2.0
"""Kernel graphs for tests: kernels of every kind and shape, each between AXI4-Streams of its own, in one design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import lcm

import numpy as np
from numpy.random import Generator

from bitwright.backends.project import Project
from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.arithmetic import style_of
from bitwright.hardware.clocks.rings import ring_depth
from bitwright.hardware.kernels.adder import Adder
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.depthwise import Depthwise, depthwise_words
from bitwright.hardware.kernels.joins import Fork, Interleave, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector, weight_words
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lines import line
from bitwright.ir.graph import Graph
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window as FieldWindow
from tests.rtl import kernel_models

U4, S4, U8, S8 = integer(4, signed=False), integer(4, signed=True), integer(8, signed=False), integer(8, signed=True)


def draw(rng: Generator, kind: IntType, shape: tuple[int, ...]) -> Ints:
    """Random values of `kind`; a third of the frames (first axis) hold its extremes only."""
    values = rng.integers(kind.lo, kind.hi + 1, shape)
    if kind.is_bipolar:
        return np.where(values >= 0, 1, -1)
    extreme = np.where(rng.integers(0, 2, shape) == 0, kind.lo, kind.hi)
    return np.where(np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) % 3 == 1, extreme, values)


def stream(name: str, lanes: int, kind: IntType, beats: int, depth: int = 0) -> Stream:
    return Stream(name=name, lanes=lanes, type=kind, beats=beats, depth=depth, shape=(beats * lanes,))


def alone(kernel: Kernel, inputs: list[Stream], outputs: list[Stream]) -> KernelGraph:
    """A design of one kernel."""
    names = tuple(s.name for s in inputs), tuple(s.name for s in outputs)
    return KernelGraph((kernel,), (*inputs, *outputs), *names)


def side_by_side(graphs: list[KernelGraph]) -> KernelGraph:
    """One design that holds all of `graphs`, unconnected."""
    parts = ("kernels", "streams", "inputs", "outputs")
    return KernelGraph(*(tuple(item for graph in graphs for item in getattr(graph, part)) for part in parts))


def project(graph: KernelGraph, rng: Generator, frames: int = 3, name: str = "design") -> Project:
    """A project around `graph` with random vectors, extremes among them, and the outputs of the kernel models."""
    vectors = [draw(rng, s.type, (frames, s.beats, s.lanes)) for s in map(graph.stream, graph.inputs)]
    found = [
        kernel_models.run(graph, dict(zip(graph.inputs, frame, strict=True))) for frame in zip(*vectors, strict=True)
    ]
    outputs = [np.stack([values[name] for values in found]) for name in graph.outputs]
    return Project(
        name=name,
        version="0.1.0",
        model=f"{name}.onnx",
        digest="0123456789ab",
        graph=Graph((), (), ()),
        kernels=graph,
        clock_ns=5.0,
        part="xc7z020clg400-1",
        inputs=tuple(_shaped(graph, name, v) for name, v in zip(graph.inputs, vectors, strict=True)),
        outputs=tuple(_shaped(graph, name, v) for name, v in zip(graph.outputs, outputs, strict=True)),
    )


def _shaped(graph: KernelGraph, name: str, vectors: Ints) -> Weights:
    return Weights(vectors.reshape(len(vectors), *graph.stream(name).shape))


def matrix_vector(
    name: str, rng: Generator, *, vectors: int = 2, groups: int = 1, rows: int = 4, cols: int = 6, pe: int = 2,
    simd: int = 3, x: IntType = U4, w: IntType = S4, memory: str = "lut", style: str = "",
) -> KernelGraph:  # fmt: skip
    matrix = draw(rng, w, (groups * rows, cols))
    low = np.minimum(matrix * x.lo, matrix * x.hi).sum(axis=1).min()
    high = np.maximum(matrix * x.lo, matrix * x.hi).sum(axis=1).max()
    kernel = MatrixVector(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", vectors=vectors, groups=groups,
        rows=rows, cols=cols,
        pe=pe, simd=simd, weights=weight_words(matrix, groups, pe, simd), weight_type=w, x_type=x,
        acc_type=IntType(int(low), int(high)), memory="block" if memory == "block" else "lut",
        style=style_of(name, style, w, x),
    )  # fmt: skip
    beats = vectors * groups
    return alone(
        kernel,
        [stream(kernel.input, simd, x, beats * kernel.col_fold)],
        [stream(kernel.output, pe, kernel.acc_type, beats * kernel.row_fold)],
    )


def depthwise(
    name: str, rng: Generator, *, vectors: int = 3, blocks: int = 2, positions: int = 9, lanes: int = 2,
    multiplier: int = 1, simd: int = 1, x: IntType = U4, w: IntType = S4, memory: str = "lut",
) -> KernelGraph:  # fmt: skip
    kernels = draw(rng, w, (blocks * lanes * multiplier, positions))
    low = np.minimum(kernels * x.lo, kernels * x.hi).sum(axis=1).min()
    high = np.maximum(kernels * x.lo, kernels * x.hi).sum(axis=1).max()
    kernel = Depthwise(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out",
        vectors=vectors, blocks=blocks, fold=positions // simd, lanes=lanes, multiplier=multiplier, simd=simd,
        weights=depthwise_words(kernels, lanes, multiplier, simd), weight_type=w, x_type=x,
        acc_type=IntType(int(low), int(high)), memory="block" if memory == "block" else "lut",
    )  # fmt: skip
    return alone(
        kernel,
        [stream(kernel.input, simd * lanes, x, kernel.cycles)],
        [stream(kernel.output, kernel.pe, kernel.acc_type, vectors * blocks)],
    )


def window(
    name: str, *, size: tuple[int, int] = (5, 6), kernel: tuple[int, int] = (3, 3), strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1), pads: tuple[int, int, int, int] = (0, 0, 0, 0), blocks: int = 1,
    inner: int = 1, lanes: int = 2, kind: IntType = U4, pad_value: int = 0, depth: int = 0,
) -> KernelGraph:  # fmt: skip
    unit = Window(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", height=size[0], width=size[1], blocks=blocks,
        inner=inner, window=FieldWindow(kernel, strides, dilations, pads), pad_value=pad_value, lanes=lanes, type=kind,
        depth=depth,
    )  # fmt: skip
    unit = replace(unit, depth=depth or ring_depth(unit.walk_over(), unit.alone))
    return alone(
        unit, [stream(unit.input, lanes, kind, unit.in_beats)], [stream(unit.output, lanes, kind, unit.out_beats)]
    )


def parallel_window(
    name: str, *, size: tuple[int, int] = (5, 6), kernel: tuple[int, int] = (3, 3), strides: tuple[int, int] = (1, 1),
    dilations: tuple[int, int] = (1, 1), pads: tuple[int, int, int, int] = (0, 0, 0, 0), blocks: int = 1,
    lanes: int = 2, kind: IntType = U4, pad_value: int = 0,
) -> KernelGraph:  # fmt: skip
    moved = FieldWindow(kernel, strides, dilations, pads)
    along = line(size, moved.out(size), moved)
    assert along is not None
    unit = ParallelWindow(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", height=size[0], width=size[1], blocks=blocks,
        window=moved, pad_value=pad_value, lanes=lanes, type=kind, first=along.first, period=along.period,
    )  # fmt: skip
    return alone(
        unit,
        [stream(unit.input, lanes, kind, unit.in_beats)],
        [stream(unit.output, moved.size * lanes, kind, unit.out_beats)],
    )


def reduce(name: str, kind: IntType, *, fold: int, groups: int = 3, lanes: int = 2, total: bool = False) -> KernelGraph:
    common = {"name": name, "layer": name, "input": f"{name}_in", "output": f"{name}_out"}
    y = kind.sum_of(fold) if total else kind
    unit = (
        SumReduce(**common, fold=fold, groups=groups, lanes=lanes, x_type=kind, y_type=y)
        if total
        else MaxReduce(**common, fold=fold, groups=groups, lanes=lanes, x_type=kind, y_type=kind)
    )
    return alone(unit, [stream(unit.input, lanes, kind, fold * groups)], [stream(unit.output, lanes, y, groups)])


def argmax(name: str, kind: IntType, *, fold: int, groups: int = 3, lanes: int = 2, last: int = 0) -> KernelGraph:
    y = IntType(0, fold * lanes - 1)
    unit = ArgMaxReduce(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", fold=fold,
        groups=groups, lanes=lanes, last=last, x_type=kind, y_type=y,
    )  # fmt: skip
    return alone(unit, [stream(unit.input, lanes, kind, fold * groups)], [stream(unit.output, 1, y, groups)])


def requantiser(
    name: str, form: Form, x: IntType, y: IntType, *, lanes: int = 2, folds: int = 2, pixels: int = 2
) -> KernelGraph:
    beats = folds * pixels
    unit = Requantiser(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", form=form, lanes=lanes,
        folds=folds, beats=beats, x_type=x, y_type=y,
    )  # fmt: skip
    return alone(unit, [stream(unit.input, lanes, x, beats)], [stream(unit.output, lanes, y, beats)])


def mas(rng: Generator, channels: int, x: IntType, y: IntType, *, shift: int, even: bool = False) -> MultiplyShift:
    """A multiply-add-shift form with falling and constant channels, per-channel limits, and ties if `even`."""
    m = rng.integers(-9, 10, channels)
    m[0] = 0
    c = rng.integers(-200, 201, channels)
    reach = [k * a + b for k, b in zip(m.tolist(), c.tolist(), strict=True) for a in (x.lo, x.hi)]
    low = rng.integers(y.lo, 1 if y.lo < 0 else y.lo + 2, channels)
    return MultiplyShift(
        kind="mas_window" if even else "mas", m=Weights(m), c=Weights(c), s=shift,
        window=Weights(rng.integers(1, 1 << shift, channels) if even else np.zeros(channels)), odd=int(even),
        low=Weights(low), high=Weights(np.full(channels, y.hi)), product=IntType(min(reach), max(reach)),
    )  # fmt: skip


def long_mas(x: IntType, shift: int, *, even: bool = False) -> MultiplyShift:
    """A multiply-add-shift form whose constants are longer than any literal of C++, for codes of eight bits.

    At one end of `x` each channel but the last, a constant, comes to an odd code exactly: a tie if `even`.
    """
    grain = 50
    slopes, ends, codes = (1021, -1019, 1013, 0), (x.hi, x.lo, x.lo, 0), (7, 5, -3, 1)
    c = [(code << shift) - (m * a << grain) for m, a, code in zip(slopes, ends, codes, strict=True)]
    reach = [(m * a << grain) + offset for m, offset in zip(slopes, c, strict=True) for a in (x.lo, x.hi)]
    assert min(map(abs, c)) >= 1 << 64
    return MultiplyShift(
        kind="mas_window" if even else "mas", m=Weights(np.array(slopes) << grain),
        c=Weights(np.array([offset >> grain for offset in c])), s=shift,
        window=Weights(np.full(4, even << grain)), odd=0, low=Weights(np.full(4, S8.lo)),
        high=Weights(np.full(4, S8.hi)), product=IntType(min(reach), max(reach)), grain=grain,
    )  # fmt: skip


def fixed(m: list[int], x: IntType, y: IntType, *, shift: int, c: int | None = None, window: int = 0) -> MultiplyShift:
    """A multiply-add-shift form with these factors, and everything else the same in all channels but perhaps c."""
    offsets = [5 * channel - 7 for channel in range(len(m))] if c is None else [c] * len(m)
    reach = [k * a + b for k, b in zip(m, offsets, strict=True) for a in (x.lo, x.hi)]
    return MultiplyShift(
        kind="mas_window" if window else "mas", m=Weights(np.array(m)), c=Weights(np.array(offsets)), s=shift,
        window=Weights(np.full(len(m), window)), odd=0, low=Weights(np.full(len(m), y.lo)),
        high=Weights(np.full(len(m), y.hi)), product=IntType(min(reach), max(reach)),
    )  # fmt: skip


def sign(rng: Generator, channels: int, x: IntType) -> MultiplyShift:
    """-1 or +1 by a multiply-add-shift: clip(2a + 1, -1, 1), or 1 - 2a in falling channels."""
    reach = 16 * max(-x.lo, x.hi) + 8
    return MultiplyShift(
        kind="mas", m=Weights(rng.choice([-16, 16], channels)), c=Weights(np.full(channels, 8)), s=3,
        window=Weights(np.zeros(channels)), odd=0, low=Weights(np.full(channels, -1)),
        high=Weights(np.full(channels, 1)), product=IntType(-reach, reach),
    )  # fmt: skip


def thresholds(rng: Generator, channels: int, x: IntType, y: IntType) -> Thresholds:
    """Random thresholds with falling channels, some of them never reached."""
    steps = y.count - 1
    t = np.sort(rng.integers(x.lo - 2, x.hi + 3, (channels, steps)), axis=1)
    falling = rng.integers(0, 2, channels)
    return Thresholds(
        kind="thresholds", t=Weights(t), falling=Weights(falling), first=Weights(np.full(channels, y.lo)), step=y.step
    )


def lookup(rng: Generator, x: IntType, y: IntType) -> Lookup:
    return Lookup(kind="table", lo=x.lo, entries=Weights(draw(rng, y, (x.hi - x.lo + 1,))))


def width(name: str, inward: int, outward: int, kind: IntType = U4, times: int = 2) -> KernelGraph:
    elements = times * lcm(inward, outward)
    unit = WidthConverter(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", in_lanes=inward,
        out_lanes=outward, elements=elements,
        type=kind,
    )  # fmt: skip
    return alone(
        unit,
        [stream(unit.input, inward, kind, elements // inward)],
        [stream(unit.output, outward, kind, elements // outward)],
    )


def fork(name: str, copies: int, kind: IntType = U4) -> KernelGraph:
    names = tuple(f"{name}_copy{index}" for index in range(copies - 1))
    unit = Fork(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", copies=names, lanes=2, beats=5,
        type=kind,
    )  # fmt: skip
    return alone(unit, [stream(unit.input, 2, kind, 5)], [stream(each, 2, kind, 5) for each in unit.outputs])


def _join(name: str, count: int) -> dict[str, object]:
    others = tuple(f"{name}_in{index}" for index in range(1, count))
    return {"name": name, "layer": name, "input": f"{name}_in", "output": f"{name}_out", "others": others}


def adder(
    name: str,
    rng: Generator,
    *kinds: IntType,
    folds: int = 2,
    pixels: int = 3,
    given: Sequence[int | Sequence[int] | None] = (),
) -> KernelGraph:
    """A sum by random factors, or by those `given` for an operand: a number for all channels, or as many as these."""
    factors = rng.integers(-3, 4, (len(kinds), folds * 2))
    for operand, factor in enumerate(given):
        if factor is not None:
            factors[operand] = factor
    y = IntType(
        int(min(sum(min(f * k.lo, f * k.hi) for f, k in zip(column, kinds, strict=True)) for column in factors.T)),
        int(max(sum(max(f * k.lo, f * k.hi) for f, k in zip(column, kinds, strict=True)) for column in factors.T)),
    )
    beats = folds * pixels
    unit = Adder(
        **_join(name, len(kinds)), lanes=2, beats=beats, x_types=kinds, y_type=y,
        factors=Weights(factors),
    )  # fmt: skip
    sources = [stream(each, 2, kind, beats) for each, kind in zip(unit.inputs, kinds, strict=True)]
    return alone(unit, sources, [stream(unit.output, 2, y, beats)])


def multiplier(name: str, first: IntType, second: IntType, zeros: tuple[int, int]) -> KernelGraph:
    shifted = [IntType(kind.lo - zero, kind.hi - zero) for kind, zero in zip((first, second), zeros, strict=True)]
    y = shifted[0] * shifted[1]
    unit = Multiplier(
        **_join(name, 2), lanes=2, beats=4, x_types=(first, second), y_type=y, zeros=zeros
    )  # fmt: skip
    sources = [stream(each, 2, kind, 4) for each, kind in zip(unit.inputs, (first, second), strict=True)]
    return alone(unit, sources, [stream(unit.output, 2, y, 4)])


def interleave(name: str, y: IntType, *operands: tuple[IntType, int], pixels: int = 2) -> KernelGraph:
    kinds, parts = tuple(kind for kind, _ in operands), tuple(part for _, part in operands)
    beats = pixels * sum(parts)
    unit = Interleave(
        **_join(name, len(kinds)), lanes=2, beats=beats, x_types=kinds, y_type=y, pixels=pixels,
        parts=parts,
    )  # fmt: skip
    sources = [stream(each, 2, kind, pixels * part) for each, (kind, part) in zip(unit.inputs, operands, strict=True)]
    return alone(unit, sources, [stream(unit.output, 2, y, beats)])


def reorder(name: str, order: list[int], in_beats: int, kind: IntType = U4, fill: int = 0) -> KernelGraph:
    unit = Reorder(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out",
        order=Weights(np.array(order)), fill=fill, in_beats=in_beats, lanes=2, type=kind,
    )  # fmt: skip
    return alone(unit, [stream(unit.input, 2, kind, in_beats)], [stream(unit.output, 2, kind, len(order))])


def fifo(name: str, depth: int, kind: IntType = U8, lanes: int = 2) -> KernelGraph:
    """No kernel: a FIFO between source and sink."""
    return KernelGraph((), (stream(name, lanes, kind, 7, depth),), (name,), (name,))


def dense_chain(
    rng: Generator,
    dims: tuple[int, ...] = (8, 4, 2),
    lanes: tuple[tuple[int, int], ...] = ((2, 4), (1, 2)),
    x: IntType = U4,
    w: IntType = S4,
) -> KernelGraph:
    """Dense layers with a requantiser after each; `lanes` are (PE, SIMD) of each layer.

    Streams are as deep as the matrix-vector unit behind them needs.
    """
    kernels: list[Kernel] = []
    streams = [replace(stream("x", lanes[0][1], x, dims[0] // lanes[0][1], 2), real="scale 0.25, zero 0")]
    for index, (cols, rows, (pe, simd)) in enumerate(zip(dims, dims[1:], lanes, strict=False)):
        if streams[-1].lanes != simd:
            unit = width(f"width{index}", streams[-1].lanes, simd, x, cols // lcm(streams[-1].lanes, simd))
            kernels.append(replace(unit.kernels[0], input=streams[-1].name))
            streams.append(replace(unit.streams[1], depth=cols // simd))
        matrix = matrix_vector(
            f"fc{index}", rng, vectors=1, rows=rows, cols=cols, pe=pe, simd=simd, x=x, w=w
        )  # fmt: skip
        kernels.append(replace(matrix.kernels[0], input=streams[-1].name))
        accumulators = replace(matrix.streams[1], depth=2)
        form = mas(rng, rows, accumulators.type, x, shift=5, even=True)
        codes = requantiser(f"act{index}", form, accumulators.type, x, lanes=pe, folds=rows // pe, pixels=1)
        kernels.append(replace(codes.kernels[0], input=accumulators.name))
        streams += [accumulators, replace(codes.streams[1], depth=2, real="scale 0.25, zero 0")]
    return KernelGraph(tuple(kernels), tuple(streams), ("x",), (streams[-1].name,))
