# SPDX-License-Identifier: Apache-2.0
"""Search strategies by name: each proposes designs and hears what became of them, and is a file of its own."""

from bitwright.compress.family import Family
from bitwright.explore.strategies.strategy import Factory, Problem, Strategy

STRATEGIES: Family[Factory] = Family(__name__, "STRATEGIES")
"""The strategies by their name on the command line."""
BY_TABLE: Family[bool] = Family(__name__, "BY_TABLE")
"""Those that are better for a problem's ledger, which takes time to measure."""
DEFAULT = "evolve"

__all__ = ["BY_TABLE", "DEFAULT", "STRATEGIES", "Factory", "Problem", "Strategy"]
