# SPDX-License-Identifier: Apache-2.0
"""The step that takes channels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from bitwright.compress import CHANNELS, FloatNet, shrunk
from bitwright.compress.config import nearest_names
from bitwright.compress.options import Options
from bitwright.compress.prune.worth import Worth
from bitwright.explore.shrinking import MULTIPLES, limits, shrink
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Whole channels taken out, until `macs` are left: a share of the multiply-accumulates, or a number from 1 on.

    Of each group of channels a `multiple` stays. A `budget` of the design (`lut`, `cycles`, ...) takes the place of
    `macs`: the network is planned for a `part` at these bits of `weights` and `activations` until it is within.
    """

    criterion: str = "norm"
    macs: float = 0.5
    multiple: int = 1
    budget: Mapping[str, Any] | None = None
    part: str | None = None
    weights: int = 8
    activations: int = 8
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks = (
            ("criterion", self.criterion, self.criterion in CHANNELS, nearest_names(self.criterion, set(CHANNELS))),
            ("macs", self.macs, self.macs > 0, "give a share of the network's, as 0.5, or a number of them"),
            ("multiple", self.multiple, self.multiple > 0, "give a number of channels, as 4"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="shrink", hint=hint)
        Options(weights=self.weights, activations=self.activations)
        if self.budget is not None:
            limits(self.budget, self.part)
        elif self.part is not None:
            hint = "for example budget: {lut: 5000}"
            raise BitwrightError("has a part of a budget, and no budget", where="shrink", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network with fewer channels."""
        return self.taken(net, material, self.criterion)

    def taken(self, net: FloatNet, material: Material, by: str | Worth) -> FloatNet:
        """The network with fewer channels, by a criterion."""
        criterion: dict[str, Any] = {"labels": material.labels, "criterion": by}
        data = material.trained_on
        if self.budget is None:
            return shrunk(net, data, **criterion, macs=self.macs, multiple=self.multiple)
        multiples = MULTIPLES if self.multiple == 1 else (self.multiple,)
        widths: dict[str, Any] = {"weights": self.weights, "activations": self.activations}
        asked: dict[str, Any] = {"budget": self.budget, "part": self.part, "multiples": multiples}
        return shrink(net, data, **asked, **criterion, **widths).net


def within(steps: Sequence[Step], budget: Mapping[str, float], part: str | None, where: str) -> tuple[Step, ...]:
    """The steps, of which those that take channels out go on until the design is within a budget.

    It is planned at the bits of the step that quantises.
    """
    if not any(isinstance(step, Shrink) for step in steps):
        hint = "add one in front, `- shrink: {}`, or give the budget to the step that quantises"
        raise BitwrightError("has no step 'shrink', which a budget is for", where=where, hint=hint)
    last = steps[-1]
    bits: dict[str, Any] = {}
    if isinstance(last, Options):
        bits = {"weights": last.weights, "activations": last.activations}
    return tuple(
        replace(step, budget=budget, part=part, **bits) if isinstance(step, Shrink) else step for step in steps
    )


STEPS = {"shrink": Shrink}
