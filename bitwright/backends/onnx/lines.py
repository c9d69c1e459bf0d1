# SPDX-License-Identifier: Apache-2.0
"""Requantisers as float arithmetic that is exact: constants that hold as rationals and as floating point alike.

Each operation is monotone, so agreement at both sides of every step is agreement everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.arithmetic import ONE, ROUND, Line, Row, Slope
from bitwright.backends.onnx.held import Held
from bitwright.exact.meaning import affines, limits
from bitwright.exact.slopes import INT64_SAFE, Points, points, slope_intervals
from bitwright.exact.slopes import roundest as roundest_integer
from bitwright.exact.steps import Steps
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.weights import Ints

Array = NDArray[Any]
HALF = Fraction(1, 2)
MANTISSA = {np.float32: 24, np.float64: 53}
"""Bits of a number."""
HALVES = (Rounding.HALF_EVEN, Rounding.HALF_UP, Rounding.HALF_AWAY)


def find_line(layer: Requantise, found: Steps, held: Held, kind: type[Any], *, uniform: bool) -> Line | None:
    """Float32 constants for `layer`, whose steps are `found`; None if there are none.

    `kind` is the integer type of the zero point. `uniform`: with one step size for all channels.
    """
    leaks = set(layer.slope.values) or {ONE}
    if found.step != 1 or len(leaks) > 1 or not _is(np.float32, leak := leaks.pop()):
        return None
    for zero in _zero_points(layer, kind):
        rows = _first_good(layer, _tries(layer, found, held, zero), found, held, zero, leak)
        if rows and not (uniform and len({row.step for row in rows}) > 1):
            return Line(rows, zero, leak)
    return None


def _zero_points(layer: Requantise, kind: type[Any]) -> list[int]:
    """The zero points to try: the layer's own matters only where it is odd, and must fit its type."""
    info = np.iinfo(kind)
    odd = layer.rounding is Rounding.HALF_EVEN and layer.shift % 2 != 0
    return [0, layer.shift] if odd and info.min <= layer.shift <= info.max else [0]


def _tries(layer: Requantise, found: Steps, held: Held, zero: int) -> Iterator[list[Row]]:
    """Rows that may be good: those whose lines meet the steps, and the layer as it is written."""
    if not layer.slope:
        yield from _through(layer, found, held, HALF, np.float32, zero)
    if layer.rounding is Rounding.HALF_EVEN and _keeps(layer, zero):
        yield _as_written(layer, held, np.float32, layer.shift - zero)


def _first_good(
    layer: Requantise, tries: Iterable[list[Row]], found: Steps, held: Held, zero: int, leak: Fraction
) -> list[Row] | None:
    """The first rows that are good in all channels, or for each channel the first good one."""
    chosen: list[Row | None] = [None] * layer.channels
    for rows in tries:
        good = _agrees(layer, Line(rows, zero, leak), found, held) & _exact(rows, held.bound, np.float32)
        if good.all():
            return rows
        chosen = [old or (new if fine else None) for old, new, fine in zip(chosen, rows, good, strict=True)]
    complete = [row for row in chosen if row]
    return complete if len(complete) == len(chosen) else None


def find_slope(layer: Requantise, found: Steps, held: Held) -> Slope | None:
    """Float64 constants for `layer`, whose steps are `found`; None if there are none."""
    if found.step != 1 or layer.slope:
        return None
    own = layer.rounding in ROUND and _keeps(layer, 0)
    half = HALF if layer.rounding in HALVES and not own else Fraction(0)
    written = _as_written(layer, held, np.float64, layer.shift + half)
    forms = chain(
        [Slope(written, layer.rounding if own else Rounding.FLOOR)],
        (Slope(rows) for rows in _through(layer, found, held, Fraction(0), np.float64)),
    )
    return next((form for form in forms if _holds(layer, form, found, held)), None)


def written_rows(layer: Requantise, held: Held) -> list[Row | None]:
    """The layer as it is written, in the channels in which that is exact without a look at its steps."""
    if layer.rounding not in ROUND or not _keeps(layer, 0):
        return [None] * layer.channels
    rows = _as_written(layer, held, np.float64, layer.shift)
    most = max(map(abs, (*layer.low, *layer.high))) + abs(layer.shift) + 1
    exact = _exact(rows, held.bound, np.float64)
    return [row if good and _divides(row, most) else None for row, good in zip(rows, exact, strict=True)]


def _divides(row: Row, most: int) -> bool:
    """True if a quotient up to `most` that is rounded to float64 lies on no other side of a step, a multiple of 1/2."""
    grain = max(row.factor.denominator, row.add.denominator)
    return 4 * (row.step * grain).numerator * most < 1 << MANTISSA[np.float64]


def _agrees(layer: Requantise, form: Line | Slope, found: Steps, held: Held) -> NDArray[np.bool_]:
    """For each channel, whether the arithmetic gives the codes at both ends and at both sides of every step."""
    start = found.start[:, None]
    t = np.where(found.reached, found.t, start)
    sides = np.concatenate((t, np.maximum(t - 1, start), start, found.end[:, None]), axis=1)
    a = np.where(found.falling[:, None], ~sides, sides).T
    low, high = _ends(layer, apart=isinstance(form, Slope))
    codes = form.codes(held.view(a)).clip(low, high)
    return np.asarray((codes == found.apply(a)).all(axis=0))


def _keeps(layer: Requantise, zero: int) -> bool:
    """True if R(v + shift - zero) + zero = R(v) + shift."""
    moved = layer.shift - zero
    match layer.rounding:
        case Rounding.HALF_EVEN:
            return moved % 2 == 0
        case Rounding.FLOOR:
            return True
        case _:
            return moved == 0


def _holds(layer: Requantise, form: Slope, found: Steps, held: Held) -> bool:
    return bool((_agrees(layer, form, found, held) & _exact(form.rows, held.bound, np.float64)).all())


def _exact(rows: Sequence[Row], bound: int, kind: type[Any]) -> NDArray[np.bool_]:
    """For each channel, whether its numbers and factor * a + add are exact in `kind`, summed in whatever order."""
    largest = 1 << MANTISSA[kind]

    def fits(row: Row) -> bool:
        if not all(_is(kind, value) for value in row):
            return False
        grain = max(row.factor.denominator, row.add.denominator)
        return (max(abs(row.factor), ONE) * bound + abs(row.add)) * grain <= largest

    return np.array([fits(row) for row in rows])


def _through(
    layer: Requantise, found: Steps, held: Held, half: Fraction, kind: type[Any], zero: int = 0
) -> Iterator[list[Row]]:
    """Rows whose floor(v + half) + zero meets the steps: of one step size in all channels, then of their own ones."""
    moving = np.flatnonzero(found.count).tolist()
    binding = points(found, *_ends(layer, apart=kind is np.float64))
    spans = _spans(binding, len(moving), kind)
    if spans is None:
        return
    common = max((a for a, _ in spans), default=HALF), min((b for _, b in spans), default=Fraction(2))
    sizes = [[size] * len(moving) for size in _candidates(*common, kind)] if common[0] < common[1] else []
    sizes += [list(row) for row in zip(*(_candidates(*span, kind) for span in spans), strict=True)]
    for row in sizes:
        yield _placed(found, binding, moving, row, held, (zero, half))


def _ends(layer: Requantise, *, apart: bool) -> tuple[Ints, Ints]:
    """The lowest and the highest code of each channel, or of all of them where they cannot be clipped apart."""
    low, high = limits(layer)
    return (low, high) if apart else (np.full_like(low, low.min()), np.full_like(high, high.max()))


def _spans(binding: Points, count: int, kind: type[Any]) -> list[tuple[Fraction, Fraction]] | None:
    """Between which step sizes those of the `count` channels that move lie; None if one has none."""
    slopes = [slope for slope in slope_intervals(binding) if slope]
    if len(slopes) < count:
        return None
    spans = [(Fraction(s.d, s.c), Fraction(s.b, s.a) if s.a else 4 * Fraction(s.d, s.c) + 4) for s in slopes]
    if any((b - a) * (1 << MANTISSA[kind]) < b for a, b in spans):
        return None  # there may be a number in between, but none that leaves room for a constant
    return spans


def _placed(
    found: Steps,
    binding: Points,
    moving: list[int],
    sizes: list[Fraction],
    held: Held,
    place: tuple[int, Fraction],
) -> list[Row]:
    """Rows of the given step sizes, their constants well inside of what they may be; without room a constant code."""
    zero, half = place
    common = sizes[0] if sizes and len(set(sizes)) == 1 else ONE
    rows = [Row(Fraction(0), (code - zero + HALF - half) * common, common) for code in found.first.tolist()]
    constants = _constants(binding, [1 / size for size in sizes])
    for channel, size, (low, high) in zip(moving, sizes, constants, strict=True):
        if low < high:
            falling = bool(found.falling[channel])
            base = (int(found.first[channel]) - zero - half) * size - int(found.start[channel]) - falling
            factor = Fraction(-1 if falling else 1)
            add = roundest(*_inner(base + low * size, base + high * size))
            rows[channel] = Row(factor, add + factor * int(held.offset[channel]), size)
    return rows


def _as_written(layer: Requantise, held: Held, kind: type[Any], add: Fraction | int) -> list[Row]:
    """The layer's own v + add, which alone rounds its exact ties as they are; by numbers of `kind` if it has them."""
    rows = []
    for (p, q, d), offset in zip(affines(layer), held.offset.tolist(), strict=True):
        slope = Fraction(p, d)
        sign, size = Fraction((slope > 0) - (slope < 0)), 1 / abs(slope) if slope else ONE
        if not _is(kind, size):
            sign, size = Fraction(slope.numerator), Fraction(slope.denominator)
        rows.append(Row(sign, (Fraction(q, d) + add) * size + sign * offset, size))
    return rows


def _candidates(low: Fraction, high: Fraction, kind: type[Any]) -> list[Fraction]:
    """Numbers of a kind between two: the roundest in their inner half, and the one in the middle."""
    return [Fraction(float(kind(float(size)))) for size in (roundest(*_inner(low, high)), (low + high) / 2)]


def _constants(binding: Points, alphas: list[Fraction]) -> list[tuple[Fraction, Fraction]]:
    """For each channel the interval of c for which floor(alpha * x + c) passes through its points."""
    if not alphas:
        return []
    pairs = [alpha.as_integer_ratio() for alpha in alphas]
    width, codes = int(binding.end_x.max()), int(binding.end_k.max())
    safe = all(2 * (codes * den + width * num) < INT64_SAFE for num, den in pairs)
    num, den = (np.array(column, dtype=np.int64 if safe else object) for column in zip(*pairs, strict=True))
    low, high = binding.bounds(num, den)
    return [(Fraction(int(a), d), Fraction(int(b), d)) for a, b, (_, d) in zip(low, high, pairs, strict=True)]


def roundest(low: Fraction, high: Fraction) -> Fraction:
    """The number strictly between `low` and `high` that needs the fewest binary digits."""
    width = high - low
    fine = width.denominator.bit_length() - width.numerator.bit_length() + 2  # at least two multiples lie in between
    up, down = (1 << max(fine, 0), 1 << max(-fine, 0))
    first = low.numerator * up // (low.denominator * down) + 1
    last = -(-high.numerator * up // (high.denominator * down)) - 1
    return Fraction(roundest_integer(first, last) * down, up)


def _inner(low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
    """The inner half of an interval."""
    quarter = (high - low) / 4
    return low + quarter, high - quarter


def _is(kind: type[Any], value: Fraction) -> bool:
    """True if `value` is a number of `kind`."""
    return Fraction(float(kind(float(value)))) == value
