# SPDX-License-Identifier: Apache-2.0
"""Search strategies by name: each proposes designs and hears what became of them."""

from bitwright.explore.strategies.evolve import Evolve
from bitwright.explore.strategies.grid import Grid
from bitwright.explore.strategies.nsga import Nsga2, Nsga3
from bitwright.explore.strategies.sampled import Sampled
from bitwright.explore.strategies.strategy import Factory, Problem, Strategy

STRATEGIES: dict[str, Factory] = {
    "evolve": Evolve,
    "grid": Grid,
    "nsga2": Nsga2,
    "nsga3": Nsga3,
    "random": Sampled,
}
"""The strategies by name, the default first."""
BY_TABLE = ("evolve",)
"""Those that are better for a problem's ledger."""

__all__ = ["BY_TABLE", "STRATEGIES", "Factory", "Problem", "Strategy"]
