# SPDX-License-Identifier: Apache-2.0
"""Signs and three levels: the scale follows from the weight, which is what is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import positive, sign_ste, through
from bitwright.ir.types import BIPOLAR, TERNARY, IntType


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


QUANTISERS = {"bwn": Bwn, "xnor": Bwn, "twn": Twn}
ACTIVATIONS = {"xnor": XnorActs}
FIXED = {"bwn": 1, "xnor": 1, "twn": 2}
