# SPDX-License-Identifier: Apache-2.0
"""How weights become codes: one function from a layer's `Problem` to codes for each method, by name in `ROUNDINGS`."""

from collections.abc import Callable, Mapping

from bitwright.compress.family import Family
from bitwright.compress.round.adaround import adaround
from bitwright.compress.round.gptq import gptq
from bitwright.compress.round.problem import Codes, Problem

__all__ = ["QUICK", "ROUNDINGS", "Codes", "Problem", "Rounding"]

Rounding = Callable[[Problem], Codes]
"""Codes (groups, outputs, terms) for one layer."""

ROUNDINGS: Family[Rounding] = Family(__name__, "ROUNDINGS")
"""The methods by their name on the command line."""
QUICK: Mapping[Rounding, Rounding] = {adaround: gptq}
"""What is tried in place of a method that takes its time, where several scales are."""
