# SPDX-License-Identifier: Apache-2.0
"""The step that looks for a small network that trains as well as the whole one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitwright.compress import CRITERIA, FloatNet, fit, pruned, trainable
from bitwright.compress.config import nearest_names
from bitwright.compress.prune.rewind import REWINDS
from bitwright.compress.prune.rewind import settled as has_settled
from bitwright.compress.prune.work import nonzero_macs
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Array, Material, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Lottery:
    """Training, pruning and going back, round after round; then training of what is left.

    Frankle, Carbin: "The lottery ticket hypothesis: finding sparse, trainable neural networks", ICLR 2019, arXiv
    1803.03635; R089. Each round takes the same share of what is left, and `rewind` says what the others go on with.
    With `early` a round ends when the masks of its epochs are alike (You et al.: "Drawing early-bird tickets", ICLR
    2020, arXiv 1909.11957; R098). With `budget` the last training takes as much work as one of the whole network (Liu,
    Sun, Zhou, Huang, Darrell: "Rethinking the value of network pruning", ICLR 2019, arXiv 1810.05270; R091), with the
    rewind `scratch` its Scratch-B. Needs labels and PyTorch.
    """

    sparsity: float = 0.8
    rounds: int = 3
    epochs: int = 5
    warm: int = 1
    rewind: str = "weights"
    criterion: str = "magnitude"
    early: bool = False
    budget: bool = False
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        need_torch("lottery")
        plain = {name for name, criterion in CRITERIA.items() if criterion.needs == "weights"}
        checks = (
            ("rewind", self.rewind, self.rewind in REWINDS, nearest_names(self.rewind, set(REWINDS))),
            ("criterion", self.criterion, self.criterion in plain, nearest_names(self.criterion, plain)),
            ("sparsity", self.sparsity, 0 < self.sparsity < 1, "give the share of the weights that go, as 0.8"),
            ("rounds", self.rounds, self.rounds > 0, "give one or more"),
            ("epochs", self.epochs, self.epochs > 0, "give one or more"),
            ("warm", self.warm, self.warm >= 0, "give a number of epochs"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="lottery", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The ticket, trained."""
        data = (list(material.trained_on), material.labelled("lottery"))
        start = _trained(net, data, self.warm) if self.warm else net
        now = start
        for number in range(1, self.rounds + 1):
            share = 1 - (1 - self.sparsity) ** (number / self.rounds)
            dense = self._until_settled(now, data, share) if self.early else _trained(now, data, self.epochs)
            left = pruned(dense, criterion=self.criterion, sparsity=share)
            now = REWINDS[self.rewind](start, left, np.random.default_rng(number))
        return _trained(now, data, affordable(net, now, self.epochs) if self.budget else self.epochs)

    def _until_settled(self, net: FloatNet, data: Any, share: float) -> FloatNet:
        """The network after as many epochs as its masks still change, or all."""
        masks: list[Array] = []
        for _ in range(self.epochs):
            net = _trained(net, data, 1)
            left = pruned(net, criterion=self.criterion, sparsity=share)
            masks.append(np.concatenate([left.constants[layer.weight].ravel() != 0 for layer in net.layers]))
            if has_settled(masks):
                break
        return net


def affordable(net: FloatNet, left: FloatNet, epochs: int) -> int:
    """The epochs of what is left that multiply as often as so many of the whole network."""
    whole, now = map(nonzero_macs, (net, left))
    return round(epochs * whole / max(now, 1))


def _trained(net: FloatNet, data: Any, epochs: int) -> FloatNet:
    """The network after some epochs; what is zero stays so."""
    module = trainable(net)
    module.keep_zeros()
    fit(module, data, epochs=epochs)
    return module.float_net()


STEPS = {"lottery": Lottery}
