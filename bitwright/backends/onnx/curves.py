# SPDX-License-Identifier: Apache-2.0
"""The function of a table in floating point that meets every entry: exactly, or with room for the tools' errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.lines import roundest
from bitwright.exact.tabulate import tabulate
from bitwright.ir.functions import (
    Above,
    Abs,
    Affine,
    Clip,
    Elu,
    Erf,
    Exp,
    Function,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Sigmoid,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
    numbers,
)
from bitwright.ir.layers import Layer, Rounding, Table
from bitwright.ir.weights import Ints

Array = NDArray[Any]
Kind = type[np.float32] | type[np.float64]
ROOM: dict[Kind, float] = {np.float32: 2.0**-19, np.float64: 2.0**-40}
"""How far a function may be off, relative to its largest value or 1; in float32 onnxruntime's are within 2**-21."""
FAR = 2.0**100
"""What stands for an infinite value, of which no entry can be sure."""
NEAR = (np.arange(-256, 257) / 65536 + 1).tolist()
"""By how much a curve is made larger where its values are too near to a step: less than half a code."""
ATTRIBUTES = (LeakyRelu, Elu, Above)
"""Steps whose number is an attribute, which is float32 whatever the tensors are."""
BASIC: dict[type[Step], Callable[..., Array]] = {
    Affine: lambda x, a, b: x * x.dtype.type(a) + x.dtype.type(b),
    Clip: lambda x, low, high: np.clip(x, low, high),
    LeakyRelu: lambda x, a: np.where(x >= 0, x, x * x.dtype.type(a)),
    Abs: lambda x: np.abs(x),
    Above: lambda x, limit: np.where(x > limit, x, x * 0),
}
"""Steps that floating point computes alike everywhere."""
SMOOTH: dict[type[Step], Callable[..., Array]] = {
    Elu: lambda x, a: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    Power: lambda x, exponent: np.clip(x**exponent, -FAR, FAR),
    Softsign: lambda x: x / (1 + np.abs(x)),
    Sqrt: np.sqrt,
    Log: lambda x: np.clip(np.log(x), -FAR, FAR),
    Sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    Tanh: np.tanh,
    Exp: np.exp,
    Softplus: lambda x: np.logaddexp(x, 0),
    Erf: lambda x: np.vectorize(erf)(x),
    NormalCdf: lambda x: (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2,
}


@dataclass(frozen=True, slots=True)
class Curve:
    """code = clip(rint((sign * function(x) + add) / step) + shift) of x = scale * (q - zero), constants of one kind."""

    scale: Fraction
    zero: Fraction
    function: Function
    sign: Fraction
    add: Fraction
    step: Fraction
    kind: Kind = np.float32

    def value(self, q: Array, add: Fraction) -> Array:
        """(sign * function(x) + add) / step in the type of q."""
        kind = q.dtype.type
        x = (q - kind(self.zero)) * kind(self.scale) if self.centred else q * kind(self.scale) + kind(self.offset)
        w = x
        with np.errstate(divide="ignore", invalid="ignore"):
            for step in self.function:
                given = (None if n is None else kind(float(n)) for n in numbers(step))
                w = w * x if isinstance(step, TimesInput) else (BASIC | SMOOTH)[type(step)](w, *given)
        return np.asarray((w * kind(self.sign) + kind(add)) / kind(self.step))

    @property
    def centred(self) -> bool:
        """True if the zero point is an integer, which is subtracted before the scale."""
        return self.zero.denominator == 1

    @property
    def offset(self) -> Fraction:
        """What is added behind the scale where it is not."""
        return -self.scale * self.zero


def find_curve(layer: Table, source: Layer, kind: Kind) -> Curve | None:
    """The function of `layer`, which tabulates the codes of `source`; None if `kind` does not meet an entry."""
    plain = _curve(layer, source, kind)
    for curve in (plain, plain and _unscaled(plain)):
        for sizes in ((), (1.0,), NEAR):
            tried = _centred(curve, layer, source, sizes) if curve and sizes else curve
            if tried and _meets(tried, layer, source):
                return tried
    return None


def _curve(layer: Table, source: Layer, kind: Kind) -> Curve | None:
    """The function of the layer in constants of `kind`: an affine in front, the rest, an affine in the quantiser."""
    front = _parted(layer.function)[0]
    if TimesInput() in layer.function and _line(front)[1]:
        front = ()  # the product is with what comes before the line
    factor, shift = _line(front)
    first, second = factor * source.scale.of(0), shift - factor * source.scale.of(0) * source.zero.of(0)
    if not first:
        return None
    steps = layer.function[len(front) :]
    if TimesInput() in steps:
        if second != -first * source.zero.of(0):
            return None
        steps = _times(steps, source.scale.of(0) / first)
    start, steps, back = _parted(steps)
    gain, rest = _line(back)
    if not gain:
        return None
    scale, zero = _rounded(first, kind), -second / first
    if zero.denominator != 1:
        zero = -_rounded(second, kind) / scale
    function = tuple(_constants(step, kind) for step in (*start, *steps))
    sign = Fraction(1 if gain > 0 else -1)
    return Curve(scale, zero, function, sign, _rounded(rest / abs(gain), kind), _rounded(1 / abs(gain), kind), kind)


def _unscaled(curve: Curve) -> Curve | None:
    """The same curve of codes as they are, their ties exact; None where the function does not scale with them."""
    if curve.scale <= 0 or not all(isinstance(step, LeakyRelu | Abs) for step in curve.function):
        return None
    add, step = (_rounded(number / curve.scale, curve.kind) for number in (curve.add, curve.step))
    return replace(curve, scale=Fraction(1), add=add, step=step)


def _parted(function: Function) -> tuple[tuple[Affine, ...], Function, tuple[Affine, ...]]:
    """The affine steps in front, what lies between, the affine steps at the end."""
    front = _affine(function)
    steps = function[len(front) :]
    back = _affine(reversed(steps))[::-1]
    return front, steps[: len(steps) - len(back)], back


def _affine(steps: Iterable[Step]) -> tuple[Affine, ...]:
    """The affine steps in front of all others."""
    found: list[Affine] = []
    for step in steps:
        if not isinstance(step, Affine):
            break
        found.append(step)
    return tuple(found)


def _times(steps: Function, factor: Fraction) -> Function:
    """The steps on an input that is divided by `factor`, by which each product with it is multiplied again."""
    again = Affine(factor, Fraction(0))
    return tuple(new for old in steps for new in ((old, again) if old == TimesInput() else (old,)))


def _line(steps: tuple[Affine, ...]) -> tuple[Fraction, Fraction]:
    """Factor and constant of affine steps one after the other."""
    factor, constant = Fraction(1), Fraction(0)
    for step in steps:
        factor, constant = step.slope * factor, step.slope * constant + step.offset
    return factor, constant


def _constants(step: Step, kind: Kind) -> Step:
    """A step whose numbers are of `kind`, or float32 where they are attributes."""
    of = np.float32 if isinstance(step, ATTRIBUTES) else kind
    return type(step)(*(None if n is None else _rounded(n, of) for n in numbers(step)))  # type: ignore[arg-type]


def _centred(curve: Curve, layer: Table, source: Layer, sizes: Sequence[float]) -> Curve | None:
    """The curve moved, and made larger by one of `sizes`, to where its values stay farthest from the steps of codes."""
    entries, offset = layer.entries.array - layer.shift, float(curve.add / curve.step)
    value = curve.value(_codes(source).astype(np.float64), Fraction(0))

    def room(size: float) -> tuple[float, float]:
        low = np.where(entries > layer.low, entries - 0.5 - size * value, offset - 1).max()
        return low, np.where(entries < layer.high, entries + 0.5 - size * value, offset + 1).min()

    low, high = np.array([room(size) for size in sizes]).T  # one after the other: there may be 2^16 entries
    best = int((high - low).argmax())
    if low[best] >= high[best]:
        return None
    quarter = Fraction(float(high[best]) - float(low[best])) / 4
    step = curve.step if sizes[best] == 1 else _rounded(curve.step / Fraction(sizes[best]), curve.kind)
    add = roundest(Fraction(float(low[best])) + quarter, Fraction(float(high[best])) - quarter) * step
    return replace(curve, step=step, add=_rounded(add, curve.kind))


def _meets(curve: Curve, layer: Table, source: Layer) -> bool:
    """True if the curve gives every entry, as exact numbers and in floating point."""
    last = Affine(curve.sign / curve.step, curve.add / curve.step)
    exact = tabulate(
        (*curve.function, last),
        source.type,
        scale=curve.scale,
        zero=curve.zero,
        rounding=Rounding.SIGN if layer.rounding is Rounding.SIGN else Rounding.HALF_EVEN,
        low=layer.low,
        high=layer.high,
        shift=layer.shift,
    )
    if exact != layer.entries:
        return False
    entries, codes = layer.entries.array - layer.shift, _codes(source)
    if layer.rounding is Rounding.SIGN:
        return _has_signs(curve, entries, codes)
    if all(isinstance(step, (*BASIC, TimesInput)) for step in curve.function):
        made = np.rint(curve.value(codes.astype(curve.kind), curve.add))
        return np.array_equal(made.clip(layer.low, layer.high), entries)
    value = curve.value(codes.astype(np.float64), curve.add)
    room = ROOM[curve.kind] * max(1.0, float(np.abs(value).max()), float(1 / curve.step))
    above, below = value - (entries - 0.5) > room, (entries + 0.5) - value > room
    return bool((above | (entries == layer.low)).all() and (below | (entries == layer.high)).all())


def _has_signs(curve: Curve, entries: Ints, codes: Ints) -> bool:
    """True if the curve is on the side of zero that every entry says, in floating point."""
    value = curve.value(codes.astype(curve.kind), curve.add)
    basic = all(isinstance(step, (*BASIC, TimesInput)) for step in curve.function)
    clear = basic or bool((np.abs(value) > ROOM[curve.kind] * max(1.0, float(np.abs(value).max()))).all())
    return clear and np.array_equal(np.where(value >= 0, 1, -1), entries)


def _codes(source: Layer) -> Array:
    return np.arange(source.type.lo, source.type.hi + 1)


def _rounded(value: Fraction, kind: Kind) -> Fraction:
    return Fraction(float(kind(float(value))))
