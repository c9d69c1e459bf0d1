# SPDX-License-Identifier: Apache-2.0
"""What a critic of outputs says: one that stays as it is, which a network learns from."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwright.compress.torch.aids import Taps
from bitwright.compress.torch.executor import Executor

Judge = Callable[[Tensor], Tensor]


class Critic:
    """How far outputs are from the float network's, and what a critic, which stays as it is, says of them from that.

    Yu, Pool: "Self-supervised GAN compression", arXiv 2007.01491; R157. Its
    critic is the discriminator that a generator was trained with: any function of outputs. Without one it is the
    logarithm of the soft maximum. No labels are needed.
    """

    def __init__(self, module: Executor, judge: Judge | None = None, weight: float = 1.0) -> None:
        self.share = weight
        self.judge: Judge = frozen(judge) if judge is not None else lambda x: functional.log_softmax(x, dim=-1)

    def __call__(self, outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        """Both distances, each in parts of what the float network's side varies."""
        return self.share * (apart(outputs, teacher) + apart(self.judge(outputs), self.judge(teacher).detach()))


def frozen(judge: Judge) -> Judge:
    """A copy of a module whose numbers are not learnt; a function as it is."""
    if not isinstance(judge, nn.Module):
        return judge
    held = copy.deepcopy(judge).eval()
    for parameter in held.parameters():
        parameter.requires_grad_(False)
    return held


def apart(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean square of the difference, in parts of the variance of what is wanted."""
    return (made - wanted).square().mean() / wanted.var(unbiased=False).clamp_min(torch.finfo(wanted.dtype).eps)


HELP = {"critic": Critic}
