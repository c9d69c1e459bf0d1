# SPDX-License-Identifier: Apache-2.0
"""The step that learns more without forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitwright.compress import FloatNet, fit, trainable
from bitwright.compress.prune.partition import partitioned, used
from bitwright.compress.qat import need_torch
from bitwright.compress.transforms.fuse import fuse
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """New classes in the channels that a network does not use, while what it makes of the others stays bit by bit.

    Golkar, Kagan, Cho: "Continual learning via neural pruning", arXiv 1903.04476; R099. Used are channels whose mean
    magnitude on the calibration samples is a share `theta` of the largest of their group; they no longer read others.
    New are the classes that the labels name, or those from `first` on. Needs labels and PyTorch.
    """

    theta: float = 0.05
    epochs: int = 10
    lr: float = 5e-3
    batch: int = 64
    first: int = 0
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        need_torch("learn")
        checks = (
            ("theta", self.theta, 0 <= self.theta <= 1, "give the share of the largest mean from which one is used"),
            ("epochs", self.epochs, self.epochs > 0, "give one or more"),
            ("batch", self.batch, self.batch > 0, "give one or more"),
            ("first", self.first, self.first >= 0, "give a class, counted from 0"),
            ("lr", self.lr, 0 < self.lr < 1, "give a share of each tensor's size, for example 0.005"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="learn", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network that has learnt more."""
        labels = material.labelled("learn")
        inputs = [array[labels >= self.first] for array in material.trained_on]
        labels = labels[labels >= self.first]
        if not len(labels):
            hint = "give the first of the classes that are new"
            raise BitwrightError(f"no label is {self.first} or more", where="learn", hint=hint)
        net = fuse(net)
        held = partitioned(net, used(net, material.calibration, self.theta), np.unique(labels))
        module = trainable(held.net)
        for name, free in held.free.items():
            parameter: Any = module.tensor(name)
            if parameter.requires_grad:
                parameter.register_hook(_Only(free))
        fit(module, (inputs, labels), epochs=self.epochs, lr=self.lr, batch=self.batch)
        return module.float_net()


class _Only:
    """Leaves the slopes of what is free."""

    def __init__(self, free: Any) -> None:
        self.free = free

    def __call__(self, slope: Any) -> Any:
        return slope * slope.new_tensor(self.free)


STEPS = {"learn": Learn}
