# SPDX-License-Identifier: Apache-2.0
"""Fake quantisation in plain PyTorch: the forward pass computes what ONNX says, the backward pass is LSQ's.

The forward pass is `clip(round_half_even(x / scale), low, high) * scale` in float32, which is QONNX `Quant` with zero
point 0. Gradients go straight through the rounding; autograd then gives the learned step size of LSQ (Esser 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class RoundHalfEven(torch.autograd.Function):
    """round(x), ties to even; its gradient is taken to be one (straight-through)."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        """The nearest integers of `x`."""
        return torch.round(x)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> Tensor:
        """The incoming gradient, unchanged."""
        return gradients[0]


class Quantiser(nn.Module):
    """A tensor on the grid `scale * {low..high}`; one scale, or one per output channel of a weight.

    `narrow` drops the lowest value of a signed range, so that it is symmetric. A `fixed` scale is not trained.
    """

    scale: Tensor

    def __init__(
        self, bits: int, *, signed: bool, narrow: bool = False, shape: tuple[int, ...] = (), fixed: float | None = None
    ) -> None:
        super().__init__()
        self.bits, self.signed, self.narrow = bits, signed, narrow
        self.low = -(1 << bits - 1) + narrow if signed else 0
        self.high = (1 << bits - 1) - 1 if signed else (1 << bits) - 1
        if fixed is None:
            self.scale = nn.Parameter(torch.ones(shape))
        else:
            self.register_buffer("scale", torch.full(shape, fixed))

    @torch.no_grad()
    def start_from(self, x: Tensor) -> None:
        """LSQ's starting scale, 2 E|x| / sqrt(high), over all of `x` or over each channel of axis 0."""
        if isinstance(self.scale, nn.Parameter):
            axes = tuple(range(1, x.dim())) if self.scale.dim() else tuple(range(x.dim()))
            mean = x.abs().mean(dim=axes).clamp(min=1e-3)
            self.scale.copy_((2 * mean / self.high**0.5).reshape(self.scale.shape))

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grid; LSQ damps the scale's gradient by 1 / sqrt(elements per scale * high)."""
        scale = self.scale
        if isinstance(scale, nn.Parameter) and self.training:
            damping = (x.numel() / scale.numel() * self.high) ** -0.5
            scale = scale.detach() + (scale - scale.detach()) * damping
        codes: Tensor = RoundHalfEven.apply((x / scale).clamp(self.low, self.high))
        return codes * scale


class QuantConv2d(nn.Conv2d):
    """A convolution without bias whose weights are fake-quantised; `mask` keeps pruned weights at zero."""

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, quantiser: Quantiser) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.quantiser = quantiser
        self.register_buffer("mask", torch.ones_like(self.weight))

    def forward(self, x: Tensor) -> Tensor:
        """The convolution with the quantised weights."""
        return self._conv_forward(x, self.quantiser(self.weight * self.mask), None)


class QuantLinear(nn.Linear):
    """A dense layer with fake-quantised weights and a float bias."""

    def __init__(self, inputs: int, outputs: int, quantiser: Quantiser) -> None:
        super().__init__(inputs, outputs)
        self.quantiser = quantiser

    def forward(self, x: Tensor) -> Tensor:
        """The product with the quantised weights, plus bias."""
        return nn.functional.linear(x, self.quantiser(self.weight), self.bias)


@torch.no_grad()
def prune(layer: QuantConv2d, share: float) -> None:
    """Mask the `share` of the weights that are smallest in magnitude; they stay zero from now on."""
    magnitude = layer.weight.abs().flatten()
    smallest = magnitude.argsort(stable=True)[: int(share * magnitude.numel())]
    layer.mask.view(-1)[smallest] = 0
