# SPDX-License-Identifier: Apache-2.0
"""Signs and three levels: the scale follows from the weight, which is what is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import positive, sign_ste, through
from bitwright.ir.types import BIPOLAR, TERNARY, IntType

STARTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""Sizes of five levels to begin with, in parts of the largest weight."""
ROUNDS = 8
"""Of levels and sizes in turn."""
STEEPEST = 10.0
"""What a hyperbolic tangent's argument is multiplied by in the end, from 1 on."""


class Bwn(Quantiser):
    """The signs of a weight times its mean size, which is nearest to it; so are the weights of XNOR-Net.

    Rastegari, Ordonez, Redmon, Farhadi: "XNOR-Net: ImageNet classification using binary convolutional neural networks",
    ECCV 2016, arXiv 1603.05279; R036, R031. The mean has its gradient, the sign that of what lies between -1 and 1, as
    in binarised networks (Hubara, Courbariaux, Soudry, El-Yaniv, Bengio: "Binarized neural networks", NeurIPS 2016,
    arXiv 1602.02830; R030).
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(BIPOLAR)
        self.shared, self.po2 = len(scale) == 1, po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the signs."""
        return (Basis(sign_ste(x), positive(mean_size(x, shared=self.shared), po2=self.po2)),)


class XnorActs(Quantiser):
    """The signs of activations, without the paper's map of scales; 0 or 1 for those that are never below zero.

    Rastegari, Ordonez, Redmon, Farhadi: "XNOR-Net: ImageNet classification using binary convolutional neural networks",
    ECCV 2016, arXiv 1603.05279; R031. The scale is learnt, from their mean size on, or from the calibrated one where
    nothing is below zero.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(BIPOLAR if type.signed else IntType(0, 1))
        self.scale = nn.Parameter(mean_size(x, shared=True).detach() if type.signed else scale.detach().clone())
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the signs, or what is more than half the scale."""
        (kind,) = self.types
        scale = positive(self.scale, po2=self.po2)
        if kind is BIPOLAR:
            return (Basis(sign_ste(x / scale.detach()), scale),)
        near = (x / scale.detach()).clamp(0, 1)
        return (Basis(through(near, near.detach().round()), scale),)


class Twn(Quantiser):
    """The three levels -a, 0 and a nearest to a weight, of all thresholds; the gradient passes as it is.

    Li, Zhang, Liu: "Ternary weight networks", arXiv 1605.04711; R037. The paper's rule takes 0.7 of the mean size for
    the threshold; here it is the best one, from the sizes in their order.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(TERNARY)
        self.shared, self.po2 = len(scale) == 1, po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the signs of what is above the threshold."""
        rows = x.reshape(1, -1) if self.shared else x
        codes, mean = three_levels(rows.detach())
        scale = positive(or_one(mean), po2=self.po2)
        return (Basis(through(x / scale, codes.reshape(x.shape)), scale),)


class Five(Quantiser):
    """The levels -2, -1, 0, 1 and 2 times a size, of sizes and levels chosen for each other; products are shifts.

    Zhou, Yao, Guo, Xu, Chen: "Incremental network quantization", ICLR 2017, has powers of two; five of them are quinary
    weights (Leng, Li, Zhu, Jin: "Extremely low bit neural network", AAAI 2018, arXiv 1707.09870; R038).
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(IntType(-2, 2))
        self.shared, self.po2 = len(scale) == 1, po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest levels."""
        rows = x.reshape(1, -1) if self.shared else x
        codes, size = five_levels(rows.detach())
        scale = positive(or_one(size), po2=self.po2)
        return (Basis(through(x / scale, codes.reshape(x.shape)), scale),)


def five_levels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes of each row and the size that they stand for, of the best that several starts lead to."""
    best: tuple[Tensor, Tensor] | None = None
    for share in STARTS:
        size = or_one(x.abs().amax(dim=1, keepdim=True)) * share
        for _ in range(ROUNDS):
            codes = (x / size).round().clamp(-2, 2)
            energy = codes.square().sum(dim=1, keepdim=True)
            size = torch.where(energy > 0, (codes * x).sum(dim=1, keepdim=True) / energy.clamp_min(1), size)
        lost = (x - codes * size).square().sum(dim=1, keepdim=True)
        if best is None:
            best, least = (codes, size), lost
        better = lost < least
        best = torch.where(better, codes, best[0]), torch.where(better, size, best[1])
        least = torch.minimum(lost, least)
    assert best is not None
    return best[0], torch.where(best[0].any(dim=1, keepdim=True), best[1], 0.0)


class TanhActs(Quantiser):
    """The signs of activations, with the gradient of a hyperbolic tangent that becomes ever steeper.

    HashNet (Cao, Long, Wang, Yu: "HashNet: deep learning to hash by continuation", ICCV 2017, arXiv 1702.00758; R029).
    The scale is learnt, from their mean size on; 0 or 1 for those that are never below zero.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(BIPOLAR if type.signed else IntType(0, 1))
        self.scale = nn.Parameter(mean_size(x, shared=True).detach() if type.signed else scale.detach().clone())
        self.po2, self.steep = po2, 1.0

    def advance(self, t: float) -> None:
        """From 1 to `STEEPEST`."""
        self.steep = STEEPEST**t

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the signs, or what is more than half the scale."""
        (kind,) = self.types
        scale = positive(self.scale, po2=self.po2)
        place = x / scale.detach()
        if kind is BIPOLAR:
            signs = torch.where(x.detach() >= 0, 1.0, -1.0).to(x.dtype)
            return (Basis(through(torch.tanh(self.steep * place), signs), scale),)
        near = place.detach().clamp(0, 1).round()
        return (Basis(through((torch.tanh(self.steep * (place - 0.5)) + 1) / 2, near), scale),)


def three_levels(x: Tensor) -> tuple[Tensor, Tensor]:
    """Codes -1, 0 and 1 of each row and the size they stand for, of the least squared error.

    With the n largest of a row the error is less by their sum squared over n than with none.
    """
    sizes = x.abs().sort(dim=1, descending=True).values
    sums = sizes.cumsum(dim=1)
    gains = sums**2 / torch.arange(1, x.shape[1] + 1, dtype=x.dtype, device=x.device)
    best = gains.argmax(dim=1, keepdim=True)
    codes = torch.where(x.abs() >= sizes.gather(1, best), x.sign(), 0.0)
    return codes, sums.gather(1, best) / (best + 1)


def mean_size(x: Tensor, *, shared: bool) -> Tensor:
    """The mean size of each row, (rows, 1), or of all; 1 of zeros."""
    return or_one(x.abs().mean().reshape(1, 1) if shared else x.abs().mean(dim=1, keepdim=True))


def largest(x: Tensor, *, shared: bool) -> Tensor:
    """The largest size of each row, (rows, 1), or of all; 1 of zeros."""
    return or_one(x.abs().amax().reshape(1, 1) if shared else x.abs().amax(dim=1, keepdim=True))


def or_one(scale: Tensor) -> Tensor:
    """Scales, 1 where they are 0: any will do there, and a small one would make the grid of a sum too fine."""
    return torch.where(scale > 0, scale, 1.0)


QUANTISERS = {"five": Five, "bwn": Bwn, "xnor": Bwn, "twn": Twn}
ACTIVATIONS = {"xnor": XnorActs, "tanh": TanhActs}
FIXED = {"five": 3, "tanh": 1, "bwn": 1, "xnor": 1, "twn": 2}
