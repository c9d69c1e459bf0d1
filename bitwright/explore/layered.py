# SPDX-License-Identifier: Apache-2.0
"""What a design takes layer by layer, by the table of prices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bitwright.explore.making import Made, Maker
from bitwright.explore.prices import CYCLES, Prices, PriceTable
from bitwright.explore.space import Design

SHOWN = ("lut", "ff", "dsp", "bram", "uram", CYCLES)
"""Figures that layers have; of the others they have none."""
REST = "all else"
"""What depends on the width of no layer."""
Figures = dict[str, dict[str, float]]
"""By layer, which is known by its weight, and by name."""
Layers = Callable[[Design], Figures]
"""What has them of a design."""


@dataclass(frozen=True)
class Layered:
    """The function from a design of a sweep to the figures of its layers."""

    maker: Maker
    prices: Prices

    def __call__(self, design: Design) -> Figures:
        """The figures of each layer."""
        made = self.maker.made(design)
        return layers_of(self.prices.table(made.target), made)


def layers_of(table: PriceTable, made: Made) -> Figures:
    """The terms of a design's price by their layer; of clocks the most count."""
    found: Figures = {}
    for names, amounts in _amounts(table, made):
        layer = found.setdefault(_layer(table, names), {})
        for name in SHOWN:
            if name != CYCLES and amounts.get(name):
                layer[name] = layer.get(name, 0.0) + amounts[name]
    for way, clocks in table.clocks(made).items():
        layer = found.setdefault(_layer(table, way), {})
        layer[CYCLES] = max(layer.get(CYCLES, 0.0), clocks)
    return {layer: {name: max(amount, 0.0) for name, amount in each.items()} for layer, each in found.items()}


def _amounts(table: PriceTable, made: Made) -> Iterator[tuple[tuple[str, ...], Mapping[str, float]]]:
    for term in table.ledger.terms:
        yield term.names, term.at(made.widths)
    for change in table.changed(made):
        yield change.way, change.at(made.widths)


def _layer(table: PriceTable, names: tuple[str, ...]) -> str:
    return ", ".join([name for name in names if name in table.ledger.weights] or names) or REST
