# SPDX-License-Identifier: Apache-2.0
"""Channels by how well what reads them can be made of the others."""

from __future__ import annotations

import numpy as np

from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Array, Facts
from bitwright.compress.prune.worth import Worth

SWEEPS = 200
"""Over all factors at most, for each step of a path."""
SETTLED = 1e-6
"""Of the largest factor's change, where a step of a path ends."""
PATH = np.geomspace(1, 1e-4, 60)
"""Weights of the penalty, in parts of the one that leaves no factor."""


def by_removal(facts: Facts, group: Group) -> Array:
    """What the outputs of the layers that read a channel lose when its turn comes, each time the one that adds least.

    ThiNet (Luo, Wu, Lin: "ThiNet: a filter level pruning method for deep neural network compression", ICCV 2017, arXiv
    1707.06342; R055): the sum of what is removed is squared, over all sampled outputs. Their means do not count, for
    biases take these up. Needs data.
    """
    products = facts.products(group)
    lost, sums, left = 0.0, np.zeros(group.size), np.ones(group.size, bool)
    scores = np.zeros(group.size)
    for _ in range(group.size):
        added = np.where(left, np.diag(products) + 2 * sums, np.inf)
        channel = int(np.argmin(added))
        lost = max(lost, float(np.nextafter(lost, np.inf)), (1 - left) @ products @ (1 - left) + added[channel])
        scores[channel] = lost
        left[channel] = False
        sums += products[channel]
    return scores


def by_lasso(facts: Facts, group: Group) -> Array:
    """How large a penalty on its factor a channel stands, when all factors together make the readers' outputs.

    He, Zhang, Sun: "Channel pruning for accelerating very deep neural networks", ICCV 2017, arXiv 1707.06168; R056.
    Half the squared error of the outputs is penalised by the sum of the factors' magnitudes; the score is the largest
    penalty, in parts of the one that leaves nothing, at which the factor is not 0. Needs data.
    """
    products = facts.products(group)
    scale = np.sqrt(np.diag(products))
    live = scale > 0
    scores = np.zeros(group.size)
    if not live.any():
        return scores
    held = products[np.ix_(live, live)]
    aim = held.sum(axis=1)
    most, factors, found = float(np.abs(aim).max()), np.zeros(len(held)), np.zeros(len(held))
    for share in PATH:
        factors = lasso(held, aim, share * most, factors)
        found = np.where((found == 0) & (factors != 0), share + np.abs(factors) * 1e-6, found)
    scores[live] = found
    return scores


def lasso(products: Array, aim: Array, penalty: float, start: Array) -> Array:
    """The factors b that make b' P b / 2 - b' a + penalty |b| least, by coordinate descent."""
    factors = start.copy()
    errors = aim - products @ factors
    for _ in range(SWEEPS):
        moved = 0.0
        for place, square in enumerate(np.diag(products)):
            free = errors[place] + square * factors[place]
            factor = np.sign(free) * max(abs(free) - penalty, 0.0) / square
            change = factor - factors[place]
            if change:
                errors -= products[place] * change
                factors[place] = factor
                moved = max(moved, abs(change))
        if moved < SETTLED * max(1.0, float(np.abs(factors).max())):
            break
    return factors


CHANNELS = {"thinet": Worth(by_removal), "lasso": Worth(by_lasso)}
