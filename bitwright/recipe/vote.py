# SPDX-License-Identifier: Apache-2.0
"""The step that makes several networks, which vote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitwright.compress import SCALES, FloatNet, Training, calibrate
from bitwright.compress.qat import check_quantisers, need_torch
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """Several networks of few bits side by side, the sum of whose outputs is one: each trained on what others miss.

    Zhu, Dong, Su: "Binary ensemble neural network: more bits per network or more networks per bit?", CVPR 2019, arXiv
    1806.07550; R039. With `boost` samples that the ones before have wrong are drawn more often, and a network counts by
    what it has right; else they are drawn alike (bagging). It ends the recipe. Needs labels and PyTorch.
    """

    nets: int = 5
    epochs: int = 10
    lr: float = 2e-3
    batch: int = 64
    seed: int = 0
    weights: int | str = "bwn"
    activations: int | str = "lsq:2"
    scale: str = "free"
    boost: bool = True
    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        need_torch("vote")
        self._training()
        check_quantisers(self.weights, self.activations, None)
        if self.nets < 2:
            raise BitwrightError(f"{self.nets!r} cannot be used for nets", where="vote", hint="give two or more")
        if self.scale not in SCALES:
            hint = f"choose {' or '.join(SCALES)}"
            raise BitwrightError(f"{self.scale!r} cannot be used for scale", where="vote", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> Result:
        """The networks as one."""
        from bitwright.compress.torch.voting import Voters, voted

        voters = Voters(
            nets=self.nets, weights=self.weights, activations=self.activations, scale=self.scale, boost=self.boost
        )
        data = (material.trained_on, material.labelled("vote"))
        state = voted(net, data, voters, self._training()).state()
        return Result(state, calibrate(state.net, material.calibration))

    def _training(self) -> Training:
        return Training(epochs=self.epochs, lr=self.lr, batch=self.batch, seed=self.seed)


STEPS = {"vote": Vote}
