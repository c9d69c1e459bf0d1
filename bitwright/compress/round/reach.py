# SPDX-License-Identifier: Apache-2.0
"""How far the codes of a weight reach: as far as its rule of ranges says, or further, up to its largest number.

A rule looks at the weight alone. What its clipping costs is seen behind the layer: there the errors of rounding even
out, and the more so where a rounding makes them good, but those of clipping add up, as all make the weight smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitwright.compress.round import QUICK, Rounding
from bitwright.compress.round.problem import Array, Codes, Problem


def reached(
    problem: Problem, scales: Sequence[Array], places: Array, rounding: Rounding, corrected: bool
) -> tuple[Codes, Array]:
    """Codes by a rounding, and that of the scales, for each of its numbers, which makes the layer least wrong.

    `places` (groups, outputs) has the place in a scale of the number that an output has; outputs that share one are
    judged together. The first scale stays where no other is better. Means count for nothing if they are `corrected`.
    """
    quick = QUICK.get(rounding, rounding)
    tried = [_rescaled(problem, scale.reshape(-1)[places]) for scale in scales]
    codes = [quick(each) for each in tried]
    errors = [_error(each, made, corrected) for each, made in zip(tried, codes, strict=True)]
    sums = np.array([np.bincount(places.reshape(-1), each.reshape(-1), scales[0].size) for each in errors])
    best = np.where(np.isfinite(sums), sums, np.inf).argmin(axis=0)
    scale = np.choose(best, [each.reshape(-1) for each in scales])
    if quick is rounding:
        found = np.choose(best[places][:, :, None], codes)
    else:
        found = rounding(_rescaled(problem, scale[places]))
    return found, scale.reshape(scales[0].shape)


def _rescaled(problem: Problem, scale: Array) -> Problem:
    """The problem with a scale for each output (groups, outputs), without computing its matrices again."""
    each = np.broadcast_to(scale[:, :, None], problem.weight.shape)
    made = replace(problem, scale=each)
    if "squares" in problem.__dict__:
        made.__dict__["squares"] = replace(problem.squares, scale=each.astype(problem.squares.scale.dtype))
    return made


def _error(problem: Problem, codes: Codes, corrected: bool) -> Array:
    """The squared error of each output, (groups, outputs), behind the layer."""
    made = (codes * problem.scale).astype(np.float32) @ problem.inputs
    if corrected:
        made += (problem.outputs - made).mean(axis=2, keepdims=True)
    wrong = problem.behind(made) - problem.behind(problem.outputs)
    return np.asarray(np.einsum("gon,gon->go", wrong, wrong, dtype=np.float64))
