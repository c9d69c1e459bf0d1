# SPDX-License-Identifier: Apache-2.0
"""What may be chosen of one layer at one pair of lanes: each use of zeros, each style, each memory of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import assert_never

from bitwright.hardware.arithmetic import Style, legal_styles
from bitwright.hardware.choice import Folded, LayerChoice, Pooled
from bitwright.hardware.kernels.base import Memory
from bitwright.hardware.lanes import Lanes, Planned, kernels_per_channel
from bitwright.hardware.plan import LayerPlan
from bitwright.ir.layers import Matrix, Pool
from bitwright.ir.types import IntType
from bitwright.planning.variants import Variant, variants

MEMORIES: tuple[Memory, ...] = ("lut", "block")


@dataclass(frozen=True, slots=True)
class Unit:
    """A choice of a layer, the plan that asks for it, and whether its rows then come in another order."""

    plan: LayerPlan
    choice: LayerChoice
    moved: bool = False


def units(layer: Planned, x_type: IntType, in_channels: int, lanes: Lanes, most: int, *, alone: bool) -> Iterator[Unit]:
    """What may compute `layer`, which reads `x_type` behind its window, in at most `most` clocks."""
    pe, simd = lanes
    if isinstance(layer, Pool):
        yield Unit(LayerPlan(pe=pe, simd=simd), Pooled(lanes=simd))
    elif isinstance(layer, Matrix):
        for variant in variants(layer, in_channels, pe, simd):
            if _clocks(layer, lanes, variant) > most:
                continue
            for style, memory in product(_styles(layer, x_type, in_channels, pe), MEMORIES):
                plan = LayerPlan(pe=pe, simd=simd, memory=memory, style=style, zeros=variant.zeros)
                choice = Folded(
                    pe=pe,
                    simd=simd,
                    memory=memory,
                    style=style,
                    zeros=variant.zeros,
                    moves=variant.moved,
                    alone=alone,
                )
                yield Unit(plan, choice, variant.moved)
    else:
        assert_never(layer)


def _styles(layer: Matrix, x_type: IntType, in_channels: int, pe: int) -> tuple[Style, ...]:
    per_channel = kernels_per_channel(layer, in_channels)
    return ("lut",) if per_channel and pe >= per_channel else legal_styles(layer.weights.type, x_type)


def _clocks(layer: Matrix, lanes: Lanes, variant: Variant) -> int:
    """Clocks of the unit per frame: its words for every vector, or the beats of a vector, if more."""
    size = layer.weights.array.size
    skips = variant.zeros in ("skip-blocks", "skip-rows")
    words = max(variant.words, size // layer.channels // lanes[1]) if skips else size // prod(lanes)
    return prod(layer.shape[:-1]) * words
