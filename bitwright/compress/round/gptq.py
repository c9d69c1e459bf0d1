# SPDX-License-Identifier: Apache-2.0
"""GPTQ: one term after the other is rounded, and its error is made good by the terms that are still free.

The mathematics is that of the optimal brain surgeon. The weights are first those that make the wanted outputs best of
the inputs that the quantised network has.
"""

from __future__ import annotations

import numpy as np

from bitwright.compress.round.problem import Array, Codes, Problem

BLOCK = 64
"""Terms whose errors are gathered before they change the terms behind them."""


def gptq(problem: Problem) -> Codes:
    """Codes whose outputs are near the wanted ones; terms in falling order of what their inputs weigh.

    Frantar, Ashkboos, Hoefler, Alistarh: "GPTQ: accurate post-training quantization for generative pre-trained
    transformers", ICLR 2023, arXiv 2210.17323; R049, R051.
    """
    order = np.argsort(-np.einsum("gkk->gk", problem.hessian), axis=1, kind="stable")
    upper = problem.root(order)
    weights = _ordered(_matched(problem, order, upper), order)
    scale, low, high = (
        _ordered(np.broadcast_to(array, problem.weight.shape), order).astype(weights.dtype)
        for array in (problem.scale, problem.low * problem.mask, problem.high * problem.mask)
    )
    found = np.empty(weights.shape, np.int32)
    for first in range(0, problem.terms, BLOCK):
        errors = np.empty_like(weights[:, first : first + BLOCK])
        last = first + errors.shape[1]
        for k in range(first, last):
            code = np.rint(weights[:, k] / scale[:, k]).clip(low[:, k], high[:, k])
            error = (weights[:, k] - code * scale[:, k]) / upper[:, k, k, None]
            weights[:, k + 1 : last] -= upper[:, k, k + 1 : last, None] * error[:, None]
            found[:, k], errors[:, k - first] = code, error
        weights[:, last:] -= upper[:, first:last, last:].swapaxes(1, 2) @ errors
    codes = np.empty_like(found)
    np.put_along_axis(codes, order[:, :, None], found, 1)
    return codes.swapaxes(1, 2)


def matched(problem: Problem) -> Array:
    """The weights that make the wanted outputs best of the given inputs, held near the old ones by the damping."""
    order = np.tile(np.arange(problem.terms), (len(problem.weight), 1))
    return _matched(problem, order, problem.root(order))


def _matched(problem: Problem, order: Array, upper: Array) -> Array:
    """That of `aim + damping * weight`, by the root of the inverse."""
    wanted = _ordered(problem.aim + problem.damping * problem.weight, order)
    solved = upper.swapaxes(1, 2) @ (upper @ wanted)
    back = np.empty_like(solved)
    np.put_along_axis(back, order[:, :, None], solved, 1)
    return np.asarray(back.swapaxes(1, 2))


def _ordered(rows: Array, order: Array) -> Array:
    """(groups, outputs, terms) as (groups, terms, outputs), terms in each group's order."""
    return np.take_along_axis(rows.swapaxes(1, 2), order[:, :, None], 1)
