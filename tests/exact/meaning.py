# SPDX-License-Identifier: Apache-2.0
"""The meaning of a requantiser in plain fractions, and random layers that are hard in every way we know of."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import numpy as np

from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.types import integer
from bitwright.ir.weights import Ints

HALF = Fraction(1, 2)


def rounded(rounding: Rounding, v: Fraction) -> int:
    away = 1 if v >= 0 else -1
    return {
        Rounding.HALF_EVEN: lambda: round(v),
        Rounding.HALF_AWAY: lambda: away * math.floor(abs(v) + HALF),
        Rounding.HALF_ZERO: lambda: away * math.ceil(abs(v) - HALF),
        Rounding.HALF_UP: lambda: math.floor(v + HALF),
        Rounding.HALF_DOWN: lambda: math.ceil(v - HALF),
        Rounding.FLOOR: lambda: math.floor(v),
        Rounding.CEIL: lambda: math.ceil(v),
        Rounding.TO_ZERO: lambda: math.trunc(v),
        Rounding.FROM_ZERO: lambda: away * math.ceil(abs(v)),
        Rounding.SIGN: lambda: away,
    }[rounding]()


def meaning(layer: Requantise, channel: int, a: int) -> int:
    """The final code of `a`, from the definition."""

    def of(values):
        return values[channel] if len(values) > 1 else values[0]

    v = of(layer.multiplier.values) * a + of(layer.offset.values)
    if layer.slope and v < 0:
        v *= of(layer.slope.values)
    if layer.rounding is Rounding.LEVELS:
        r = sum(level <= v for level in of(layer.levels))
    else:
        r = rounded(layer.rounding, v)
    return min(max(r, of(layer.low)), of(layer.high)) + layer.shift


def reachable(lo: Ints, hi: Ints) -> Ints:
    """Every integer of every channel's interval, (rows, channels); shorter intervals repeat their end."""
    return np.minimum(lo + np.arange(int((hi - lo).max()) + 1)[:, None], hi)


def codes(layer: Requantise, a: Ints) -> Ints:
    """The meaning of every element of `a` (rows, channels)."""
    return np.array([[meaning(layer, c, int(x)) for c, x in enumerate(row)] for row in a])


def requantise(
    multiplier, offset, rounding=Rounding.HALF_EVEN, *, low=(0,), high=(15,), shift=0, levels=(), slope=(), channels=0
):
    return Requantise(
        name="act",
        inputs=("acc",),
        shape=(channels or len(multiplier),),
        type=integer(32, signed=True),
        scale=ONES,
        zero=ZEROS,
        multiplier=PerChannel.made(multiplier),
        offset=PerChannel.made(offset),
        rounding=rounding,
        low=low,
        high=high,
        shift=shift,
        levels=levels,
        slope=PerChannel.made(slope),
    )


def float32(random: Random, low: float, high: float) -> Fraction:
    """A random number that float32 holds."""
    return Fraction(float(np.float32(random.uniform(low, high))))


def scale(random: Random) -> Fraction:
    """A multiplier: zero, a power of two, a small fraction with many ties, or a quotient of float32 scales."""
    sign = random.choice((1, 1, -1))
    match random.randrange(6):
        case 0:
            return Fraction(random.randrange(2) * random.randrange(2))
        case 1:
            return sign * Fraction(1, 1 << random.randrange(7))
        case 2:
            return sign * Fraction(random.randrange(1, 9), random.randrange(1, 40))
        case 3:
            return sign * Fraction(random.choice((1, 3, 5)), 1 << random.randrange(6))
        case 4:
            return sign * Fraction(1 << random.randrange(3))
        case _:
            return sign * float32(random, 0.01, 1) * float32(random, 0.01, 2) / float32(random, 0.1, 1)


def offset(random: Random) -> Fraction:
    match random.randrange(4):
        case 0:
            return Fraction(0)
        case 1:
            return Fraction(random.randrange(-20, 20), random.choice((1, 2, 4, 8)))
        case 2:
            return float32(random, -9, 9)
        case _:
            return Fraction(random.randrange(-9, 9), random.randrange(1, 30))


def random_layer(random: Random, rounding: Rounding) -> tuple[Requantise, Ints, Ints]:
    """A layer of one to four channels with its reachable interval."""
    channels = random.randrange(1, 5)
    shared = random.random() < 0.3
    bits = random.randrange(1, 6)
    lowest = random.choice((0, -(1 << bits - 1)))
    low = tuple(lowest + random.choice((0, 0, 1)) for _ in range(random.choice((1, channels))))
    high = tuple(max(bound, lowest + (1 << bits) - 1) for bound in low)
    levels: tuple[tuple[Fraction, ...], ...] = ()
    if rounding is Rounding.SIGN:
        low, high = (-1,), (1,)
    if rounding is Rounding.LEVELS:
        steps = random.choice((1, 3, 7))
        rows = random.choice((1, channels))
        levels = tuple(tuple(sorted(offset(random) for _ in range(steps))) for _ in range(rows))
        low, high = (random.choice((0, 0, -5, 1)),), (steps + random.choice((0, 0, 3)),)
    layer = requantise(
        [scale(random) for _ in range(1 if shared else channels)],
        [offset(random) for _ in range(1 if shared and random.random() < 0.5 else channels)],
        rounding,
        low=low,
        high=high,
        shift=random.choice((0, 0, 1, -3, 128)),
        levels=levels,
        slope=tuple(Fraction(random.randrange(1, 9), 5) for _ in range(random.choice((0, 0, 0, 1, channels)))),
        channels=channels,
    )
    lo = np.array([random.randrange(-60, 60) for _ in range(channels)])
    return layer, lo, lo + np.array([random.randrange(150) for _ in range(channels)])
