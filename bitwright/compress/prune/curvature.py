# SPDX-License-Identifier: Apache-2.0
"""What the outputs of a layer lose with a weight, when the others make that good."""

from __future__ import annotations

import numpy as np

from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.round.gptq import matched
from bitwright.compress.round.problem import Problem

GREEDY = 1 << 36
"""Multiplications up to which units are removed one after the other; beyond, each is looked at as if it was the one."""


def obd(evidence: Evidence, grain: Grain) -> Array:
    """Half the curvature of the loss along a weight times its square, curvatures taken by themselves.

    LeCun, Denker, Solla: "Optimal brain damage", NeurIPS 1989; R053. The diagonal of the Hessian by Hutchinson's
    random signs, its magnitude taken, as it is an estimate; while a network trains, by its squared gradients. Needs
    labels and PyTorch.
    """
    return grain.pooled(np.abs(evidence.slopes.curvature) * evidence.weight**2 / 2)


def obs(evidence: Evidence, grain: Grain) -> Array:
    """The share of the layer's outputs that is lost with one after the other, the others making each good.

    Hassibi, Stork: "Second order derivatives for network pruning: optimal brain surgeon", NeurIPS 1992; R049, R051. By
    layer and in the order of least loss: Frantar, Alistarh: "Optimal brain compression", NeurIPS 2022, arXiv
    2208.11580. Needs data.
    """
    problem = evidence.problem
    weights, inverse = matched(problem), _inverse(problem)
    outputs, terms = weights.shape[1:]
    at = evidence.places[grain.places.reshape(-1, grain.places.shape[2])]
    scores = np.empty(len(at))
    rows, columns = at // terms, at % terms
    folds: dict[bytes, list[int]] = {}
    for unit, row in enumerate(rows):
        folds.setdefault(np.unique(row).tobytes(), []).append(unit)
    cost = _one_by_one if len(folds) * terms**3 <= GREEDY else _losses
    for units in folds.values():
        row = np.unique(rows[units[0]])
        fold = weights.reshape(-1, terms)[row], inverse[row[0] // outputs], _distinct(columns[units])
        scores[units] = cost(*fold)
    energy = float((problem.outputs.astype(np.float64) ** 2).sum())
    return scores.reshape(grain.places.shape[:2]) / (energy or 1.0)


def _inverse(problem: Problem) -> Array:
    """That of each group's damped products of inputs."""
    order = np.tile(np.arange(problem.terms), (len(problem.weight), 1))
    upper = problem.squares.root(order)
    return np.asarray(upper.swapaxes(1, 2) @ upper)


def _distinct(columns: Array) -> Array:
    """The columns of each unit, each once."""
    return np.array([np.unique(row) for row in columns])


def _losses(weights: Array, inverse: Array, columns: Array) -> Array:
    """What each unit costs, if it is the next: its weights times the inverse of its block of the inverse."""
    held = weights[:, columns].transpose(1, 2, 0)  # (units, terms of a unit, outputs)
    blocks = inverse[columns[:, :, None], columns[:, None, :]]
    solved = held / blocks if columns.shape[1] == 1 else np.linalg.solve(blocks, held)
    return np.asarray((held * solved).sum(axis=(1, 2)))


def _one_by_one(weights: Array, inverse: Array, columns: Array) -> Array:
    """What each unit costs when its turn comes, and more than one that goes before it."""
    weights, inverse = weights.copy(), inverse.copy()
    costs, most, left = np.empty(len(columns)), 0.0, np.arange(len(columns))
    while len(left):
        losses = _losses(weights, inverse, columns[left])
        least = int(np.argmin(losses))
        gone = columns[left[least]]
        most = max(float(np.nextafter(most, np.inf)), float(losses[least]))
        costs[left[least]] = most
        step = np.linalg.solve(inverse[np.ix_(gone, gone)], inverse[gone])
        weights -= weights[:, gone] @ step
        inverse -= inverse[:, gone] @ step
        left = np.delete(left, least)
    return costs


CRITERIA = {"obs": Criterion(obs, "inputs"), "obd": Criterion(obd, "loss")}
