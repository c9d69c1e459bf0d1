# SPDX-License-Identifier: Apache-2.0
"""What designs will probably be found to have: a Gaussian process over the places of their values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.axes import COSTS
from bitwright.explore.space import Axis, Space

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MIXES = ((0.0, 0.5), (0.0, 0.9), (0.3, 0.4), (0.6, 0.2), (0.8, 0.1))
"""Of what is alike: the shares of what the table says and of what adds up by axis; the rest is of the whole design."""
LENGTHS, NOISES = (0.2, 0.5), (1e-4, 1e-2)
"""How far likeness of whole designs reaches, in shares of the space; how much of the spread is noise."""
JUDGED = 96
"""Designs by which the likelihood chooses among these."""
REACH = 0.7
"""How far likeness by the table reaches, in standard deviations of what it says."""


class Coordinates:
    """Designs as vectors of unit length per axis: a number is its place, a name one coordinate of several."""

    def __init__(self, space: Space) -> None:
        self._axes = [(len(axis.values), is_ordered(axis)) for axis in space.axes]

    def near(self, places: Ints) -> Floats:
        """Vectors that are as far apart as designs are unlike."""
        columns = []
        for column, (count, ordered) in enumerate(self._axes):
            at = places[:, column, None]
            columns.append(at / max(count - 1, 1) if ordered else (at == np.arange(count)) / np.sqrt(2))
        return np.asarray(np.concatenate(columns, axis=1) / np.sqrt(len(self._axes)))

    def steps(self, places: Ints) -> Floats:
        """Vectors of which every sum over axes is a linear function: a coordinate for each step along an axis."""
        columns = []
        for column, (count, ordered) in enumerate(self._axes):
            at = places[:, column, None]
            if ordered and count > 1:
                columns.append(np.where(at >= np.arange(1, count), 1.0, -1.0) / np.sqrt(count - 1))
            else:
                columns.append((at == np.arange(count)).astype(np.float64))
        return np.asarray(np.concatenate(columns, axis=1) / np.sqrt(len(self._axes)))


def is_ordered(axis: Axis) -> bool:
    """True if the values have an order, so that neighbours are alike."""
    return axis.option in COSTS or not any(isinstance(each, str | bool) for each in axis.values)


@dataclass(frozen=True)
class Seen:
    """Designs as the process sees them: vectors of both kinds, and what the table says of each, scaled."""

    near: Floats
    steps: Floats
    said: Floats

    def __getitem__(self, rows: slice) -> Seen:
        return Seen(self.near[rows], self.steps[rows], self.said[rows])


@dataclass(frozen=True)
class Likeness:
    """How alike designs are, 1 for the same: by the table, by axis, as a whole."""

    said: float
    added: float
    length: float

    def __call__(self, ours: Seen, theirs: Seen) -> Floats:
        """A row for each of ours, a column for each of theirs."""
        apart = np.square(ours.near).sum(1)[:, None] + np.square(theirs.near).sum(1) - 2 * ours.near @ theirs.near.T
        whole = np.exp(-np.maximum(apart, 0.0) / (2 * self.length**2))
        found = (1 - self.said - self.added) * whole + self.added * (ours.steps @ theirs.steps.T)
        if self.said:
            found += self.said * np.exp(-np.square(ours.said[:, None] - theirs.said) / (2 * REACH**2))
        return np.asarray(found)


class Process:
    """What one figure is expected to be, from designs whose figure is known.

    The mean of a Gaussian process whose likeness is chosen from a few by the likelihood of what is known (Rasmussen,
    Williams: "Gaussian processes for machine learning", MIT Press, 2006).
    """

    def __init__(self, seen: Seen, values: Floats) -> None:
        from scipy.linalg import cho_factor, cho_solve

        self._seen, self._mean = seen, float(values.mean())
        self._spread = float(values.std()) or 1.0
        scaled = (values - self._mean) / self._spread
        some = slice(None, None, max(len(values) // JUDGED, 1))
        self._likeness, noise = _chosen(seen[some], scaled[some])
        factor = cho_factor(_noisy(self._likeness(seen, seen), noise), lower=True, check_finite=False)
        self._weights = cho_solve(factor, scaled, check_finite=False)

    def means(self, seen: Seen) -> Floats:
        """The mean for each design."""
        return np.asarray(self._likeness(seen, self._seen) @ self._weights * self._spread + self._mean)


def _chosen(seen: Seen, values: Floats) -> tuple[Likeness, float]:
    """The likeness and the noise that make the values most likely."""
    mixes = MIXES if np.ptp(seen.said) > 0 else MIXES[:2]
    rated = []
    for (said, added), length in product(mixes, LENGTHS):
        likeness = Likeness(said, added, length)
        alike = likeness(seen, seen)
        rated += [(_unlikely(_noisy(alike, noise), values), likeness, noise) for noise in NOISES]
    _, likeness, noise = min(rated, key=lambda each: each[0])
    return likeness, noise


def _noisy(alike: Floats, noise: float) -> Floats:
    return alike + noise * np.eye(len(alike))


def _unlikely(covariance: Floats, values: Floats) -> float:
    """Minus the logarithm of the likelihood, but for a constant."""
    from scipy.linalg import solve_triangular

    factor = np.linalg.cholesky(covariance)
    white = solve_triangular(factor, values, lower=True, check_finite=False)
    return float(0.5 * white @ white + np.log(np.diag(factor)).sum())
