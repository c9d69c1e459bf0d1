# SPDX-License-Identifier: Apache-2.0
"""A clip that no quantiser follows, as a sum of parts: integers of modest width, each with an exact scale of its own.

    clip(s*q + o, low, high) = low + s * q*[inside] + (o - low) * [inside] + (high - low) * [above]

where [inside] is 1 for integers q between the places of the two ends and [above] for those beyond the upper one, else
0. Where an end falls between two integers no grid of a few bits holds both it and the steps of q, the parts do. Linear
operators act on each part alone (`parts.py`), and a quantiser joins them (`dialects/joined.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from bitwright.exact.steps import MAX_STEPS
from bitwright.frontend.builder import Builder
from bitwright.frontend.making import Floored, floored, multiplied, sources_of, weighted
from bitwright.frontend.scales import unit
from bitwright.frontend.values import ONE, ZERO, Tensor
from bitwright.ir.errors import BitwrightError
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, spread, squeeze
from bitwright.ir.types import IntType
from bitwright.reading.model import Node

GRID_BITS = 40
"""Integers on the common grid of all parts, if there is one, that linear operators still take."""
WIDEST_BITS = 62
"""Integers on a common grid in front of a quantiser."""
OFFERED_BITS = 16
"""Of the type that is offered for a quantiser."""


class Ends(NamedTuple):
    """One channel: its offset, the first and the last integer inside the clip, and the values beyond; None: no end."""

    offset: Fraction
    first: int
    last: int
    below: Fraction | None
    above: Fraction | None

    @property
    def is_open(self) -> bool:
        """True if no integer lies beyond the clip."""
        return self.below is self.above is None

    @property
    def base(self) -> Fraction:
        """The value to which the parts are added."""
        return self.offset if self.below is None else self.below

    @property
    def beyond(self) -> Fraction:
        """What is added to it above the clip."""
        return ZERO if self.above is None else self.above - self.base


def apart(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor, whose clip waits, as a sum of parts on which nothing does."""
    rows = _all_ends(builder, tensor)
    made = replace(tensor, offset=PerChannel(squeeze(tuple(row.base for row in rows))), low=(None,), high=(None,))
    if all(row.is_open for row in rows):
        return made
    above = _mask(builder, tensor, f"{node.name}_above", ONES, [-row.last for row in rows])
    inside = _inside(builder, tensor, node, rows, above)
    name = multiplied(builder, f"{node.name}_kept", (tensor, inside), (0, 0), _step(tensor.scale), sources_of(tensor))
    scaled = ((inside, [row.offset - row.base for row in rows]), (above, [row.beyond for row in rows]))
    rest = tuple(replace(part, scale=PerChannel(squeeze(tuple(scale)))) for part, scale in scaled if any(scale))
    return replace(made, layer=name, nodes=(), rest=rest)


def are_in_one_order(builder: Builder, tensor: Tensor) -> bool:
    """True if each element is at one place in the layers of all parts, which are added place by place."""
    shape = builder.layers[tensor.layer].shape
    return all(
        builder.layers[part.layer].shape == shape and np.array_equal(part.where, tensor.where) for part in tensor.rest
    )


def on_a_grid(builder: Builder, tensor: Tensor, node: Node, bits: int = GRID_BITS) -> Tensor | None:
    """The sum of the parts on their common grid, exactly; None if it takes more than `bits` bits, or another order."""
    parts = (replace(tensor, rest=()), *tensor.rest)
    if not are_in_one_order(builder, tensor):
        return None
    if not tensor.rest:
        return tensor
    size = max(len(part.scale.values) for part in parts)
    columns = list(zip(*(part.scale.each(size) for part in parts), strict=True))
    units = [unit(column) for column in columns]
    factors = tuple(
        squeeze(tuple(int(column[k] / step) for column, step in zip(columns, units, strict=True)))
        for k in range(len(parts))
    )
    if bits_of(builder, parts, factors) > bits:
        return None
    return added(builder, node, parts, factors, PerChannel(squeeze(tuple(units))))


def added(
    builder: Builder, node: Node, parts: Sequence[Tensor], factors: tuple[tuple[int, ...], ...], scale: PerChannel
) -> Tensor:
    """The parts times their factors in one layer, whose integers count steps of `scale`."""
    name = weighted(builder, f"{node.name}_parts", parts, factors, (_step(scale), ZEROS))
    return replace(parts[0], layer=name, scale=scale, nodes=())


def _step(scale: PerChannel) -> PerChannel:
    """The real value of an integer, which is positive."""
    return PerChannel(tuple(abs(value) or ONE for value in scale.values))


def bits_of(builder: Builder, parts: Sequence[Tensor], factors: Sequence[Sequence[int]]) -> int:
    """The bits of the sum of the parts times their factors."""
    low, high = [], []
    for c in range(builder.layers[parts[0].layer].channels):
        ends = [
            sorted(row[c % len(row)] * int(end[c]) for end in (reached.lo, reached.hi))
            for row, reached in zip(factors, (builder.reached(part.layer) for part in parts), strict=True)
        ]
        low.append(sum(pair[0] for pair in ends))
        high.append(sum(pair[1] for pair in ends))
    return IntType(min(low), max(high)).bits


def too_many_steps(builder: Builder, tensor: Tensor) -> bool:
    """True if the clip of a tensor would keep more integers than a requantiser can be proved for."""
    if not tensor.bounded:
        return False
    rows = _all_ends(builder, tensor)
    return max(row.last - row.first for row in rows) * len(rows) > MAX_STEPS


def too_wide(builder: Builder, node: Node, tensor: Tensor) -> BitwrightError:
    """That `node` reads a tensor that fits on no grid; names the edge and who made it, and offers a quantiser."""
    edge = next((name for name in node.inputs if builder.values.get(name) is tensor), node.inputs[0])
    makers = {name: maker for maker in builder.model.nodes for name in maker.outputs}
    maker = f"of node '{makers[edge].name}' ({makers[edge].op}) " if edge in makers else ""
    return node.error(
        f"reads real values {maker}on the edge '{edge}', which no common grid of {WIDEST_BITS} bits holds",
        f"a quantiser there makes integers of them: --quantise {edge}={_offer(builder, tensor)}",
    )


def _offer(builder: Builder, tensor: Tensor) -> str:
    """A type that holds all the values a tensor can have."""
    size, lows, highs = builder.layers[tensor.layer].channels, [], []
    bounds = (spread(tensor.low, size), spread(tensor.high, size))
    for c, (low, high) in enumerate(zip(*bounds, strict=True)):
        ends = [_span(builder, part, c) for part in (tensor, *tensor.rest)]
        start, end = (sum(pair[k] for pair in ends) + tensor.offset.each(size)[c] for k in (0, 1))
        lows.append(start if low is None else max(start, low))
        highs.append(end if high is None else min(end, high))
    signed = min(lows) < 0
    whole = max(ceil(max(highs)).bit_length(), floor(min(lows)).bit_length())
    return f"{'s' if signed else 'u'}{OFFERED_BITS}.{OFFERED_BITS - whole - signed}"


def _span(builder: Builder, part: Tensor, channel: int) -> list[Fraction]:
    """The least and the largest value of a channel without its offset."""
    reached = builder.reached(part.layer)
    scale = part.scale.values[channel % len(part.scale.values)]
    return sorted(scale * int(end[channel]) for end in (reached.lo, reached.hi))


def _all_ends(builder: Builder, tensor: Tensor) -> list[Ends]:
    """The ends of the clip in each channel of the layer, without those that no integer reaches."""
    layer, reached = builder.layers[tensor.layer], builder.reached(tensor.layer)
    low, high = (spread(values, layer.channels) for values in (tensor.low, tensor.high))
    lines = (tensor.scale.each(layer.channels), tensor.offset.each(layer.channels))
    return list(map(_ends, *lines, low, high, reached.lo.tolist(), reached.hi.tolist()))


def _ends(scale: Fraction, offset: Fraction, low: Fraction | None, high: Fraction | None, start: int, end: int) -> Ends:
    if not scale:
        offset = offset if low is None else max(offset, low)
        return Ends(offset if high is None else min(offset, high), start, end, None, None)
    below, above = (low, high) if scale > 0 else (high, low)
    first = start if below is None else ceil((below - offset) / scale)
    last = end if above is None else floor((above - offset) / scale)
    return Ends(offset, first, last, below if first > start else None, above if last < end else None)


def _inside(builder: Builder, tensor: Tensor, node: Node, rows: list[Ends], above: Tensor) -> Tensor:
    """1 inside the clip and 0 beyond it."""
    name = f"{node.name}_inside"
    if all(row.below is None for row in rows):
        return _mask(builder, tensor, name, -ONES, [row.last + 1 for row in rows])
    if all(row.above is None for row in rows):
        return _mask(builder, tensor, name, ONES, [1 - row.first for row in rows])
    reached = _mask(builder, tensor, f"{node.name}_reached", ONES, [1 - row.first for row in rows])
    return replace(reached, layer=weighted(builder, name, (reached, above), ((1,), (-1,)), (ONES, ZEROS)))


def _mask(builder: Builder, tensor: Tensor, name: str, slope: PerChannel, offsets: list[int]) -> Tensor:
    """clip(slope * q + offset, 0, 1)."""
    constants = Floored(slope, PerChannel(squeeze(tuple(map(Fraction, offsets)))), (0,), (1,))
    return Tensor(floored(builder, name, tensor, constants, IntType(0, 1), (ONES, ZEROS)), tensor.where, ONES, ZEROS)
