# SPDX-License-Identifier: Apache-2.0
"""The figures that designs will probably have: the table's, corrected by all that was measured."""

from __future__ import annotations

import numpy as np

from bitwright.explore.additive import Additive
from bitwright.explore.objectives import Objective
from bitwright.explore.strategies.archive import Archive, Floats, Ints, gains
from bitwright.explore.strategies.surrogate import Coordinates, Process, Seen

MOST = 256
"""Designs that a prediction is made from: those nearest to the front."""
EXACT = 1e-3
"""By how much, as a share, figures may differ from the table and be taken for it."""
FLOOR, TINY = 1e-3, 1e-12
"""Of the largest error that the table has, below which errors are alike; an error that is none."""


class Predicted:
    """Losses of designs that were not measured, by what an archive holds."""

    def __init__(self, archive: Archive, model: Additive | None) -> None:
        self._archive, self._model = archive, model
        self._coordinates = Coordinates(archive.space)

    def __call__(self, places: Ints) -> Floats:
        """What is expected: a row a design, a column a figure."""
        known, values = self._nearest()
        every = _Known(known, np.concatenate([known, places]), self._coordinates)
        said = {} if self._model is None else self._model.figures(every.places)
        figures = enumerate(self._archive.figures)
        return np.stack([self._figure(each, values[:, column], every, said) for column, each in figures], axis=1)

    def _nearest(self) -> tuple[Ints, Floats]:
        """The records that count: all, or those nearest to the front."""
        archive = self._archive
        places, values = np.array(archive.places), np.array(archive.losses)
        if len(places) <= MOST:
            return places, values
        span = np.ptp(values, axis=0)
        before = gains(values, values[archive.best()], np.where(span > 0, span, 1.0))
        near = np.sort(np.argsort(-before, kind="stable")[:MOST])
        return places[near], values[near]

    def _figure(self, figure: Objective, values: Floats, every: _Known, said: dict[str, Floats]) -> Floats:
        if figure.name in said:
            return every.times(values, figure.loss(1.0) * said[figure.name])
        if self._model is not None and self._model.error:
            error = said[self._model.error]
            return every.expected(values, np.log(np.maximum(error, FLOOR * max(float(error.max()), TINY))))
        if (values > 0).all():
            return np.exp(every.expected(np.log(values)))
        return every.expected(values)


class _Known:
    """Designs of which the first ones are known."""

    def __init__(self, known: Ints, places: Ints, coordinates: Coordinates) -> None:
        self.places, self._count = places, len(known)
        self._near, self._steps = coordinates.near(places), coordinates.steps(places)

    def expected(self, values: Floats, said: Floats | None = None) -> Floats:
        """Of the other designs, by the values of those that are known and by what a table says of all."""
        said = np.zeros(len(self.places)) if said is None else said
        known = said[: self._count]
        seen = Seen(self._near, self._steps, (said - known.mean()) / (float(known.std()) or 1.0))
        return Process(seen[: self._count], values).means(seen[self._count :])

    def times(self, values: Floats, table: Floats) -> Floats:
        """What a table says of the other designs, times what it was found to be off."""
        off = values / np.where(table[: self._count] == 0, 1.0, table[: self._count])
        mean = float(off.mean())
        is_exact = np.ptp(off) <= EXACT * abs(mean)
        return table[self._count :] * (mean if is_exact else self.expected(off))
