# SPDX-License-Identifier: Apache-2.0
"""Kernels that make one beat of several: the largest, the sum, the place of the largest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bitwright.hardware.events import Course
from bitwright.hardware.kernels.base import FRAME, Kernel, Needs, fits
from bitwright.hardware.kernels.interface import Interface, Unit, counted
from bitwright.hardware.loops import Loops, folded
from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, elastic_reg, log2
from bitwright.ir.types import IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduce(Kernel):
    """What reductions share: each `fold` consecutive beats of `lanes` elements become one; `groups` of them a frame."""

    fold: int
    groups: int
    lanes: int
    x_type: IntType
    y_type: IntType

    @property
    def cycles(self) -> int:
        """A beat per clock."""
        return self.groups * self.fold

    @property
    def latency(self) -> int:
        """A register, if the work of a beat is done in its own clock."""
        return 1

    def course(self) -> Course:
        """Every beat is taken; the last one of a group decides its result."""
        return self.counting(self.cycles, fold=self.fold)

    def loops(self) -> Loops:
        """The same."""
        return folded(self.groups, self.fold)

    def needs(self) -> Needs:
        """Windows, and a frame that can be counted."""
        yield min(self.fold, self.groups) > 0, "there must be a window"
        yield fits(self.cycles), FRAME


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxReduce(Reduce):
    """Lane by lane the maximum of each `fold` consecutive beats."""

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return max_reduce(fold=self.fold, lanes=self.lanes, x_w=self.x_type.bits)

    def interface(self) -> Interface:
        """That of a pool."""
        return pool_interface(self, "maximum", "max_reduce", "largest")


@dataclass(frozen=True, slots=True, kw_only=True)
class SumReduce(Reduce):
    """Lane by lane the sum of each `fold` consecutive beats."""

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return sum_reduce(fold=self.fold, lanes=self.lanes, y_w=self.y_type.bits)

    def interface(self) -> Interface:
        """That of a pool."""
        return pool_interface(self, "sum", "sum_reduce", "sum")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMaxReduce(Reduce):
    """The place of the largest element of each `fold` consecutive beats, a beat of one lane.

    Lane i of beat b has the place b * lanes + i. Of equals the first wins, or the last if `last` is 1.
    """

    last: int

    def needs(self) -> Needs:
        """Channels, a frame that can be counted, and a type that holds every place."""
        yield min(self.fold, self.groups, self.lanes) > 0, "there must be a channel"
        yield self.last in (0, 1), "Last says which of equals wins: 0 or 1"
        yield fits(self.cycles), FRAME
        yield self.fold * self.lanes <= 1 << self.y_type.bits, "Y must hold every place"

    @property
    def latency(self) -> int:
        """Comparisons have a level for every factor of two."""
        return 2 + (self.lanes - 1).bit_length()

    @property
    def credits(self) -> int:
        """Groups that begin before the first of them has left."""
        return self.latency // self.fold + 2

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return argmax_reduce(fold=self.fold, lanes=self.lanes, x_w=self.x_type.bits, y_w=self.y_type.bits)

    def interface(self) -> Interface:
        """A pixel is a fold of its channels."""
        places = self.fold * self.lanes
        wins = "last" if self.last else "first"
        return Interface(
            unit=Unit(
                called="argmax",
                function="argmax_reduce",
                header="bw_argmax.hpp",
                shape="ArgMaxShape",
                module="bw_argmax_reduce",
            ),
            title=f"place of the largest of {places}",
            notes=(
                f"place of the largest of {counted(places, 'channel')}, the {wins} of equals; "
                f"{counted(self.groups, 'pixel')} per frame",
            ),
            sizes=({"Fold": self.fold, "Pixels": self.groups, "Lanes": self.lanes, "Last": self.last},),
            elements={"X": self.x_type, "Y": self.y_type},
        )


def pool_interface(kernel: Reduce, called: str, name: str, what: str) -> Interface:
    """The interface of a reduction lane by lane, which both libraries call `name`."""
    return Interface(
        unit=Unit(called=called, function=name, header="bw_pool.hpp", shape="PoolShape", module=f"bw_{name}"),
        title=f"{called} of {kernel.fold}",
        notes=(f"{what} of {kernel.fold} beats, lane by lane",),
        sizes=({"Fold": kernel.fold, "Windows": kernel.groups, "Lanes": kernel.lanes},),
        elements={"X": kernel.x_type, "Y": kernel.y_type},
    )


@cache
def max_reduce(*, fold: int, lanes: int, x_w: int) -> Parts:
    """The maximum of consecutive beats."""
    own = Part("max_reduce", {"bits": lanes * x_w, "lanes": lanes, "counter": log2(fold)})
    return (own, *elastic_reg(width=lanes * x_w))


@cache
def sum_reduce(*, fold: int, lanes: int, y_w: int) -> Parts:
    """The sum of consecutive beats."""
    own = Part("sum_reduce", {"bits": lanes * y_w, "lanes": lanes, "counter": log2(fold)})
    return (own, *elastic_reg(width=lanes * y_w))


@cache
def argmax_reduce(*, fold: int, lanes: int, x_w: int, y_w: int) -> Parts:
    """The place of the maximum of consecutive beats."""
    levels, place = log2(lanes), max(1, log2(lanes))
    tree = dict.fromkeys(("compare", "kept", "pairs"), 0)
    left = lanes
    while left > 1:
        tree["compare"] += left // 2 * x_w
        tree["pairs"] += left // 2
        left = -(-left // 2)
        tree["kept"] += left * (x_w + place)
    own = Part("argmax_reduce", {"value": x_w, "place": y_w, "counter": log2(fold), "levels": levels})
    flow = credit_pipe(width=y_w, latency=levels + 1, depth=(levels + 2) // fold + 2)
    return (own, Part("argmax_tree", tree), *flow)
