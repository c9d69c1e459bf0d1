# SPDX-License-Identifier: Apache-2.0
"""Factors on channels that are learnt against a critic, which tells a network with them from the one without."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwright.compress.torch.critic import apart
from bitwright.compress.torch.executor import Executor
from bitwright.compress.torch.gated import Gate, Gated, Objective
from bitwright.compress.torch.learners import shrink

WIDTH = 32
"""Of the critic."""
RATE, DECAY = 1e-3, 1e-3
"""Of the critic's steps, and what keeps its numbers small."""
TOLD = 0.1
"""Of what the critic says, beside how far outputs are apart."""
FAINT = 0.02
"""What is taken off factors in each step, in parts of its rate."""


class Contest:
    """The critic, and what it says: outputs shall be like those of the whole network, to it and in numbers."""

    def __init__(self, module: Gated) -> None:
        self.first = Executor(module.net).eval()
        self.critic: nn.Module | None = None

    def __call__(self, outputs: Tensor, inputs: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The loss; the critic has learnt a step before."""
        with torch.no_grad():
            wanted = self.first.logits(*inputs).flatten(1)
        made = outputs.flatten(1)
        if self.critic is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                self.critic = nn.Sequential(nn.Linear(made.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
            self.steps = torch.optim.Adam(self.critic.parameters(), lr=RATE, weight_decay=DECAY)
        self.steps.zero_grad()
        torch.autograd.backward(_says(self.critic(wanted), 1.0) + _says(self.critic(made.detach()), 0.0))
        self.steps.step()
        return apart(made, wanted) + TOLD * _says(self.critic(made), 1.0)


def _says(found: Tensor, wanted: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(found, torch.full_like(found, wanted))


class Adversarial(Gate):
    """Factors that become exactly zero by accelerated shrinkage, while a critic tells the network from the whole one.

    Lin, Ji, Yan, Zhang, Cao, Ye, Huang, Doermann: "Towards optimal structured CNN pruning via generative adversarial
    learning", CVPR 2019, arXiv 1903.09291; R095. What is learnt from is the network as it was, no labels; the steps of
    factors are those of FISTA. Needs PyTorch.
    """

    alone: ClassVar[bool] = True
    objective: ClassVar[type[Objective] | None] = Contest
    before: Tensor

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(0.8 + 0.2 * norms)
        self.register_buffer("before", self.place.detach().clone())
        self.momentum = 1.0

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """The factor: where the next step is taken from, or, when it is over, where the last one led."""
        return self.before if draw is None else self.place

    def open(self, t: float) -> Tensor:
        """Its size, up to 1."""
        return 1 - torch.exp(-2 * self.place.square())

    def score(self) -> Tensor:
        """The size of the factor."""
        return self.before.abs()

    def settle(self, rate: float) -> None:
        """Takes a step."""
        if self.place.grad is not None:
            made, ahead, self.momentum = fista(
                self.before, self.place.detach(), self.place.grad, rate, rate * FAINT, self.momentum
            )
            self.before.copy_(made)
            with torch.no_grad():
                self.place.copy_(ahead)
            self.place.grad = None


def fista(
    before: Tensor, ahead: Tensor, slope: Tensor, rate: float, by: float, momentum: float
) -> tuple[Tensor, Tensor, float]:
    """A step of accelerated shrinkage from `ahead`: where it leads, from where to go on, and the momentum then."""
    made = shrink(ahead - rate * slope, by)
    after = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
    return made, made + (momentum - 1) / after * (made - before), after


LEARNERS = {"contest": Adversarial}
