# SPDX-License-Identifier: Apache-2.0
"""How the loss of a float network on labelled samples moves with the weights of its layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwright.compress.network import FloatNet
from bitwright.compress.torch.executor import Executor
from bitwright.compress.torch.fit import given, labelled

Array = NDArray[Any]
SAMPLES = 256
"""Samples that are looked at one by one, and whose curvature is taken, at most."""
PROBES = 64
"""Vectors of random signs."""
PATH = 8
"""Shares of the weights at which gradients are taken."""
FEW = 64
"""Samples whose Jacobian is looked at, at most."""


class Losses:
    """The mean loss on samples, and its derivatives by all weights at once, each found when one is asked for."""

    def __init__(self, net: FloatNet, data: Any) -> None:
        self._inputs, labels = given(net, data)
        assert labels is not None
        self._labels = labels
        self._module = Executor(net).eval()
        self._weights = {layer.weight: self._module.tensor(layer.weight).requires_grad_() for layer in net.layers}

    def of(self, weight: str) -> WeightSlopes:
        """How the loss moves with a weight."""
        return WeightSlopes(self, weight)

    @cached_property
    def gradient(self) -> dict[str, Array]:
        """The mean of the samples' gradients."""
        return self._arrays(self._mean(len(self._labels), SAMPLES, lambda slope: slope))

    @cached_property
    def squares(self) -> dict[str, Array]:
        """The mean of their squares."""
        return self._arrays(self._mean(min(SAMPLES, len(self._labels)), 1, torch.square))

    @cached_property
    def curvature(self) -> dict[str, Array]:
        """The diagonal of the Hessian: the mean of z times H z, z random signs (Hutchinson)."""
        random = torch.Generator().manual_seed(0)
        slopes = self._slopes(self._loss(slice(SAMPLES)), again=True)
        totals = [torch.zeros_like(weight) for weight in self._weights.values()]
        for _ in range(PROBES):
            signs = [torch.randint(2, slope.shape, generator=random) * 2.0 - 1 for slope in slopes]
            along = torch.stack([(slope * sign).sum() for slope, sign in zip(slopes, signs, strict=True)]).sum()
            for total, sign, found in zip(totals, signs, self._slopes(along, again=True), strict=True):
                total += sign * found / PROBES
        return self._arrays(totals)

    @cached_property
    def path(self) -> dict[str, Array]:
        """The mean of the gradients at shares of all weights."""
        whole = [weight.detach().clone() for weight in self._weights.values()]
        totals = [torch.zeros_like(weight) for weight in whole]
        for step in range(PATH):
            for weight, value in zip(self._weights.values(), whole, strict=True):
                weight.data.copy_(value * ((step + 0.5) / PATH))
            for total, slope in zip(totals, self._slopes(self._loss(slice(SAMPLES))), strict=True):
                total += slope / PATH
        for weight, value in zip(self._weights.values(), whole, strict=True):
            weight.data.copy_(value)
        return self._arrays(totals)

    @cached_property
    def stretch(self) -> dict[str, Array]:
        """The gradient of the squared product of the outputs' Jacobian by the inputs with ones."""
        inputs = [x[:FEW].clone().requires_grad_() for x in self._inputs]
        with torch.enable_grad():
            made = self._module.logits(*inputs)
            along = torch.zeros_like(made, requires_grad=True)
            back = torch.autograd.grad(made, inputs, along, create_graph=True)
            (response,) = torch.autograd.grad(torch.stack([x.sum() for x in back]).sum(), along, create_graph=True)
            return self._arrays(self._slopes(response.square().sum() / len(made)))

    def _mean(self, count: int, together: int, function: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """That of a function of the gradients of so many samples, some of which are taken together."""
        totals = [torch.zeros_like(weight) for weight in self._weights.values()]
        for start in range(0, count, together):
            samples = slice(start, min(start + together, count))
            for total, slope in zip(totals, self._slopes(self._loss(samples)), strict=True):
                total += function(slope) * ((samples.stop - start) / count)
        return totals

    def _loss(self, samples: slice) -> Tensor:
        return labelled(self._module.logits(*(x[samples] for x in self._inputs)), self._labels[samples])

    def _slopes(self, loss: Tensor, *, again: bool = False) -> tuple[Tensor, ...]:
        with torch.enable_grad():
            weights = list(self._weights.values())
            found = torch.autograd.grad(loss, weights, retain_graph=again, create_graph=again, allow_unused=True)
        return tuple(
            torch.zeros_like(weight) if slope is None else slope
            for weight, slope in zip(self._weights.values(), found, strict=True)
        )

    def _arrays(self, found: Any) -> dict[str, Array]:
        arrays = [tensor.detach().numpy().astype(np.float32) for tensor in found]
        return dict(zip(self._weights, arrays, strict=True))


@dataclass(frozen=True, eq=False)
class WeightSlopes:
    """Those of one weight, in its shape."""

    losses: Losses
    weight: str

    @property
    def gradient(self) -> Array:
        """The mean of the samples' gradients."""
        return self.losses.gradient[self.weight]

    @property
    def squares(self) -> Array:
        """The mean of their squares."""
        return self.losses.squares[self.weight]

    @property
    def curvature(self) -> Array:
        """The second derivative along each number."""
        return self.losses.curvature[self.weight]

    @property
    def path(self) -> Array:
        """The mean of the gradients while all weights shrink to zero together."""
        return self.losses.path[self.weight]

    @property
    def stretch(self) -> Array:
        """The gradient of how much outputs move when all inputs do alike, squared."""
        return self.losses.stretch[self.weight]
