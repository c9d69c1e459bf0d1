# SPDX-License-Identifier: Apache-2.0
"""What draws gates to a budget of multiply-accumulates, beside the loss."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from bitwright.compress.torch.gated import Gated

STRENGTH = 20.0
"""Of the square of how far the open share is from the wanted one."""
MARGIN = 0.9
"""The share of a limit up to which nothing is said."""
STEEP = 10.0
"""How fast the limit slides in the middle of the training."""
SETTLED = 0.8
"""The part of the training after which it is the budget."""
PRESSED = 1.0
"""Of the barrier: what is expected to be open, by how near the limit is."""
WALL = 20.0
"""The most that the barrier counts, also where the limit is broken; of more, all gates shut before one by one can."""
TOLERANCE = 0.05
"""The share of the budget by which it may be missed."""
PULLED = 2.0
"""Of the logarithm of what is expected."""
THRIFT = 3.0
"""Of the share of operations that is left."""


def by_square(module: Gated, macs: float, t: float) -> Tensor:
    """The square of how far the open share is from that of which so many multiply-accumulates are left.

    MaskConvNet (Anonymous: "MaskConvNet: training efficient ConvNets from scratch via budget-constrained filter
    pruning", ICLR 2020 submission; R086): channels are counted, and their share taken for the root of the budget.
    """
    apart: Tensor = module.share() - macs**0.5
    return STRENGTH * apart**2


def barrier(module: Gated, macs: float, t: float) -> Tensor:
    """What is expected to be open, times a barrier before a limit that slides from the whole network to the budget.

    Lemaire, Achkar, Jodoin: "Structured pruning of neural networks with budget-aware regularization", CVPR 2019, arXiv
    1811.09332; R114. The paper's budget is of activations, this one of multiply-accumulates.
    """
    limit = slid(1 / MARGIN, macs, t)
    left = module.macs(module.stays()).item()
    return PRESSED * min(height(left, MARGIN * limit, limit), WALL) * module.macs(module.opens())


def height(left: float, free: float, limit: float) -> float:
    """Nothing up to what is free, ever more from there to the limit, and infinity behind it."""
    if left <= free:
        return 0.0
    return 1 / (limit - left) - 1 / (limit - free) if left < limit else math.inf


def slid(first: float, last: float, t: float) -> float:
    """From the first to the last along a sigmoid, which is there before the training is over."""
    low, high, now = (1 / (1 + math.exp(-STEEP * (at - 0.5))) for at in (0.0, 1.0, min(t / SETTLED, 1.0)))
    return last + (first - last) * (high - now) / (high - low)


def tolerance(module: Gated, macs: float, t: float) -> Tensor:
    """The logarithm of what is to be expected, against it where the network is too large, for it where too small.

    Transformable architecture search (Dong, Yang: "Network pruning via transformable architecture search", NeurIPS
    2019, arXiv 1905.09717; R124): within a twentieth of the budget nothing is said.
    """
    expected = module.macs(module.opens())
    over = expected.item() - macs
    return math.copysign(PULLED, over) * expected.log() if abs(over) > TOLERANCE * macs else torch.zeros(())


def by_operations(module: Gated, macs: float, t: float) -> Tensor:
    """What is multiplied and added: how far each channel is open, times how many stay at the other side of its layers.

    MorphNet (Gordon, Eban, Nachum, Chen, Wu, Yang, Choi: "MorphNet: fast and simple resource-constrained structure
    learning of deep networks", CVPR 2018, arXiv 1711.06798; R115). It draws to no budget: the step `morph` meets one.
    """
    counted: Tensor = module.multiplied.operations(module.opens(), module.stays())
    return THRIFT * counted / (2 * module.multiplied.whole)


CONSTRAINTS = {"square": by_square, "barrier": barrier, "tolerance": tolerance, "operations": by_operations}
