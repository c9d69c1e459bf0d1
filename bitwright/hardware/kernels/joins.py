# SPDX-License-Identifier: Apache-2.0
"""Kernels where streams part and meet: fork, sum, product, concatenation."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import Kernel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(Kernel):
    """Every beat to `output` and to each of `copies`; the next one is taken when all have taken this one."""

    copies: tuple[str, ...]
    lanes: int
    beats: int
    type: IntType

    @property
    def outputs(self) -> tuple[str, ...]:
        """`output` and the copies."""
        return (self.output, *self.copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Kernel):
    """What kernels with several operands share: `input` and `others` bring beats of equal lanes in the same order."""

    others: tuple[str, ...]
    lanes: int
    beats: int  # per frame, of the output
    x_types: tuple[IntType, ...]
    y_type: IntType

    @property
    def inputs(self) -> tuple[str, ...]:
        """`input` and the other operands."""
        return (self.input, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder(Join):
    """y = sum over operands k of factors[k][channel] * x[k], one beat of each per clock.

    `factors` is (operands, channels); lane i of beat b has channel (b % folds) * lanes + i.
    """

    factors: Weights
    folds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier(Join):
    """y = (x[0] - zeros[0]) * (x[1] - zeros[1]) lane by lane, one beat of each per clock."""

    zeros: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleave(Join):
    """Pixel by pixel `parts[k]` beats of operand k in turn, each element extended to `y_type`."""

    pixels: int
    parts: tuple[int, ...]
