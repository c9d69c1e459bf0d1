# SPDX-License-Identifier: Apache-2.0
"""The step that learns how strongly the weights of each layer are drawn to zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitwright.compress import FloatNet, pruned
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularise:
    """Training with a penalty on the sizes of weights, whose strength in each layer samples that are held out decide.

    Anonymous: "Auto network compression with cross-validation gradient", ICLR 2020 submission; R135. The loss on one
    sample in four is followed along the strengths, by the theorem of implicit functions, and all of them grow until
    enough weights are small: in the end a share of them is zero, the smallest of all. Needs labels and PyTorch.
    """

    sparsity: float = 0.5
    rounds: int = 8
    epochs: int = 5
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        need_torch("regularise")
        checks = (
            ("sparsity", self.sparsity, 0 < self.sparsity < 1, "give the share of the weights that go, as 0.8"),
            ("rounds", self.rounds, self.rounds > 0, "give one or more"),
            ("epochs", self.epochs, self.epochs > 0, "give one or more"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="regularise", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network with zeros."""
        from bitwright.compress.torch.hypergradient import regularised

        data = (list(material.trained_on), material.labelled("regularise"))
        learnt = regularised(net, data, self.sparsity, self.rounds, self.epochs)
        return pruned(learnt, criterion="magnitude", sparsity=self.sparsity, scope="network")


STEPS = {"regularise": Regularise}
