# SPDX-License-Identifier: Apache-2.0
"""Random points of the space that each kernel of the RTL can take: shapes, strides, dilations, pads, lanes, types.

`python -m benchmarks.cycles` runs hundreds of them and prints a table; `test_grid` runs a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
from numpy.random import Generator

from bitwright.backends.verilog.project import generate
from bitwright.hardware.arithmetic import legal_styles
from bitwright.hardware.clocks.interval import latency
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.lines import line
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.ir.window import Window
from bitwright.sim.rtl import build
from tests.rtl.graphs import (
    S4,
    S8,
    U4,
    U8,
    adder,
    argmax,
    depthwise,
    fifo,
    fork,
    interleave,
    lookup,
    mas,
    matrix_vector,
    multiplier,
    parallel_window,
    project,
    reduce,
    reorder,
    requantiser,
    side_by_side,
    thresholds,
    width,
    window,
)
from tests.rtl.zeros import select_matrix_vector, sparse_matrix_vector

FRAMES = 6
FIELD = ("kernel", "strides", "dilations", "pads")
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
    style = str(rng.choice(legal_styles(w, x)))
    return matrix_vector(name, rng, vectors=vectors, groups=groups, **sizes, x=x, w=w, memory=memory, style=style)


def selects(name: str, rng: Generator) -> KernelGraph:
    pe, row_fold, col_fold, vectors, groups, sets = _below(rng, 4, 4, 6, 3, 2, 5)
    group, w = int(rng.choice([2, 4, 8, 16])), (TERNARY, S4, U4, S8)[rng.integers(4)]
    x = _kind(rng)
    return select_matrix_vector(
        name,
        rng,
        kept=int(rng.integers(1, group)),
        group=group,
        sets=sets,
        vectors=vectors,
        groups=groups,
        rows=pe * row_fold,
        col_fold=col_fold,
        pe=pe,
        x=x,
        w=w,
        memory="block" if rng.random() < 0.3 else "lut",
        style=str(rng.choice(legal_styles(w, x))),
    )


def sparses(name: str, rng: Generator) -> KernelGraph:
    pe, row_fold, col_fold, vectors = _below(rng, 4, 6, 10, 4)
    simd, w = int(rng.choice([1, 2, 3, 4, 5, 17])), (TERNARY, S4, U4, S8)[rng.integers(4)]
    x = _kind(rng)
    return sparse_matrix_vector(
        name,
        rng,
        zeros="skip-rows" if rng.random() < 0.5 else "skip-blocks",
        vectors=vectors,
        rows=pe * row_fold,
        cols=simd * col_fold,
        pe=pe,
        simd=simd,
        x=x,
        w=w,
        memory="block" if rng.random() < 0.3 else "lut",
        style=str(rng.choice(legal_styles(w, x))),
        density=float(rng.choice([0, 0.1, 0.3, 0.6, 1])),
        block=(pe, simd) if rng.random() < 0.5 else (1, 1),
    )


def depthwises(name: str, rng: Generator) -> KernelGraph:
    vectors, blocks, lanes, multiplier, simd, fold = _below(rng, 4, 3, 4, 2, 4, 6)
    sizes = {"vectors": vectors, "blocks": blocks, "positions": simd * fold, "lanes": lanes, "multiplier": multiplier}
    return depthwise(name, rng, **sizes, simd=simd, x=_kind(rng), w=_kind(rng))


def windows(name: str, rng: Generator) -> KernelGraph:
    """Anything that does not start a window beyond the image."""
    while True:
        sizes, out = _sliding(rng)
        starts = [(n - 1) * stride - pad for n, stride, pad in zip(out, sizes["strides"], sizes["pads"], strict=False)]
        if all(start < side for start, side in zip(starts, sizes["size"], strict=True)):
            return window(name, **sizes, inner=int(rng.integers(1, 3)))


def parallel_windows(name: str, rng: Generator) -> KernelGraph:
    """Anything whose windows come one after the other on a line of taps."""
    while True:
        sizes, out = _sliding(rng)
        if line(sizes["size"], out, Window(*(sizes[key] for key in FIELD))) is not None:
            return parallel_window(name, **sizes)


def _sliding(rng: Generator) -> tuple[dict[str, Any], tuple[int, int]]:
    """The sizes of a sliding window, and of its output, which is not empty."""
    while True:
        height, wide, *rest = _below(rng, 9, 11, 4, 4, 4, 4, 3, 3)
        kernel, strides, dilations = (tuple(rest[i : i + 2]) for i in (0, 2, 4))
        pads = tuple(int(rng.integers(0, 3)) if rng.random() < 0.6 else 0 for _ in range(4))
        padded = height + pads[0] + pads[2], wide + pads[1] + pads[3]
        rows, columns = (
            (side - (k - 1) * d - 1) // stride + 1
            for side, k, d, stride in zip(padded, kernel, dilations, strides, strict=True)
        )
        if rows > 0 and columns > 0:
            blocks, lanes = _below(rng, 3, 3)
            field = dict(zip(FIELD, (kernel, strides, dilations, pads), strict=True))
            sizes = {"size": (height, wide), **field, "blocks": blocks, "lanes": lanes}
            return {**sizes, "kind": _kind(rng), "pad_value": 1}, (rows, columns)


def reduces(name: str, rng: Generator) -> KernelGraph:
    fold, groups, lanes = _below(rng, 10, 6, 4)
    return reduce(name, _kind(rng), fold=fold, groups=groups, lanes=lanes, total=bool(rng.random() < 0.5))


def argmaxes(name: str, rng: Generator) -> KernelGraph:
    fold, groups, lanes = _below(rng, 6, 6, 9)
    return argmax(name, _kind(rng), fold=fold, groups=groups, lanes=lanes, last=int(rng.integers(2)))


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
    drawn = [((), (), (1, 2, 16), (0, -4, 1, 8))[rng.integers(4)] for _ in range(count)]
    given = [rng.choice(powers, 2 * folds).tolist() if powers else None for powers in drawn]
    return adder(name, rng, *(_kind(rng) for _ in range(count)), folds=folds, pixels=pixels, given=given)


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
    "sparse matrix-vector": sparses,
    "depthwise": depthwises,
    "window": windows,
    "parallel window": parallel_windows,
    "reduce": reduces,
    "argmax": argmaxes,
    "requantiser": requantisers,
    "width converter": widths,
    "fork": forks,
    "adder": adders,
    "multiplier": multipliers,
    "interleave": interleaves,
    "reorder": reorders,
    "fifo": fifos,
    "select matrix-vector": selects,
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
