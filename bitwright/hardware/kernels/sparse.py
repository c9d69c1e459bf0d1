# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit that skips zeros, as a kernel: `docs/sparsity.md`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.hardware.arithmetic import Packing, packing
from bitwright.hardware.events import Course, Events, Taken, Wait
from bitwright.hardware.indices import lean
from bitwright.hardware.kernels.base import FRAME, Needs, fits
from bitwright.hardware.kernels.interface import Constants, Interface, RomPort, Unit
from bitwright.hardware.kernels.weighted import Styled
from bitwright.hardware.loops import Loop, Loops
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Parts, times
from bitwright.hardware.modules.units import sparse_flow
from bitwright.hardware.roms import Rom, fields
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseMatrixVector(Styled):
    """Matrix-vector unit that follows a schedule: `vectors` times W x, W of (rows, cols), `pe` x `simd` multipliers.

    Per vector: `col_fold` input beats of `simd` elements fill one of two buffers while the vector before, in the other
    one, is used; after each row fold one beat of `pe` accumulators leaves. Each of `ports` ports reads a beat for its
    `lanes` neighbouring accumulators. The words of weights are those of one vector.
    """

    vectors: int
    rows: int
    cols: int
    pe: int
    simd: int
    lanes: int
    beats: Weights  # (words, ports): the beat that each port reads
    ends: Weights  # (row_fold,): the last word of each row fold

    @property
    def products(self) -> int:
        """Multipliers of a PE."""
        return self.simd

    @property
    def packing(self) -> Packing:
        """How the style "dsp" shares multipliers among the accumulators of a port."""
        return packing(self.weight_type, self.x_type, self.lanes)

    @property
    def row_fold(self) -> int:
        """Row folds per vector."""
        return self.rows // self.pe

    @property
    def col_fold(self) -> int:
        """Beats of a vector."""
        return self.cols // self.simd

    @property
    def ports(self) -> int:
        """Beats read per clock."""
        return self.pe // self.lanes

    @property
    def words(self) -> int:
        """Words of the schedule."""
        return len(self.beats.array)

    @property
    def distance(self) -> int:
        """Words from a beat in to its first use, were the first word in the clock after the last beat in."""
        later = self.col_fold - self.beats.array.reshape(self.words, -1) + np.arange(self.words)[:, None]
        return int(later.min())

    @property
    def dense_share(self) -> float:
        """Of the clocks."""
        return max(self.words, self.col_fold) / (self.row_fold * self.col_fold)

    @property
    def cycles(self) -> int:
        """The words of every vector, or its beats, if more."""
        return self.vectors * max(self.words, self.col_fold)

    @property
    def latency(self) -> int:
        """From the last word of a row fold; the schedule is read one clock before the vector."""
        return self.arithmetic_latency() + 1

    @property
    def credits(self) -> int:
        """Row folds that may end before the first of them has left."""
        return self.most_ends(self.latency + 1) + 1

    def most_ends(self, clocks: int) -> int:
        """The most row folds that end within so many clocks in a row, vector after vector."""
        ends, period = self.ends.array, max(self.words, self.col_fold)
        later = (ends + np.arange(clocks // period + 2)[:, None] * period).reshape(-1)
        return int((np.searchsorted(later, ends + clocks) - np.arange(len(ends))).max())

    def course(self) -> Course:
        """A vector is written whole before its first word; two vectors fit. Of its words only the ends take credits."""
        writes, reads, loads, words = f"{self.name} in", self.name, self.col_fold, self.words
        ends = self.ends.array
        within = np.union1d(0, ends)
        every, vectors, count = range(self.vectors * loads), np.arange(self.vectors), len(within)
        spent = Wait(lean(vectors * loads), reads, lean((vectors - 1) * count - 1), 1)
        whole = Wait(lean(vectors * count), writes, lean(vectors * loads + loads - 1), 1)
        sequences = {
            writes: Events(every, len(every), [spent]),
            reads: Events(lean((vectors[:, None] * words + within).reshape(-1)), self.vectors * words, [whole]),
        }
        return Course(
            sequences=sequences,
            taken={self.input: Taken(writes, every, every)},
            made=self.making(reads, lean((vectors[:, None] * count + np.searchsorted(within, ends)).reshape(-1))),
        )

    def loops(self) -> Loops:
        """One buffer is filled while the other one is used."""
        beats, vectors = np.arange(self.vectors * self.col_fold), np.arange(self.vectors)[:, None] * self.words
        words = self.vectors * self.words
        fill = Loop((beats,), beats[self.col_fold - 1 :: self.col_fold], beats.size)
        return fill, Loop((vectors.reshape(-1),), (vectors + self.ends.array).reshape(-1), words)

    def needs(self) -> Needs:
        """Vectors, a schedule with a word for each row fold, and a frame that can be counted."""
        yield min(self.vectors, self.col_fold) > 0, "there must be a vector"
        yield min(self.ports, self.pe, self.simd) > 0, "ports, PE and SIMD must be positive"
        yield self.words >= self.row_fold > 0, "each row fold has a word"
        yield fits(self.cycles), FRAME
        yield from self.arithmetic_needs()

    def schedule_rom(self) -> Rom:
        """For each word the beat of every port, lowest first, and above them whether the next word ends a row fold."""
        width = max(1, (self.col_fold - 1).bit_length())
        beats = fields(self.beats.array, width).reshape(self.words, -1)
        before_end = np.zeros((self.words, 1), np.uint8)
        before_end[self.ends.array - 1] = 1  # word -1 is the last, before word 0 of the next vector
        return Rom(np.concatenate([beats, before_end], axis=1), self.rom_style)

    def modules(self, *, contents: bool) -> Parts:
        """The flow, a multiply-accumulator for each port, the schedule, the weights."""
        flow = sparse_flow(
            col_fold=self.col_fold,
            words=self.words,
            ports=self.ports,
            beat_w=self.simd * self.x_type.bits,
            result_w=self.pe * self.acc_type.bits,
            latency=self.latency - 1,
            depth=self.credits,
        )
        macs = times(self.ports, self.mac(self.lanes, each=True))
        width = self.ports * max(1, (self.col_fold - 1).bit_length()) + 1
        schedule = rom_holding(self.words, width, self.schedule_rom, contents, block=self.memory == "block")
        return (*flow, *macs, *schedule, *self.weight_modules(contents=contents))

    def interface(self) -> Interface:
        """The words of weights, beats and ends are one table in C++, and two ROMs."""
        shared = self.packing if self.style == "dsp" else None
        dense, port = self.row_fold * self.col_fold, "each" if self.lanes == 1 else f"every {self.lanes}"
        last = np.zeros(self.words, np.int64)
        last[self.ends.array] = 1
        more: dict[str, int] = {"Lanes": self.lanes, "Depth": self.credits, "FirstLast": int(self.ends.array[0] == 0)}
        return Interface(
            unit=Unit(
                called="sparse matrix-vector",
                function="sparse",
                header="bw_sparse.hpp",
                shape="SparseShape",
                module="bw_sparse",
                mac=f"bw::{self.style.capitalize()}Mac<Shape>",
            ),
            title=f"{self.rows} x {self.cols} matrix without its zeros, {self.words} words of {dense}",
            notes=(
                f"y[{self.rows}] = W[{self.rows}][{self.cols}] x[{self.cols}], {self.words} words of {dense}: zeros "
                f"are skipped; vectors per frame: {self.vectors}",
                f"weights {self.weight_type}, a word of PE x SIMD per clock, a port for {port} PE; accumulators "
                f"{self.acc_type}",
            ),
            sizes=(
                {"Vectors": self.vectors, "RowFold": self.row_fold, "ColFold": self.col_fold, "Words": self.words},
                {"Distance": self.distance},
                {"Ports": self.ports, "Pe": self.lanes, "Simd": self.simd},
            ),
            more=more | ({"Shared": shared.lanes} if shared else {}),
            elements={"X": self.x_type, "Weight": self.weight_type},
            numbers={"Acc": self.acc_type, "Beat": IntType(0, self.col_fold - 1)},
            style=self.style,
            packing=shared,
            lanes=(self.pe, self.simd),
            table=Constants(
                title="Schedule",
                details=f": for each word the weights ({self.weight_type}) [Ports][Pe][Simd], the beat that each port "
                "reads, and 1 at the end of a row fold.",
                type="Shape::Word",
                name="Schedule",
                count="Shape::Words",
                columns=(
                    self.weights.array.reshape(self.words, self.ports, self.lanes, self.simd),
                    self.beats.array,
                    last,
                ),
                memory=self.memory,
                bits=(self.weight_type.bits, IntType(0, self.col_fold - 1).bits, 0),
                packed="bw::PackedSparseWord<Shape>",
            ),
            roms=(
                RomPort(prefix="k", words=self.schedule_rom, called="schedule"),
                RomPort(prefix="w", words=self.weight_rom),
            ),
        )
