# SPDX-License-Identifier: Apache-2.0
"""How a matrix-vector unit multiplies: the styles that its types allow, and how products share a DSP slice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from bitwright.hardware.cells import EVERY_DSP_BITS
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import TERNARY, IntType
from bitwright.ir.weights import Ints

Style = Literal["lut", "dsp", "xnor", "ternary"]
FactorKind = Literal["each", "same", "powers", "shifts"]
"""How hardware is told the factors of the channels: as `bw_pkg` names them."""

LUT_PRODUCT = 16
"""Up to this product of the widths, multiply in logic.

A 4 x 4 bit multiplier takes about 30 LUTs in `benchmarks/hardware.md`, an 8 x 8 bit one about 150, and a device has 100
to 250 LUTs for each DSP slice: below, slices run out first; above, the LUTs do.
"""


@dataclass(frozen=True, slots=True)
class Packing:
    """`lanes` products of one factor in one multiplier, `stride` bits apart, each with `bias` added to be 0 or more.

    The weights, packed into one signed number, take `width` bits.
    """

    lanes: int
    stride: int
    bias: int
    width: int


def legal_styles(weights: IntType, x: IntType) -> tuple[Style, ...]:
    """The styles that compute products of these types, the preferred one first; zero alone takes no multiplier."""
    if weights.lo == weights.hi == 0:
        return "ternary", "lut"
    plain: tuple[Style, ...] = ("lut", "dsp") if weights.bits * x.bits <= LUT_PRODUCT else ("dsp", "lut")
    if weights.is_bipolar and x.is_bipolar:
        return ("xnor", "ternary", *plain)
    return ("ternary", *plain) if TERNARY.covers(weights) else plain


def style_of(layer: str, wanted: str, weights: IntType, x: IntType) -> Style:
    """The style called `wanted`, or the preferred one if that is empty.

    BitwrightError names the layer if its types do not allow it.
    """
    legal = legal_styles(weights, x)
    for style in legal:
        if wanted in ("", style):
            return style
    raise BitwrightError(
        f"the style '{wanted}' does not multiply {weights} weights by {x} inputs",
        where=f"plan: layer '{layer}'",
        hint="legal here: " + ", ".join(legal),
    )


def packing(weights: IntType, x: IntType, pe: int) -> Packing:
    """The most products of neighbouring PE, up to four, that one multiplier of `EVERY_DSP_BITS` gives; at least one.

    No lane may borrow from the next, so a lane holds every product plus the bias. The factor that they share must fit
    in the narrow input, with a bit in front if it is unsigned.
    """
    low, high = product_range(weights, x)
    bias = max(0, -low)
    stride = max(1, (high + bias).bit_length())
    lanes = next(n for n in (4, 3, 2, 1) if n == 1 or (n <= pe and _fits(weights, x, n, stride)))
    return Packing(lanes, stride, bias, _packed(weights, lanes, stride))


def product_range(weights: IntType, x: IntType) -> tuple[int, int]:
    """The least and the greatest product."""
    corners = [a * b for a in (weights.lo, weights.hi) for b in (x.lo, x.hi)]
    return min(corners), max(corners)


def multipliers(kind: Packing, x: IntType) -> int:
    """DSP slices of one multiplier: one, or as many as cover factors that are too wide for one."""
    wide, narrow = (bits - 1 for bits in EVERY_DSP_BITS)
    a, b = max(kind.width - 1, 1), max(signed_bits(x) - 1, 1)
    return min(-(-a // wide) * -(-b // narrow), -(-b // wide) * -(-a // narrow))


def slices(weights: IntType, x: IntType, pe: int, simd: int) -> int:
    """DSP slices of `pe` x `simd` products in the preferred style."""
    if legal_styles(weights, x)[0] != "dsp":
        return 0
    shared = packing(weights, x, pe)
    return -(-pe // shared.lanes) * simd * multipliers(shared, x)


def signed_bits(kind: IntType) -> int:
    """The width of its numbers in two's complement."""
    return IntType(min(kind.lo, -1), kind.hi).bits


def factor_kind(factors: Ints) -> FactorKind:
    """One number for all channels, powers of two, with a sign or 0 or without, or any numbers."""
    if (factors == factors.flat[0]).all():
        return "same"
    sizes = np.abs(factors)
    if (sizes & (sizes - 1)).any():
        return "each"
    return "shifts" if factors.min() > 0 else "powers"


def distances(factors: Ints) -> Ints:
    """How far factors that are powers of two, their negatives or 0 shift."""
    return np.array([max(0, abs(int(factor)).bit_length() - 1) for factor in factors])


def signs(factors: Ints) -> Ints:
    """{negative, zero} of each factor, two bits."""
    return np.where(factors == 0, 1, 0) + np.where(factors < 0, 2, 0)


def odd_bits(factor: int) -> int:
    """The width in two's complement of a factor without the zeros at its low end; 0 of 0."""
    odd = factor // (factor & -factor) if factor else 0
    return (~odd if odd < 0 else odd).bit_length() + (factor != 0)


@cache
def decoded_bits(kind: IntType) -> int:
    """Bits of an element once a module has made it two's complement."""
    return 2 if kind.is_bipolar else kind.bits + (not kind.signed)


def _fits(weights: IntType, x: IntType, lanes: int, stride: int) -> bool:
    return _packed(weights, lanes, stride) <= EVERY_DSP_BITS[0] and signed_bits(x) <= EVERY_DSP_BITS[1]


def _packed(weights: IntType, lanes: int, stride: int) -> int:
    """Bits of sum over lanes i of w[i] * 2^(i*stride), in two's complement."""
    places = sum(1 << lane * stride for lane in range(lanes))
    return signed_bits(IntType(weights.lo * places, weights.hi * places))
