# SPDX-License-Identifier: Apache-2.0
"""Weights that are drawn to their levels while they train, and are on them in the end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bitwright.compress.torch.levels import largest, mean_size, or_one
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import positive, through
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, IntType

RELAXED = 0.8
"""Of a training, in which weights are not on their levels yet."""
GROWTH = 6.0
"""The power of e by which the pull grows in that time."""
STARTS = 16
"""Sizes to begin with."""
ROUNDS = 20
"""Of choosing levels and their size in turn, at most."""
PULL = 0.02
"""Of the distance from the levels, at first: it grows as that of `Relaxed` does."""
EVERY = 1 / 64
"""Of a training, after which levels and what is missing to them are taken anew."""


class Relaxed(Quantiser):
    """Signs times a mean size towards which weights are drawn, more and more, until they are these.

    BinaryRelax (Yin, Zhang, Lyu, Osher, Qi, Xin: "BinaryRelax: a relaxation approach for training deep neural networks
    with quantized weights", SIAM Journal on Imaging Sciences 2018, arXiv 1801.06313; R026). While a module trains its
    weights are the means of what they are and of their projection, with the pull as the projection's weight.
    """

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        super().__init__(BIPOLAR)
        self.shared, self.po2, self.pull = len(scale) == 1, po2, 1.0

    def advance(self, t: float) -> None:
        """Grows the pull, until it is all."""
        self.pull = math.exp(GROWTH * t / RELAXED) if t < RELAXED else float("inf")

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the signs, or while it trains what is between them and the weights."""
        scale = positive(mean_size(x, shared=self.shared), po2=self.po2)
        signs = torch.where(x.detach() >= 0, 1.0, -1.0).to(x.dtype)
        if not self.training or self.pull == float("inf"):
            return (Basis(through(x / scale, signs), scale),)
        return (Basis(relaxed(x / scale, signs, self.pull), scale),)


def relaxed(x: Tensor, projected: Tensor, pull: float) -> Tensor:
    """What is least far from x, and `pull` times as much from its projection."""
    return (x + pull * projected) / (1 + pull)


class Shifted(Quantiser):
    """0 and powers of two times a size, the nearest of all sizes, to which multipliers pull weights while they train.

    Leng, Li, Zhu, Jin: "Extremely low bit neural network: squeeze the last bit out with ADMM", AAAI 2018, arXiv
    1707.09870; R027. Levels and what is missing to them are taken anew from time to time, and between weights descend
    along the loss and the augmented distance.
    """

    dense = False
    goal: Tensor
    dual: Tensor
    last: Tensor

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if not 2 <= type.bits <= 5:
            hint = "give it 2 to 5 bits"
            raise BitwrightError(f"has no powers of two at {type.bits} bits", where="quantiser 'admm'", hint=hint)
        self.top = 1 << (1 << type.bits - 1) - 2 if type.bits > 2 else 1
        super().__init__(IntType(-self.top, self.top))
        self.shared, self.po2, self.due, self.pull = len(scale) == 1, po2, False, PULL
        self.register_buffer("last", torch.tensor(-1))
        self.register_buffer("goal", x.detach().clone())
        self.register_buffer("dual", torch.zeros_like(x))

    def advance(self, t: float) -> None:
        """Says when levels are due again."""
        if int(t / EVERY) != int(self.last):
            self.last.fill_(int(t / EVERY))
            self.due = True
        self.pull = PULL * math.exp(GROWTH * int(t / EVERY) * EVERY)

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the codes, or while it trains the weights, whose gradients pull to these."""
        if self.training:
            if self.due:
                self._anew(x.detach())
            scale = positive(or_one(shifts(self.goal, self.top, shared=self.shared)[1]), po2=self.po2)
            return (Basis(pulled(x, self.goal - self.dual / self.pull, self.pull) / scale, scale),)
        codes, size = shifts(x.detach(), self.top, shared=self.shared)
        scale = positive(or_one(size), po2=self.po2)
        return (Basis(through(x / scale, codes), scale),)

    def _anew(self, x: Tensor) -> None:
        """The levels nearest to the weights and what was missing, and what is missing now."""
        codes, size = shifts(x + self.dual / self.pull, self.top, shared=self.shared)
        self.goal.copy_((codes.reshape(len(size), -1) * size).reshape(x.shape))
        self.dual.add_(self.pull * (x - self.goal))
        self.due = False


def shifts(x: Tensor, top: int, *, shared: bool) -> tuple[Tensor, Tensor]:
    """The codes 0 and powers of two up to `top`, and the size of a row or of all: the best of several starts."""
    rows = x.reshape(1, -1) if shared else x
    most = largest(rows, shared=False)
    best = _settled(rows, most / top, top)
    for start in np.geomspace(0.7 / top, 1.4, STARTS):
        size = _settled(rows, most * float(start), top)
        best = torch.where(_missed(rows, size, top) < _missed(rows, best, top), size, best)
    return _power(rows / best, top).reshape(x.shape), best


def _missed(rows: Tensor, size: Tensor, top: int) -> Tensor:
    """The squared error of each row."""
    return (rows - _power(rows / size, top) * size).square().sum(dim=1, keepdim=True)


def _settled(rows: Tensor, size: Tensor, top: int) -> Tensor:
    """The size that is the best for its own codes, from one to begin with."""
    for _ in range(ROUNDS):
        codes = _power(rows / size, top)
        energy = codes.square().sum(dim=1, keepdim=True)
        better = torch.where(energy > 0, (codes * rows).sum(dim=1, keepdim=True) / energy.clamp_min(1), size)
        if torch.equal(better, size):
            break
        size = better
    return size


def _power(x: Tensor, top: int) -> Tensor:
    """The nearest of 0 and powers of two up to `top`, with its sign; half way the larger one."""
    sizes = x.abs()
    power = (sizes * 4 / 3).clamp(1, top)
    power = power / torch.frexp(power).mantissa / 2
    return torch.where(sizes < 0.5, 0.0, power) * x.sign()


class _Pulled(torch.autograd.Function):
    """`x`, whose gradient has so much of the distance from a goal."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, goal: Tensor, pull: float) -> Tensor:
        ctx.save_for_backward(pull * (x - goal))
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (force,) = ctx.saved_tensors
        return grads[0] + force, None, None


pulled: Callable[[Tensor, Tensor, float], Tensor] = _Pulled.apply

QUANTISERS = {"relax": Relaxed, "admm": Shifted}
FIXED = {"relax": 1}
