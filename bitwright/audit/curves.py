# SPDX-License-Identifier: Apache-2.0
"""The functions of tables in float64, and how far float32 may be from them."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import erf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.bounds import Bounds, U
from bitwright.ir.layers import Layer, Table
from bitwright.ir.weights import Ints

Array = NDArray[Any]
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
    given = float(source.scale[0]) * (codes - float(source.zero[0]))
    x, error = given, 2 * U * np.abs(given)
    for step in layer.function:
        if step == ("times_input",):
            x, error = x * given, error * np.abs(given) + 4 * U * np.abs(x * given)
        else:
            x, error = _step(step, x, error)
    return x, error + 3 * U * np.abs(x)


def _step(step: tuple[str, ...], x: Array, error: Array) -> tuple[Array, Array]:
    match step:
        case ("affine", a, b):
            slope, offset = float(Fraction(a)), float(Fraction(b))
            return slope * x + offset, abs(slope) * error + 3 * U * (np.abs(slope * x) + abs(offset))
        case ("clip", low, high):
            bounds = (float(Fraction(low)) if low else -np.inf, float(Fraction(high)) if high else np.inf)
            return np.clip(x, *bounds), error
        case ("leaky_relu", a):
            slope = float(Fraction(a))
            y = np.where(x < 0, slope * x, x)
            return y, np.where(x < 0, abs(slope), 1) * error + 2 * U * np.abs(y)
        case ("abs",):
            return np.abs(x), error
        case _:
            return _exponential(step, x, error)


def _exponential(step: tuple[str, ...], x: Array, error: Array) -> tuple[Array, Array]:
    """A step of an exponential, and an upper bound of its slope on what came before."""
    low = np.exp(np.minimum(x, 0))
    match step:
        case ("elu", a):
            slope = abs(float(Fraction(a)))
            y = np.where(x < 0, float(Fraction(a)) * np.expm1(np.minimum(x, 0)), x)
            return y, np.where(x < 0, slope * low, 1) * error + LIBRARY * slope
        case ("exp",):
            return np.exp(x), np.exp(x) * (error + LIBRARY)
        case ("sigmoid",):
            return np.where(x < 0, low, 1) / (1 + np.exp(-np.abs(x))), error / 4 + LIBRARY
        case ("tanh",):
            return np.tanh(x), error + LIBRARY
        case ("softplus",):
            return np.logaddexp(x, 0), error + LIBRARY * np.maximum(1, np.abs(x))
        case ("erf",):
            return _erf(x), 1.13 * error + LIBRARY
        case ("normal_cdf",):
            return (1 + _erf(x / sqrt(2))) / 2, 0.4 * error + LIBRARY
        case _:
            raise AssertionError(f"no float32 error of {step[0]}")


def _erf(x: Array) -> Array:
    return np.array([erf(value) for value in x.tolist()])
