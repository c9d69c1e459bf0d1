# SPDX-License-Identifier: Apache-2.0
"""The step that learns which channels go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitwright.compress import FloatNet, shrunk
from bitwright.compress.config import nearest_names
from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.worth import Worth, compared
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place

LEARNER = "hard-concrete"
"""Where none is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Gates on channels that training opens and closes, the open share pulled to a target; those that stay open stay.

    MaskConvNet (Anonymous: "MaskConvNet: training efficient ConvNets from scratch via budget-constrained filter
    pruning", ICLR 2020 submission; R086), with any gate of `bitwright methods learner`. Needs labels and PyTorch.
    """

    learner: str = LEARNER
    constraint: str = "square"
    macs: float = 0.5
    epochs: int = 10
    multiple: int = 1
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        need_torch("gates")
        from bitwright.compress.torch.gated import CONSTRAINTS, LEARNERS

        others = nearest_names(self.constraint, set(CONSTRAINTS))
        checks = (
            ("learner", self.learner, self.learner in LEARNERS, nearest_names(self.learner, set(LEARNERS))),
            ("constraint", self.constraint, self.constraint in CONSTRAINTS, others),
            ("macs", self.macs, 0 < self.macs <= 1, "give the share of the multiply-accumulates that is left, as 0.5"),
            ("epochs", self.epochs, self.epochs > 0, "give a number of them"),
            ("multiple", self.multiple, self.multiple > 0, "give a number of channels, as 4"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="gates", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network of the channels that stay open, whose weights have what the gates were."""
        from bitwright.compress.torch.gated import CONSTRAINTS, LEARNERS, learnt

        labels = material.labelled("gates")
        data, drawn = (material.trained_on, labels), CONSTRAINTS[self.constraint]
        module = learnt(net, data, LEARNERS[self.learner], self.macs, self.epochs, drawn)
        scores = module.scores()

        def opened(facts: Facts, group: Group) -> Any:
            return scores.get(group.first, np.full(group.size, np.inf))

        asked: dict[str, Any] = {"criterion": Worth(opened, compared), "macs": self.macs, "multiple": self.multiple}
        return shrunk(module.float_net(), material.trained_on, **asked)


STEPS = {"gates": Gates}
