# SPDX-License-Identifier: Apache-2.0
"""How the range of a quantiser is chosen from values: one function per method, by name in `RANGES`."""

from __future__ import annotations

from collections.abc import Callable

from bitwright.compress.ranges.fitted import aciq_range, sawb_range
from bitwright.compress.ranges.kl import kl_range
from bitwright.compress.ranges.search import max_range, mse_range, percentile_range
from bitwright.compress.ranges.values import SAMPLE, Values, drawn
from bitwright.compress.scales import Floats, ScaleRule
from bitwright.ir.types import IntType

__all__ = ["RANGES", "SAMPLE", "RangeMethod", "Values", "drawn"]

RangeMethod = Callable[[Values, IntType, ScaleRule], Floats]
"""(values, codes, allowed scales) -> one scale per row, (rows, 1)."""


RANGES: dict[str, RangeMethod] = {
    "max": max_range,
    "mse": mse_range,
    "percentile": percentile_range,
    "aciq": aciq_range,
    "sawb": sawb_range,
    "kl": kl_range,
}
"""The methods by their name on the command line."""
