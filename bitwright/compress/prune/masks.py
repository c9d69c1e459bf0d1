# SPDX-License-Identifier: Apache-2.0
"""How masks change while a network trains: what is gone stays so, or may come back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.rule import Rule

Array = NDArray[Any]
LOW, HIGH = 0.9, 1.1
"""What `surgery` takes below, and gives back above, in parts of the score at which the share is reached."""


def stay_gone(grain: Grain, scores: Array, kept: Array, share: float) -> Array:
    """What is gone stays so, and more of the smallest scores go with it.

    Zhu, Gupta: "To prune, or not to prune: exploring the efficacy of pruning for model compression", ICLR 2018
    workshop, arXiv 1710.01878; R075.
    """
    return grain.smallest(np.where(kept, scores, -np.inf), share)


def choose_anew(grain: Grain, scores: Array, kept: Array, share: float) -> Array:
    """Each time the smallest scores of all go, those that were gone are trained on.

    Lin, Stich, Barba, Dmitriev, Jaggi: "Dynamic model pruning with feedback", ICLR 2020, arXiv 2006.07253; R080.
    """
    return grain.smallest(scores, share)


def operate(grain: Grain, scores: Array, kept: Array, share: float) -> Array:
    """A score well below the threshold is cut, one well above it spliced, and between them all stays as it is.

    Guo, Yao, Chen: "Dynamic network surgery for efficient DNNs", NeurIPS 2016, arXiv 1608.04493; R077. The threshold is
    where the share is reached, the times are those of the schedule, and the last choice is exact.
    """
    count = round(share * scores.shape[1])
    if count == 0:
        return np.ones_like(kept)
    edge = np.sort(scores, axis=1)[:, [count - 1]]
    return np.where(scores < LOW * edge, False, np.where(scores >= HIGH * edge, True, kept))


RULES = {
    "permanent": Rule(stay_gone, dense=False),
    "feedback": Rule(choose_anew, dense=True),
    "surgery": Rule(operate, dense=True),
}
