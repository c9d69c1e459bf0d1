# SPDX-License-Identifier: Apache-2.0
"""Kernels that make one beat of several: the largest, the sum, the place of the largest."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import Kernel
from bitwright.ir.types import IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxReduce(Kernel):
    """Lane by lane the maximum of each `fold` consecutive beats; `groups` results per frame."""

    fold: int
    groups: int
    lanes: int
    type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class SumReduce(Kernel):
    """Lane by lane the sum of each `fold` consecutive beats; `groups` results per frame."""

    fold: int
    groups: int
    lanes: int
    x_type: IntType
    y_type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMaxReduce(Kernel):
    """The place of the largest element of each `fold` consecutive beats; `groups` results of one lane per frame.

    Lane i of beat b has the place b * lanes + i. Of equals the first wins, or the last if `last` is 1.
    """

    fold: int
    groups: int
    lanes: int
    last: int
    x_type: IntType
    y_type: IntType
