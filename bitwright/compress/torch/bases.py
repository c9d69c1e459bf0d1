# SPDX-License-Identifier: Apache-2.0
"""Weights that are sums: one layer a basis in hardware, each multiplied by a small number and added.

The scales of a row are whole multiples of one power of two, the largest of eight bits: a sum of free ones would need
some twenty bits more.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bitwright.compress.torch.levels import largest, or_one, three_levels
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import SMALLEST, through
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, TERNARY, IntType

BITS = 8
"""Of the largest scale of a row."""
MOST = 16
"""Bases of a weight."""


class Residual(Quantiser):
    """Signs of a weight times their mean size, signs of what these leave, and so on: as many as there are bits.

    Li, Ni, Zhang, Yang, Gao: "Performance guaranteed network acceleration via high-order residual quantization", ICCV
    2017, arXiv 1708.08687, which does so with activations; R035. The gradient passes as it is.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(*[BIPOLAR] * type.bits)

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One a bit."""
        left, signs, means = x.detach(), [], []
        for _ in self.types:
            signs.append(torch.where(left >= 0, 1.0, -1.0).to(x.dtype))
            means.append(left.abs().mean(dim=1, keepdim=True))
            left = left - signs[-1] * means[-1]
        first, *others = on_grid(means)
        return (Basis(through(x / first, signs[0]), first), *map(Basis, signs[1:], others))


class Abc(Quantiser):
    """Signs of a weight moved by so many standard deviations to either side, with the sizes of least squares.

    ABC-Net (Lin, Zhao, Pan: "Towards accurate binary convolutional neural network", NeurIPS 2017, arXiv 1711.11294;
    R034). As many signs as there are bits, moved from -1 to 1; the gradient passes as it is.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(*[BIPOLAR] * type.bits)

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One a bit."""
        signs, sizes = self.fitted(x.detach())
        first, *others = on_grid([size.abs() for size in sizes])
        signs = [sign * torch.where(size >= 0, 1.0, -1.0) for sign, size in zip(signs, sizes, strict=True)]
        return (Basis(through(x / first, signs[0]), first), *map(Basis, signs[1:], others))

    def fitted(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The signs, and their sizes for each row."""
        count = len(self.types)
        around, spread = x - x.mean(dim=1, keepdim=True), x.std(dim=1, keepdim=True, unbiased=False)
        moves = [-1 + 2 * place / (count - 1) for place in range(count)] if count > 1 else [0.0]
        signs = [torch.where(around + move * spread >= 0, 1.0, -1.0).to(x.dtype) for move in moves]
        held = torch.stack(signs, dim=2)
        sizes = torch.linalg.lstsq(held.double(), x.double().unsqueeze(2), driver="gelsd").solution.to(x.dtype)
        return signs, list(sizes.unbind(dim=1))


class Ttq(Quantiser):
    """Three levels, of which the one above and the one below zero are learnt: where w is above, and where below.

    Zhu, Han, Mao, Dally: "Trained ternary quantization", ICLR 2017, arXiv 1612.01064; R032. The threshold is a
    twentieth of the largest weight. A weight's gradient is times its level, and as it is where the level is 0.
    """

    SHARE = 0.05

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(IntType(0, 1), IntType(-1, 0))
        above, below = self.sides(x.detach())
        fallback = largest(x.detach(), shared=False)
        self.above, self.below = (
            nn.Parameter(torch.where(side.any(dim=1, keepdim=True), _mean(x.detach().abs(), side), fallback))
            for side in (above, below)
        )

    def sides(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is above the threshold, and what is below its negative."""
        threshold = self.SHARE * largest(x.detach(), shared=True)
        return x.detach() > threshold, x.detach() < -threshold

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """Two: 1 above, and -1 below."""
        above, below = (side.to(x.dtype) for side in self.sides(x))
        high, low = on_grid([self.above.abs().clamp_min(SMALLEST), self.below.abs().clamp_min(SMALLEST)])
        middle = (1 - above - below) / high.detach()
        return Basis(through(x * (above + middle), above), high), Basis(through(x * below, -below), low)


class Fgq(Quantiser):
    """Three levels with a scale for each group of consecutive terms of a row; the gradient passes as it is.

    Mellempudi, Kundu, Mudigere, Das, Kaul, Dubey: "Ternary neural networks with fine-grained quantization", arXiv
    1705.01462; R033. A basis is a group, and 0 in all others. Groups are of 64 terms, or more where a row is longer
    than `MOST` of these.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool, group: int | None = None) -> None:
        terms = x.shape[1]
        group = group or max(64, -(-terms // MOST))
        count = -(-terms // group)
        if count > MOST:
            raise BitwrightError(
                f"makes {count} layers of one with {terms} terms",
                where="quantiser 'fgq'",
                hint=f"{MOST} is the limit; give groups of {-(-terms // MOST)} terms or more",
            )
        super().__init__(*[TERNARY] * count)
        self.group = group

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One a group."""
        parts = torch.split(x, self.group, dim=1)
        found = [three_levels(part.detach()) for part in parts]
        starts = range(0, x.shape[1], self.group)
        scales = on_grid([mean for _, mean in found])
        made = []
        for start, part, (codes, _), scale in zip(starts, parts, found, scales, strict=True):
            behind = x.shape[1] - start - part.shape[1]
            made.append(Basis(nn.functional.pad(through(part / scale, codes), (start, behind)), scale))
        return tuple(made)


def on_grid(scales: list[Tensor]) -> list[Tensor]:
    """Scales (rows, 1) as whole multiples of a power of two for each row, at least one; straight through."""
    wanted = torch.cat(scales, dim=1)
    top = or_one(wanted.detach().amax(dim=1, keepdim=True))
    unit = top / torch.frexp(top).mantissa / (1 << BITS)
    whole = (wanted.detach() / unit).round().clamp_min(1)
    return list(torch.split(through(wanted, whole * unit), 1, dim=1))


def _mean(x: Tensor, kept: Tensor) -> Tensor:
    """The mean of what is kept of each row."""
    return (x * kept).sum(dim=1, keepdim=True) / kept.sum(dim=1, keepdim=True).clamp_min(1)


QUANTISERS = {"ttq": Ttq, "fgq": Fgq, "residual": Residual, "abc": Abc}
FIXED = {"ttq": 2, "fgq": 2}
