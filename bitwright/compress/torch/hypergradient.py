# SPDX-License-Identifier: Apache-2.0
"""How the loss on samples held out moves with how strongly weights are drawn to zero on those that are learnt from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwright.compress.network import FloatNet
from bitwright.compress.torch.executor import key_of
from bitwright.compress.torch.fit import fit, given, labelled
from bitwright.compress.torch.trainable import Trainable
from bitwright.compress.training import Training
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
ROUND = 0.05
"""Below which a size is a square, in parts of the root mean square of its weight: sizes have slopes at zero too."""
GONE = 0.1
"""In the same parts, what counts as zero."""
FIRST = 0.1
"""Of the loss, the penalty at the beginning."""
RATE, BATCH = 2e-2, 16
"""Of the training: weights have some way to go in each round."""
STEP, PULL = 0.5, 3.0
"""How far a round moves the logarithm of a strength at most, and what moves all: of the share that is missing."""
APART = math.log(1.5)
"""How far the logarithm of a strength may be from the mean of all: a layer that is drawn ever more strongly is lost."""
HELD = 4
"""Of so many samples one is held out."""
SEEN = 256
"""Samples whose losses are bent."""
ITERATIONS, DAMPING = 20, 1e-2


def hypergradient(
    inner: Tensor,
    outer: Tensor,
    weights: Sequence[Tensor],
    strengths: Sequence[Tensor],
    *,
    iterations: int = ITERATIONS,
    damping: float = DAMPING,
) -> list[Tensor]:
    """The slopes of an outer loss along strengths of an inner one, whose least the weights are.

    By the theorem of implicit functions they are those of the inner slope along the weights times what solves the inner
    Hessian for the outer slope; conjugate gradients solve it, whose products with it are slopes of slopes.
    """
    slopes = torch.autograd.grad(inner, weights, create_graph=True)
    wanted = [each.detach() for each in torch.autograd.grad(outer, weights)]

    def bent(along: Sequence[Tensor]) -> list[Tensor]:
        made = torch.autograd.grad(slopes, weights, along, retain_graph=True)
        return [each + damping * step for each, step in zip(made, along, strict=True)]

    solved = conjugate(bent, wanted, iterations)
    product = torch.stack([(slope * each).sum() for slope, each in zip(slopes, solved, strict=True)]).sum()
    return [-each for each in torch.autograd.grad(product, strengths)]


def conjugate(
    matrix: Callable[[Sequence[Tensor]], Sequence[Tensor]], wanted: Sequence[Tensor], iterations: int
) -> list[Tensor]:
    """What a symmetric matrix makes `wanted` of, as near as so many steps come, or as it bends upwards."""
    found = [torch.zeros_like(each) for each in wanted]
    left = list(wanted)
    along, size = list(left), _dot(left, left)
    for _ in range(iterations):
        made = matrix(along)
        bend = _dot(along, made)
        if bend <= 0 or size == 0:
            break
        far = size / bend
        found = [each + far * step for each, step in zip(found, along, strict=True)]
        left = [each - far * step for each, step in zip(left, made, strict=True)]
        before, size = size, _dot(left, left)
        along = [each + size / before * step for each, step in zip(left, along, strict=True)]
    return found


def _dot(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    return float(sum((a * b).sum() for a, b in zip(one, other, strict=True)))


class Drawn:
    """An aid: the mean size of each layer's weights, in parts of what it was, times a strength for each."""

    def __init__(self, module: Trainable) -> None:
        names = [layer.weight for layer in module.net.layers if key_of(layer.weight) in module.constants]
        self.weights = [module.tensor(name) for name in dict.fromkeys(names)]
        self._scales = [float(each.detach().square().mean().sqrt()) or 1.0 for each in self.weights]
        self.strengths = torch.full((len(self.weights),), math.log(FIRST), requires_grad=True)

    def penalty(self, strengths: Tensor) -> Tensor:
        """What is added to the loss."""
        parts = [rounded(each / scale).mean() for each, scale in zip(self.weights, self._scales, strict=True)]
        return (strengths.exp() * torch.stack(parts)).sum()

    def __call__(self, outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Any) -> Tensor:
        """The same, while weights learn."""
        return self.penalty(self.strengths.detach())

    def gone(self) -> float:
        """The share of the weights that are next to zero."""
        counts = [
            int((each.detach().abs() < GONE * scale).sum())
            for each, scale in zip(self.weights, self._scales, strict=True)
        ]
        return sum(counts) / sum(each.numel() for each in self.weights)


def rounded(x: Tensor) -> Tensor:
    """The size of numbers, round at zero."""
    made: Tensor = (x.square() + ROUND**2).sqrt() - ROUND
    return made


def regularised(net: FloatNet, data: tuple[list[Array], Array], sparsity: float, rounds: int, epochs: int) -> FloatNet:
    """The network whose weights learnt with strengths of which each round moves those that samples held out ask for.

    One in four is held out. All strengths grow while fewer weights than asked are next to zero, and shrink while more.
    """
    module = Trainable(net)
    module.keep_zeros()
    drawn = Drawn(module)
    inputs, labels = given(net, data)
    assert labels is not None
    held = torch.arange(len(labels)) % HELD == HELD - 1
    if not held.any():
        hint = f"give {HELD} or more: one in {HELD} is held out"
        raise BitwrightError(f"learns from {len(labels)} samples", where="regularise", hint=hint)
    parts = [(tuple(x[some] for x in inputs), labels[some]) for some in (~held, held)]
    (seen, answers), (others, wanted) = parts
    for number in range(rounds):
        how = Training(epochs=epochs, lr=RATE, batch=BATCH, aids=[drawn], seed=number)
        fit(module, ([x.numpy() for x in seen], answers.numpy()), how)
        if number < rounds - 1:
            slope = _slope(module, drawn, ((seen, answers), (others, wanted)))
            with torch.no_grad():
                moved = STEP * slope / slope.abs().max().clamp_min(1e-12)
                drawn.strengths += PULL * (sparsity - drawn.gone()) - moved
                mean = drawn.strengths.mean()
                drawn.strengths.clamp_(mean - APART, mean + APART)
    return module.float_net()


def _slope(module: Trainable, drawn: Drawn, parts: Sequence[tuple[tuple[Tensor, ...], Tensor]]) -> Tensor:
    """That of the loss on what is held out, along the logarithm of each strength."""
    with torch.enable_grad():
        inner, outer = (labelled(module.logits(*(x[:SEEN] for x in inputs)), labels[:SEEN]) for inputs, labels in parts)
        (slope,) = hypergradient(inner + drawn.penalty(drawn.strengths), outer, drawn.weights, [drawn.strengths])
    return slope
