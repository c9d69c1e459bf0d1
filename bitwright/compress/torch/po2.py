# SPDX-License-Identifier: Apache-2.0
"""Weights that are powers of two, frozen a part at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from bitwright.compress.torch.levels import largest
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import through
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType

WIDTHS = range(3, 7)
"""At 6 bits the largest code is 2^15."""
SHARES = (0.5, 0.75, 0.875, 1.0)
"""What is frozen in each part of a training."""


class Inq(Quantiser):
    """0 and powers of two with their signs, 2^(b-2) sizes; the largest weights are frozen first, the others go on.

    Zhou, Yao, Guo, Xu, Chen: "Incremental network quantization: towards lossless CNNs with low-precision weights", ICLR
    2017; R023. The codes are whole multiples of the smallest size. While a module trains, weights that are not frozen
    are the real numbers that they are; otherwise all are codes.
    """

    dense = False
    frozen: Tensor
    held: Tensor
    scale: Tensor

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.bits not in WIDTHS:
            hint = f"give it {WIDTHS[0]} to {WIDTHS[-1]} bits"
            raise BitwrightError(f"has no powers of two at {type.bits} bits", where="quantiser 'inq'", hint=hint)
        top = 1 << (1 << type.bits - 2) - 1
        super().__init__(IntType(-top, top))
        most = largest(x.detach(), shared=len(scale) == 1) * 4 / 3
        self.register_buffer("scale", most / torch.frexp(most).mantissa / 2 / top)
        self.register_buffer("held", torch.zeros_like(x))
        self.register_buffer("frozen", torch.zeros_like(x, dtype=torch.bool))
        self.share = 0.0

    def advance(self, t: float) -> None:
        """Freezes, at the next call, what is due when `t` of a training is over, from 0 to 1."""
        self.share = SHARES[min(int(t * len(SHARES)), len(SHARES) - 1)]

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: codes, and while training real numbers where nothing is frozen."""
        near = self.nearest(x.detach())
        if self.training:
            self._freeze(x.detach(), near)
            loose = x / self.scale
        else:
            loose = through(x / self.scale, near)
        return (Basis(torch.where(self.frozen, self.held, loose), self.scale),)

    def nearest(self, x: Tensor) -> Tensor:
        """The codes: a size is taken from half way between it and the next smaller one."""
        (kind,) = self.types
        sizes = (x / self.scale).abs()
        power = (sizes * 4 / 3).clamp(1, kind.hi)
        power = power / torch.frexp(power).mantissa / 2
        return torch.where(sizes < 0.5, 0.0, power) * x.sign()

    def _freeze(self, x: Tensor, codes: Tensor) -> None:
        due = round(self.share * x.numel()) - int(self.frozen.sum())
        if due > 0:
            sizes = x.abs().masked_fill(self.frozen, -1.0).reshape(-1)
            new = torch.zeros_like(self.frozen).reshape(-1)
            new[sizes.topk(due).indices] = True
            self.held.copy_(torch.where(new.reshape(x.shape), codes, self.held))
            self.frozen |= new.reshape(x.shape)


QUANTISERS = {"inq": Inq}
