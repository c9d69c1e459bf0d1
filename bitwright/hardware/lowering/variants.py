# SPDX-License-Identifier: Apache-2.0
"""How a layer may use its zeros at given lanes, counted without building a schedule or an index.

A unit that skips computes its rows in another order where that is faster and every reader takes it, or where putting
them back in place pays (`hardware.lowering.sparse`). The latter needs a frame buffer, which no variant here has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Literal

import numpy as np

from bitwright.hardware.kernels.select import GROUPS, selection
from bitwright.hardware.lanes import choices, entering_cycles, in_lanes, is_parallel, kernels_per_channel
from bitwright.hardware.lowering.orders import absorbed, ends_order, takes
from bitwright.hardware.lowering.sparse import UNDOING
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros, matrix_of, nonzero_blocks, vector_words
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import NofM, Weights

Skip = Literal["skip-blocks", "skip-rows"]
MOST: Mapping[Skip, float] = MappingProxyType({"skip-blocks": 0.7, "skip-rows": 0.9})
"""Where more than this share of the 1 x SIMD blocks have a weight that is not zero, skipping is not looked at.

PE that read the same beat skip a block together: they seldom do where many blocks are in use.
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """What becomes of zeros: `words` of a vector that skips them, whether its rows are `moved`, `kept` of n-of-m."""

    zeros: Zeros
    words: int = 0
    moved: bool = False
    kept: NofM | None = None


def variants(layer: Dense | Conv, in_channels: int, pe: int, simd: int) -> Iterator[Variant]:
    """Every way to compute `layer` at these lanes, the one that multiplies zeros first."""
    yield Variant("multiply")
    beat = _beat(layer, in_channels, simd)
    per_channel = kernels_per_channel(layer, in_channels)
    if layer.weights.zeros == 0 or (per_channel and pe >= per_channel):
        return
    if pattern := _pattern(layer.weights, beat, simd):
        yield Variant("select", kept=pattern)
    if _groups(layer) > 1 or 1 - layer.weights.zeros / layer.weights.array.size > max(MOST.values()):
        return
    density = _density(layer.weights, beat, simd)
    for zeros in (skip for skip, most in MOST.items() if density <= most and (pe > 1 or skip == "skip-rows")):
        beats = layer.weights.array.size // layer.channels // simd
        placed, moved = (_words(layer.weights, beat, pe, simd, zeros, movable) for movable in (False, True))
        if moved != placed:
            yield Variant(zeros, moved, moved=True)
        if moved == placed or not _undone(layer, max(placed, beats), max(moved, beats)):
            yield Variant(zeros, placed)


def skipped_cycles(graph: Graph, plan: Plan) -> dict[str, int]:
    """The clocks per frame of every layer of which `plan` skips zeros."""
    found = {}
    for name, chosen in plan.layers.items():
        layer = graph.by_name.get(name)
        if isinstance(layer, Dense | Conv) and chosen.zeros in MOST and _can_skip(graph, layer, chosen):
            found[name] = _frame(graph, plan, layer)
    return found


def ends_of_order(graph: Graph, name: str) -> list[str] | None:
    """The matrices at which another order of the channels of layer `name` ends, if no zeros forbid it there.

    None if something on the way needs the channels in their own order.
    """
    if name in graph.outputs or not all(takes(graph, Plan(), reader) for reader in graph.readers[name]):
        return None
    found: list[str] = []
    for reader in graph.readers[name]:
        further = [reader.name] if ends_order(reader) else ends_of_order(graph, reader.name)
        if further is None:
            return None
        found += further
    return found


def _can_skip(graph: Graph, layer: Dense | Conv, chosen: LayerPlan) -> bool:
    """Whether `layer` may be planned so; what may not is an error when it is lowered."""
    legal = choices(layer, graph.by_name[layer.inputs[0]].shape)
    return 0 in layer.weights.type and _groups(layer) == 1 and (chosen.pe, chosen.simd) in legal


def _frame(graph: Graph, plan: Plan, layer: Dense | Conv) -> int:
    chosen, shape = plan.layers[layer.name], graph.by_name[layer.inputs[0]].shape
    pe, simd, zeros = chosen.pe, chosen.simd, chosen.zeros
    beats, beat = layer.weights.array.size // layer.channels // simd, _beat(layer, shape[-1], simd)
    placed, moved = (max(beats, _words(layer.weights, beat, pe, simd, zeros, movable)) for movable in (False, True))
    best = moved if absorbed(graph, plan, layer.name) or _undone(layer, placed, moved) else placed
    return max(prod(layer.shape[:-1]) * best, entering_cycles(layer, shape, pe, simd))


def _undone(layer: Dense | Conv, placed: int, moved: int) -> bool:
    """Whether lowering puts moved rows back in place; both are clocks of a vector."""
    return prod(layer.shape) <= moved <= UNDOING * placed


def _groups(layer: Dense | Conv) -> int:
    return layer.groups if isinstance(layer, Conv) else 1


def _beat(layer: Dense | Conv, in_channels: int, simd: int) -> int:
    """The channels in a beat of a parallel window, 0 without one: what the order of the columns depends on."""
    parallel = isinstance(layer, Conv) and is_parallel(layer, in_channels, simd)
    return in_lanes(layer, in_channels, 1, simd) if parallel else 0


@lru_cache(maxsize=1)
def _blocks(weights: Weights, beat: int, simd: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return nonzero_blocks(matrix_of(weights.array, beat), simd)


@lru_cache(maxsize=4096)
def _density(weights: Weights, beat: int, simd: int) -> float:
    return float(_blocks(weights, beat, simd).mean())


@lru_cache(maxsize=16384)
def _words(weights: Weights, beat: int, pe: int, simd: int, zeros: Zeros, movable: bool) -> int:
    return vector_words(_blocks(weights, beat, simd), pe, zeros, movable=movable)


@lru_cache(maxsize=4096)
def _pattern(weights: Weights, beat: int, simd: int) -> NofM | None:
    widest = max((group for group in GROUPS if simd % group == 0), default=0)
    if not widest or _full(weights, beat, widest):
        return None
    return selection(matrix_of(weights.array, beat), simd)


@lru_cache(maxsize=4096)
def _full(weights: Weights, beat: int, group: int) -> bool:
    """Whether some `group` neighbours have no zero: nor then have some of any smaller number that divides it."""
    return bool((matrix_of(weights.array, beat) != 0).reshape(-1, group).all(axis=1).any())
