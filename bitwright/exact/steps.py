# SPDX-License-Identifier: Apache-2.0
"""The exact steps of a requantiser: the accumulator values at which its code changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.lookup import Edges, Lookup, lookup
from bitwright.exact.meaning import Affine, affines, evaluate, leaking, levels
from bitwright.exact.solve import solve_levels, solve_rounding
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.weights import Ints

MAX_STEPS = 1 << 25
"""Steps of one layer, all channels together, that still fit in memory with what is derived from them."""


@dataclass(frozen=True, eq=False)
class Steps:
    """code = first + step * #{k : b >= t[k]}  with  b = ~a (that is -a - 1) in falling channels, else a.

    In the coordinate b every channel rises. t: (channels, steps), ascending in each row: the steps that lie in
    (start, end], the interval of b, then end + 1 up to the longest row's length (at least 1). lo, hi: (channels,), the
    interval of a. first: (channels,), the final code at b = start. step is 2 for the codes -1 and +1, else 1.
    """

    t: Ints
    falling: NDArray[np.bool_]
    first: Ints
    step: int
    lo: Ints
    hi: Ints

    @cached_property
    def start(self) -> Ints:
        """The lowest b of each channel."""
        return np.where(self.falling, ~self.hi, self.lo)

    @cached_property
    def end(self) -> Ints:
        """The highest b of each channel."""
        return np.where(self.falling, ~self.lo, self.hi)

    @cached_property
    def reached(self) -> NDArray[np.bool_]:
        """(channels, steps): which entries of t are steps, not filling."""
        return self.t <= self.end[:, None]

    @cached_property
    def count(self) -> Ints:
        """How many steps each channel reaches; 0 for a constant one."""
        return np.asarray(self.reached.sum(axis=1, dtype=np.int64))

    @cached_property
    def plateaus(self) -> Ints:
        """How many longest runs of equal codes each channel has: distinct steps that are reached, and one."""
        fresh = self.reached.copy()
        fresh[:, 1:] &= np.diff(self.t, axis=1) > 0
        return np.asarray(fresh.sum(axis=1, dtype=np.int64) + 1)

    @cached_property
    def last(self) -> Ints:
        """The final code at b = end."""
        return self.first + self.step * self.count

    @cached_property
    def _lookup(self) -> Lookup:
        channel, _ = np.nonzero(self.reached)
        falling, t = self.falling[channel], self.t[self.reached]
        at, delta = np.where(falling, -t, t), np.where(falling, -self.step, self.step)
        order = np.lexsort((at, channel))
        at_lo = np.where(self.falling, self.last, self.first)
        return lookup(Edges(self.lo, self.hi, at_lo, channel, at[order], delta[order]))

    def take(self, channels: Ints) -> Steps:
        """The steps of some channels."""
        return Steps(
            t=self.t[channels],
            falling=self.falling[channels],
            first=self.first[channels],
            step=self.step,
            lo=self.lo[channels],
            hi=self.hi[channels],
        )

    def apply(self, a: NDArray[Any]) -> NDArray[Any]:
        """The codes of the integers `a` (..., channels), in the narrowest integer dtype; `a` must lie in lo..hi."""
        return self._lookup.apply(a.reshape(-1, a.shape[-1])).reshape(a.shape)


def steps(layer: Requantise, lo: Ints, hi: Ints) -> Steps:
    """The exact steps of `layer` over the integers lo..hi of each channel, (channels,) each."""
    lines = affines(layer)
    falling = np.array([line.p < 0 for line in lines])
    at_lo, at_hi = evaluate(layer, lo, lines), evaluate(layer, hi, lines)
    first, last = np.where(falling, at_hi, at_lo), np.where(falling, at_lo, at_hi)
    step = _code_step(layer, last - first)
    count = (last - first) // step
    if int(count.max()) * len(count) > MAX_STEPS:
        raise BitwrightError(
            f"{int(count.max())} codes in {len(count)} channels are more steps than can be proved",
            where=f"layer '{layer.name}'",
            hint="quantise its output to fewer bits",
        )
    rising = [Affine(-p, q - p, d) if p < 0 else Affine(p, q, d) for p, q, d in lines]
    end = np.where(falling, ~lo, hi)
    if layer.rounding is Rounding.LEVELS:
        t = solve_levels(rising, levels(layer), first - layer.shift, count, end)
    else:
        k = np.zeros_like(first) if layer.rounding is Rounding.SIGN else first - layer.shift + 1
        start = np.where(falling, ~hi, lo)
        t = solve_rounding(layer.rounding, rising, k, count, start, end)
        if layer.slope:  # a step k <= 0 lies where v is negative or zero, a step k >= 1 where it is positive
            leaked = solve_rounding(layer.rounding, leaking(layer, rising), k, count, start, end)
            t = np.where(k[:, None] + np.arange(t.shape[1]) <= 0, leaked, t)
    return Steps(t, falling, first, step, lo, hi)


def spans(layer: Requantise, lo: Ints, hi: Ints) -> Ints:
    """How many codes apart the two ends of each channel are."""
    lines = affines(layer)
    return np.asarray(np.abs(evaluate(layer, hi, lines) - evaluate(layer, lo, lines)))


def _code_step(layer: Requantise, rise: Ints) -> int:
    """The distance of neighbouring codes; SIGN jumps over 0, unless its limits cut one side off."""
    if layer.rounding is not Rounding.SIGN or not rise.any():
        return 1
    step = int(rise.max())
    if not bool(np.isin(rise, (0, step)).all()):
        raise BitwrightError(
            "the limits of its sign function leave different codes in different channels",
            where=f"layer '{layer.name}'",
            hint="use the same low and high in every channel",
        )
    return step
