# SPDX-License-Identifier: Apache-2.0
"""How the range of a quantiser is chosen from values: one function per method, by name in `RANGES`."""

from __future__ import annotations

from collections.abc import Callable

from bitwright.compress.family import Family
from bitwright.compress.ranges.values import SAMPLE, Values, drawn
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

__all__ = ["RANGES", "SAMPLE", "RangeMethod", "Values", "drawn"]

RangeMethod = Callable[[Values, IntType, ScaleRule], Floats]
"""(values, codes, allowed scales) -> one scale per row, (rows, 1)."""

RANGES: Family[RangeMethod] = Family(__name__, "RANGES")
"""The methods by their name on the command line."""
