# SPDX-License-Identifier: Apache-2.0
"""The step that gives each output channel of a layer a width of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bitwright.compress import SCALES, FloatNet, calibrate
from bitwright.compress.allocate.channels import LEAST, by_channel
from bitwright.compress.choices import WeightChoice
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.quantise import Quantise
from bitwright.recipe.step import Material, Place

ACTIVATIONS = 8
"""Bits of tensors at most within a budget, where nobody says how many."""
ALONE = "tensors have bits of the step that quantises; here they count within a budget alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Apportion:
    """Weights as codes, of a width for each output channel: the layer's goal in the mean, at most `most`.

    The goal of every layer is `weights`; or with a `budget` (and `cycles` and a `part`, as the step `quantise` has
    them) that of each layer is what fits, up to `weights` bits, beside tensors of up to `activations` bits, else 8. In
    a layer bits go where they take most off the error: to the channels of the largest ranges. A closed form on both
    levels in place of two agents (Lou, Guo, Kim, Liu, Jiang: "AutoQ: automated kernel-wise neural network
    quantization", ICLR 2020, arXiv 1902.05690; R107). The step that quantises keeps these codes.
    """

    weights: int = 4
    most: int = 8
    activations: int | None = None
    range: str = "mse"
    scale: str = "free"
    budget: Mapping[str, Any] | None = None
    cycles: int | None = None
    part: str | None = None
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        goals = self._goals()
        for option, given, fine, hint in (
            ("weights", self.weights, self.weights >= LEAST, f"choose {LEAST} bits or more"),
            ("most", self.most, self.weights <= self.most <= 16, f"choose {goals.weights} to 16 bits"),
            ("scale", self.scale, self.scale in SCALES, f"choose {' or '.join(SCALES)}"),
            ("activations", self.activations, self.activations is None or self.budget is not None, ALONE),
        ):
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="apportion", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network whose weights are codes."""
        choice = WeightChoice(
            bits=self.weights, per_channel=True, range=self.range, rounding="nearest", scale=self.scale
        )
        goals: Mapping[str, int] = {layer.weight: self.weights for layer in net.layers}
        if self.budget is not None:
            found = self._goals().run(net, material, None).allocation
            assert found is not None, "it has a budget"
            goals = {**goals, **found.widths}
        return by_channel(calibrate(net, material.calibration), goals, choice, self.most)

    def _goals(self) -> Quantise:
        """What finds the goals of layers within a budget."""
        acts = ACTIVATIONS if self.activations is None else self.activations
        widths: dict[str, Any] = {"weights": self.weights, "activations": acts, "range": self.range}
        exact = "po2" if self.scale == "po2" else "audit"
        return Quantise(**widths, exact=exact, budget=self.budget, cycles=self.cycles, part=self.part)


STEPS = {"apportion": Apportion}
