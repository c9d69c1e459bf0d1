# SPDX-License-Identifier: Apache-2.0
"""Gates that choose how many channels a group has, and mix two of the numbers while they learn."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwright.compress.torch.gated import Gate, uniform

PARTS = 8
"""Numbers of channels to choose from: all, and this many equal steps down."""
HOT, COLD = 5.0, 0.2
"""The temperature at the beginning, and in the end."""


class Transformable(Gate):
    """A choice of how many channels stay, of which two are drawn at a time, made equally wide and added by their odds.

    Transformable architecture search (Dong, Yang: "Network pruning via transformable architecture search", NeurIPS
    2019, arXiv 1905.09717; R124): use it with the constraint `tolerance`, and train with `distil` behind it. Those of
    the smallest norms go first, where the paper has the last, and in the end the number is the middle one by the odds,
    where it has the likeliest. Needs labels and PyTorch.
    """

    ranks: Tensor
    choices: Tensor

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.register_buffer("ranks", norms.argsort(descending=True, stable=True).argsort())
        steps = [max(round(len(norms) * part / PARTS), 1) for part in range(1, PARTS + 1)]
        self.register_buffer("choices", torch.tensor(sorted(set(steps))))
        self.place = nn.Parameter(torch.linspace(0, 0.1, len(self.choices)))

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """The mixture as a matrix, what is read in place of each channel; or those of the middle number."""
        if draw is None:
            return self.stays().to(self.place.dtype)
        u = uniform(self.place, draw)
        drawn = (self.place.log_softmax(0) - (-u.log()).log()) / (HOT * (COLD / HOT) ** t)
        best = drawn.topk(min(2, len(drawn)))
        widths = self.choices[best.indices].tolist()
        shares = best.values.softmax(0)
        made = torch.zeros(len(self.ranks), len(self.ranks))
        for share, width in zip(shares, widths, strict=True):
            made = made + share * interpolated(width, max(widths), len(self.ranks))
        return made[self.ranks][:, self.ranks]

    def open(self, t: float) -> Tensor:
        """The probability that there are as many channels."""
        odds = self.place.softmax(0)
        return (odds * (self.ranks[:, None] < self.choices)).sum(dim=1)


def interpolated(width: int, wide: int, size: int) -> Tensor:
    """The first channels, `width` of `size`, averaged or repeated to be `wide`: a matrix, which has zeros elsewhere."""
    pooled = functional.adaptive_avg_pool1d(torch.eye(width)[:, None], wide)[:, 0].T
    return functional.pad(pooled, (0, size - width, 0, size - wide))


LEARNERS = {"transformable": Transformable}
