# SPDX-License-Identifier: Apache-2.0
"""Two operands behind one requantiser: small factors that give the same code for every pair (`docs/exactness.md`).

The meaning is y(i*a + j*b) with integers i, j of up to 24 bits and more. Hardware computes
(ma*a + mb*b + c) >> s with much shorter factors; equality is decided over all pairs of codes that can occur.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.forms import Factors, MultiplyShift
from bitwright.exact.ranges import Ranges
from bitwright.exact.slopes import roundest
from bitwright.exact.steps import steps
from bitwright.ir.layers import Requantise, Rounding, Sum
from bitwright.ir.per_channel import width
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

MAX_PAIRS = 1 << 20
"""Pairs that are enumerated; more are left to the requantiser of the exact sum."""
LARGEST = 1 << 62
"""Sums of products stay below; those of finer shifts are larger still."""
FINEST = 40
"""Largest shift that is tried."""
ACTIVE = 200
"""Pairs of least slack under the true plane: the ones that decide, looked at before all pairs are."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every pair: operands, its code, and which side of the code's plateau binds."""

    a: Ints
    b: Ints
    code: Ints
    above: Ints  # indices of pairs whose code is above the lowest
    below: Ints  # indices of pairs whose code is below the highest


def pair_forms(join: Sum, layer: Requantise, a: Ranges, b: Ranges) -> tuple[Factors, MultiplyShift] | None:
    """Factors for `join` and a shift for `layer` that together equal them for every pair of operands, or None.

    Only for two operands with one factor each and one multiplier for the whole tensor. The search is heuristic about
    how short the factors are; what it returns is proved over all pairs.
    """
    ends = _ends(join, layer, (a, b))
    if ends is None:
        return None
    plain = _search(join, layer, _pairs(join, layer, ends))
    if plain is not None:
        factors, c, s = plain
        return _forms(join, layer, ends, factors, c, s, 0)
    return _windowed(join, layer, ends) if layer.rounding is Rounding.HALF_EVEN else None


def pair_proved(join: Sum, layer: Requantise, factors: Factors, form: MultiplyShift, reads: Sequence[Ranges]) -> bool:
    """True if `form` of the sum with `factors` gives the code of `layer` for every pair of the operands of `join`."""
    ends = _ends(join, layer, reads)
    if ends is None or [len(values) for values in factors.factors] != [1, 1]:
        return False
    pairs = _pairs(join, layer, ends)
    u = np.asarray(factors.factors[0][0] * pairs.a + factors.factors[1][0] * pairs.b)
    rows = (values.array for values in (form.m, form.c, form.window, form.low, form.high))
    m, c, window, low, high = map(Weights, np.unique(np.stack(list(rows)), axis=1))  # channels that differ: one, mostly
    one = replace(form, m=m, c=c, window=window, low=low, high=high)
    reached = [int(end) for a in (u.min(), u.max()) for end in a.astype(object) * m.array + one.offsets]
    held = factors.type.covers(IntType(int(u.min()), int(u.max())))
    held = held and form.product.covers(IntType(min(reached), max(reached)))
    return held and bool((one.apply(u[:, None]) == pairs.code[:, None]).all())


def _ends(join: Sum, layer: Requantise, reads: Sequence[Ranges]) -> list[tuple[int, int]] | None:
    """The interval of each operand, where there are few enough pairs, and one rule for all channels."""
    channels = width(layer.multiplier, layer.offset, layer.low, layer.high, *join.factors)
    if len(join.factors) != 2 or channels > 1 or layer.slope or layer.levels:
        return None
    ends = [(int(x.lo.min()), int(x.hi.max())) for x in reads]
    if (ends[0][1] - ends[0][0] + 1) * (ends[1][1] - ends[1][0] + 1) > MAX_PAIRS or layer.rounding is Rounding.SIGN:
        return None
    return ends


def _pairs(join: Sum, layer: Requantise, ends: list[tuple[int, int]]) -> Pairs:
    grid = np.meshgrid(*(np.arange(lo, hi + 1) for lo, hi in ends), indexing="ij")
    a, b = (axis.reshape(-1) for axis in grid)
    u = join.factors[0][0] * a + join.factors[1][0] * b
    one = replace(layer, shape=(1,), scale=layer.scale.take([0]), zero=layer.zero.take([0]))  # every channel is alike
    found = steps(one, u.min(keepdims=True), u.max(keepdims=True))
    code = found.apply(u[:, None])[:, 0].astype(np.int64)
    low, high = layer.low[0] + layer.shift, layer.high[0] + layer.shift
    return Pairs(a, b, code, np.flatnonzero(code > low), np.flatnonzero(code < high))


def _search(join: Sum, layer: Requantise, pairs: Pairs) -> tuple[tuple[int, int], int, int] | None:
    """((ma, mb), c, s) of the smallest shift found: candidates near the true plane, then all pairs decide."""
    slopes = [layer.multiplier.of(0) * factor[0] for factor in join.factors]
    ends = [int(np.abs(operand).max()) for operand in (pairs.a, pairs.b)]
    plane = float(slopes[0]) * pairs.a + float(slopes[1]) * pairs.b
    above = _tightest(pairs.above, pairs.code - plane)
    below = _tightest(pairs.below, plane - pairs.code)
    for s in range(FINEST):
        for ma, mb in _near(slopes, s):
            if abs(ma) * ends[0] + abs(mb) * ends[1] >= LARGEST:
                return None
            if _gap(pairs, ma, mb, s, above, below) is None:
                continue
            found = _gap(pairs, ma, mb, s, pairs.above, pairs.below)
            if found is not None:
                return (ma, mb), roundest(found[0], found[1] - 1), s
    return None


def _tightest(index: Ints, pull: NDArray[Any]) -> Ints:
    return index[np.argsort(-pull[index], kind="stable")[:ACTIVE]]


def _near(slopes: list[Fraction], s: int) -> Iterator[tuple[int, int]]:
    """Integer pairs within 2 of the true slopes times 2**s, nearest first."""
    centre = [round(slope * (1 << s)) for slope in slopes]
    around = sorted(((x, y) for x in range(-2, 3) for y in range(-2, 3)), key=lambda d: (d[0] ** 2 + d[1] ** 2, d))
    return ((centre[0] + x, centre[1] + y) for x, y in around)


def _gap(pairs: Pairs, ma: int, mb: int, s: int, above: Ints, below: Ints) -> tuple[int, int] | None:
    """[L, U) of the constants that give every code of the pairs `above` and `below`; None if it is empty."""

    def value(index: Ints) -> Ints:
        return ma * pairs.a[index] + mb * pairs.b[index]

    low = int(((pairs.code[above] << s) - value(above)).max(initial=-(1 << 62)))
    high = int((((pairs.code[below] + 1) << s) - value(below)).min(initial=1 << 62))
    return (low, high) if low < high else None


def _windowed(join: Sum, layer: Requantise, ends: list[tuple[int, int]]) -> tuple[Factors, MultiplyShift] | None:
    """The plane of half up with a window that takes its ties back to even."""
    up = _pairs(join, replace(layer, rounding=Rounding.HALF_UP), ends)
    even = _pairs(join, layer, ends)
    found = _search(join, replace(layer, rounding=Rounding.HALF_UP), up)
    if found is None:
        return None
    (ma, mb), _, s = found
    gap = _gap(up, ma, mb, s, up.above, up.below)
    assert gap is not None
    c = gap[0]
    value = ma * up.a + mb * up.b + c
    rest = value & ((1 << s) - 1)
    odd = (((value >> s) - layer.shift) & 1) == 1
    low, high = layer.low[0] + layer.shift, layer.high[0] + layer.shift
    moved = np.clip((value >> s) - 1, low, high)
    must, must_not = odd & (moved == even.code) & (up.code != even.code), odd & (moved != even.code)
    least, most = int(rest[must].max(initial=-1)) + 1, int(rest[must_not].min(initial=1 << s))
    window = next((1 << n for n in range(s + 1) if least <= 1 << n <= most), least)
    made = _forms(join, layer, ends, (ma, mb), c, s, window)
    given = made[1].apply(np.asarray(ma * up.a + mb * up.b)[:, None])[:, 0]
    return made if least <= most and bool((given == even.code).all()) else None


def _forms(
    join: Sum,
    layer: Requantise,
    ends: list[tuple[int, int]],
    factors: tuple[int, int],
    c: int,
    s: int,
    window: int,
) -> tuple[Factors, MultiplyShift]:
    corners = [factors[0] * a + factors[1] * b for a in ends[0] for b in ends[1]]
    total = IntType(min(corners), max(corners))
    same = np.ones(layer.channels, dtype=np.int64)
    shift = MultiplyShift(
        kind="shift_even" if window else "shift",
        m=Weights(same),
        c=Weights(c * same),
        s=s,
        window=Weights(window * same),
        odd=layer.shift & 1,
        low=Weights((layer.low[0] + layer.shift) * same),
        high=Weights((layer.high[0] + layer.shift) * same),
        product=IntType(total.lo + c, total.hi + c),
    )
    return Factors(factors=tuple((factor,) for factor in factors), type=total), shift
