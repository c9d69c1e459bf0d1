# SPDX-License-Identifier: Apache-2.0
"""What a quantiser is while it is trained: integers and scales, both of which have gradients.

A network is exported by the same call without gradients: its codes are those that it was trained with.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import reduce
from operator import add
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from bitwright.ir.types import IntType


class Basis(NamedTuple):
    """Whole numbers, held as floats, and a scale that broadcasts against them: `codes * scale`."""

    codes: Tensor
    scale: Tensor


class Quantiser(nn.Module, ABC):
    """Codes for a weight of shape (rows, terms), a row for each output, or for activations of shape (1, values).

    `types` has the type of the codes of each basis. Activations have one basis, and a zero point: their value is
    `scale * (codes - zero)`; that of a weight is the sum over its bases, and `zero` is 0.
    """

    dense: ClassVar[bool] = True
    """True if every number of a type may be a code."""
    zero: Tensor

    def __init__(self, *types: IntType) -> None:
        super().__init__()
        self.types = types
        self.register_buffer("zero", torch.zeros(()))

    @abstractmethod
    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """The codes of `x`, each inside its type, and their scales."""

    def advance(self, t: float) -> None:
        """Hears before each step of a training which part of it is over, from 0 to 1; most have no use for it."""
        return

    def extra_repr(self) -> str:
        """The types of the codes, where the module is printed."""
        return ", ".join(map(str, self.types))

    def forward(self, x: Tensor) -> Tensor:
        """The real numbers that the codes of `x` stand for."""
        return reduce(add, ((codes - self.zero) * scale for codes, scale in self.bases(x)))


class Factory(Protocol):
    """An entry of `QUANTISERS`."""

    def __call__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> Quantiser:
        """A quantiser to `type` for what is like `x`, a weight (rows, terms) or a sample of activations (1, values).

        `scale` is the calibrated start, (rows, 1) or (1, 1). With `po2` scales are powers of two; those of a sum
        of bases are whole multiples of one.
        """
