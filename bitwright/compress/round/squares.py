# SPDX-License-Identifier: Apache-2.0
"""Least squares of a layer: weights with the products of its inputs, whole or for outputs that keep the same terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
APART = 1 << 36
"""Multiplications up to which outputs that have zeros of their own are solved by themselves."""


@dataclass(frozen=True, eq=False)
class Squares:
    """Weights (groups, outputs, terms), and what of the inputs their squared error depends on.

    `hessian` (groups, terms, terms) has the products of the inputs, `aim` those with the wanted outputs, as the weight;
    `damping` (groups, 1, 1) is added to the diagonal. `scale`, `low`, `high`, `mask` and `signs` are as a `Problem`
    has them, in the shape of the weight, and of its kind of numbers but for the mask.
    """

    weight: Array
    hessian: Array
    aim: Array
    damping: Array
    scale: Array
    low: Array
    high: Array
    mask: Array
    signs: bool

    @property
    def order(self) -> Array:
        """The terms of each group in falling order of what their inputs weigh."""
        return np.argsort(-np.einsum("gkk->gk", self.hessian), axis=1, kind="stable")

    def root(self, order: Array) -> Array:
        """The upper triangular U with U' U = inverse of the damped matrices, terms in each group's order.

        It is the inverse of a Cholesky factor, of the matrix in falling order.
        """
        falling = order[:, ::-1]
        matrix = self.hessian + self.damping * np.eye(order.shape[1], dtype=self.hessian.dtype)
        turned = np.take_along_axis(np.take_along_axis(matrix, falling[:, :, None], 1), falling[:, None, :], 2)
        return np.asarray(np.linalg.inv(np.linalg.cholesky(turned))[:, ::-1, ::-1])

    def part(self, group: Array, outputs: Array, terms: Array) -> Squares:
        """Those of some outputs of a group, which have these terms alone; all are places."""
        places = np.ix_(group, outputs, terms)
        weight, aim, scale, low, high, mask = (
            array[places] for array in (self.weight, self.aim, self.scale, self.low, self.high, self.mask)
        )
        hessian = self.hessian[np.ix_(group, terms, terms)]
        return Squares(weight, hessian, aim, self.damping[group], scale, low, high, mask, self.signs)


def near(places: Array, low: Array, high: Array, signs: bool) -> Array:
    """The codes next to real numbers, in steps of the scale."""
    return np.where(places < 0, low, high) if signs else np.rint(places).clip(low, high)


def apart(squares: Squares, solve: Callable[[Squares], Array]) -> Array:
    """What `solve` makes of all outputs that keep the same terms, 0 where the mask removes a weight.

    Together, as if nothing was removed, where apart is too much work: then what is removed is so only afterwards.
    """
    if squares.mask.all():
        return solve(squares)
    alike: dict[tuple[int, bytes], list[int]] = {}
    for group, output in np.ndindex(squares.mask.shape[:2]):
        alike.setdefault((group, squares.mask[group, output].tobytes()), []).append(output)
    kept = [np.flatnonzero(np.frombuffer(pattern, np.bool_)) for _, pattern in alike]
    if sum(len(terms) ** 3 for terms in kept) > APART:
        return solve(squares) * squares.mask
    found = np.zeros(squares.weight.shape, squares.weight.dtype)
    for ((group, _), outputs), terms in zip(alike.items(), kept, strict=True):
        if len(terms):
            places = np.array([group]), np.array(outputs), terms
            found[np.ix_(*places)] = solve(squares.part(*places))
    return found
