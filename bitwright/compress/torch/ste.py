# SPDX-License-Identifier: Apache-2.0
"""Functions that have no useful derivative, with the one that training puts in its place: straight through.

Values are those of the function, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SMALLEST = 1e-12
"""Of scales: what training takes below is put back."""


class _Through(torch.autograd.Function):
    """`value`, with the gradient of `x`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


through: Callable[[Tensor, Tensor], Tensor] = _Through.apply
"""`(x, value)`: `value`, which counts as `x` where gradients are taken."""


def round_ste(x: Tensor) -> Tensor:
    """The nearest integers, ties to even; the gradient passes as it is.

    Bengio, Léonard, Courville: "Estimating or propagating gradients through stochastic neurons for conditional
    computation", arXiv 1308.3432; R024.
    """
    return through(x, x.detach().round())


def floor_ste(x: Tensor) -> Tensor:
    """The integers below; the gradient passes as it is."""
    return through(x, x.detach().floor())


def sign_ste(x: Tensor) -> Tensor:
    """-1 below zero, else 1; the gradient passes from -1 to 1."""
    return through(x.clamp(-1, 1), torch.where(x.detach() >= 0, 1.0, -1.0).to(x.dtype))


def grad_scale(x: Tensor, factor: float) -> Tensor:
    """`x` as it is; its gradient is multiplied."""
    return through(x * factor, x.detach())


def po2_ste(x: Tensor) -> Tensor:
    """The powers of two whose ratio to `x` is nearest to 1; straight through on the exponent."""
    mantissa, _ = torch.frexp(x.detach())
    near = x.detach() / mantissa * torch.where(mantissa < 0.5**0.5, 0.5, 1.0).to(x.dtype)
    return through(x * (near / x.detach()), near)


def positive(scale: Tensor, *, po2: bool) -> Tensor:
    """What a scale that is learnt stands for: a number above zero, a power of two where it must be one."""
    size = scale.abs().clamp_min(SMALLEST)
    return po2_ste(size) if po2 else size
