# SPDX-License-Identifier: Apache-2.0
"""A table as the function that it tabulates, if float32 meets every entry: exactly, or with room for its errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx_forms import carrier
from bitwright.backends.onnx_held import OWN_FORMAT
from bitwright.backends.onnx_lines import roundest
from bitwright.backends.onnx_quantise import quantised
from bitwright.backends.onnx_tensors import Export, Tensor, number, refuse
from bitwright.backends.onnx_writer import Writer
from bitwright.exact.functions import Function, Step
from bitwright.exact.tabulate import tabulate
from bitwright.ir.layers import Layer, Rounding, Table
from bitwright.ir.types import IntType

Array = NDArray[Any]
ROOM = 2.0**-19
"""How far float32 functions are off, relative to the largest value, at most; the tools' own are within 2**-21."""
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
OPERATORS = {name: name.capitalize() for name in ("sigmoid", "tanh", "exp", "softplus", "erf", "abs")}


@dataclass(frozen=True, slots=True)
class Curve:
    """code = clip(rint((sign * function(x) + add) / step) + shift) of x = scale * (q - zero), in float32 constants."""

    scale: Fraction
    zero: Fraction
    function: Function
    sign: Fraction
    add: Fraction
    step: Fraction

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


def write_table(out: Export, layer: Table) -> Tensor:
    """The nodes of the function of `layer`."""
    source = out.graph.by_name[layer.inputs[0]]
    kind = IntType(layer.low + layer.shift, layer.high + layer.shift)
    dtype = carrier(kind)
    if dtype is None or not np.iinfo(dtype).min <= layer.shift <= np.iinfo(dtype).max:
        refuse(layer, f"makes the codes {kind}, for which QuantizeLinear has no type", OWN_FORMAT)
    plain = _curve(layer, source)
    curve = next((c for c in (plain, plain and _centred(plain, layer, source)) if c and _meets(c, layer, source)), None)
    if curve is None:
        refuse(layer, "float32 does not meet all the entries of its table", OWN_FORMAT)
    x = _nodes(out, layer, curve)
    return quantised(out.writer, x, layer.name, number(float(curve.step), np.float32), layer.shift, kind)


def _curve(layer: Table, source: Layer) -> Curve | None:
    """The function of the layer in float32 constants: an affine in front, the rest, an affine in the quantiser."""
    steps = list(layer.function)
    first, second = source.scale[0], -source.scale[0] * source.zero[0]
    while steps and steps[0][0] == "affine":
        a, b = map(Fraction, steps.pop(0)[1:])
        first, second = a * first, a * second + b
    turned = ("affine", str(source.scale[0] / first), "0") if first else ("times_input",)
    if ("times_input",) in steps:
        if second != -first * source.zero[0]:
            return None
        steps = [new for old in steps for new in ((old, turned) if old == ("times_input",) else (old,))]
    gain, rest = Fraction(1), Fraction(0)
    last = len(steps)
    while last and steps[last - 1][0] == "affine":
        last -= 1
    for _, slope, shift in steps[last:]:
        gain, rest = Fraction(slope) * gain, Fraction(slope) * rest + Fraction(shift)
    if not first or not gain:
        return None
    scale, zero = _float32(first), -second / first
    if zero.denominator != 1:
        zero = -_float32(second) / scale
    function = tuple((name, *(n and str(_float32(Fraction(n))) for n in numbers)) for name, *numbers in steps[:last])
    sign = Fraction(1 if gain > 0 else -1)
    return Curve(scale, zero, function, sign, _float32(rest / abs(gain)), _float32(1 / abs(gain)))


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
    return replace(curve, add=_float32(add))


def _meets(curve: Curve, layer: Table, source: Layer) -> bool:
    """True if the curve gives every entry, as exact numbers and as float32."""
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
        made = np.rint(curve.value(codes.astype(np.float32), curve.add))
        return np.array_equal(made.clip(layer.low, layer.high), entries)
    value = curve.value(codes.astype(np.float64), curve.add)
    room = ROOM * max(1.0, float(np.abs(value).max()), float(1 / curve.step))
    above, below = value - (entries - 0.5) > room, (entries + 0.5) - value > room
    return bool((above | (entries == layer.low)).all() and (below | (entries == layer.high)).all())


def _codes(source: Layer) -> Array:
    return np.arange(source.type.lo, source.type.hi + 1)


def _nodes(out: Export, layer: Table, curve: Curve) -> str:
    """The float32 numbers that go into the quantiser."""
    write, x = out.writer, out.raw(layer.inputs[0])
    if curve.centred and curve.zero:
        x = write.step("Sub", x, layer.name, number(float(curve.zero), np.float32))
    if curve.scale != 1:
        x = write.step("Mul", x, layer.name, number(float(curve.scale), np.float32))
    if not curve.centred:
        x = write.step("Add", x, layer.name, number(float(curve.offset), np.float32))
    made, steps = x, list(curve.function)
    while steps:
        step = steps.pop(0)
        if step == ("normal_cdf",) and steps[:1] == [("times_input",)] and made == x:
            made, steps = write.step("Gelu", made, layer.name), steps[1:]
        else:
            made = _node(write, made, x, layer, step)
    return _affine(write, made, layer, curve.sign, curve.add)


def _node(write: Writer, made: str, x: str, layer: Table, step: Step) -> str:
    match step:
        case ("times_input",):
            return write.step("Mul", made, layer.name, x)
        case ("affine", a, b):
            return _affine(write, made, layer, Fraction(a), Fraction(b))
        case ("clip", low, high):
            bounds = [number(float(Fraction(bound)), np.float32) if bound else "" for bound in (low, high)]
            return write.step("Clip", made, layer.name, *bounds)
        case ("leaky_relu" | "elu" as name, slope):
            operator = {"leaky_relu": "LeakyRelu", "elu": "Elu"}[name]
            return write.step(operator, made, layer.name, alpha=float(Fraction(slope)))
        case (name,) if name in OPERATORS:
            return write.step(OPERATORS[name], made, layer.name)
        case _:
            refuse(layer, f"tabulates '{step[0]}', which no ONNX operator computes", OWN_FORMAT)


def _affine(write: Writer, x: str, layer: Table, slope: Fraction, shift: Fraction) -> str:
    if slope != 1:
        x = write.step("Mul", x, layer.name, number(float(slope), np.float32))
    return write.step("Add", x, layer.name, number(float(shift), np.float32)) if shift else x


def _float32(value: Fraction) -> Fraction:
    return Fraction(float(np.float32(float(value))))
