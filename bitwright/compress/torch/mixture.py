# SPDX-License-Identifier: Apache-2.0
"""Weights that gather around a few numbers, which are learnt with them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bitwright.compress.torch.executor import Executor

COMPONENTS = 8
"""Of a mixture, of which the first is around zero."""
ZERO = 0.9
"""The share of the component around zero."""


class Mixture(nn.Module):
    """Normal distributions: means, logarithms of deviations, and shares, that around zero being fixed."""

    def __init__(self, values: Tensor, components: int = COMPONENTS) -> None:
        super().__init__()
        most = float(values.detach().abs().max()) or 1.0
        self.means = nn.Parameter(torch.linspace(-most, most, components - 1))
        self.logs = nn.Parameter(torch.full((components,), math.log(most / components)))
        self.shares = nn.Parameter(torch.zeros(components - 1))

    def parts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Means, deviations, logarithms of shares, the component around zero first."""
        means = torch.cat([torch.zeros(1), self.means])
        others = torch.log_softmax(self.shares, dim=0) + math.log(1 - ZERO)
        return means, self.logs.exp(), torch.cat([torch.tensor([math.log(ZERO)]), others])

    def cost(self, values: Tensor) -> Tensor:
        """Less the logarithm of the mixture's density at all values."""
        return -torch.logsumexp(self.logits(values), dim=1).sum()

    def logits(self, values: Tensor) -> Tensor:
        """The logarithm of each component's density with its share, (values, components)."""
        means, spread, shares = self.parts()
        place = (values.flatten()[:, None] - means) / spread
        return shares - spread.log() - 0.5 * place.square() - 0.5 * math.log(2 * math.pi)

    def gathered(self, values: Tensor) -> Tensor:
        """Each value at the mean of the component that has most to do with it."""
        means, _, _ = self.parts()
        return means[self.logits(values).argmax(dim=1)].reshape(values.shape)


class Gathering:
    """How unlikely weights are under a mixture of each layer, which learns with them: they gather, many at zero.

    Ullrich, Meeds, Welling: "Soft weight-sharing for neural network compression", ICLR 2017, arXiv 1702.04008; R041.
    Quantise with `share` behind it: the codes that are left are few.
    """

    def __init__(self, module: Executor, weight: float = 5e-3) -> None:
        self.weights = [module.tensor(layer.weight) for layer in module.net.layers]
        self.mixtures = nn.ModuleList([Mixture(weight) for weight in self.weights])
        self.optimiser = torch.optim.Adam(self.mixtures.parameters(), lr=1e-2)
        self.weight = weight

    def __call__(self, outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Mapping[str, Tensor]) -> Tensor:
        """The mean over all weights, by mixtures that took a step before."""
        size = sum(weight.numel() for weight in self.weights)
        self.optimiser.zero_grad()
        own = torch.stack([mixture.cost(held.detach()) for mixture, held in self._pairs()]).sum() / size
        torch.autograd.backward(own)
        self.optimiser.step()
        return self.weight * torch.stack([mixture.cost(held) for mixture, held in self._pairs()]).sum() / size

    def _pairs(self) -> list[tuple[Mixture, Tensor]]:
        found = []
        for mixture, weight in zip(self.mixtures, self.weights, strict=True):
            assert isinstance(mixture, Mixture)
            found.append((mixture, weight))
        return found


HELP = {"mixture": Gathering}
