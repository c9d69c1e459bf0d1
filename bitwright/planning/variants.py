# SPDX-License-Identifier: Apache-2.0
"""How a layer may use its zeros at given lanes, counted without building a schedule or an index.

A unit that skips computes its rows in another order where that is faster and every reader takes it, or where putting
them back in place pays (`rows_move`). The latter needs a frame buffer, which no variant here has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Literal

from bitwright.hardware import counts
from bitwright.hardware.counts import beat_of
from bitwright.hardware.lanes import entering_cycles, is_legal, kernels_per_channel
from bitwright.hardware.lowering.orders import takes_any
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Dense, Layer
from bitwright.ir.weights import NofM

UNDOING = 7 / 8
"""A frame buffer that puts rows back in place pays if they then take no more than this share of the clocks."""
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
    beat = beat_of(layer, in_channels, simd)
    per_channel = kernels_per_channel(layer, in_channels)
    if layer.weights.zeros == 0 or (per_channel and pe >= per_channel):
        return
    if pattern := counts.pattern(layer.weights, beat, simd):
        yield Variant("select", kept=pattern)
    if groups_of(layer) > 1 or 1 - layer.weights.zeros / layer.weights.array.size > max(MOST.values()):
        return
    yield from _skipping(layer, beat, pe, simd)


def _skipping(layer: Dense | Conv, beat: int, pe: int, simd: int) -> Iterator[Variant]:
    """The ways to skip the zeros of `layer`, with rows that changed places and without where both are worth it."""
    density = counts.density(layer.weights, beat, simd)
    for zeros in (skip for skip, most in MOST.items() if density <= most and (pe > 1 or skip == "skip-rows")):
        beats = layer.weights.array.size // layer.channels // simd
        placed, moved = (
            counts.words(layer.weights, beat, pe, simd, zeros, movable=movable) for movable in (False, True)
        )
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
    legal = is_legal(layer, graph.source_of(layer).shape, chosen.pe, chosen.simd)
    return 0 in layer.weights.type and groups_of(layer) == 1 and legal


def rows_move(graph: Graph, plan: Plan, layer: Dense | Conv) -> bool:
    """Whether the rows of a unit that skips may change places.

    They may if the next layers take them so, or if putting them back in place pays: one by one, the frame in no more
    clocks than a vector takes, so that the unit stays the slower one.
    """
    chosen = plan.layers.get(layer.name, LayerPlan())
    if chosen.zeros not in MOST or not _can_skip(graph, layer, chosen):
        return False
    return absorbed(graph, plan, layer.name) or _undone(layer, *_clocks(graph, layer, chosen))


def _frame(graph: Graph, plan: Plan, layer: Dense | Conv) -> int:
    chosen, shape = plan.layers[layer.name], graph.source_of(layer).shape
    placed, moved = _clocks(graph, layer, chosen)
    best = moved if rows_move(graph, plan, layer) else placed
    return max(prod(layer.shape[:-1]) * best, entering_cycles(layer, shape, chosen.pe, chosen.simd))


def _clocks(graph: Graph, layer: Dense | Conv, chosen: LayerPlan) -> tuple[int, int]:
    """Clocks of a vector with the rows in their own order, and with moved ones."""
    pe, simd, zeros = chosen.pe, chosen.simd, chosen.zeros
    beat = beat_of(layer, graph.source_of(layer).channels, simd)
    beats = layer.weights.array.size // layer.channels // simd
    placed, moved = (
        max(beats, counts.words(layer.weights, beat, pe, simd, zeros, movable=movable)) for movable in (False, True)
    )
    return placed, moved


def _undone(layer: Dense | Conv, placed: int, moved: int) -> bool:
    """Whether moved rows are put back in place; both are clocks of a vector."""
    return prod(layer.shape) <= moved <= UNDOING * placed


def takes(graph: Graph, plan: Plan, layer: AnyLayer) -> bool:
    """Whether `layer`, planned like this, can read channels in any order."""
    chosen = plan.layers.get(layer.name, LayerPlan())
    return takes_any(layer, graph.source_of(layer).channels, chosen.zeros, chosen.simd)


def absorbed(graph: Graph, plan: Plan, name: str) -> bool:
    """Whether every reader of the layer `name` takes its channels in any order, up to matrices that end that order."""
    if name in graph.outputs:
        return False
    readers = graph.readers[name]
    if not all(takes(graph, plan, reader) for reader in readers):
        return False
    passing = [reader for reader in readers if not ends_order(reader)]
    return all(absorbed(graph, plan, reader.name) for reader in passing)


def ends_order(layer: Layer) -> bool:
    """Whether the channels of `layer` are in an order of its own, whatever that of its input is."""
    return isinstance(layer, Dense) or (isinstance(layer, Conv) and layer.groups == 1)


def groups_of(layer: Dense | Conv) -> int:
    """Groups of a convolution; a dense layer is one."""
    return layer.groups if isinstance(layer, Conv) else 1
