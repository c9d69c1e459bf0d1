# SPDX-License-Identifier: Apache-2.0
"""Layers made of few neurons, which read other inputs at each of their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwright.compress.torch.hashed import ODD, PRIME, SIGN, mixed
from bitwright.compress.torch.levels import or_one
from bitwright.compress.torch.quantiser import Basis, Quantiser
from bitwright.compress.torch.ste import grad_scale, positive, round_ste
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType

Array = NDArray[Any]
AGAIN = 4
"""Places of a neuron, about."""
READS = 2
"""Inputs of a layer to one that a neuron reads."""


class Atoms(Quantiser):
    """Uniform codes of few neurons, each at about four places of a layer, where it reads another half of its inputs.

    Atomic compression networks (Falkner, Grabocka, Schmidt-Thieme: "Atomic compression networks", ICLR 2020 submission;
    R046). Which neuron is where, and what it reads there, a hash of the place says, so that no index is stored; what
    it does not read is 0. A number is the mean of its weights, so that its slope is the sum of theirs. The scale is
    learnt. The paper has the same neurons in all layers, here each layer has its own.
    """

    which: Tensor
    reads: Tensor

    def __init__(self, x: Tensor, type: IntType, scale: Tensor, *, po2: bool) -> None:
        if type.is_bipolar:
            raise BitwrightError("has no zero at one bit", where="quantiser 'atoms'", hint="give it 2 bits or more")
        super().__init__(type)
        which, reads = places(*x.shape)
        self.count = -(-x.shape[0] // AGAIN)
        self.register_buffer("which", torch.from_numpy(which))
        self.register_buffer("reads", torch.from_numpy(reads))
        largest = self.neurons(x.detach()).abs().max()
        self.scale = nn.Parameter(or_one(largest.reshape(1, 1)) / type.hi)
        self.po2 = po2

    def bases(self, x: Tensor) -> tuple[Basis, ...]:
        """One: the nearest codes of the neurons, at their places."""
        (kind,) = self.types
        scale = grad_scale(positive(self.scale, po2=self.po2), (x.numel() * kind.hi) ** -0.5)
        value = torch.zeros_like(x).scatter(1, self.reads, self.neurons(x)[self.which]) / scale
        return (Basis(round_ste(value.clamp(kind.lo, kind.hi)), scale),)

    def neurons(self, x: Tensor) -> Tensor:
        """(neurons, numbers): the mean of the weights at their places; 0 of one that is nowhere."""
        sums = torch.zeros(self.count, self.reads.shape[1], dtype=x.dtype).index_add(
            0, self.which, x.gather(1, self.reads)
        )
        return sums / torch.bincount(self.which, minlength=self.count).clamp_min(1)[:, None]


def places(rows: int, terms: int) -> tuple[Array, Array]:
    """Which neuron makes each output, and what inputs it reads there: 32-bit arithmetic that any language has."""
    count, reads = -(-rows // AGAIN), -(-terms // READS)
    which = mixed(np.arange(rows, dtype=np.uint64), PRIME) % np.uint64(count)
    at = np.arange(rows, dtype=np.uint64)[:, None] * np.uint64(ODD) + np.arange(terms, dtype=np.uint64)
    order = np.argsort(mixed(at, SIGN), axis=1, kind="stable")
    return which.astype(np.int64), np.ascontiguousarray(order[:, :reads])


QUANTISERS = {"atoms": Atoms}
