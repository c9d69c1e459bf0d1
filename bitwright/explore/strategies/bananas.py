# SPDX-License-Identifier: Apache-2.0
"""Evolution led by several small networks, each of which has its own opinion of designs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bitwright.explore.space import Space
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places
from bitwright.explore.strategies.evolve import Evolve, Predictor

MEMBERS, HIDDEN = 5, 16
"""Networks, and the neurons of each."""
PASSES, RATE = 80, 0.05
"""Over all that was measured, in the training of each; how far a weight moves in one."""
SMOOTH = (0.9, 0.99)
"""How slowly the means of slopes and of their squares move."""


class Bananas(Evolve):
    """Children of the front, of which those are asked for that a network drawn by lot finds best: Thompson sampling.

    Several small networks learn from other beginnings what designs have, from the path that each is: a bit for each
    value of each axis. Where little is known they disagree, and one of them is drawn for each child and figure (White,
    Neiswanger, Savani: "BANANAS: Bayesian optimization with neural architectures for neural architecture search", AAAI
    2021, arXiv 1910.11858; R125). No table is asked.
    """

    def _predictor(self) -> Predictor:
        return Ensemble(self._archive)

    def _seeds(self, others: Places) -> Iterator[Places]:
        """None."""
        return iter(())


def path(space: Space, places: Ints) -> Floats:
    """A bit for each value of each axis, a row a design: different designs have different rows."""
    columns = [places[:, column, None] == np.arange(len(axis.values)) for column, axis in enumerate(space.axes)]
    return np.asarray(np.concatenate(columns, axis=1), dtype=np.float64)


class Ensemble:
    """Networks of one layer of neurons that are trained at once on what an archive holds."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self, places: Ints) -> Floats:
        """For each design and figure what a network drawn by lot says."""
        said = self.opinions(places)
        rows, columns = np.indices(said.shape[1:])
        return np.asarray(said[self._archive.rng.integers(MEMBERS, size=said.shape[1:]), rows, columns])

    def opinions(self, places: Ints) -> Floats:
        """What each network says: (networks, designs, figures)."""
        archive = self._archive
        values = np.array(archive.losses)
        mean, spread = values.mean(axis=0), np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)
        known = path(archive.space, np.array(archive.places))
        weights = _trained(known, (values - mean) / spread, archive.rng)
        return np.asarray(_outputs(path(archive.space, places), weights)[1] * spread + mean)


def _outputs(inputs: Floats, weights: list[Floats]) -> tuple[Floats, Floats]:
    """What the neurons and what the networks make of inputs."""
    first, bias, second, offset = weights
    neurons = np.tanh(inputs @ first + bias)
    return neurons, neurons @ second + offset


def _trained(inputs: Floats, wanted: Floats, rng: np.random.Generator) -> list[Floats]:
    """The weights of networks that begin at random: least squares by Adam."""
    count, figures = inputs.shape[1], wanted.shape[1]
    weights = [
        rng.normal(0, count**-0.5, (MEMBERS, count, HIDDEN)),
        np.zeros((MEMBERS, 1, HIDDEN)),
        rng.normal(0, HIDDEN**-0.5, (MEMBERS, HIDDEN, figures)),
        np.zeros((MEMBERS, 1, figures)),
    ]
    means = [np.zeros_like(each) for each in weights]
    squares = [np.zeros_like(each) for each in weights]
    slow, slower = SMOOTH
    for step in range(1, PASSES + 1):
        neurons, made = _outputs(inputs, weights)
        error = (made - wanted) / len(wanted)
        back = (error @ weights[2].swapaxes(1, 2)) * (1 - neurons**2)
        slopes = [
            inputs.T @ back,
            back.sum(axis=1, keepdims=True),
            neurons.swapaxes(1, 2) @ error,
            error.sum(axis=1, keepdims=True),
        ]
        for place, slope in enumerate(slopes):
            means[place] = slow * means[place] + (1 - slow) * slope
            squares[place] = slower * squares[place] + (1 - slower) * slope**2
            step_size = means[place] / (1 - slow**step) / (np.sqrt(squares[place] / (1 - slower**step)) + 1e-8)
            weights[place] = weights[place] - RATE * step_size
    return weights


STRATEGIES = {"bananas": Bananas}
