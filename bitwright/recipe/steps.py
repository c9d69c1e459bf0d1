# SPDX-License-Identifier: Apache-2.0
"""What a recipe can be made of: one frozen dataclass a step, whose fields are the options that a recipe may give."""

from __future__ import annotations

from collections.abc import Mapping

from bitwright.recipe.prune import Prune
from bitwright.recipe.quantise import Quantise
from bitwright.recipe.shrink import Shrink
from bitwright.recipe.step import Step
from bitwright.recipe.train import Train

STEPS: Mapping[str, type[Step]] = {
    "prune": Prune,
    "shrink": Shrink,
    "train": Train,
    "quantise": Quantise,
}
"""The steps by their names in a recipe."""
SPELLED = {"quantize": "quantise"}
"""Other ways to write them."""
