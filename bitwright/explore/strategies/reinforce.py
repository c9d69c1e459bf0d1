# SPDX-License-Identifier: Apache-2.0
"""A policy that learns by REINFORCE."""

from __future__ import annotations

from bitwright.explore.strategies.archive import Floats, Ints
from bitwright.explore.strategies.growing import RATE, PolicySearch


class Reinforce(PolicySearch):
    """Chances of values that rise where designs are worth more than the mean, of all layers together and then of each.

    The search begins with one choice for all axes of an option, and splits each choice in two as it goes on, until
    every axis has its own. The reward is the score, over a budget times limit / cost. EPNAS grows a network so, by a
    recurrent network that also predicts what designs are worth; here choices are independent (Zhou, Wang, Arik, Yu,
    Zawad, Yan, Diamos: "EPNAS: efficient progressive neural architecture search", 2019, arXiv 1907.04648; R134;
    Williams: "Simple statistical gradient-following algorithms for connectionist reinforcement learning", Machine
    Learning 8, 1992).
    """

    def _learn(self, drawn: Ints, advantages: Floats) -> None:
        self._policy.climb(self._policy.gradient(drawn, advantages), RATE)


STRATEGIES = {"reinforce": Reinforce}
