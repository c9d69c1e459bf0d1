# SPDX-License-Identifier: Apache-2.0
"""The form in which a requantiser is written: QuantizeLinear, float64 arithmetic, a sign, thresholds, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.arithmetic import Line, Row, Slope
from bitwright.backends.onnx.held import OWN_FORMAT, Held
from bitwright.backends.onnx.lines import find_line, find_slope
from bitwright.backends.onnx.ruled import find_ruled
from bitwright.exact.meaning import limits
from bitwright.exact.ranges import Ranges
from bitwright.exact.requantise import codes, listed
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import Steps, steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Passing, Pool, Requantise, Reshape, Rounding, Sum, Table
from bitwright.ir.per_channel import ONES, ZEROS, spread
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.weights import Ints

Array = NDArray[Any]
HALF = Fraction(1, 2)
CARRIERS: tuple[tuple[int, type[Any]], ...] = ((8, np.uint8), (8, np.int8), (16, np.uint16), (16, np.int16))
LONGEST = 1 << 22
"""Thresholds of one layer that a file may hold."""


@dataclass(frozen=True, slots=True)
class Wire:
    """The requantiser changes no integer."""


@dataclass(frozen=True, eq=False)
class Sign:
    """+1 where factor * a + add >= 0, else -1."""

    rows: Sequence[Row]


@dataclass(frozen=True, eq=False)
class Thresholds:
    """base + step * how many of the channel's thresholds, (channels, n), are <= factor * a - offset."""

    factor: Ints
    thresholds: Array
    base: int
    step: int


Form = Wire | Line | Slope | Sign | Thresholds


def form_of(layer: Requantise, graph: Graph, held: Held, reached: Mapping[str, Ranges]) -> Form:
    """The first form that is equal to `layer` for every integer that its source can hold."""
    source = graph.source_of(layer)
    if _changes_nothing(layer, source):
        return Wire()
    x = reached[source.name]
    low, high = limits(layer)
    kind = None if held.wide else carrier(IntType(int(low.min()), int(high.max())))
    few = listed(layer, x.lo, x.hi)
    if (kind is None or not few) and (ruled := _ruled(layer, x, held)):
        return ruled
    if not few:
        raise _refusal(layer, held)
    found = steps(layer, x.lo, x.hi)
    if layer.type == BIPOLAR:
        return Sign(_sign_rows(found, held))
    line = find_line(layer, found, held, kind, uniform=_is_mixed(graph, layer.name)) if kind else None
    return line or _slope(layer, source, found, held, reached)


def _ruled(layer: Requantise, x: Ranges, held: Held) -> Slope | None:
    """A line that is proved as a whole, where the steps of `layer` are many."""
    found = codes(layer, x.lo, x.hi)
    return find_ruled(found, held) if isinstance(found, Ruled) else None


def _slope(layer: Requantise, source: Layer, found: Steps, held: Held, reached: Mapping[str, Ranges]) -> Form:
    """Float64 arithmetic, or thresholds where there is none."""
    slope = find_slope(layer, found, held) or _past_ties(layer, source, found, held, reached)
    return slope or _thresholds(layer, found, held)


def carrier(kind: IntType) -> type[Any] | None:
    """The integer type in which QuantizeLinear makes exactly these codes, with a Clip behind it if it has 8 bits."""
    for bits, dtype in CARRIERS:
        info = np.iinfo(dtype)
        if (info.min, info.max) == (kind.lo, kind.hi) or (bits == 8 and info.min <= kind.lo <= kind.hi <= info.max):
            return dtype
    return None


def _is_mixed(graph: Graph, name: str) -> bool:
    """True if a table reads the layer, or a move that mixes channels: what they read has one scale."""
    channels = graph.by_name[name].channels
    return any(
        isinstance(reader, Table)
        or (isinstance(reader, Passing) and not isinstance(reader, Pool | Reshape))
        or (isinstance(reader, Reshape) and len(reader.shape) > 1 and reader.channels != channels)
        or (isinstance(reader, Passing) and _is_mixed(graph, reader.name))
        for reader in graph.readers[name]
    )


def _changes_nothing(layer: Requantise, source: Layer) -> bool:
    plain = (
        layer.multiplier.squeezed() == ONES and layer.offset.squeezed() == ZEROS and not layer.shift and not layer.slope
    )
    within = max(layer.low) <= source.type.lo and source.type.hi <= min(layer.high)
    return plain and within and layer.rounding not in (Rounding.SIGN, Rounding.LEVELS)


def _sign_rows(found: Steps, held: Held) -> list[Row]:
    """The sign of a - t in rising channels, of -a - t - 1 in falling ones, a constant where there is no step."""
    rows, slack = [], HALF if held.pool > 1 else Fraction(0)
    for channel, moves in enumerate(found.count.tolist()):
        falling = int(found.falling[channel])
        factor = Fraction(1 - 2 * falling if moves else 0)
        add = slack - int(found.t[channel, 0]) - falling if moves else Fraction(int(found.first[channel]))
        rows.append(Row(factor, add + factor * int(held.offset[channel]), Fraction(1)))
    return rows


def _past_ties(
    layer: Requantise, source: Layer, found: Steps, held: Held, reached: Mapping[str, Ranges]
) -> Slope | None:
    """Ties to even as ties upwards, where no pair of operands of a sum makes a tie on which the two differ."""
    if layer.rounding is not Rounding.HALF_EVEN or not isinstance(source, Sum) or len(set(source.inputs)) != 2:
        return None
    upwards = replace(layer, rounding=Rounding.HALF_UP)
    other = steps(upwards, found.lo, found.hi)
    if other.t.shape != found.t.shape or not np.array_equal(other.first, found.first):
        return None
    return None if _any_tie(source, found, other, reached) else find_slope(upwards, other, held)


def _any_tie(source: Sum, found: Steps, other: Steps, reached: Mapping[str, Ranges]) -> bool:
    """True if some pair of operands makes a sum at which the two have a step apart."""
    x = [reached[name] for name in source.inputs]
    factors = [spread(row, source.channels) for row in source.factors]
    for channel, k in np.argwhere(other.t != found.t):
        at = int(other.t[channel, k])
        total = ~at if other.falling[channel] else at
        pair = [(row[channel], int(r.lo[channel]), int(r.hi[channel])) for row, r in zip(factors, x, strict=True)]
        if _attained(total, pair):
            return True
    return False


def _attained(total: int, pair: Sequence[tuple[int, int, int]]) -> bool:
    """True if f * x + g * y = total for x and y in their intervals; (f, lowest x, highest x) and the same of y."""
    (f, x_lo, x_hi), (g, y_lo, y_hi) = pair
    common = gcd(f, g)
    if common == 0 or total % common:
        return common == 0 and total == 0
    f, g, total = f // common, g // common, total // common
    if g == 0:
        return x_lo <= total * f <= x_hi
    period = abs(g)
    first = x_lo + (total * pow(f, -1, period) - x_lo) % period
    return any(y_lo <= (total - f * x) // g <= y_hi for x in range(first, x_hi + 1, period))


def _refusal(layer: Requantise, held: Held) -> BitwrightError:
    return BitwrightError(
        f"no float64 arithmetic has its steps over integers up to {held.bound}",
        where=f"layer '{layer.name}'",
        hint=f"quantise weights or inputs to fewer bits, or {OWN_FORMAT}",
    )


def _thresholds(layer: Requantise, found: Steps, held: Held) -> Thresholds:
    low, high = limits(layer)
    base, count = int(low.min()), (int(high.max()) - int(low.min())) // found.step
    if held.wide or count * layer.channels > LONGEST:
        raise _refusal(layer, held)
    rows = np.empty((layer.channels, count), dtype=np.int64)
    for channel in range(layer.channels):
        before = (int(found.first[channel]) - base) // found.step
        met = found.t[channel, : int(found.count[channel])]
        rows[channel] = int(found.end[channel]) + 1
        rows[channel, :before] = int(found.start[channel])
        rows[channel, before : before + len(met)] = met
    factor = np.where(found.falling, -1, 1)
    slack = 0.5 if held.pool > 1 else 0.0
    return Thresholds(factor, rows + (found.falling - factor * held.offset - slack)[:, None], base, found.step)
