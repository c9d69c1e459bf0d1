# SPDX-License-Identifier: Apache-2.0
"""HAQ: an agent that chooses freely, and whose design is lowered in turn until the budget is kept."""

from __future__ import annotations

from bitwright.explore.strategies.afford import Limits
from bitwright.explore.strategies.archive import Places
from bitwright.explore.strategies.episodes import Walking
from bitwright.explore.strategies.reward import guaranteed, regained

BEFORE = 0.0
"""The error that the network had: another is a constant in every reward, which the agent's baseline takes off."""


class Haq(Walking):
    """A DDPG agent sets axis after axis, and the design is lowered a step an axis in turn until the budget is kept.

    An action means one of as many equal parts of 0 to 1 as there are bits; it is rewarded with a tenth of what is lost
    of the score. What a design costs is the table's, of the target that it is compiled for, so that another target
    gets other bits (Wang, Liu, Lin, Lin, Han: "HAQ: hardware-aware automated quantization with mixed precision",
    CVPR 2019, arXiv 1811.08886; R106; Lillicrap, Hunt, Pritzel, Heess, Erez, Tassa, Silver, Wierstra: "Continuous
    control with deep reinforcement learning", ICLR 2016, arXiv 1509.02971; R120).
    """

    def _place(self, action: float, before: Places, limits: Limits) -> int:
        top = int(self._afford.tops[len(before)])
        return min(max(round(-0.5 + action * (top + 1)), 0), top)

    def _action(self, place: int, top: int) -> float:
        return (place + 0.5) / (top + 1)

    def _reward(self, error: float, cost: float | None) -> float:
        return regained(error if cost is None else -guaranteed(error, cost), BEFORE)

    def _kept(self, places: Places, limits: Limits) -> Places:
        return self._afford.lowered(places, limits)


STRATEGIES = {"haq": Haq}
BY_TABLE = {"haq": True}
