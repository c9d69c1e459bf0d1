# SPDX-License-Identifier: Apache-2.0
"""GPTQ: one term after the other is rounded, and its error is made good by the terms that are still free.

The mathematics is that of the optimal brain surgeon. The weights are first those that make the wanted outputs best of
the inputs that the quantised network has.
"""

from __future__ import annotations

import numpy as np

from bitwright.compress.round.problem import Array, Codes, Problem
from bitwright.compress.round.squares import Squares, apart, near

BLOCK = 64
"""Terms whose errors are gathered before they change the terms behind them."""


def gptq(problem: Problem) -> Codes:
    """Codes whose outputs are near the wanted ones; terms in falling order of what their inputs weigh.

    Frantar, Ashkboos, Hoefler, Alistarh: "GPTQ: accurate post-training quantization for generative pre-trained
    transformers", ICLR 2023, arXiv 2210.17323; R049, R051.
    """
    return apart(problem.squares, _rounded).astype(np.int32)


def _rounded(squares: Squares) -> Array:
    """The codes of outputs that keep all their terms."""
    order = squares.order
    upper = squares.root(order)
    weights = _ordered(_matched(squares, order, upper), order)
    ends = (squares.scale, squares.low * squares.mask, squares.high * squares.mask)
    scale, low, high = (_ordered(array, order) for array in ends)
    found = np.empty_like(weights)
    for first in range(0, weights.shape[1], BLOCK):
        errors = np.empty_like(weights[:, first : first + BLOCK])
        last = first + errors.shape[1]
        for k in range(first, last):
            code = near(weights[:, k] / scale[:, k], low[:, k], high[:, k], squares.signs)
            error = (weights[:, k] - code * scale[:, k]) / upper[:, k, k, None]
            weights[:, k + 1 : last] -= upper[:, k, k + 1 : last, None] * error[:, None]
            found[:, k], errors[:, k - first] = code, error
        weights[:, last:] -= upper[:, first:last, last:].swapaxes(1, 2) @ errors
    codes = np.empty_like(found)
    np.put_along_axis(codes, order[:, :, None], found, 1)
    return codes.swapaxes(1, 2)


def matched(problem: Problem) -> Array:
    """The weights that make the wanted outputs best of the given inputs, held near the old ones by the damping.

    Those that the mask removes are 0, and the others make that good.
    """
    return apart(problem.squares, _solved)


def _solved(squares: Squares) -> Array:
    order = np.tile(np.arange(squares.weight.shape[2]), (len(squares.weight), 1))
    return _matched(squares, order, squares.root(order))


def _matched(squares: Squares, order: Array, upper: Array) -> Array:
    """That of `aim + damping * weight`, by the root of the inverse."""
    wanted = _ordered(squares.aim + squares.damping * squares.weight, order)
    solved = upper.swapaxes(1, 2) @ (upper @ wanted)
    back = np.empty_like(solved)
    np.put_along_axis(back, order[:, :, None], solved, 1)
    return np.asarray(back.swapaxes(1, 2))


def _ordered(rows: Array, order: Array) -> Array:
    """(groups, outputs, terms) as (groups, terms, outputs), terms in each group's order."""
    return np.take_along_axis(rows.swapaxes(1, 2), order[:, :, None], 1)


ROUNDINGS = {"gptq": gptq}
