# SPDX-License-Identifier: Apache-2.0
"""Where a rising line crosses its rounding steps: t_k = min{b : R((p*b + q)/d) >= k}, for p > 0.

R(v) >= k  <=>  2v >= 2k - h, strictly when e = 1, so  t_k = ceil((d*(2k - h) + e - 2q) / (2p))  in integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bitwright.exact.meaning import Affine, Levels
from bitwright.ir.layers import Rounding
from bitwright.ir.weights import Ints

INT64_SAFE = 1 << 62
FURTHEST = (1 << 63) - 1
FLOAT_EXPONENT = 900
"""Quotients of integers whose lengths differ by less than this many bits neither overflow nor underflow a float64."""
HOPELESS = (1.0, 2.0**200)
"""Stand-ins for (q/d, d/p) whose error bound is so large that every step is redone in integers."""


def rays(rounding: Rounding, k: Ints) -> tuple[Ints, Ints]:
    """(h, e) of the steps k, in the shape of k; SIGN has the one step k = 0, which is floor's."""
    zero, one = np.zeros_like(k), np.ones_like(k)
    positive = (k >= 1).astype(np.int64)
    match rounding:
        case Rounding.FLOOR | Rounding.SIGN:
            return zero, zero
        case Rounding.CEIL:
            return 2 * one, one
        case Rounding.HALF_UP:
            return one, zero
        case Rounding.HALF_DOWN:
            return one, one
        case Rounding.HALF_EVEN:
            return one, k & 1
        case Rounding.HALF_AWAY:
            return one, 1 - positive
        case Rounding.HALF_ZERO:
            return one, positive
        case Rounding.TO_ZERO:
            return 2 - 2 * positive, 1 - positive
        case Rounding.FROM_ZERO:
            return 2 * positive, positive
        case _:
            raise AssertionError(f"{rounding} has no rays of its own")


def solve_rounding(rounding: Rounding, lines: Sequence[Affine], k: Ints, count: Ints, start: Ints, end: Ints) -> Ints:
    """The steps k, k + 1, ..., k + count - 1 of each channel, all known to lie in (start, end]; then end + 1.

    `lines` have p > 0 wherever count > 0; k, count, start, end: (channels,); the result is (channels, max(count, 1)).
    """
    t = _filled(end, count)
    order = np.arange(t.shape[1])
    reach = np.maximum(np.abs(k), np.abs(k + count)).tolist()
    fits: tuple[list[int], list[int]] = ([], [])
    for c in np.flatnonzero(count).tolist():
        fits[_fits_int64(lines[c], reach[c])].append(c)
    for rows, solve in zip(fits, (_solve_float, _solve_int64), strict=True):
        if rows:
            ks = k[rows, None] + order
            h, e = rays(rounding, ks)
            found = solve([lines[c] for c in rows], 2 * ks - h, e, start[rows], end[rows])
            t[rows] = np.where(order < count[rows, None], found, t[rows])
    return t


def solve_levels(lines: Sequence[Affine], levels: Sequence[Levels], skip: Ints, count: Ints, end: Ints) -> Ints:
    """The first b at which (p*b + q)/d reaches levels skip, ..., skip + count - 1 of each channel; then end + 1."""
    t = _filled(end, count)
    for c in np.flatnonzero(count).tolist():
        (p, q, d), row = lines[c], levels[c]
        wanted = row.nums[int(skip[c]) : int(skip[c] + count[c])]
        t[c, : len(wanted)] = [-((q * row.den - num * d) // (p * row.den)) for num in wanted]
    return t


def _filled(end: Ints, count: Ints) -> Ints:
    return np.repeat(end[:, None] + 1, max(1, int(count.max(initial=0))), axis=1)


def _fits_int64(line: Affine, reach: int) -> bool:
    return 2 * line.p < INT64_SAFE and line.d * (2 * reach + 2) + 2 * abs(line.q) + 1 < INT64_SAFE


def _solve_int64(lines: Sequence[Affine], th2: Ints, e: Ints, start: Ints, end: Ints) -> Ints:
    p, q, d = (column[:, None] for column in np.array(lines, dtype=np.int64).T)
    return np.asarray(-((2 * q - d * th2 - e) // (2 * p)))


def _solve_float(lines: Sequence[Affine], th2: Ints, e: Ints, start: Ints, end: Ints) -> Ints:
    """Float64 of correctly rounded quotients with a bound on the error; what lies within it is redone in integers."""
    usable = [max(map(abs, (_length(p, d), _length(q, d)))) < FLOAT_EXPONENT for p, q, d in lines]
    quotients = [(q / d, d / p) if ok else HOPELESS for ok, (p, q, d) in zip(usable, lines, strict=True)]
    bias, period = (column[:, None] for column in np.array(quotients).T)
    estimate = (th2 / 2 - bias) * period
    error = period * (np.abs(th2 / 2) + np.abs(bias)) * 2.0**-50 + 2.0**-60
    near = (np.abs(estimate - np.rint(estimate)) <= error) | (error > 0.25)
    inside = (estimate > start[:, None] - 2.0) & (estimate < end[:, None] + 2.0)
    t: Ints = np.ceil(np.clip(estimate, start[:, None] - 2.0, end[:, None] + 2.0)).astype(np.int64)
    redo = near & (inside | (error > 0.25))
    rows = np.nonzero(redo)[0].tolist()
    wanted = zip(rows, th2[redo].tolist(), e[redo].tolist(), strict=True)
    found = [-((2 * lines[c].q - lines[c].d * th - strict) // (2 * lines[c].p)) for c, th, strict in wanted]
    t[redo] = [min(max(at, -FURTHEST), FURTHEST) for at in found]  # what is that far lies beyond (start, end]
    return t


def _length(n: int, d: int) -> int:
    """Bits of n less bits of d; 0 for n = 0."""
    return n.bit_length() - d.bit_length() if n else 0
