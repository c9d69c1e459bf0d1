# SPDX-License-Identifier: Apache-2.0
"""Which codes float32 may give where the exact arithmetic gives one: those on the other side of a step that is near."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.bounds import Bounds, floats, requantise_bounds
from bitwright.audit.curves import curve_bounds, table_bounds
from bitwright.audit.terms import Values, coded, moved
from bitwright.ir.graph import Graph
from bitwright.ir.host_ops import ROUND
from bitwright.ir.layers import Gather, Layer, Move, Passing, Pool, Requantise, Rounding, Table
from bitwright.ir.trace import Arithmetic, Curve
from bitwright.ir.weights import Ints
from bitwright.sim.windows import windows

Array = NDArray[Any]
Reaches = Callable[[str], "Reach | None"]
"""The reach of a layer by its name; None for a layer that holds no rounded codes."""
NEAREST = {Rounding.HALF_UP: Rounding.HALF_EVEN, Rounding.HALF_DOWN: Rounding.HALF_EVEN}
"""Roundings that no source has in float32, and the one that differs from each in exact ties only."""
REALS = ("value", "error", "up", "down")
ENDS = ("low", "high", "lowest", "highest")


class Limits(NamedTuple):
    """How values become codes: clip(R(v), low, high) + shift."""

    rounding: Rounding
    low: Array
    high: Array
    shift: int


@dataclass(frozen=True, eq=False)
class Reach:
    """Of every integer of a layer: the exact value before rounding, its likely error, and the codes within each bound.

    `up` and `down` are the distances to the nearest step on either side. `low` and `high` are the codes within the
    likely bound, `lowest` and `highest` those within the certain one.
    """

    value: Array
    error: Array
    up: Array
    down: Array
    low: Ints
    high: Ints
    lowest: Ints
    highest: Ints

    def allows(self, codes: Ints, *, certain: bool) -> NDArray[np.bool_]:
        """Where `codes` lie within the bound."""
        low, high = (self.lowest, self.highest) if certain else (self.low, self.high)
        return np.asarray((low <= codes) & (codes <= high))


def reaches(graph: Graph, values: Values, arithmetic: Mapping[str, Arithmetic], inputs: Mapping[str, Reach]) -> Reaches:
    """The reaches for the integers `values`; `inputs` are those of the input layers that a host quantiser makes."""
    known: dict[str, Reach | None] = dict(inputs)
    codes = coded(graph)

    def of(name: str) -> Reach | None:
        if name not in known:
            known[name] = made(name)
        return known[name]

    def made(name: str) -> Reach | None:
        layer, behind = graph.by_name[name], arithmetic.get(name)
        if behind and _stands(graph, layer, behind.curve):
            return _of_curve(graph, behind, values, values[name])
        match layer:
            case Requantise():
                return _rounded(layer, values[name], requantise_bounds(graph, layer, behind, values))
            case Table():
                source = layer.inputs[0]
                return _rounded(layer, values[name], table_bounds(layer, graph.by_name[source], values[source]))
            case _ if isinstance(layer, Passing) and name in codes:
                parts = [part for source in layer.inputs if (part := of(source)) is not None]
                return _moved(layer, parts) if len(parts) == len(layer.inputs) else None
            case _:
                return None

    return of


def reach_of(round_: Callable[[Array], Array], bounds: Bounds, codes: Ints, steps: tuple[Array, Array]) -> Reach:
    """The reach of `codes`, which are `round_` of the exact values; `steps` are the nearest above and below each.

    Where float32 is exact it gives our code.
    """
    ends = []
    for error, pick in (
        (bounds.likely, np.minimum),
        (bounds.likely, np.maximum),
        (bounds.certain, np.minimum),
        (bounds.certain, np.maximum),
    ):
        sign = -1 if pick is np.minimum else 1
        found = pick(round_(bounds.value + sign * error).astype(np.int64), codes)
        ends.append(np.where(error == 0, codes, found))
    return Reach(bounds.value, bounds.likely, steps[0] - bounds.value, bounds.value - steps[1], *ends)


def edges(rounding: Rounding, code: Array) -> tuple[Array, Array]:
    """(where the values begin that round to more than `code`, where those begin that round to it)."""
    return _edge(rounding, code + 1), _edge(rounding, code)


def _edge(rounding: Rounding, code: Array) -> Array:
    match rounding:
        case Rounding.FLOOR:
            return code
        case Rounding.CEIL:
            return code - 1
        case Rounding.TO_ZERO:
            return np.where(code >= 1, code, code - 1)
        case Rounding.FROM_ZERO:
            return np.where(code >= 1, code - 1, code)
        case Rounding.SIGN:
            return np.zeros(code.shape)
        case _:
            return code - 0.5


def _rounded(layer: Requantise | Table, codes: Ints, bounds: Bounds) -> Reach:
    low, high = np.array(layer.low), np.array(layer.high)
    if isinstance(layer, Requantise) and layer.rounding is Rounding.LEVELS:
        levels = np.array([[float(level) for level in row] for row in layer.levels])
        padded = np.concatenate([levels[:, :1] * 0 - np.inf, levels, levels[:, :1] * 0 + np.inf], axis=1)

        def count(v: Array) -> Array:
            return np.asarray((v[..., None] >= levels).sum(axis=-1))

        at = count(bounds.value)
        rows = np.broadcast_to(np.arange(len(levels)), at.shape)
        steps = padded[rows, at + 1], padded[rows, at]
        return reach_of(lambda v: count(v).clip(low, high) + layer.shift, bounds, codes, steps)
    return _nearest(Limits(layer.rounding, low, high, layer.shift), codes, bounds)


def _nearest(limits: Limits, codes: Ints, bounds: Bounds) -> Reach:
    """The reach of codes that a rounding of values gives."""
    function = ROUND[NEAREST.get(limits.rounding, limits.rounding)]
    steps = edges(limits.rounding, function(bounds.value))
    return reach_of(lambda v: function(v).clip(limits.low, limits.high) + limits.shift, bounds, codes, steps)


def _of_curve(graph: Graph, behind: Arithmetic, values: Values, codes: Ints) -> Reach:
    """The reach of the codes that several layers make together."""
    curve = behind.curve
    assert curve is not None
    limits = Limits(curve.rounding, floats(curve.low), floats(curve.high), curve.shift)
    return _nearest(limits, codes, curve_bounds(graph, behind, curve, values))


def _stands(graph: Graph, layer: Layer, curve: Curve | None) -> bool:
    """True for a curve of a layer that passes left where it was, element by element over the one that it reads."""
    source = graph.by_name.get(curve.source) if curve else None
    return source is not None and source.shape == layer.shape


def _moved(layer: Passing, parts: list[Reach]) -> Reach:
    if isinstance(layer, Pool):
        return _pooled(layer, parts[0])
    made = {}
    for name in (*REALS, *ENDS):
        arrays = [getattr(part, name) for part in parts]
        if isinstance(layer, Move):
            fill = layer.fill if isinstance(layer, Gather) and name in ENDS else 0
            made[name] = moved(layer, arrays[0], fill)
        else:
            made[name] = np.concatenate(arrays, axis=-1)
    return Reach(**made)


def _pooled(layer: Pool, part: Reach) -> Reach:
    """The value that wins decides; each end is the largest of the window's."""
    largest = {name: _window(layer, getattr(part, name)).max(axis=-2).astype(np.int64) for name in ENDS}
    winner = _window(layer, part.value).argmax(axis=-2)[..., None, :]
    reals = {
        name: np.take_along_axis(_window(layer, getattr(part, name)), winner, axis=-2)[..., 0, :] for name in REALS
    }
    return Reach(**reals, **largest)


def _window(layer: Pool, x: Array) -> Array:
    """(n, rows, columns, taps, channels); padding never wins."""
    fields = windows(x.astype(np.float64), layer, -np.inf)
    return fields.reshape(*fields.shape[:3], -1, fields.shape[-1])
