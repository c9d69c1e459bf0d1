# SPDX-License-Identifier: Apache-2.0
"""The functions of tables in float64, and how far float32 may be from them."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import erf, sqrt
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.bounds import Bounds, U, certain_error, floats, likely_error
from bitwright.audit.terms import Values, terms
from bitwright.ir.functions import (
    Above,
    Abs,
    Affine,
    Algebraic,
    Clip,
    Elu,
    Erf,
    Exp,
    Function,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Rising,
    Sigmoid,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
)
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Table
from bitwright.ir.trace import Arithmetic, Curve
from bitwright.ir.weights import Ints

Array = NDArray[Any]
FAR = 2.0**200
"""What stands for an infinite value."""
LIBRARY = 16 * U
"""How far a float32 library may miss an exponential, relative to the larger of 1 and what it is called with."""


def table_bounds(layer: Table, source: Layer, codes: Ints) -> Bounds:
    """The bounds of a table for integers `codes` of the layer that it reads; both bounds are the same."""
    value, error = _curve(layer, source)
    places = codes - source.type.lo
    return Bounds(value[places], error[places], error[places])


@lru_cache(maxsize=64)
def _curve(layer: Table, source: Layer) -> tuple[Array, Array]:
    """(values before rounding, errors) of every code in order: step by step, each error behind those before it."""
    codes = np.arange(source.type.lo, source.type.hi + 1)
    given = float(source.scale.of(0)) * (codes - float(source.zero.of(0)))
    x, error = _through(layer.function, given, 2 * U * np.abs(given), 0.0)
    return x, error + 3 * U * np.abs(x)


def curve_bounds(graph: Graph, behind: Arithmetic, curve: Curve, values: Values) -> Bounds:
    """The bounds of what several layers compute of an accumulator, for the integers `values`."""
    sums, m = terms(graph, curve.source, values), np.abs(floats(curve.scale))
    reached = floats(curve.scale) * values[curve.source] + floats(curve.offset)
    bottom, top = (_ends(row, end) for row, end in ((curve.bottom, -np.inf), (curve.top, np.inf)))
    given = np.clip(reached, bottom, top)
    leak = np.where(given < 0, floats(curve.slopes), 1.0)
    found = []
    for error in (likely_error(sums, m, behind), certain_error(sums, m, behind)):
        error = np.abs(leak) * (error + 3 * U * np.abs(reached))
        x, error = _through(curve.function, given * leak, error, error)
        x, error = x / floats(curve.step) + floats(curve.before), error / floats(curve.step)
        found.append(error + 3 * U * (np.abs(x) + np.abs(floats(curve.before))))
    return Bounds(x, np.minimum(*found), found[1])


def _ends(row: tuple[Fraction | None, ...], none: float) -> Array:
    return np.array([none if end is None else float(end) for end in row])


def _through(function: Function, given: Array, error: Array, whole: Array | float) -> tuple[Array, Array]:
    """Values and errors behind the steps of a function; `whole` is the error of what is given, beyond its rounding."""
    x = given
    for step in function:
        if isinstance(step, TimesInput):
            x, error = x * given, error * np.abs(given) + whole * np.abs(x) + 4 * U * np.abs(x * given)
        else:
            x, error = _step(step, x, error)
    return x, error


def _step(step: Step, x: Array, error: Array) -> tuple[Array, Array]:
    match step:
        case Affine():
            slope, offset = float(step.slope), float(step.offset)
            return slope * x + offset, abs(slope) * error + 3 * U * (np.abs(slope * x) + abs(offset))
        case Clip():
            low, high = (None if bound is None else float(bound) for bound in (step.low, step.high))
            return np.clip(x, low, high), error
        case LeakyRelu():
            slope = float(step.slope)
            y = np.where(x < 0, slope * x, x)
            return y, np.where(x < 0, abs(slope), 1) * error + 2 * U * np.abs(y)
        case Abs():
            return np.abs(x), error
        case Above() | Power() | Softsign() | Sqrt() | Log():
            return _steep(step, x, error)
        case TimesInput():
            raise AssertionError("a product with the input is no function of what came before alone")
        case _:
            return _exponential(step, x, error)


def _steep(step: Algebraic, x: Array, error: Array) -> tuple[Array, Array]:
    """A step between its values at both ends of the error of what came before; a pole is far beyond every code."""
    low, middle, high = (np.clip(_value(step, end), -FAR, FAR) for end in (x - error, x, x + error))
    spread = np.maximum(np.abs(high - middle), np.abs(middle - low))
    return middle, spread + LIBRARY * np.maximum(1, np.abs(middle))


def _value(step: Algebraic, x: Array) -> Array:
    with np.errstate(divide="ignore"):
        match step:
            case Above():
                return np.where(x > float(step.limit), x, 0.0)
            case Power():
                return np.asarray(np.where(x == 0, np.inf if step.exponent < 0 else 0, x) ** int(step.exponent))
            case Softsign():
                return np.asarray(x / (1 + np.abs(x)))
            case Sqrt():
                return np.asarray(np.sqrt(np.maximum(x, 0)))
            case Log():
                return np.asarray(np.log(np.maximum(x, 0)))
            case _:
                assert_never(step)


def _exponential(step: Elu | Tanh | Rising, x: Array, error: Array) -> tuple[Array, Array]:
    """A step of an exponential, and an upper bound of its slope on what came before."""
    low = np.exp(np.minimum(x, 0))
    match step:
        case Elu():
            slope = float(step.slope)
            y = np.where(x < 0, slope * np.expm1(np.minimum(x, 0)), x)
            return y, np.where(x < 0, abs(slope) * low, 1) * error + LIBRARY * abs(slope)
        case Exp():
            return np.exp(x), np.exp(x) * (error + LIBRARY)
        case Sigmoid():
            return np.where(x < 0, low, 1) / (1 + np.exp(-np.abs(x))), error / 4 + LIBRARY
        case Tanh():
            return np.tanh(x), error + LIBRARY
        case Softplus():
            return np.logaddexp(x, 0), error + LIBRARY * np.maximum(1, np.abs(x))
        case Erf():
            return _erf(x), 1.13 * error + LIBRARY
        case NormalCdf():
            return (1 + _erf(x / sqrt(2))) / 2, 0.4 * error + LIBRARY
        case _:
            assert_never(step)


def _erf(x: Array) -> Array:
    return np.array([erf(value) for value in x.tolist()])
