# SPDX-License-Identifier: Apache-2.0
"""Uniform codes whose scale is learnt."""

from __future__ import annotations

from torch import Tensor, nn

from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import grad_scale, positive, round_ste
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType


class Lsq(Quantiser):
    """Uniform codes with a learnt scale, whose gradient knows how near each value is to the next step.

    Esser, McKinstry, Bablani, Appuswamy, Modha: "Learned step size quantization", ICLR 2020, arXiv 1902.08153.
    Inside the range that is the code less what was rounded, outside the last code; times 1 / sqrt(values * last code).
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.is_bipolar:
            raise BitwrightError("has no signs", where="quantiser 'lsq'", hint="give it 2 bits or more")
        super().__init__(type)
        self.scale = nn.Parameter(scale.detach().clone())
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes."""
        (kind,) = self.types
        share = (x.shape[1] * max(kind.hi, 1)) ** -0.5
        scale = grad_scale(positive(self.scale, po2=self.po2), share)
        return (Basis(round_ste((x / scale + self.zero).clamp(kind.lo, kind.hi)), scale),)


QUANTISERS = {"lsq": Lsq, "ternary": Lsq}
ACTIVATIONS = {"lsq": Lsq}
FIXED = {"ternary": 2}
