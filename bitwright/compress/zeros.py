# SPDX-License-Identifier: Apache-2.0
"""Where a quantiser of activations has its codes: around zero, or around the values, by a zero point."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bitwright.compress.choices import ActChoice
from bitwright.compress.coded import ActQuant
from bitwright.compress.ranges import RANGES, Values
from bitwright.compress.ranges.errors import quantisation_errors
from bitwright.compress.scales import SCALES
from bitwright.ir.types import IntType, integer

HALF_A_BIT = 2.0
"""By what a zero point must divide the squared error to be worth its place: a bit divides it by four."""
LOPSIDED = 0.75
"""Of the codes around zero, the share that values use beyond which no zero point can save half a bit."""
MOST = 0.001
"""What is left out on either side where nearly all values are asked for."""
FARTHEST = float(1 << 22)
"""Of zero points: half of a step is a float32 number there."""


def quantiser(values: Values, choice: ActChoice) -> ActQuant:
    """The quantiser of a tensor, with a zero point where that saves at least half a bit, or in any case, or never.

    Jacob et al.: "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR
    2018, arXiv 1712.05877; R005, R007. The scale is that of a range rule, for the values around their middle or an end.
    """
    around_zero = integer(choice.bits, signed=not choice.unsigned)
    scale = RANGES[choice.range](values, around_zero, SCALES[choice.scale]).reshape(())
    plain = ActQuant(around_zero, scale, np.zeros((), np.float32))
    if choice.zero == "never" or (choice.zero == "auto" and _fills(values, choice)):
        return plain
    placed = [(error(values, act), act) for act in _placed(values, choice)]
    least, best = min(placed, key=lambda pair: pair[0])
    return plain if choice.zero == "auto" and least * HALF_A_BIT > error(values, plain) else best


def error(values: Values, act: ActQuant) -> float:
    """The squared error of a quantiser on the values."""
    moved = values.shifted(float(act.scale) * float(act.zero))
    return float(quantisation_errors(moved, act.scale.reshape(1, 1, 1), act.type)[0, 0])


def _fills(values: Values, choice: ActChoice) -> bool:
    """True if the values, or nearly all of them, use so much of the codes around zero that no other place would pay."""
    sums = values.sums
    near = np.searchsorted(sums.size[1:], np.array([MOST, 1 - MOST]) * sums.size[-1])
    for low, high in ((values.low.item(), values.high.item()), sums.row[near].tolist()):
        reach = max(abs(low), abs(high)) * (1 if choice.unsigned else 2)
        used = max(high, 0.0) - min(low, 0.0) if choice.padded else high - low
        if used < LOPSIDED * reach:
            return False
    return True


def _placed(values: Values, choice: ActChoice) -> Iterator[ActQuant]:
    """Quantisers with a zero point: from the least value up, to both sides of the middle, from the largest down."""
    low, high = values.low.item(), values.high.item()
    if choice.padded:
        low, high = min(low, 0.0), max(high, 0.0)
    middle, up = (low + high) / 2, integer(choice.bits, signed=False)
    around = integer(choice.bits, signed=True)
    yield _around(values.shifted(-low), choice, up, lambda step: -low / step)
    yield _around(values.shifted(-middle), choice, around, lambda step: -middle / step)
    yield _around(values.shifted(-high).mirrored(), choice, up, lambda step: up.hi - high / step)


def _around(moved: Values, choice: ActChoice, kind: IntType, zero: Callable[[float], float]) -> ActQuant:
    """The quantiser to `kind`, its scale chosen for values that were moved; `zero` is where zero is at a scale."""
    step = RANGES[choice.range](moved, kind, SCALES[choice.scale]).reshape(())
    place = float(np.rint(zero(float(step))))
    ends = (kind.lo, kind.hi) if choice.padded else (-FARTHEST, FARTHEST)
    return ActQuant(kind, step, np.array(min(max(place, ends[0]), ends[1]), np.float32))
