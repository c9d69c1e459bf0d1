# SPDX-License-Identifier: Apache-2.0
"""Uniform codes whose scale follows from the weight, and codes of a weight that is thinned out before."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwright.compress.ranges.fitted import SAWB
from bitwright.compress.torch.levels import largest, or_one
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import positive, through
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType

THINNED = 1.0
"""The threshold of `thinned`, in parts of the standard deviation of all weights of a layer."""


class Sawb(Quantiser):
    """Uniform codes whose scale follows from the root mean square and the mean size of the weight, at each step anew.

    Choi, Venkataramani, Srinivasan, Gopalakrishnan, Wang, Chuang: "Accurate and efficient 2-bit quantized neural
    networks", SysML 2019; R025. With `pact` for activations it is the paper's recipe; its first and
    last layers stay at eight bits by a config.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.is_bipolar or type.hi not in SAWB:
            raise BitwrightError("has no fit for this width", where="quantiser 'sawb'", hint="give it 2 to 9 bits")
        super().__init__(type)
        self.shared, self.po2 = len(scale) == 1, po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes."""
        (kind,) = self.types
        rows = x.detach().reshape(1, -1) if self.shared else x.detach()
        first, second = SAWB[kind.hi]
        root, mean = rows.square().mean(dim=1, keepdim=True).sqrt(), rows.abs().mean(dim=1, keepdim=True)
        wanted, most = first * root - second * mean, rows.abs().amax(dim=1, keepdim=True)
        limit = torch.where(wanted > 0, torch.minimum(wanted, most), most)
        scale = positive(or_one(limit / kind.hi), po2=self.po2)
        inside = torch.minimum(torch.maximum(x, scale * kind.lo), scale * kind.hi)
        return (Basis(through(inside / scale, (inside / scale).detach().round().clamp(kind.lo, kind.hi)), scale),)


class Thinned(Quantiser):
    """Uniform codes of the weights that are above a threshold, 0 of all others: first thinned out, then quantised.

    SQuantizer (Park, Xu, Brick: "SQuantizer: simultaneous learning for both sparse and low-precision neural networks",
    arXiv 1812.08301; R028). The threshold is a standard deviation, the gradient passes as it is, so that weights come
    back; the scale is learnt, from the largest weight on.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.is_bipolar:
            raise BitwrightError("has no zero", where="quantiser 'thinned'", hint="give it 2 bits or more")
        super().__init__(type)
        self.scale = nn.Parameter(largest(x.detach(), shared=len(scale) == 1) / type.hi)
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes of what is left."""
        (kind,) = self.types
        scale = positive(self.scale, po2=self.po2)
        held, kept = scale.detach(), self.kept(x)
        codes = (x.detach() / held).round().clamp(kind.lo, kind.hi) * kept
        # by x the value has the slope 1 everywhere, by the scale codes - x / scale where a weight is left
        left = x.detach().clamp(held * kind.lo, held * kind.hi) * kept
        return (Basis(through(x / held + left / scale, codes), scale),)

    def kept(self, x: Tensor) -> Tensor:
        """1 above the threshold, else 0."""
        return (x.detach().abs() > THINNED * x.detach().std(unbiased=False)).to(x.dtype)


QUANTISERS = {"sawb": Sawb, "thinned": Thinned}
