# SPDX-License-Identifier: Apache-2.0
"""Normalisations without squares and roots, for modules that are trained from scratch, exported as others are."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

EPSILON = 1e-5
"""Added to the spread."""


class Normalised(nn.Module, ABC):
    """A batch normalisation of channels by another measure of their spread; otherwise it is that of PyTorch.

    When it is not training it is an ordinary one of the same factors, and leaves a file as such.
    """

    running_mean: Tensor
    running_spread: Tensor

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_spread", torch.ones(channels))
        self.momentum = momentum

    @abstractmethod
    def spread(self, away: Tensor) -> Tensor:
        """Of each channel, from how far its values are from their mean, (channels, values)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalised, channel by channel."""
        if not self.training:
            variance = (self.running_spread + EPSILON).square()
            return functional.batch_norm(x, self.running_mean, variance, self.weight, self.bias, eps=0.0)
        rows = x.movedim(1, 0).flatten(1)
        mean = rows.mean(dim=1)
        spread = self.spread(rows - mean[:, None])
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_spread.lerp_(spread, self.momentum)
        shape = (1, -1, *[1] * (x.ndim - 2))
        held = (x - mean.reshape(shape)) / (spread + EPSILON).reshape(shape)
        return held * self.weight.reshape(shape) + self.bias.reshape(shape)


class L1Norm(Normalised):
    """Channels over the mean distance from their mean: of a normal distribution the root of 2 over pi deviations.

    Wu, Li, Deng, Liu, Xie, Shi: "L1-norm batch normalization for efficient training of deep neural networks", TNNLS
    2018, arXiv 1802.09769; R016. The factor learns what differs.
    """

    def spread(self, away: Tensor) -> Tensor:
        """The mean distance."""
        return away.abs().mean(dim=1)


class RangeNorm(Normalised):
    """Channels over their range, in parts of the root of twice the logarithm of how many values there are.

    Banner, Hubara, Hoffer, Soudry: "Scalable methods for 8-bit training of neural networks", NeurIPS 2018, arXiv
    1805.11046; R017. For a normal distribution it comes to twice the deviation, slowly; the factor learns what differs.
    """

    def spread(self, away: Tensor) -> Tensor:
        """The range over the root."""
        return (away.amax(dim=1) - away.amin(dim=1)) / math.sqrt(2 * math.log(max(away.shape[1], 2)))


NORMS: Mapping[str, Callable[[int], Normalised]] = {"l1": L1Norm, "range": RangeNorm}
"""By name."""
