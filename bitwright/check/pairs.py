# SPDX-License-Identifier: Apache-2.0
"""A sum and the requantiser behind it, computed with other factors: compared for every pair of operands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bitwright.check.forms import Refuted, check_meaning, check_width, claim, integer, integers
from bitwright.check.meaning import meaning
from bitwright.check.saved import Interval, Layer, Line

MAX_PAIRS = 1 << 20
Ints = NDArray[np.int64]


def check_pair(layer: Layer, join: Layer, operands: list[list[Interval]], line: Line) -> None:
    """Refute the line unless (ma*a + mb*b + c) >> s gives the meaning of `layer` for all a and b in the intervals.

    `join` is the sum that `layer` reads. One rule for all channels, over the hull of their intervals.
    """
    check_meaning(layer, line)
    claim(join.op == "sum" and len(operands) == 2, "it reads no sum of two operands")
    claim(line.get("form") in ("shift", "shift_even"), "two operands go with a shift")
    _check_constants(layer, join)
    ends = [(min(low for low, _ in side), max(high for _, high in side)) for side in operands]
    sizes = [high - low + 1 for low, high in ends]
    claim(sizes[0] * sizes[1] <= MAX_PAIRS, "there are too many pairs to compare")
    grid = np.meshgrid(*(np.arange(low, high + 1) for low, high in ends), indexing="ij")
    a, b = (axis.reshape(-1) for axis in grid)
    (i,), (j,) = join.fields["factors"]
    exact = i * a + j * b
    values, place = np.unique(exact, return_inverse=True)
    y = meaning(layer)[0]
    wanted = np.array([y(int(u)) for u in values], dtype=np.int64)[place]
    claim(bool((_computed(layer, a, b, line) == wanted).all()), "some pair of operands gets another code")


def _check_constants(layer: Layer, join: Layer) -> None:
    """Refute constants that are not the same in all channels."""
    single = [layer.fields[name] for name in ("multiplier", "offset", "low", "high")] + list(join.fields["factors"])
    claim(all(len(values) == 1 for values in single) and not layer.fields["slope"], "its constants differ per channel")
    claim(not layer.fields["levels"], "levels do not go with two operands")


def _computed(layer: Layer, a: Ints, b: Ints, line: Line) -> Ints:
    factors = line["two_operand"]
    if not isinstance(factors, dict):
        raise Refuted("two_operand is no table of factors")
    total = integer(factors, "ma") * a + integer(factors, "mb") * b
    check_width(line, "acc", [int(total.min()), int(total.max())])
    m, c, w, low, high = (_same(line, name, layer.channels) for name in ("m", "c", "w", "low", "high"))
    s, odd = integer(line, "s"), integer(line, "odd")
    claim(m == 1 and 0 <= s <= 62 and odd in (0, 1), "m, s or odd is out of range")
    claim(line["form"] == "shift_even" or w == 0, "w is not 0 in a form without a window")
    check_width(line, "product", [int(total.min()) + c, int(total.max()) + c])
    u = total + c
    code = u >> s
    code = code - (((u & ((1 << s) - 1)) < w) & (((code - odd) & 1) == 1))
    return np.asarray(np.clip(code, low, high))


def _same(line: Line, name: str, channels: int) -> int:
    values = set(integers(line, name, channels))
    claim(len(values) == 1, f"{name} differs per channel")
    return values.pop()
