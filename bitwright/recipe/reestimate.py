# SPDX-License-Identifier: Apache-2.0
"""The step that looks at normalisations again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitwright.compress import FloatNet
from bitwright.compress.reestimate import reestimated
from bitwright.recipe.step import Material, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Reestimate:
    """The means and variances of batch normalisations, taken from samples anew, each behind those before it.

    EagleEye (Li, Wu, Su, Wang: "EagleEye: fast sub-net evaluation for efficient neural network pruning", ECCV 2020,
    arXiv 2007.02491; R014): accuracies after it go with those after fine-tuning. Needs data.
    """

    ends: ClassVar[bool] = False

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network with other statistics."""
        return reestimated(net, material.trained_on)


STEPS = {"reestimate": Reestimate}
