# SPDX-License-Identifier: Apache-2.0
"""Gradients of few levels, drawn so that they are right in the mean."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bitwright.compress.family import Family

Rounding = Callable[[Tensor, torch.Generator | None], Tensor]
"""(a gradient, draws or those of PyTorch) -> what is learnt by instead."""
GRADIENTS: Family[Rounding] = Family("bitwright.compress.torch", "ROUNDED")
"""By name."""
CLIP = 2.5
"""Standard deviations beyond which `ternary` clips."""
LEVELS = 127
"""Of `int8`, to either side."""
STEEP, LEAST = 20.0, 0.1
"""Of what `int8` multiplies a gradient by for its direction."""


def ternary(gradient: Tensor, draws: torch.Generator | None = None) -> Tensor:
    """Three levels: the largest size with its sign, as often as a gradient is a part of it, else 0.

    TernGrad (Wen, Xu, Yan, Wu, Wang, Chen, Li: "TernGrad: ternary gradients to reduce communication in distributed deep
    learning", NeurIPS 2017, arXiv 1705.07878; R153). Clipped to two and a half standard deviations before.
    """
    most = CLIP * gradient.std(unbiased=False) if gradient.numel() > 1 else gradient.abs().max()
    held = gradient.clamp(-most, most)
    size = held.abs().max()
    drawn = torch.rand(held.shape, generator=draws) * size < held.abs()
    return size * held.sign() * drawn


def int8(gradient: Tensor, draws: torch.Generator | None = None) -> Tensor:
    """Codes of eight bits, drawn to either side, of the range that turns the gradient least; less, the more it turns.

    Zhu, Gong, Yu, Liu, Wang, Li, Yang, Yan: "Towards unified INT8 training for convolutional neural network", CVPR
    2020, arXiv 1912.12607; R150.
    """
    most = float(gradient.abs().max())
    if not most:
        return gradient
    tried = [most * 0.8**power for power in range(12)]
    away, clip = min((turned(gradient, limit), limit) for limit in tried)
    step = clip / LEVELS
    place = gradient.clamp(-clip, clip) / step
    low = place.floor()
    codes = low + (torch.rand(place.shape, generator=draws) < place - low).to(place.dtype)
    return codes * step * max(math.exp(-STEEP * away), LEAST)


def turned(gradient: Tensor, clip: float) -> float:
    """One less the cosine between a gradient and its codes for a range."""
    step = clip / LEVELS
    codes = (gradient.clamp(-clip, clip) / step).round() * step
    norms = float(gradient.norm() * codes.norm())
    return 1 - float((gradient * codes).sum()) / max(norms, 1e-30)


def dorefa(gradient: Tensor, draws: torch.Generator | None = None, bits: int = 6) -> Tensor:
    """Levels of equal distance up to the largest size of each sample or row, with noise of a step before rounding.

    Zhou, Wu, Ni, Zhou, Wen, Zou: "DoReFa-Net", arXiv 1606.06160; R020.
    """
    rows = gradient.reshape(len(gradient), -1) if gradient.ndim > 1 else gradient.reshape(1, -1)
    size = 2 * rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    top = (1 << bits) - 1
    noise = torch.rand(rows.shape, generator=draws) - 0.5
    codes = ((rows / size + 0.5) * top + noise).round().clamp(0, top) / top
    return (size * (codes - 0.5)).reshape(gradient.shape)


ROUNDED = {"ternary": ternary, "int8": int8, "dorefa": dorefa}
