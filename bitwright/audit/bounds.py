# SPDX-License-Identifier: Apache-2.0
"""How far float32 may be from the exact value before rounding: `docs/audit.md` has the formulas.

`certain` holds for any order of summation, with or without fused multiply-add; `likely` is a model of it, six standard
deviations wide. Both are in steps of the output, and zero where every float32 operation is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.terms import Terms, Values, terms
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.trace import Arithmetic

Array = NDArray[Any]
U = 2.0**-24
"""Half a unit in the last place of a float32 of magnitude 1."""
BASE_ROUNDINGS = 5
"""Elementwise operations around a sum: two dequantisations, their product, a bias, the division by the scale."""
EXACT = 2.0**24
NO_ARITHMETIC = Arithmetic(0.0, 0)


@dataclass(frozen=True, eq=False)
class Bounds:
    """The exact value before rounding and the two bounds of its float32 error; samples on axis 0, channels last."""

    value: Array
    likely: Array
    certain: Array


def requantise_bounds(graph: Graph, layer: Requantise, arithmetic: Arithmetic | None, values: Values) -> Bounds:
    """The bounds of a requantiser for the integers `values`; `arithmetic` is what stands before it in the source."""
    behind = arithmetic or NO_ARITHMETIC
    sums = terms(graph, layer.inputs[0], values)
    m, b = floats(layer.multiplier), floats(layer.offset)
    value = m * values[layer.inputs[0]] + b
    if layer.slope:
        leak = np.where(value < 0, floats(layer.slope), 1.0)
        value, m = value * leak, m * leak
    before = np.abs(floats(layer.zero) - layer.shift)
    certain = certain_error(sums, np.abs(m), behind) + 3 * U * np.abs(value) + 2 * U * before
    likely = likely_error(sums, np.abs(m), behind) + 3 * U * np.abs(value) + 2 * U * before
    inexact = ~_is_exact(graph, layer, behind, np.abs(m) * sums.size)
    return Bounds(value, np.minimum(likely, certain) * inexact, certain * inexact)


def certain_error(sums: Terms, m: Array, behind: Arithmetic) -> Array:
    """The bound of the error of sums times `m`, and of what is added to them, for any order of summation."""
    n = BASE_ROUNDINGS + behind.roundings
    return np.asarray(_gamma(sums.count + n) * m * sums.size + _gamma(n) * behind.added)


def likely_error(sums: Terms, m: Array, behind: Arithmetic) -> Array:
    """The model of that error."""
    n = BASE_ROUNDINGS + behind.roundings
    total, spread = m * np.abs(sums.value), m * np.sqrt(sums.energy)
    walk = 6 * np.sqrt(sums.count) * U * (total + 3 * spread)
    return np.asarray(walk + 12 * U * spread + 3 * U * total + _gamma(n) * (behind.added + total))


def _gamma(n: int) -> float:
    return n * U / (1 - n * U)


def _is_exact(graph: Graph, layer: Requantise, behind: Arithmetic, size: Array) -> Array:
    """Where float32 rounds nothing: scales are powers of two, and all partial results are few enough of one unit."""
    source = graph.source_of(layer)
    denominators = [number.denominator for number in (*layer.multiplier.values, *layer.offset.values)]
    dyadic = all(_is_power((1, *row.values)) for row in (layer.scale, source.scale)) and all(
        d & (d - 1) == 0 for d in denominators
    )
    if not dyadic or layer.slope or behind.roundings >= BASE_ROUNDINGS:
        return np.zeros(size.shape, dtype=bool)
    return np.asarray(
        size + behind.added + max(abs(float(b)) for b in layer.offset.values)
        <= EXACT * min(1 / d for d in denominators)
    )


def _is_power(values: tuple[Fraction | int, ...]) -> bool:
    return all(f.numerator & (f.numerator - 1) == 0 and f.denominator & (f.denominator - 1) == 0 for f in values)


def floats(values: PerChannel) -> Array:
    """The numbers in float64."""
    return np.array([float(value) for value in values.values])
