# SPDX-License-Identifier: Apache-2.0
"""AMC: an agent whose every action is held within what the budget leaves."""

from __future__ import annotations

from bitwright.explore.strategies.afford import Limits
from bitwright.explore.strategies.archive import Places
from bitwright.explore.strategies.episodes import Walking
from bitwright.explore.strategies.reward import constrained, guaranteed


class Amc(Walking):
    """A DDPG agent sets axis after axis, no higher than the budget allows if all that follow are at their lowest.

    Every design that it proposes keeps the budget by the table. It is rewarded with the errors alone, or where the
    table has no cost with the errors times the logarithm of what was measured. For any axis in place of channels
    (He, Lin, Liu, Wang, Li, Han: "AMC: AutoML for model compression and acceleration on mobile devices", ECCV 2018,
    arXiv 1802.03494; R105; Lillicrap, Hunt, Pritzel, Heess, Erez, Tassa, Silver, Wierstra: "Continuous control with
    deep reinforcement learning", ICLR 2016, arXiv 1509.02971; R120).
    """

    def _place(self, action: float, before: Places, limits: Limits) -> int:
        wanted = round(action * int(self._afford.tops[len(before)]))
        allowed = self._afford.places(before, limits)
        return int(allowed[allowed <= wanted].max())

    def _action(self, place: int, top: int) -> float:
        return place / max(top, 1)

    def _reward(self, error: float, cost: float | None) -> float:
        return constrained(error) if cost is None else guaranteed(error, cost)


STRATEGIES = {"amc": Amc}
BY_TABLE = {"amc": True}
