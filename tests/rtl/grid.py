# SPDX-License-Identifier: Apache-2.0
"""Random points of the space that each kernel of the RTL can take: shapes, strides, dilations, pads, lanes, types.

`python -m benchmarks.cycles` runs hundreds of them and prints a table; `test_grid` runs a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.random import Generator

from bitwright.backends.verilog import generate
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.plan.kernels import KernelGraph, Window
from bitwright.plan.tokens import latency
from bitwright.sim.rtl import build
from tests.rtl.graphs import (
    S4,
    S8,
    U4,
    U8,
    adder,
    fifo,
    fork,
    interleave,
    lookup,
    mas,
    matrix_vector,
    multiplier,
    project,
    reduce,
    reorder,
    requantiser,
    side_by_side,
    thresholds,
    width,
    window,
)

FRAMES = 6
KINDS = (BIPOLAR, S4, U4, S8, U8)
FIFO_DEPTHS = (0, 1, 2, 3, 4, 5, 7, 16, 17, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 600)


@dataclass(frozen=True)
class Timing:
    """Clocks per frame and of the first frame of one point: of the plan, and in Verilator."""

    kernel: str
    point: str
    planned: tuple[int, int]
    found: tuple[int, int]

    @property
    def latency_error(self) -> float:
        """As a fraction of what Verilator counts; 0 for a beat that leaves in the clock in which it enters."""
        return abs(self.found[1] - self.planned[1]) / max(self.found[1], 1)


def _below(rng: Generator, *ends: int) -> tuple[int, ...]:
    """Numbers from 1 up to each end."""
    return tuple(int(rng.integers(1, end + 1)) for end in ends)


def _kind(rng: Generator) -> IntType:
    return KINDS[rng.integers(len(KINDS))]


def matrices(name: str, rng: Generator) -> KernelGraph:
    pe, row_fold, col_fold, vectors, groups = _below(rng, 4, 4, 6, 3, 3)
    simd = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 17]))
    x, w = _kind(rng), (TERNARY, *KINDS)[rng.integers(6)]
    sizes = {"pe": pe, "simd": simd, "rows": pe * row_fold, "cols": simd * col_fold}
    memory = "block" if rng.random() < 0.3 else "lut"
    return matrix_vector(name, rng, vectors=vectors, groups=groups, **sizes, x=x, w=w, memory=memory)


def windows(name: str, rng: Generator) -> KernelGraph:
    """Anything that has an output and does not start a window beyond the image."""
    while True:
        height, wide, *rest = _below(rng, 9, 11, 4, 4, 4, 4, 3, 3)
        kernel, strides, dilations = (tuple(rest[i : i + 2]) for i in (0, 2, 4))
        pads = tuple(int(rng.integers(0, 3)) if rng.random() < 0.6 else 0 for _ in range(4))
        field = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        if height + pads[0] + pads[2] < field[0] or wide + pads[1] + pads[3] < field[1]:
            continue
        blocks, inner, lanes = _below(rng, 3, 2, 3)
        made = window(
            name, size=(height, wide), kernel=kernel, strides=strides, dilations=dilations, pads=pads, blocks=blocks,
            inner=inner, lanes=lanes, kind=_kind(rng), pad_value=1,
        )  # fmt: skip
        (unit,) = made.kernels
        assert isinstance(unit, Window)
        if (unit.out_height - 1) * strides[0] - pads[0] < height and (unit.out_width - 1) * strides[1] - pads[1] < wide:
            return made


def reduces(name: str, rng: Generator) -> KernelGraph:
    fold, groups, lanes = _below(rng, 10, 6, 4)
    return reduce(name, _kind(rng), fold=fold, groups=groups, lanes=lanes, total=bool(rng.random() < 0.5))


def requantisers(name: str, rng: Generator) -> KernelGraph:
    lanes, folds, pixels, bits = _below(rng, 3, 3, 4, 4)
    channels, y = lanes * folds, integer(bits, signed=False)
    x = (S4, S8, U8, integer(12, signed=True))[rng.integers(4)]
    match rng.integers(3):
        case 0:
            form = mas(rng, channels, x, y, shift=int(rng.integers(1, 12)), even=bool(rng.random() < 0.3))
        case 1:
            form = thresholds(rng, channels, x, y)
        case _:
            form = lookup(rng, x, y)
    return requantiser(name, form, x, y, lanes=lanes, folds=folds, pixels=pixels)


def widths(name: str, rng: Generator) -> KernelGraph:
    while True:
        inward, outward, times = _below(rng, 8, 8, 3)
        if inward != outward and lcm(inward, outward) <= 40:
            return width(name, inward, outward, _kind(rng), times)


def forks(name: str, rng: Generator) -> KernelGraph:
    return fork(name, int(rng.integers(2, 5)), _kind(rng))


def adders(name: str, rng: Generator) -> KernelGraph:
    count, folds, pixels = int(rng.integers(2, 7)), *_below(rng, 3, 4)
    return adder(name, rng, *(_kind(rng) for _ in range(count)), folds=folds, pixels=pixels)


def multipliers(name: str, rng: Generator) -> KernelGraph:
    zeros = (int(rng.integers(-8, 9)), int(rng.integers(-8, 9)))
    return multiplier(name, _kind(rng), _kind(rng), zeros)


def interleaves(name: str, rng: Generator) -> KernelGraph:
    parts = _below(rng, *[4] * int(rng.integers(2, 5)))
    return interleave(name, S8, *((U4, part) for part in parts), pixels=int(rng.integers(1, 5)))


def reorders(name: str, rng: Generator) -> KernelGraph:
    in_beats, out_beats = _below(rng, 12, 14)
    kind = _kind(rng)
    return reorder(name, rng.integers(-1, in_beats, out_beats).tolist(), in_beats, kind, fill=kind.lo)


def fifos(name: str, rng: Generator) -> KernelGraph:
    return fifo(name, int(rng.choice(FIFO_DEPTHS)), _kind(rng), int(rng.choice([1, 4, 20])))


GRID: Mapping[str, Callable[[str, Generator], KernelGraph]] = {
    "matrix-vector": matrices,
    "window": windows,
    "reduce": reduces,
    "requantiser": requantisers,
    "width converter": widths,
    "fork": forks,
    "adder": adders,
    "multiplier": multipliers,
    "interleave": interleaves,
    "reorder": reorders,
    "fifo": fifos,
}


def points(kernel: str, count: int, seed: int = 0) -> list[KernelGraph]:
    """`count` points of one kernel."""
    rng = np.random.default_rng([seed, list(GRID).index(kernel)])
    stem = kernel.replace(" ", "_").replace("-", "_")
    return [GRID[kernel](f"{stem}{index}", rng) for index in range(count)]


def measure(drawn: Mapping[str, list[KernelGraph]]) -> Iterator[Timing]:
    """All points of a few kernels in one Verilated design, compared bit for bit, then timed."""
    graphs = [graph for some in drawn.values() for graph in some]
    made = project(side_by_side(graphs), np.random.default_rng(1), FRAMES, "grid")
    result = build(generate(made)).run([codes.array for codes in made.inputs])
    for name, want, got in zip(made.kernels.outputs, made.outputs, result.outputs, strict=True):
        np.testing.assert_array_equal(got, want.array, err_msg=name)
    found = dict(zip(made.kernels.outputs, result.port_cycles, strict=True))
    for kernel, some in drawn.items():
        for graph in some:
            interval, first = np.max([found[name] for name in graph.outputs], axis=0).tolist()
            yield Timing(kernel, graph.outputs[0], (graph.interval, latency(graph)), (interval, first))
