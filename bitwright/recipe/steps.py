# SPDX-License-Identifier: Apache-2.0
"""What a recipe can be made of: one frozen dataclass a step, whose fields are the options that a recipe may give."""

from __future__ import annotations

from bitwright.compress.family import Family
from bitwright.recipe.step import Step

STEPS: Family[type[Step]] = Family("bitwright.recipe", "STEPS")
"""The steps by their names in a recipe."""
SPELLED = {"quantize": "quantise"}
"""Other ways to write them."""
