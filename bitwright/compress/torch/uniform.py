# SPDX-License-Identifier: Apache-2.0
"""Uniform codes of what a function makes of a tensor; the function keeps its own gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwright.compress.torch.levels import largest, mean_size
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import positive, sign_ste, through
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, IntType


class Pact(Quantiser):
    """Activations up to a learnt limit, whose gradient is what is beyond it.

    Choi, Wang, Venkataramani, Chuang, Srinivasan, Gopalakrishnan: "PACT: parameterized clipping activation for
    quantized neural networks", arXiv 1805.06085; R021. Signed activations end at both sides in proportion.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(_steps("pact", type))
        self.limit = nn.Parameter(scale.detach() * type.hi)
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes of what is inside the limit."""
        (kind,) = self.types
        step = positive(self.limit / kind.hi, po2=self.po2)
        inside = torch.minimum(torch.maximum(x, step * (kind.lo - self.zero)), step * (kind.hi - self.zero))
        return (coded(inside, step, kind, self.zero),)


class Dorefa(Quantiser):
    """2^k levels of equal distance over the range of a weight, behind tanh; at one bit its sign, times its mean size.

    Zhou, Wu, Ni, Zhou, Wen, Zou: "DoReFa-Net", arXiv 1606.06160; R020. The levels are the odd codes from -(2^k - 1) to
    2^k - 1, which take k + 1 bits. The paper's levels end at 1; here the end is learnt, from the largest weight on.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        self.top = (1 << type.bits) - 1
        super().__init__(BIPOLAR if self.top == 1 else IntType(-self.top, self.top))
        self.scale = nn.Parameter(largest(x.detach(), shared=len(scale) == 1) / self.top)
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest odd codes."""
        (kind,) = self.types
        if kind is BIPOLAR:
            return (Basis(sign_ste(x), positive(mean_size(x, shared=len(self.scale) == 1), po2=self.po2)),)
        step = positive(self.scale, po2=self.po2)
        bent = torch.tanh(x)
        value = bent / positive(largest(bent, shared=len(self.scale) == 1), po2=False) * step * self.top
        codes = 2 * ((value / step).detach() / 2 - 0.5).round() + 1
        return (as_if(value, codes.clamp(kind.lo, kind.hi), step, self.zero),)


class DorefaActs(Quantiser):
    """Activations in a fixed range, the calibrated one, where the paper has 0 to 1.

    Zhou, Wu, Ni, Zhou, Wen, Zou: "DoReFa-Net", arXiv 1606.06160; R020.
    """

    scale: Tensor

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(_steps("dorefa", type))
        self.register_buffer("scale", positive(scale.detach().clone(), po2=po2))

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes."""
        (kind,) = self.types
        inside = x.clamp(self.scale * (kind.lo - self.zero), self.scale * (kind.hi - self.zero))
        return (coded(inside, self.scale, kind, self.zero),)


class Qil(Quantiser):
    """Weights between two learnt sizes: what is less is 0, what is more is the last code, with a learnt power between.

    Jung, Son, Lee, Son, Han, Kwak, Hwang, Choi: "Learning to quantize deep networks by optimizing quantization
    intervals with task loss", CVPR 2019; R022. `centre` and `radius` are the interval, from 0 to the calibrated range
    at the start, which is a uniform quantiser. The size of the last code is learnt too, where the paper has 1. Of
    activations nothing but an interval from zero on is codes times a scale, and that is PACT.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(_steps("qil", type))
        limit = scale.detach() * type.hi
        self.scale = nn.Parameter(scale.detach().clone())
        self.centre, self.radius = nn.Parameter(limit / 2), nn.Parameter(limit / 2)
        self.power = nn.Parameter(torch.ones(()))
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes of `transformed`."""
        (kind,) = self.types
        step = positive(self.scale, po2=self.po2)
        return (coded(self.transformed(x) * step * kind.hi, step, kind, self.zero),)

    def transformed(self, x: Tensor) -> Tensor:
        """-1 to 1, by where in the interval each size is."""
        radius = positive(self.radius, po2=False)
        place = (x.abs() - self.centre + radius) / (2 * radius)
        inside = (place > 0) & (place < 1)
        size = torch.where(inside, place.clamp(1e-6, 1) ** positive(self.power, po2=False), (place >= 1).to(x.dtype))
        return size * x.detach().sign()


def coded(value: Tensor, step: Tensor, kind: IntType, zero: Tensor) -> Basis:
    """The codes nearest to `value`, as if they were it."""
    return as_if(value, (value / step + zero).detach().round().clamp(kind.lo, kind.hi), step, zero)


def as_if(value: Tensor, codes: Tensor, step: Tensor, zero: Tensor) -> Basis:
    """Codes with a scale, whose product has the gradient of `value`: nothing is learnt of what rounding leaves."""
    held = step.detach()
    return Basis(through(value / held - (codes - zero) * (step / held), codes), step)


def _steps(name: str, type: IntType) -> IntType:
    if type.is_bipolar:
        raise BitwrightError("has no signs", where=f"quantiser '{name}'", hint="give it 2 bits or more")
    return type


QUANTISERS = {"dorefa": Dorefa, "qil": Qil}
ACTIVATIONS = {"pact": Pact, "dorefa": DorefaActs}
