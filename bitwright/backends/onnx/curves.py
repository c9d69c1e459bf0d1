# SPDX-License-Identifier: Apache-2.0
"""The function of a table in floating point that meets every entry: exactly, or with room for the tools' errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.lines import roundest
from bitwright.exact.tabulate import tabulate
from bitwright.ir.functions import Function, Step
from bitwright.ir.layers import Layer, Rounding, Table

Array = NDArray[Any]
Kind = type[np.float32] | type[np.float64]
ROOM: dict[Kind, float] = {np.float32: 2.0**-19, np.float64: 2.0**-40}
"""How far a function may be off, relative to its largest value or 1; in float32 onnxruntime's are within 2**-21."""
ATTRIBUTES = ("leaky_relu", "elu")
"""Steps whose number is an attribute, which is float32 whatever the tensors are."""
TIMES_INPUT = ("times_input",)
BASIC: dict[str, Callable[..., Array]] = {
    "affine": lambda x, a, b: x * x.dtype.type(a) + x.dtype.type(b),
    "clip": lambda x, low, high: np.clip(x, low, high),
    "leaky_relu": lambda x, a: np.where(x >= 0, x, x * x.dtype.type(a)),
    "abs": lambda x: np.abs(x),
}
"""Steps that floating point computes alike everywhere."""
SMOOTH: dict[str, Callable[..., Array]] = {
    "elu": lambda x, a: np.where(x >= 0, x, a * np.expm1(np.minimum(x, 0))),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "exp": np.exp,
    "softplus": lambda x: np.logaddexp(x, 0),
    "erf": lambda x: np.vectorize(erf)(x),
    "normal_cdf": lambda x: (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2,
}


KNOWN = frozenset({*BASIC, *SMOOTH, "times_input"})


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
        for name, *numbers in self.function:
            given = (kind(float(Fraction(n))) if n else None for n in numbers)
            w = w * x if name == "times_input" else (BASIC | SMOOTH)[name](w, *given)
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
    """The function of `layer`, which tabulates the codes of `source`; None if `kind` does not meet an entry.

    Its steps are those of `KNOWN`.
    """
    plain = _curve(layer, source, kind)
    tries = (plain, plain and _centred(plain, layer, source))
    return next((curve for curve in tries if curve and _meets(curve, layer, source)), None)


def _curve(layer: Table, source: Layer, kind: Kind) -> Curve | None:
    """The function of the layer in constants of `kind`: an affine in front, the rest, an affine in the quantiser."""
    front = _parted(layer.function)[0]
    factor, shift = _line(front)
    first, second = factor * source.scale[0], shift - factor * source.scale[0] * source.zero[0]
    if not first:
        return None
    steps = layer.function[len(front) :]
    if TIMES_INPUT in steps:
        if second != -first * source.zero[0]:
            return None
        steps = _times(steps, source.scale[0] / first)
    _, steps, back = _parted(steps)
    gain, rest = _line(back)
    if not gain:
        return None
    scale, zero = _rounded(first, kind), -second / first
    if zero.denominator != 1:
        zero = -_rounded(second, kind) / scale
    function = tuple(_constants(step, kind) for step in steps)
    sign = Fraction(1 if gain > 0 else -1)
    return Curve(scale, zero, function, sign, _rounded(rest / abs(gain), kind), _rounded(1 / abs(gain), kind), kind)


def _parted(function: Function) -> tuple[Function, Function, Function]:
    """The affine steps in front, what lies between, the affine steps at the end."""
    others = [i for i, step in enumerate(function) if step[0] != "affine"]
    if not others:
        return function, (), ()
    first, last = others[0], others[-1] + 1
    return function[:first], function[first:last], function[last:]


def _times(steps: Function, factor: Fraction) -> Function:
    """The steps on an input that is divided by `factor`, by which each product with it is multiplied again."""
    again = ("affine", str(factor), "0")
    return tuple(new for old in steps for new in ((old, again) if old == TIMES_INPUT else (old,)))


def _line(steps: Function) -> tuple[Fraction, Fraction]:
    """Factor and constant of affine steps one after the other."""
    factor, constant = Fraction(1), Fraction(0)
    for _, slope, shift in steps:
        factor, constant = Fraction(slope) * factor, Fraction(slope) * constant + Fraction(shift)
    return factor, constant


def _constants(step: Step, kind: Kind) -> Step:
    """A step whose numbers are of `kind`, or float32 where they are attributes."""
    name, *numbers = step
    of = np.float32 if name in ATTRIBUTES else kind
    return (name, *(n and str(_rounded(Fraction(n), of)) for n in numbers))


def _centred(curve: Curve, layer: Table, source: Layer) -> Curve | None:
    """The curve moved to where its values keep the largest distance from the steps of the quantiser."""
    entries = layer.entries.array - layer.shift
    value = curve.value(_codes(source).astype(np.float64), Fraction(0))
    low = (entries - 0.5 - value)[entries > layer.low].max(initial=-1.0)
    high = (entries + 0.5 - value)[entries < layer.high].min(initial=1.0)
    if low >= high:
        return None
    quarter = Fraction(float(high) - float(low)) / 4
    add = roundest(Fraction(float(low)) + quarter, Fraction(float(high)) - quarter) * curve.step
    return replace(curve, add=_rounded(add, curve.kind))


def _meets(curve: Curve, layer: Table, source: Layer) -> bool:
    """True if the curve gives every entry, as exact numbers and in floating point."""
    last = ("affine", str(curve.sign / curve.step), str(curve.add / curve.step))
    exact = tabulate(
        (*curve.function, last),
        source.type,
        scale=curve.scale,
        zero=curve.zero,
        rounding=Rounding.HALF_EVEN,
        low=layer.low,
        high=layer.high,
        shift=layer.shift,
    )
    if exact != layer.entries:
        return False
    entries, codes = layer.entries.array - layer.shift, _codes(source)
    if all(name in (*BASIC, "times_input") for name, *_ in curve.function):
        made = np.rint(curve.value(codes.astype(curve.kind), curve.add))
        return np.array_equal(made.clip(layer.low, layer.high), entries)
    value = curve.value(codes.astype(np.float64), curve.add)
    room = ROOM[curve.kind] * max(1.0, float(np.abs(value).max()), float(1 / curve.step))
    above, below = value - (entries - 0.5) > room, (entries + 0.5) - value > room
    return bool((above | (entries == layer.low)).all() and (below | (entries == layer.high)).all())


def _codes(source: Layer) -> Array:
    return np.arange(source.type.lo, source.type.hi + 1)


def _rounded(value: Fraction, kind: Kind) -> Fraction:
    return Fraction(float(kind(float(value))))
