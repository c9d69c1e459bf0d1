# SPDX-License-Identifier: Apache-2.0
"""Small designs made by hand: kernels in a chain, test vectors from the NumPy models of the kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from bitwright.backends.project import Project
from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.arithmetic import style_of
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.matrix import MatrixVector, weight_words
from bitwright.hardware.kernels.moves import WidthConverter
from bitwright.hardware.kernels.reduce import MaxReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.windows import Window
from bitwright.ir.graph import Graph
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window as LayerWindow
from tests.rtl.kernel_models import run


@dataclass
class Chain:
    """Kernels in a row, built from the input on; `tail` is the stream that the next one reads."""

    tail: Stream
    names: Sequence[str] = ()  # of the kernels; without them each is called after its kind
    kernels: list[Kernel] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)

    @staticmethod
    def start(lanes: int, kind: IntType, beats: int, names: Sequence[str] = ()) -> Chain:
        shape, real = (beats * lanes,), "scale 1, zero 0"
        return Chain(Stream(name="x", lanes=lanes, type=kind, beats=beats, depth=2, shape=shape, real=real), names)

    def graph(self) -> KernelGraph:
        streams = (*self.streams, self.tail)
        return KernelGraph(tuple(self.kernels), streams, (streams[0].name,), (self.tail.name,))

    def push(self, kind: type[Kernel], lanes: int, out: IntType, beats: int, /, **sizes: Any) -> Chain:
        """Append a kernel of `kind` whose output has `beats` words of `lanes` x `out`."""
        index = len(self.kernels)
        name = self.names[index] if self.names else f"{kind.__name__.lower()}{index}"
        self.kernels.append(kind(name=name, layer=f"layer {name}", input=self.tail.name, output=f"{name}_out", **sizes))
        self.streams.append(self.tail)
        self.tail = replace(
            self.tail, name=f"{name}_out", lanes=lanes, type=out, beats=beats, shape=(beats * lanes,), depth=2
        )
        return self

    def matrix(
        self, weights: Ints, kind: IntType, *, groups: int = 1, pe: int = 1, memory: str = "lut", style: str = ""
    ) -> Chain:
        """The rows of `weights` (groups * rows, cols) against as many vectors as the tail brings."""
        simd, cols, total = self.tail.lanes, weights.shape[1], weights.shape[0]
        rows = total // groups
        vectors = self.tail.beats * simd // (groups * cols)
        acc = accumulator(weights, self.tail.type)
        return self.push(
            MatrixVector,
            pe,
            acc,
            vectors * total // pe,
            vectors=vectors,
            groups=groups,
            rows=rows,
            cols=cols,
            pe=pe,
            simd=simd,
            weights=weight_words(weights, groups, pe, simd),
            weight_type=kind,
            x_type=self.tail.type,
            acc_type=acc,
            memory=memory,
            style=style_of("tail", style, kind, self.tail.type),
        )

    def requantise(self, form: Form, out: IntType, channels: int) -> Chain:
        tail = self.tail
        return self.push(
            Requantiser,
            tail.lanes,
            out,
            tail.beats,
            form=form,
            lanes=tail.lanes,
            folds=channels // tail.lanes,
            beats=tail.beats,
            x_type=tail.type,
            y_type=out,
        )

    def window(self, height: int, width: int, blocks: int, pad_value: int = 0, **field: Any) -> Chain:
        """`field`: kernel, strides, dilations, pads."""
        tail = self.tail
        moved = LayerWindow(**field)
        inner = tail.beats // (height * width * blocks)
        return self.push(
            Window,
            tail.lanes,
            tail.type,
            prod(moved.out((height, width))) * blocks * moved.size * inner,
            height=height,
            width=width,
            blocks=blocks,
            inner=inner,
            window=moved,
            pad_value=pad_value,
            lanes=tail.lanes,
            type=tail.type,
            depth=(moved.reach[0] + moved.strides[0]) * width * blocks * inner,
        )

    def pool(self, fold: int) -> Chain:
        tail = self.tail
        groups = tail.beats // fold
        return self.push(
            MaxReduce,
            tail.lanes,
            tail.type,
            groups,
            fold=fold,
            groups=groups,
            lanes=tail.lanes,
            x_type=tail.type,
            y_type=tail.type,
        )

    def width(self, lanes: int) -> Chain:
        tail = self.tail
        elements = tail.beats * tail.lanes
        return self.push(
            WidthConverter,
            lanes,
            tail.type,
            elements // lanes,
            in_lanes=tail.lanes,
            out_lanes=lanes,
            elements=elements,
            type=tail.type,
        )

    def frames(self, rng: np.random.Generator, count: int) -> Ints:
        """Random codes of the input after two extreme frames, (count, beats, lanes)."""
        first = self.graph().stream(self.graph().inputs[0])
        return corners(rng, first.type, (count, first.beats, first.lanes))


def corners(rng: np.random.Generator, kind: IntType, shape: Sequence[int]) -> Ints:
    """Random numbers of a type; row 0 is all lowest, row 1 all highest."""
    numbers = kind.lo + kind.step * rng.integers(0, kind.count, shape)
    numbers[0] = kind.lo
    numbers[1:2] = kind.hi
    return numbers.astype(np.int64)


def accumulator(weights: Ints, x: IntType) -> IntType:
    """The exact range of W x over all x."""
    ends = np.stack([weights * x.lo, weights * x.hi])
    return IntType(int(ends.min(axis=0).sum(axis=1).min()), int(ends.max(axis=0).sum(axis=1).max()))


def multiply_shift(
    m: Sequence[int],
    c: Sequence[int],
    s: int,
    x: IntType,
    out: IntType,
    *,
    window: Sequence[int] | None = None,
    odd: int = 0,
) -> MultiplyShift:
    """The form with the given lines over the range of `x`, clipped to `out`."""
    ends = [k * a + b for k, b in zip(m, c, strict=True) for a in (x.lo, x.hi)]
    channels = len(m)
    return MultiplyShift(
        kind="mas" if window is None else "mas_window",
        m=Weights(np.array(m)),
        c=Weights(np.array(c)),
        s=s,
        window=Weights(np.array(window or [0] * channels)),
        odd=odd,
        low=Weights(np.full(channels, out.lo)),
        high=Weights(np.full(channels, out.hi)),
        product=IntType(min(ends), max(ends)),
    )


def thresholds(rows: Ints, out: IntType, falling: Sequence[int] | None = None) -> Thresholds:
    """Counts of ascending `rows` (channels, steps)."""
    channels = len(rows)
    return Thresholds(
        kind="thresholds",
        t=Weights(rows),
        falling=Weights(np.array(falling or [0] * channels)),
        first=Weights(np.full(channels, out.lo)),
        step=out.step,
    )


def lookup(entries: Ints, lo: int) -> Lookup:
    return Lookup(kind="table", lo=lo, entries=Weights(entries))


def project(name: str, graph: KernelGraph, frames: Mapping[str, Ints]) -> Project:
    """A project with `frames` (samples, beats, lanes) of each input as its test vectors."""
    count = len(next(iter(frames.values())))
    made = [run(graph, {port: array[i] for port, array in frames.items()}) for i in range(count)]
    return Project(
        name=name,
        version="0.1.0",
        model=f"{name}.onnx",
        digest="5f3a9c1e0000",
        graph=Graph((), (), ()),
        kernels=graph,
        clock_ns=5.0,
        part="xc7z020clg400-1",
        inputs=tuple(Weights(frames[port].reshape(count, -1)) for port in graph.inputs),
        outputs=tuple(Weights(np.stack([known[port].reshape(-1) for known in made])) for port in graph.outputs),
    )


def chain_project(name: str, chain: Chain, frames: Ints) -> Project:
    """A project of a chain, `frames` entering it."""
    graph = chain.graph()
    return project(name, graph, {graph.inputs[0]: frames})


def mlp(
    rng: np.random.Generator, sizes: Sequence[int], x: IntType, weights: IntType, codes: IntType, lanes: int = 1
) -> Chain:
    """Dense layers of `sizes` with a requantiser behind each but the last."""
    chain = Chain.start(lanes, x, sizes[0] // lanes)
    for index, (cols, rows) in enumerate(pairwise(sizes)):
        matrix = rng.integers(weights.lo, weights.hi + 1, (rows, cols))
        chain.matrix(matrix, weights, pe=lanes if rows % lanes == 0 else 1)
        if index < len(sizes) - 2:
            shift = max(1, chain.tail.type.bits - codes.bits)
            offsets = rng.integers(-(1 << shift), 1 << shift, rows).tolist()
            form = multiply_shift([3] * rows, offsets, shift, chain.tail.type, codes)
            chain.requantise(form, codes, rows)
    return chain
