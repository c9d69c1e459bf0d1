# SPDX-License-Identifier: Apache-2.0
"""The table of prices and errors in terms of a space: which place of which axis brings how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.allocate import Ledger, Term, Widths
from bitwright.compress.allocate.error import ERRORS
from bitwright.compress.allocate.tables import joined
from bitwright.explore.space import Axis, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEIGHTS, ACTIVATIONS = "weights", "activations"
"""The options whose values are widths of a ledger."""


class Additive:
    """A ledger whose names are axes of a space and whose widths are places, and the sums of it for many designs."""

    def __init__(self, space: Space, ledger: Ledger) -> None:
        self.space = space
        self.ledger = ledger
        self.kinds = self.ledger.kinds
        self.error = next((kind for kind in self.kinds if kind in ERRORS), "")
        self._columns = {axis.name: column for column, axis in enumerate(space.axes)}
        self._arrays = [(self._indices(term), self._array(term)) for term in self.ledger.terms]

    def figures(self, places: Ints) -> dict[str, Floats]:
        """What the table says of designs, a row of places each: an array for each kind."""
        total = np.zeros((len(places), len(self.kinds)))
        for columns, array in self._arrays:
            total += array[tuple(places[:, column] for column in columns)]
        return {kind: total[:, at] for at, kind in enumerate(self.kinds)}

    def places(self, widths: Widths, others: Sequence[int]) -> tuple[int, ...]:
        """The design of the places that were chosen; of axes that the table does not know, at those of `others`."""
        return tuple(widths.get(axis.name, other) for axis, other in zip(self.space.axes, others, strict=True))

    def _indices(self, term: Term) -> list[int]:
        return [self._columns[name] for name in term.names]

    def _array(self, term: Term) -> Floats:
        shape = [len(self.ledger.widths[name]) for name in term.names]
        found = np.zeros((*shape, len(self.kinds)))
        for key, amounts in term.amounts.items():
            found[key] = [amounts.get(kind, 0.0) for kind in self.kinds]
        return found


def tied(space: Space, ledger: Ledger) -> Ledger:
    """A ledger of widths by the axes of a space and their places.

    Names that share an axis have one width; those that have none are as wide as they can be. Axes of other options are
    not in it.
    """
    axes = {
        **dict(_named(space, WEIGHTS, ledger.weights)),
        **dict(_named(space, ACTIVATIONS, ledger.tensors)),
    }
    terms = joined(Term(*_rows(term, ledger.widths, axes)) for term in ledger.terms)
    weights, tensors = (
        {axis.name: tuple(range(len(axis.values))) for name, axis in axes.items() if name in part}
        for part in ledger.parts
    )
    return Ledger(weights, tensors, terms)


def _named(space: Space, option: str, names: Mapping[str, object]) -> Iterator[tuple[str, Axis]]:
    """The axis of each name: one that names it, else one for all."""
    asked = [axis for axis in space.axes if axis.option == option]
    for name in names:
        for axis in (*(each for each in asked if name in each.names), *(each for each in asked if not each.names)):
            yield name, axis
            break


def _rows(
    term: Term, offered: Mapping[str, tuple[int, ...]], axes: Mapping[str, Axis]
) -> tuple[tuple[str, ...], dict[tuple[int, ...], Mapping[str, float]]]:
    """A term by places: its axes, and the amounts at each of their places."""
    known = tuple(dict.fromkeys(axes[name].name for name in term.names if name in axes))
    counts = {axes[name].name: len(axes[name].values) for name in term.names if name in axes}
    rows: dict[tuple[int, ...], Mapping[str, float]] = {}
    for key in product(*(range(counts[name]) for name in known)):
        at = dict(zip(known, key, strict=True))
        widths = [_width(offered[name], axes.get(name), at) for name in term.names]
        rows[key] = term.amounts[tuple(widths)]
    return known, rows


def _width(offered: tuple[int, ...], axis: Axis | None, at: Mapping[str, int]) -> int:
    """The width of a name at the place of its axis, or the nearest that the ledger has."""
    if axis is None:
        return max(offered)
    value = axis.values[at[axis.name]]
    assert isinstance(value, int), "a width"
    return min(offered, key=lambda bits: (abs(bits - value), -bits))
