# SPDX-License-Identifier: Apache-2.0
"""The claims of a certificate, decided anew from the graph: which layers make one, and for which it holds."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TypeAlias, assert_never

from bitwright.exact.forms import Factors, Form, Lookup, MultiplyShift
from bitwright.exact.pairs import pair_proved
from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.requantise import codes, equals
from bitwright.exact.tabulate import tabulate
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer, Requantise, Sum, Table
from bitwright.ir.per_channel import width
from bitwright.ir.weights import Weights

Claiming: TypeAlias = Dense | Conv | Requantise | Table
"""Layers whose line in a certificate says more than which integers they read and make."""


def claiming(graph: Graph) -> list[Claiming]:
    """The layers of `graph` that make a claim, in order."""
    return [layer for layer in graph.layers if isinstance(layer, Claiming)]


def proved_claims(graph: Graph, forms: Mapping[str, Form], sums: Mapping[str, Factors]) -> list[str]:
    """The names of the layers of `graph` whose claim holds, given their `forms` and the sums with other factors.

    A layer without a form proves nothing. What made the forms is not trusted: ranges and steps are found again.
    """
    reached = ranges(graph)
    return [
        layer.name
        for layer in claiming(graph)
        if _within(reached[layer.name], layer) and _holds(graph, layer, forms.get(layer.name), sums, reached)
    ]


def _requantises(
    source: Layer, layer: Requantise, form: Form | None, sums: Mapping[str, Factors], reached: Mapping[str, Ranges]
) -> bool:
    if isinstance(source, Sum) and source.name in sums:
        operands = [reached[name] for name in source.inputs]
        return isinstance(form, MultiplyShift) and pair_proved(source, layer, sums[source.name], form, operands)
    x = reached[source.name]
    return form is not None and equals(form, codes(layer, x.lo, x.hi))


def _within(made: Ranges, layer: Layer) -> bool:
    return layer.type.lo <= int(made.lo.min()) and int(made.hi.max()) <= layer.type.hi


def _holds(
    graph: Graph, layer: Claiming, form: Form | None, sums: Mapping[str, Factors], reached: Mapping[str, Ranges]
) -> bool:
    source = graph.source_of(layer)
    match layer:
        case Dense() | Conv():
            return True  # its claim is the range of its accumulators
        case Requantise():
            return _requantises(source, layer, form, sums, reached)
        case Table():
            same = isinstance(form, Lookup) and (form.lo, form.entries) == (source.type.lo, layer.entries)
            return same and _tabulated(layer, source, reached[source.name])
        case _:
            assert_never(layer)


def _tabulated(layer: Table, source: Layer, x: Ranges) -> bool:
    """True if every code that `layer` can read has the entry of its function."""
    codes = slice(int(x.lo.min()) - source.type.lo, int(x.hi.max()) - source.type.lo + 1, source.type.step)
    size = width(source.scale, source.zero)
    return all(
        bool((_table(layer, source, scale, zero).array[codes] == layer.entries.array[codes]).all())
        for scale, zero in set(zip(source.scale.each(size), source.zero.each(size), strict=True))
    )


def _table(layer: Table, source: Layer, scale: Fraction, zero: Fraction) -> Weights:
    return tabulate(
        layer.function,
        source.type,
        scale=scale,
        zero=zero,
        rounding=layer.rounding,
        low=layer.low,
        high=layer.high,
        shift=layer.shift,
    )
