# SPDX-License-Identifier: Apache-2.0
"""Evolution led by a sparse sum: what each step of each axis brings, and what pairs of axes bring together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from bitwright.explore.space import Space
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places
from bitwright.explore.strategies.evolve import BATCH, Evolve, Predictor
from bitwright.explore.strategies.surrogate import is_ordered

SHARE = 4
"""Of the designs that may be asked for, one in so many is drawn by chance first."""
PENALTY = 0.05
"""Of the sum of magnitudes, in parts of the one that leaves no term."""
PASSES = 400
"""Steps to the sparse sum."""
DAMPING = 1e-6
"""Of the terms that are left, when they are fitted anew without the penalty."""


class Conas(Evolve):
    """Children of the front, of which those are asked for that a sparse sum of steps and pairs finds best.

    A score as a function of signs is a sum of their products; those of one and two signs are looked for, and few are
    found by a penalty on the sum of magnitudes, from fewer random designs than there are terms (Cho, Soltani, Hegde:
    "One-shot neural architecture search via compressive sensing", 2019, arXiv 1906.02869; R126). A pair says what two
    layers do to each other. No table is asked.
    """

    def _predictor(self) -> Predictor:
        return Sums(self._archive)

    def _start(self) -> Iterator[Places]:
        yield from self._archive.uniforms()
        yield from self._archive.draw(max(self._archive.problem.evaluations // SHARE, BATCH))


def terms(space: Space, places: Ints) -> Floats:
    """Products of signs, a row a design: none, those of the steps of each axis, and those of two axes' halves.

    Of an axis with an order a sign says whether the design is beyond a step, of names whether it has one.
    """
    steps, halves = [np.ones((len(places), 1))], []
    for column, axis in enumerate(space.axes):
        at, above = places[:, column, None], np.arange(1, len(axis.values))
        signs = np.where((at >= above) if is_ordered(axis) else (at == above), 1.0, -1.0)
        steps.append(signs)
        halves += [signs[:, len(above) // 2]] if len(above) else []
    pairs = [one * other for one, other in combinations(halves, 2)]
    return np.concatenate([*steps, *(pair[:, None] for pair in pairs)], axis=1)


class Sums:
    """Sparse sums for each figure, of what an archive holds."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self, places: Ints) -> Floats:
        """What the sums say of designs."""
        known, values = terms(self._archive.space, np.array(self._archive.places)), np.array(self._archive.losses)
        asked = terms(self._archive.space, places)
        return np.stack([asked @ sparse(known, values[:, column]) for column in range(values.shape[1])], axis=1)


def sparse(known: Floats, values: Floats) -> Floats:
    """A coefficient for each term, few of them not 0: the lasso's choice of terms, then least squares of these.

    The first term is always in it.
    """
    centred, aim = known - known.mean(axis=0), values - values.mean()
    found, ahead, momentum = np.zeros(known.shape[1]), np.zeros(known.shape[1]), 1.0
    slope = centred.T @ aim
    penalty = PENALTY * float(np.abs(slope).max(initial=0))
    steep = float(np.linalg.norm(centred, 2)) ** 2 or 1.0
    for _ in range(PASSES):
        moved = ahead - centred.T @ (centred @ ahead - aim) / steep
        now = np.sign(moved) * np.maximum(np.abs(moved) - penalty / steep, 0.0)
        after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, found, momentum = now + (momentum - 1) / after * (now - found), now, after
    most = max(len(values) // 2, 1)
    chosen = np.argsort(-np.abs(found), kind="stable")[:most]
    chosen = np.append(0, chosen[found[chosen] != 0])
    part = known[:, chosen]
    fitted = np.linalg.solve(part.T @ part + DAMPING * len(values) * np.eye(len(chosen)), part.T @ values)
    coefficients = np.zeros(known.shape[1])
    coefficients[chosen] = fitted
    return coefficients


STRATEGIES = {"conas": Conas}
