# SPDX-License-Identifier: Apache-2.0
"""Search strategies by name: each proposes designs and hears what became of them."""

from bitwright.explore.strategies.grid import Grid
from bitwright.explore.strategies.strategy import Factory, Problem, Strategy

STRATEGIES: dict[str, Factory] = {"grid": Grid}
"""The strategies by name."""

__all__ = ["STRATEGIES", "Factory", "Problem", "Strategy"]
