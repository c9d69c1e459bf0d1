# SPDX-License-Identifier: Apache-2.0
"""MNasNet: a policy of independent choices, a soft budget, and steps that are cut off."""

from __future__ import annotations

import numpy as np

from bitwright.explore.strategies.archive import Floats, Ints
from bitwright.explore.strategies.growing import RATE, PolicySearch
from bitwright.explore.strategies.policy import Policy
from bitwright.explore.strategies.reward import SOFT

EPOCHS, CLIP = 4, 0.2
"""Steps by the same designs, and how far their chances may go from what they were."""


class MnasNet(PolicySearch):
    """Chances of values that rise by proximal policy optimisation, with the score times (cost / target) ** -0.07.

    Twice the cost is worth 5 % of the score, so a budget is soft: designs on both sides of it are tried. Without a
    budget the target is what half of the uniform designs have. Choices are independent, by layers first and then each
    by itself, where the paper has a recurrent network (Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le: "MnasNet:
    platform-aware neural architecture search for mobile", CVPR 2019, arXiv 1807.11626; R127; Schulman, Wolski,
    Dhariwal, Radford, Klimov: "Proximal policy optimization algorithms", 2017, arXiv 1707.06347).
    """

    WAYS = SOFT, SOFT

    def _learn(self, drawn: Ints, advantages: Floats) -> None:
        climb_clipped(self._policy, drawn, advantages)


def climb_clipped(policy: Policy, drawn: Ints, advantages: Floats) -> None:
    """Steps along what the same designs say, each of them until its chance is a fifth more or less than at first."""
    before = policy.likelihoods(drawn)
    for _ in range(EPOCHS):
        ratios = policy.likelihoods(drawn) / before
        gone = np.where(advantages > 0, ratios > 1 + CLIP, ratios < 1 - CLIP)
        policy.climb(policy.gradient(drawn, np.where(gone, 0.0, ratios * advantages)), RATE / EPOCHS)


STRATEGIES = {"mnasnet": MnasNet}
