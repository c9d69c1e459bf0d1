# SPDX-License-Identifier: Apache-2.0
"""Requantisers of more codes than can be listed as float64 arithmetic, proved by the room of their constants."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from bitwright.backends.onnx.arithmetic import ONE, Row, Slope
from bitwright.backends.onnx.held import Held
from bitwright.backends.onnx.lines import HALF, MANTISSA, written_rows
from bitwright.exact.meaning import limits
from bitwright.exact.ruled import Channel, Ruled
from bitwright.ir.layers import Rounding

BITS = MANTISSA[np.float64]
ROUNDED = Fraction(1, 1 << BITS - 1)
"""By what share of its terms a product and a sum, each rounded to nearest or both at once, are off by less."""

LATE = {Rounding.FLOOR: Fraction(0), Rounding.HALF_EVEN: HALF}
"""Roundings that are a floor of so much more, away from their steps."""


def find_ruled(found: Ruled, held: Held) -> Slope | None:
    """Float64 constants for the codes `found`; None if there are none."""
    layer = found.layer
    own_limits = any(len(set(end.tolist())) > 1 for end in limits(layer))
    if layer.slope or held.pool > 1 or own_limits:
        return None
    rows, written = [], written_rows(layer, held)
    rounding = layer.rounding if any(written) else Rounding.FLOOR
    for row, (sign, channel), offset in zip(written, found.channels, held.offset.tolist(), strict=True):
        if row is None and rounding in LATE:
            row = _line(channel, sign, layer.shift - LATE[rounding], offset, held.bound)
        if row is None:
            return None
        rows.append(row)
    return Slope(rows, rounding)


def _line(channel: Channel, sign: int, shift: Fraction, offset: int, bound: int) -> Row | None:
    """The floor of factor * (a - offset) + add is the code and `shift`, however both round; None if there is none."""
    if not channel.moves:
        return Row(Fraction(0), channel.code(channel.lo) + shift + HALF, ONE)
    scale = max(Fraction(piece.p, piece.d) for piece in channel.pieces)
    s = BITS - 1 - scale.numerator.bit_length() + scale.denominator.bit_length()
    m = round(scale * Fraction(2) ** s)
    if s < 0 or m >= 1 << BITS:
        return None
    parts = list(channel.bounds(m, s, 2 if channel.rounding is Rounding.HALF_EVEN else 1))
    low, high = max(low for low, _ in parts), min(high for _, high in parts) + 1
    factor = Fraction(sign * m, 1 << s)
    middle = Fraction(low + high, 2 << s) + shift + factor * offset
    add = Fraction(float(middle))
    off = ROUNDED * (abs(factor) * bound + abs(add)) + abs(add - middle)
    return Row(factor, add, ONE) if off * (2 << s) < high - low else None
