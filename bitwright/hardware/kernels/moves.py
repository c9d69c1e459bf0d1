# SPDX-License-Identifier: Apache-2.0
"""Kernels that only move data: another order, another width."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import Kernel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Kernel):
    """A frame in another order: output beat i is input beat order[i], or `fill` in every lane where order[i] is -1.

    Two frame buffers, so that the next frame enters while this one leaves. order: (output beats,).
    """

    order: Weights
    fill: int
    in_beats: int
    lanes: int
    type: IntType

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return int(self.order.array.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthConverter(Kernel):
    """Same elements in the same order, `in_lanes` per beat in, `out_lanes` per beat out; any ratio."""

    in_lanes: int
    out_lanes: int
    elements: int  # per frame; a multiple of both lane counts
    type: IntType
