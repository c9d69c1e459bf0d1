# SPDX-License-Identifier: Apache-2.0
"""The kernels as sequences of events: which beats each event takes and decides, as in the modules of the RTL.

A beat is valid `kernel_latency` clocks after it is decided. What a kernel's pipeline may hold is bounded by credits, so
an event that decides a beat also waits until an older one has left (`bw_credit_pipe`, `bw_elastic_reg`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bitwright.hardware.events import Events, Made, Taken, Wait
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Fork, Interleave, Join
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.timing import fifo_words, kernel_credits, kernel_latency, stream_latency, width_ratios
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lines import out_positions
from bitwright.ir.weights import Ints


class Net:
    """The events of a graph in one frame, and the ends of every stream; a stream's own events enter its FIFO."""

    def __init__(
        self, kernels: KernelGraph, offered: Mapping[str, Ints] = {}, unbounded: frozenset[str] = frozenset()
    ) -> None:
        self.sequences: dict[str, Events] = {}
        self.made: dict[str, Made] = {}
        self.taken: dict[str, Taken] = {}
        for name in kernels.inputs:
            self._source(name, kernels.stream(name).beats, offered.get(name))
        for kernel in kernels.kernels:
            self._add(kernel)
        for name in kernels.outputs:
            self._sink(name, kernels.stream(name).beats)
        for stream in kernels.streams:
            self._connect(stream.name, None if stream.name in unbounded else fifo_words(stream), stream_latency(stream))

    def _add(self, kernel: Kernel) -> None:
        match kernel:
            case MatrixVector() | SparseMatrixVector():
                self._matrix_vector(kernel)
            case Window():
                self._window(kernel)
            case ParallelWindow():
                self._parallel_window(kernel)
            case Reorder():
                self._reorder(kernel)
            case WidthConverter():
                self._width_converter(kernel)
            case Interleave():
                turns = np.tile(np.repeat(np.arange(len(kernel.parts)), kernel.parts), kernel.pixels)
                self._counting(kernel, len(turns), [np.flatnonzero(turns == k) for k in range(len(kernel.parts))])
            case MaxReduce() | SumReduce() | ArgMaxReduce():
                self._counting(kernel, kernel.groups * kernel.fold, fold=kernel.fold)
            case Depthwise():
                self._counting(kernel, kernel.vectors * kernel.blocks * kernel.fold, fold=kernel.fold)
            case Requantiser() | Fork() | Join():
                self._counting(kernel, kernel.beats)
            case _:
                raise AssertionError(f"no events for {type(kernel).__name__}")

    def _events(self, name: str, steps: Ints, span: int, *waits: Wait) -> None:
        self.sequences[name] = Events(steps, span, list(waits))

    def _connect(self, name: str, depth: int | None, latency: int) -> None:
        """The stream `name` between its ends: beats enter a FIFO of `depth` words, 0 a wire, None an endless one."""
        made, taken = self.made[name], self.taken[name]
        every = np.arange(len(made.at))
        self._events(name, every, len(every), Wait(every, made.sequence, made.at, made.latency))
        self._wait(made.sequence, Wait(made.at, name, every - made.credits, 1))
        if depth != 0:
            self._wait(taken.sequence, Wait(taken.needs, name, every, latency))
        else:
            self._wait(taken.sequence, Wait(taken.needs, made.sequence, made.at, made.latency))
        if depth is not None:
            frames, beats = np.divmod(every - depth, len(every))
            of = taken.takes[beats] + frames * len(self.sequences[taken.sequence].steps)
            self._wait(name, Wait(every, taken.sequence, of, min(depth, 1)))

    def _wait(self, name: str, wait: Wait) -> None:
        self.sequences[name].waits.append(wait)

    def _source(self, name: str, beats: int, offered: Ints | None) -> None:
        """Beats from outside, each from the clock on at which it is offered, one after the other."""
        every = np.arange(beats)
        self.sequences[f"{name} offered"] = Events(every, beats, ready=offered)
        self.made[name] = Made(f"{name} offered", every, 0, 1)

    def _sink(self, name: str, beats: int) -> None:
        """Beats that leave as soon as they can."""
        every = np.arange(beats)
        self._events(leaving(name), every, beats)
        self.taken[name] = Taken(leaving(name), every, every)

    def _counting(self, kernel: Kernel, count: int, takes: Sequence[Ints] = (), fold: int = 1) -> None:
        """One event for each beat in; each `fold` of them decide a beat on every output."""
        every = np.arange(count)
        self._events(kernel.name, every, count)
        for name, taken in zip(kernel.inputs, takes or [every] * len(kernel.inputs), strict=True):
            self.taken[name] = Taken(kernel.name, taken, taken)
        self._makes(kernel, kernel.name, every[fold - 1 :: fold])

    def _makes(self, kernel: Kernel, sequence: str, at: Ints) -> None:
        for name in kernel.outputs:
            self.made[name] = Made(sequence, at, kernel_latency(kernel), kernel_credits(kernel))

    def _matrix_vector(self, kernel: MatrixVector | SparseMatrixVector) -> None:
        """Only the first row fold of a vector takes input; each row fold ends in one output beat."""
        if isinstance(kernel, SparseMatrixVector):
            self._sparse_matrix_vector(kernel)
            return
        clocks = kernel.row_fold * kernel.col_fold
        within = np.union1d(np.arange(kernel.col_fold), np.arange(kernel.col_fold - 1, clocks, kernel.col_fold))
        vectors = np.arange(kernel.vectors * kernel.groups)[:, None]
        self._events(kernel.name, (vectors * clocks + within).reshape(-1), len(vectors) * clocks)
        takes = (vectors * len(within) + np.arange(kernel.col_fold)).reshape(-1)
        self.taken[kernel.input] = Taken(kernel.name, takes, takes)
        ends = (vectors * len(within) + np.arange(kernel.col_fold - 1, len(within))).reshape(-1)
        self._makes(kernel, kernel.name, ends)

    def _sparse_matrix_vector(self, kernel: SparseMatrixVector) -> None:
        """A vector is written whole before its first word; two vectors fit. Of its words only the ends take credits."""
        writes, reads, loads, words = f"{kernel.name} in", kernel.name, kernel.col_fold, kernel.words
        ends = kernel.ends.array
        within = np.union1d(0, ends)
        every, vectors, count = np.arange(kernel.vectors * loads), np.arange(kernel.vectors), len(within)
        spent = Wait(vectors * loads, reads, (vectors - 1) * count - 1, 1)
        whole = Wait(vectors * count, writes, vectors * loads + loads - 1, 1)
        self._events(writes, every, len(every), spent)
        self._events(reads, (vectors[:, None] * words + within).reshape(-1), kernel.vectors * words, whole)
        self.taken[kernel.input] = Taken(writes, every, every)
        self._makes(kernel, reads, (vectors[:, None] * count + np.searchsorted(within, ends)).reshape(-1))

    def _width_converter(self, kernel: WidthConverter) -> None:
        """Words gathered into a whole, then a whole that waits on its input while its parts leave."""
        up, down = width_ratios(kernel)
        both = up > 1 and down > 1
        gathers, cuts, whole = f"{kernel.name} up", kernel.name, f"{kernel.name} whole"
        if up > 1:
            every = np.arange(kernel.elements // kernel.in_lanes)
            self._events(gathers, every, len(every))
            self.taken[kernel.input] = Taken(gathers, every, every)
            self.made[whole if both else kernel.output] = Made(gathers, every[up - 1 :: up], 1, 2)
        if down > 1:
            every = np.arange(kernel.elements // kernel.out_lanes)
            self._events(cuts, every, len(every))
            self.taken[whole if both else kernel.input] = Taken(cuts, every[::down], every[down - 1 :: down])
            self.made[kernel.output] = Made(cuts, every, 1, 2)
        if both:
            self._connect(whole, 0, 0)

    def _window(self, kernel: Window) -> None:
        """Beats are written to the ring, shown, and dropped when no later window needs them."""
        writes, reads, drops = f"{kernel.name} in", kernel.name, f"{kernel.name} drop"
        every, needed = np.arange(kernel.in_beats), needed_beats(kernel)
        first = np.searchsorted(needed, every)  # the first beat out that shows this beat, or a newer one
        used = first < len(needed)
        shown = Wait(first[used], writes, every[used], 1)
        spent = Wait(every, reads, spent_after(kernel), 1)
        self._events(writes, every, len(every), Wait(every, drops, every - kernel.depth, 1))
        self._events(reads, np.arange(len(needed)), len(needed), shown)
        self._events(drops, every, len(every), Wait(every, writes, every, 1), spent)
        self.taken[kernel.input] = Taken(writes, every, every)
        latency = kernel_latency(kernel) - 1  # a beat is shown in the clock after it was written
        self.made[kernel.output] = Made(reads, np.arange(len(needed)), latency, kernel_credits(kernel))

    def _parallel_window(self, kernel: ParallelWindow) -> None:
        """The line moves on place by place, except while a window in it is not given; some lie behind the frame."""
        moves, gives, places = f"{kernel.name} line", kernel.name, kernel.period * kernel.blocks
        positions = out_positions(kernel.first, kernel.width, (kernel.out_height, kernel.out_width), kernel.strides)
        newest = (positions[:, None] * kernel.blocks + np.arange(kernel.blocks)).reshape(-1)
        last, every = np.minimum(newest, places - 1), np.arange(len(newest))
        beyond = newest - last
        frames, held = np.divmod(newest + 1, places)  # the place that waits for each window
        waits = [Wait(held[frames == k], gives, every[frames == k] - k * len(newest), 0) for k in range(frames[-1] + 1)]
        self._events(moves, np.arange(places), places, *waits)
        self._events(gives, every, len(every), Wait(every, moves, last, 1 + beyond))
        self.taken[kernel.input] = Taken(moves, np.arange(kernel.in_beats), np.arange(kernel.in_beats))
        self.made[kernel.output] = Made(gives, every, kernel_latency(kernel) - 1, kernel_credits(kernel))

    def _reorder(self, kernel: Reorder) -> None:
        """A frame is written whole before its first beat leaves; two frames fit."""
        writes, reads, first = f"{kernel.name} in", kernel.name, np.array([0])
        every, out = np.arange(kernel.in_beats), np.arange(kernel.out_beats)
        self._events(writes, every, len(every), Wait(first, reads, first - kernel.out_beats - 1, 1))
        self._events(reads, out, len(out), Wait(first, writes, first + kernel.in_beats - 1, 1))
        self.taken[kernel.input] = Taken(writes, every, every)
        self._makes(kernel, reads, out)


def leaving(name: str) -> str:
    """The sequence of the beats that leave through the output `name`."""
    return f"{name} leaving"


def needed_beats(kernel: Window) -> Ints:
    """For each output beat of a frame the newest input beat that it or one before shows; the first needs the first."""
    rows = np.arange(kernel.out_height)[:, None] * kernel.strides[0] - kernel.pads[0]
    rows = rows + np.arange(kernel.kernel[0]) * kernel.dilations[0]
    cols = np.arange(kernel.out_width)[:, None] * kernel.strides[1] - kernel.pads[1]
    cols = cols + np.arange(kernel.kernel[1]) * kernel.dilations[1]
    y, x = rows[:, None, None, :, None, None], cols[None, :, None, None, :, None]
    block, inner = np.arange(kernel.blocks)[:, None, None, None], np.arange(kernel.inner)
    inside = (y >= 0) & (y < kernel.height) & (x >= 0) & (x < kernel.width)
    place = ((y * kernel.width + x) * kernel.blocks + block) * kernel.inner + inner
    return np.asarray(np.maximum.accumulate(np.where(inside, place, 0).reshape(-1)))


def spent_after(kernel: Window) -> Ints:
    """For each input beat of a frame the output beat after which the corner of the window has moved beyond it.

    Above the next frame the corner starts in the last rows of this one: those are spent in the next frame, or later.
    """
    rows = np.arange(kernel.out_height)[:, None] * kernel.strides[0] - kernel.pads[0]
    corners = (rows * kernel.width + np.arange(kernel.out_width) * kernel.strides[1] - kernel.pads[1]).reshape(-1)
    pixels, field = kernel.height * kernel.width, kernel.out_beats // len(corners)
    frames = np.arange(2 + int(-corners[0]) // pixels)[:, None] * pixels
    moved = np.maximum.accumulate((corners + frames).reshape(-1))[1:]
    windows = np.searchsorted(moved, np.arange(pixels), side="right")
    return np.repeat(windows * field + field - 1, kernel.blocks * kernel.inner)
