# SPDX-License-Identifier: Apache-2.0
"""The depthwise unit: every channel times its own kernels."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.arithmetic import decoded_bits
from bitwright.hardware.events import Course
from bitwright.hardware.kernels.base import FRAME, Needs, fits
from bitwright.hardware.kernels.interface import Interface, RomPort, Unit, counted
from bitwright.hardware.kernels.weighted import Weighted
from bitwright.hardware.loops import Loops, folded
from bitwright.hardware.modules.streams import Parts
from bitwright.hardware.modules.units import depthwise, tree_latency
from bitwright.ir.weights import Ints, Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Weighted):
    """Depthwise unit: every channel times its own `multiplier` kernels, `lanes` channels and `simd` positions a beat.

    Input beats: (vectors, blocks, fold), each `simd` kernel positions of the same `lanes` channels, one position after
    the other; after the `fold` beats of a block one beat of `pe` accumulators leaves, those of a channel together.
    There are blocks * fold words of weights.
    """

    vectors: int
    blocks: int
    fold: int
    lanes: int
    multiplier: int
    simd: int

    @property
    def pe(self) -> int:
        """Accumulators."""
        return self.lanes * self.multiplier

    @property
    def dense_share(self) -> float:
        """It skips nothing."""
        return 1.0

    @property
    def cycles(self) -> int:
        """A beat of the field per clock."""
        return self.vectors * self.blocks * self.fold

    @property
    def latency(self) -> int:
        """A multiplier in logic, and a tree for the positions."""
        return 4 + tree_latency(self.simd)

    @property
    def credits(self) -> int:
        """Blocks that begin before the first of them has left."""
        return self.latency // self.fold + 2

    def course(self) -> Course:
        """Every beat is taken; the last one of a block decides its accumulators."""
        return self.counting(self.cycles, fold=self.fold)

    def loops(self) -> Loops:
        """The same."""
        return folded(self.vectors * self.blocks, self.fold)

    def needs(self) -> Needs:
        """Pixels, lanes, and a frame that can be counted."""
        yield min(self.vectors, self.blocks, self.fold) > 0, "there must be a pixel and a channel"
        yield min(self.lanes, self.multiplier, self.simd) > 0, "lanes must be positive"
        yield fits(self.cycles), FRAME

    def modules(self, *, contents: bool) -> Parts:
        """The unit and its weights."""
        unit = depthwise(
            blocks=self.blocks,
            fold=self.fold,
            lanes=self.lanes,
            multiplier=self.multiplier,
            simd=self.simd,
            x_w=self.x_type.bits,
            x_bits=decoded_bits(self.x_type),
            w_bits=decoded_bits(self.weight_type),
            acc_w=self.acc_type.bits,
        )
        return (*unit, *self.weight_modules(contents=contents))

    def interface(self) -> Interface:
        """A function for each memory."""
        return Interface(
            unit=Unit(
                called="depthwise",
                function="depthwise",
                header="bw_depthwise.hpp",
                shape="DepthwiseShape",
                module="bw_depthwise",
            ),
            title=f"{self.blocks * self.lanes} channels, {self.multiplier} x {self.fold * self.simd} each",
            notes=(
                f"{self.blocks * self.lanes} channels, {self.lanes} at a time, each times {self.multiplier} x "
                f"{self.fold * self.simd} of its own, {counted(self.vectors, 'pixel')} per frame",
                f"weights {self.weight_type}, a word of PE x SIMD per clock, block major; accumulators {self.acc_type}",
            ),
            sizes=(
                {"Pixels": self.vectors, "Blocks": self.blocks, "Fold": self.fold},
                {"Lanes": self.lanes, "Multiplier": self.multiplier, "Simd": self.simd},
            ),
            elements={"X": self.x_type, "Weight": self.weight_type},
            numbers={"Acc": self.acc_type},
            lanes=(self.pe, self.simd),
            table=self.weight_table("by block of channels and word of the field"),
            roms=(RomPort(prefix="w", words=self.weight_rom),),
        )


def depthwise_words(kernels: Ints, lanes: int, multiplier: int, simd: int) -> Weights:
    """`kernels` (channels * multiplier, positions) as words (blocks * fold, pe, simd) in the order of use."""
    total, positions = kernels.shape
    pe = lanes * multiplier
    tiles = kernels.reshape(total // pe, pe, positions // simd, simd).transpose(0, 2, 1, 3)
    return Weights(tiles.reshape(-1, pe, simd))
