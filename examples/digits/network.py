# SPDX-License-Identifier: Apache-2.0
"""The digits network, once in float and once with fake quantisation, layer for layer the same."""

from __future__ import annotations

from fakequant import QuantConv2d, Quantiser, QuantLinear
from torch import Tensor, nn


class FloatNetwork(nn.Module):
    """8x8 pixels of 0..16 -> ten scores: two convolutions with batch normalisation, two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.dense1 = nn.Linear(64, 32)
        self.dense2 = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images (N, 1, 8, 8)."""
        x = nn.functional.max_pool2d(self.norm1(self.conv1(x)).relu(), 2)
        x = nn.functional.max_pool2d(self.norm2(self.conv2(x)).relu(), 2)
        return self.dense2(self.dense1(x.flatten(1)).relu())


class QuantNetwork(nn.Module):
    """The same network in mixed precision; every tensor between two layers is a small integer times a scale.

    Input u8; conv1 4-bit weights, one scale per channel; conv2 3-bit weights, half of them pruned; dense1 ternary
    weights; dense2 4-bit weights; activations u4, u3, u4; scores s8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.quant0 = Quantiser(8, signed=False, fixed=1 / 16)
        self.conv1 = QuantConv2d(1, 8, 3, Quantiser(4, signed=True, narrow=True, shape=(8, 1, 1, 1)))
        self.norm1 = nn.BatchNorm2d(8)
        self.quant1 = Quantiser(4, signed=False)
        self.conv2 = QuantConv2d(8, 16, 3, Quantiser(3, signed=True, narrow=True))
        self.norm2 = nn.BatchNorm2d(16)
        self.quant2 = Quantiser(3, signed=False)
        self.dense1 = QuantLinear(64, 32, Quantiser(2, signed=True, narrow=True))
        self.quant3 = Quantiser(4, signed=False)
        self.dense2 = QuantLinear(32, 10, Quantiser(4, signed=True, narrow=True))
        self.quant4 = Quantiser(8, signed=True)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of images (N, 1, 8, 8)."""
        x = self.quant1(self.norm1(self.conv1(self.quant0(x))).relu())
        x = self.quant2(self.norm2(self.conv2(nn.functional.max_pool2d(x, 2))).relu())
        x = self.quant3(self.dense1(nn.functional.max_pool2d(x, 2).flatten(1)).relu())
        return self.quant4(self.dense2(x))
