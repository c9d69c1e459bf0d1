# SPDX-License-Identifier: Apache-2.0
"""The parts of a sum in front of a quantiser, as one layer: exactly, or so that no code is another, which is proved.

Of parts q1, q2, ... with scales s1, s2, ... the code is at least k where q1 + r2*q2 + ... >= t for the step t of k in
units of q1 and the ratios r = s / s1. An integer a and integers b near a*r give a*q1 + b2*q2 + ... >= a*t for the same
integers if no t - r2*q2 - ... lies so near to an integer that the error of b / a reaches it; that is decided for every
step and all integers q2, ... that can occur.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.solve import rays
from bitwright.frontend.builder import Builder
from bitwright.frontend.clips import WIDEST_BITS, added, bits_of, on_a_grid, too_wide
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.layouts import like, per_channel, whole
from bitwright.frontend.values import ZERO, T, Tensor, fractions
from bitwright.ir.layers import Rounding
from bitwright.ir.per_channel import PerChannel, squeeze
from bitwright.reading.model import Node

MAX_CASES = 1 << 22
"""Steps of a channel times integers of all parts but the first that are looked at."""
TURN = 1 << 64
"""Fractions of one are counted in so many parts: sums of them wrap as uint64 does."""
MOST_SHIFT = 40
Counts = NDArray[np.uint64]


class Channel(NamedTuple):
    """One channel: steps and ratios in units of the first part, and the integers that the other parts reach."""

    steps: list[Fraction]
    ratios: list[Fraction]
    ends: list[tuple[int, int]]


def joined(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor) -> Tensor:
    """`tensor` over one layer of which `quantiser` makes the codes that it makes of the sum of the parts."""
    if not tensor.rest:
        return tensor
    exact = on_a_grid(builder, tensor, node, WIDEST_BITS)
    if exact is not None:
        return exact
    first = whole(builder, replace(tensor, rest=()), node)
    parts = [first, *(like(builder, part, first, node) for part in tensor.rest)]
    found = _factors(builder, node, quantiser, parts)
    if found is None:
        exact = on_a_grid(builder, replace(first, rest=tuple(parts[1:])), node, WIDEST_BITS)
        if exact is None:
            raise too_wide(builder, node, tensor)
        return exact
    rows = tuple(squeeze(row) for row in zip(*found, strict=True))
    if bits_of(builder, parts, rows) > WIDEST_BITS:
        raise too_wide(builder, node, tensor)
    scale = (first.scale / PerChannel(tuple(map(Fraction, rows[0])))).squeezed()
    return added(builder, node, parts, rows, scale)


def _factors(
    builder: Builder, node: Node, quantiser: Quantiser, parts: Sequence[Tensor]
) -> list[tuple[int, ...]] | None:
    """The factors of the parts, channel by channel, that change no code; None if there are none, or too much to try."""
    first = parts[0]
    layer = builder.layers[first.layer]
    parameters = (quantiser.scale, quantiser.before, quantiser.low, quantiser.high)
    laid, numbers = per_channel(builder, first, node, *map(fractions, parameters))
    if laid.layer != first.layer or not _has_steps(quantiser, first):
        return None
    columns = zip(*(values.each(layer.channels) for values in (*numbers, first.scale, first.offset)), strict=True)
    steps = [_steps(quantiser, *column) for column in columns]
    return _all_or_none(small_factors(_channel(builder, parts, c, row)) for c, row in enumerate(steps))


def _all_or_none(found: Iterable[T | None]) -> list[T] | None:
    kept = []
    for each in found:
        if each is None:
            return None
        kept.append(each)
    return kept


def _has_steps(quantiser: Quantiser, first: Tensor) -> bool:
    """True if the codes change where `rays` says, along a line that is not level."""
    plain = not (first.curved or quantiser.follows_torch or quantiser.rounding is Rounding.LEVELS)
    return plain and all(first.scale.values)


def _channel(builder: Builder, parts: Sequence[Tensor], c: int, steps: list[Fraction]) -> Channel:
    first, *others = parts
    channels = builder.layers[first.layer].channels
    scale = first.scale.each(channels)[c]
    reached = [builder.reached(part.layer) for part in others]
    ends = [(int(x.lo[c]), int(x.hi[c])) for x in reached]
    return Channel(steps, [part.scale.each(channels)[c] / scale for part in others], ends)


def _steps(
    quantiser: Quantiser,
    step: Fraction,
    before: Fraction,
    low: Fraction,
    high: Fraction,
    scale: Fraction,
    offset: Fraction,
) -> list[Fraction]:
    """Where the codes of a channel change, in integers of its first part."""
    codes = np.arange(int(low) + 1, int(high) + 1)
    if quantiser.rounding is Rounding.SIGN:
        codes = np.zeros(1, dtype=np.int64)
    rounds, _ = rays(quantiser.rounding, codes)
    return [((Fraction(twice, 2) - before) * step - offset) / scale for twice in (2 * codes - rounds).tolist()]


def small_factors(channel: Channel) -> tuple[int, ...] | None:
    """Small factors (a, b2, ...) that change no code of a channel."""
    live = [k for k, ratio in enumerate(channel.ratios) if ratio and channel.ends[k] != (0, 0)]
    factors = [1] + [0] * len(channel.ratios)
    if not live:
        return tuple(factors)
    room = _room(channel, live)
    near = None if room is None else _near(channel, live, room)
    if near is None:
        return None
    factors[0] = near[0]
    for k, factor in zip(live, near[1:], strict=True):
        factors[k + 1] = factor
    return tuple(factors)


def _near(channel: Channel, live: list[int], room: Fraction) -> list[int] | None:
    """(a, b, ...) with b / a so near to the ratios that the sum of the parts errs by less than `room`."""
    reach = [max(map(abs, channel.ends[k])) for k in live]
    ratios = [channel.ratios[k] for k in live]
    if len(live) == 1:
        error = room / reach[0]
        near = _between(ratios[0] - error, ratios[0] + error)
        return [near.denominator, near.numerator]
    for shift in range(MOST_SHIFT):
        rounded = [round(ratio * (1 << shift)) for ratio in ratios]
        errors = [abs(ratio - Fraction(b, 1 << shift)) for ratio, b in zip(ratios, rounded, strict=True)]
        if sum((error * most for error, most in zip(errors, reach, strict=True)), ZERO) < room:
            return [1 << shift, *rounded]
    return None


def _room(channel: Channel, live: list[int]) -> Fraction | None:
    """How near to an integer a step less the other parts comes, at most; None if one is hit, or there are too many."""
    sizes = [channel.ends[k][1] - channel.ends[k][0] + 1 for k in live]
    if len(channel.steps) * float(np.prod(sizes)) > MAX_CASES:
        return None
    moved, still = np.zeros(1, dtype=np.uint64), np.ones(1, dtype=bool)
    for k in live:
        integers = np.arange(channel.ends[k][0], channel.ends[k][1] + 1)
        turns = np.uint64(int((channel.ratios[k] % 1) * TURN)) * integers.astype(np.uint64)
        moved = (moved[:, None] + turns[None, :]).reshape(-1)
        still = (still[:, None] & (integers == 0)[None, :]).reshape(-1)
    moved = moved[~still]  # without the other parts nothing moves
    nearest = TURN
    for step in channel.steps:
        apart = np.uint64(int((step % 1) * TURN)) - moved
        nearest = min(nearest, int(np.minimum(apart, -apart).min(initial=np.iinfo(np.uint64).max)))
    lost = 2 + sum(max(map(abs, channel.ends[k])) for k in live)
    return Fraction(nearest - lost, TURN) if nearest > lost else None


def _between(low: Fraction, high: Fraction) -> Fraction:
    """The fraction of the smallest denominator strictly between two."""
    floor = low.numerator // low.denominator
    if floor + 1 < high:
        return Fraction(floor + 1)
    if low == floor:
        return floor + Fraction(1, int(1 / (high - floor)) + 1)
    return floor + 1 / _between(1 / (high - floor), 1 / (low - floor))
