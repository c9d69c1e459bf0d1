# SPDX-License-Identifier: Apache-2.0
"""Candidates for a multiply-add-shift: per channel a slope from its interval, the roundest constant, a tie window."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.forms import INT64_BITS, MultiplyShift
from bitwright.exact.meaning import limits
from bitwright.exact.proof import PRODUCT_BITS
from bitwright.exact.ruled import Ruled
from bitwright.exact.slopes import FINEST, Interval, Points, minimal, points, power_of_two, roundest, slope_intervals
from bitwright.exact.steps import Steps, steps
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

INT64_SAFE = 1 << 62
EXTRA_BITS = 3
"""By how much `nearest` is finer than the shortest multipliers."""
Slope = tuple[int, int]
"""(m, s): the slope m / 2**s."""
Choice = Callable[[Sequence[Interval | None], Sequence[Fraction]], list[Slope] | None]
"""From the intervals of all channels and their exact scales to a slope in each; None where one has none."""


class Line(NamedTuple):
    """One channel's (m*a + c) >> s with its tie window, in Python integers."""

    m: int
    c: int
    s: int
    window: int = 0


class Fit(NamedTuple):
    """Channels that are fitted alike: where they are in the layer, steps, what binds them, slopes, unsigned scales.

    With `even`, the steps are those of half up, and a tie window has to bring back those of half even in `even`.
    """

    channel: Ints
    steps: Steps
    points: Points
    slopes: list[Interval | None]
    scales: list[Fraction]
    even: Steps | None = None


def multiply_shifts(layer: Requantise, found: Steps) -> Iterator[MultiplyShift]:
    """Forms that should be equal to `layer`, whose steps are `found`, at most one of a kind.

    In order: powers of two, powers of two with a window for their ties, and the minimal multipliers, or longer ones
    that are nearer to the scales, with a window where there is no line without.
    """
    if found.step != 1:
        return
    direct = _fit(layer, found, np.flatnonzero(found.count))
    lost = np.array([slope is None for slope in direct.slopes], dtype=bool)
    off = np.array(
        [not _holds(slope, scale) for slope, scale in zip(direct.slopes, direct.scales, strict=True)], dtype=bool
    )
    kinds = set()
    for windowed, *choices in ((np.zeros_like(lost), powers), (off, powers), (lost, shortest, nearest)):
        fits = _split(layer, found, direct, windowed)
        attempts = (_form(layer, found, fits, choose) for choose in choices)
        form = next(filter(None, attempts), None)
        if form and form.kind not in kinds:
            kinds.add(form.kind)
            yield form


def shortest(slopes: Sequence[Interval | None], scales: Sequence[Fraction]) -> list[Slope] | None:
    """The shortest multiplier of every interval, whatever the scale."""
    found = [slope for slope in slopes if slope is not None]
    return [minimal(slope) for slope in found] if len(found) == len(slopes) else None


def nearest(slopes: Sequence[Interval | None], scales: Sequence[Fraction]) -> list[Slope] | None:
    """Multipliers a few bits longer, as near to the scales as they can be: ties then lie almost equally deep."""
    found = shortest(slopes, scales)
    if found is None:
        return None
    finer = [
        (round(scale * (1 << s + EXTRA_BITS)), s + EXTRA_BITS) for scale, (_, s) in zip(scales, found, strict=True)
    ]
    return [
        fine if _holds(slope, Fraction(fine[0], 1 << fine[1])) else short
        for slope, fine, short in zip(slopes, finer, found, strict=True)
    ]


def _powers_of_two(slopes: Sequence[Interval | None]) -> list[tuple[int, int]] | None:
    """The least and the largest exponent in each interval; None if one has none."""
    spans = [slope and power_of_two(slope) for slope in slopes]
    fitting = [span for span in spans if span is not None]
    return fitting if len(fitting) == len(spans) else None


def powers(slopes: Sequence[Interval | None], scales: Sequence[Fraction]) -> list[Slope] | None:
    """A power of two in every interval: the same one if there is one, else the nearest to the scale."""
    fitting = _powers_of_two(slopes)
    if fitting is None:
        return None
    near, lowest, highest = [], -FINEST, FINEST
    for (least, most), scale in zip(fitting, scales, strict=True):
        p = min(max(scale.numerator.bit_length() - scale.denominator.bit_length(), least), most)
        lowest, highest = max(lowest, least), min(highest, most)
        near.append(p)
    chosen = [lowest] * len(near) if lowest <= highest else near
    s = max((-p for p in chosen if p < 0), default=0)
    return [(1 << s + p, s) for p in chosen]


def _holds(slope: Interval | None, scale: Fraction) -> bool:
    """True if `scale` itself lies in the interval."""
    n, d = scale.numerator, scale.denominator
    return slope is not None and slope.a * d < n * slope.b and n * slope.d < slope.c * d


def _split(layer: Requantise, found: Steps, direct: Fit, windowed: NDArray[np.bool_]) -> list[Fit]:
    """`direct`, its `windowed` channels taken over by the line of half up, if that is how half even can be had."""
    if layer.rounding is not Rounding.HALF_EVEN or not windowed.any():
        return [direct]
    half_up = steps(replace(layer, rounding=Rounding.HALF_UP), found.lo, found.hi)
    moving = half_up.count[direct.channel] > 0
    tied = _fit(layer, half_up, direct.channel[windowed & moving])
    kept = direct.channel[~(windowed & moving)]
    return [_fit(layer, found, kept), tied._replace(even=found.take(tied.channel))]


def _fit(layer: Requantise, found: Steps, channel: Ints) -> Fit:
    low, high = limits(layer)
    taken = found.take(channel)
    bound = points(taken, low[channel], high[channel])
    return Fit(channel, taken, bound, slope_intervals(bound), [abs(layer.multiplier.of(c)) for c in channel])


def _chosen(fits: Sequence[Fit], choose: Choice) -> list[Slope] | None:
    """A slope for every channel of every fit, all chosen together."""
    return choose([slope for fit in fits for slope in fit.slopes], [scale for fit in fits for scale in fit.scales])


def _form(layer: Requantise, found: Steps, fits: Sequence[Fit], choose: Choice) -> MultiplyShift | None:
    """The form with the slopes that `choose` takes; None if a slope, a constant or a window is missing."""
    chosen = _chosen(fits, choose)
    if chosen is None:
        return None
    lines = [Line(0, code, 0) for code in found.first.tolist()]
    slopes = iter(chosen)
    for fit in fits:
        made = _lines(layer, fit, [next(slopes) for _ in fit.slopes])
        if made is None:
            return None
        for channel, line in zip(fit.channel.tolist(), made, strict=True):
            lines[channel] = line
    return shared(layer, found, lines, INT64_BITS if choose is powers else PRODUCT_BITS)


def _longest(fit: Fit, chosen: Sequence[Slope]) -> int:
    """The largest product, or shifted code, that the slopes make."""
    codes, width = int(fit.points.end_k.max(initial=0)), int(fit.points.end_x.max(initial=0))
    return max((max(codes << s, m * (width + 1)) for m, s in chosen), default=0)


def _lines(layer: Requantise, fit: Fit, chosen: Sequence[Slope]) -> list[Line] | None:
    """The constants and windows for the `chosen` slopes of one fit; None if there is no such window, or no room."""
    longest = _longest(fit, chosen)
    if longest.bit_length() >= PRODUCT_BITS:
        return None
    number = np.int64 if longest < INT64_SAFE else object
    m, s = (np.array(column, dtype=number) for column in (zip(*chosen, strict=True) if chosen else ((), ())))
    low, high = fit.points.bounds(m, np.array([1 << shift for _, shift in chosen], dtype=number))
    windows = _windows(layer, fit, m, s, low)
    if windows is None:
        return None
    found, lines = fit.steps, []
    for i, (slope, shift) in enumerate(chosen):
        base = (int(found.first[i]) << shift) - slope * int(found.start[i]) - slope * int(found.falling[i])
        c = base + int(low[i]) if fit.even else roundest(base + int(low[i]), base + int(high[i]) - 1)
        lines.append(Line(-slope if found.falling[i] else slope, c, shift, windows[i]))
    return lines


def _windows(layer: Requantise, fit: Fit, m: Ints, s: Ints, c: Ints) -> list[int] | None:
    """For each channel a window that takes its ties to even and leaves every other odd code; None if one has none.

    Zero where ties go upwards. Only the first point of a plateau of the half-up line can lie in a window of at most m,
    so only these are looked at.
    """
    if fit.even is None:
        return [0] * len(m)
    up, (low, _) = fit.steps, limits(layer)
    starts = up.first > low[fit.channel]
    distinct = np.hstack((np.diff(up.t, axis=1) != 0, np.ones((len(up.t), 1), dtype=bool)))
    enters = np.hstack((starts[:, None], up.reached & distinct))
    x = np.hstack((up.start[:, None], np.minimum(up.t, up.end[:, None]))) - up.start[:, None]
    k = np.arange(x.shape[1])
    b = x + up.start[:, None]
    even = fit.even.apply(np.where(up.falling[:, None], ~b, b).T).T
    code = up.first[:, None] + k
    odd = enters & ((code - layer.shift) % 2 == 1)
    rest = m[:, None] * x + c[:, None] - (k << s[:, None])
    tie = odd & (even < code)
    least = np.where(tie, rest, -1).max(axis=1) + 1
    most = np.minimum(np.where(odd & ~tie, rest, m[:, None]).min(axis=1), m)
    if bool((least > most).any()):
        return None
    rounded = [1 << (w - 1).bit_length() if w else 0 for w in least.tolist()]
    return [power if power <= top else w for power, top, w in zip(rounded, most.tolist(), least.tolist(), strict=True)]


def _product(m: Sequence[int], c: Sequence[int], found: Steps | Ruled) -> IntType:
    """The type of m * x + c."""
    ends = zip(m, c, found.lo.tolist(), found.hi.tolist(), strict=True)
    values = [slope * a + constant for slope, constant, lo, hi in ends for a in (lo, hi)]
    return IntType(min(values), max(values))


def shared(layer: Requantise, found: Steps | Ruled, lines: Sequence[Line], widest: int) -> MultiplyShift | None:
    """The lines with their longest shift in all channels; None if a product needs more than `widest` bits.

    Where every integer is a tie and nothing is shifted out, one bit is: a window looks at what the shift drops.
    """
    s = max(max(line.s, min(line.window, 1)) for line in lines)
    m, c, window = (
        [number << s - line.s for line, number in zip(lines, column, strict=True)] for column in _columns(lines)
    )
    product = _product(m, c, found)
    grain = _grain(c) if product.bits > INT64_BITS else 0
    numbers = (*m, *window, *(constant >> grain for constant in c))
    if product.bits > widest or max(abs(n).bit_length() + 1 for n in numbers) > INT64_BITS:
        return None
    low, high = limits(layer)
    return MultiplyShift(
        kind=_kind(m, window),
        m=Weights(np.array(m)),
        c=Weights(np.array([constant >> grain for constant in c])),
        s=s,
        window=Weights(np.array(window)),
        odd=layer.shift & 1,
        low=Weights(low),
        high=Weights(high),
        product=product,
        grain=grain,
    )


def _grain(constants: Sequence[int]) -> int:
    """How many low bits are 0 in all `constants`."""
    return min(((c & -c).bit_length() - 1 for c in constants if c), default=0)


def _columns(lines: Sequence[Line]) -> tuple[list[int], list[int], list[int]]:
    return [line.m for line in lines], [line.c for line in lines], [line.window for line in lines]


def _kind(m: Sequence[int], window: Sequence[int]) -> str:
    """The name of the form: shifts only need multipliers that are powers of two or 0."""
    shifts = all(abs(slope) & (abs(slope) - 1) == 0 for slope in m)
    return ("shift_even" if shifts else "mas_window") if any(window) else ("shift" if shifts else "mas")
