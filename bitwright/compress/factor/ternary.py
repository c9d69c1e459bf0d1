# SPDX-License-Identifier: Apache-2.0
"""Weights as sums of products of ternary vectors: layers that add, and multiply by one number a channel."""

from __future__ import annotations

import numpy as np

from bitwright.compress.factor.stages import Array, Factoriser, Stage

ROUNDS = 20
"""Of choosing one side and the other, at most."""
MOST = 2.0
"""The highest rank, in parts of the smaller side of a weight."""


def semidiscrete(weight: Array, rank: int, moments: Array | None) -> tuple[Stage, ...]:
    """A layer and a product at each place, the weights of both -1, 0 and 1 times a number: one product after the other.

    Fixed-point factorized networks (Wang, Cheng: "Fixed-point factorized networks", CVPR 2017, arXiv 1611.01972; R140),
    by the semidiscrete decomposition of Kolda and O'Leary. The numbers are scales of the first layer's outputs.
    """
    rows, outs, ins, sizes = weight.reshape(len(weight), -1).astype(np.float64), [], [], []
    for _ in range(rank):
        one, other, size = product(rows)
        rows = rows - size * np.outer(one, other)
        outs.append(one)
        ins.append(other)
        sizes.append(size)
    first = (np.array(sizes)[:, None] * np.array(ins)).reshape(rank, *weight.shape[1:])
    last = np.array(outs).T.reshape(len(weight), rank, *[1] * (weight.ndim - 2))
    return Stage(first, "both" if weight.ndim > 2 else "none"), Stage(last)


def product(rows: Array) -> tuple[Array, Array, float]:
    """Two ternary vectors and a number whose product is near a matrix: each the best for the other in turn."""
    other = np.zeros(rows.shape[1])
    other[np.argmax((rows**2).sum(axis=0))] = 1
    one = nearest(rows @ other)
    for _ in range(ROUNDS):
        again = nearest(rows.T @ one)
        one, before = nearest(rows @ again), other
        other = again
        if (other == before).all():
            break
    energy = float((one**2).sum() * (other**2).sum())
    return one, other, float(one @ rows @ other) / max(energy, 1.0)


def nearest(values: Array) -> Array:
    """The ternary vector x with the largest (x's)^2 / x'x: the signs of the largest values, as many as are best."""
    order = np.argsort(-np.abs(values), kind="stable")
    sums = np.cumsum(np.abs(values)[order])
    count = int(np.argmax(sums**2 / np.arange(1, len(values) + 1))) + 1
    made = np.zeros(len(values))
    made[order[:count]] = np.where(values[order[:count]] >= 0, 1.0, -1.0)
    return made


def _energy(weight: Array, moments: Array | None) -> Array:
    rows = weight.reshape(len(weight), -1).astype(np.float64)
    whole, shares = float((rows**2).sum()), []
    for _ in range(int(MOST * min(rows.shape))):
        one, other, size = product(rows)
        rows = rows - size * np.outer(one, other)
        shares.append(1 - float((rows**2).sum()) / max(whole, 1e-30))
    return np.maximum.accumulate(np.array(shares))


FACTORISERS = {"ternary": Factoriser(semidiscrete, _energy, lambda weight: min(weight.shape[:2]) > 1)}
