# SPDX-License-Identifier: Apache-2.0
"""Channels that are quiet."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from bitwright.compress.torch.aids import Aid
from bitwright.compress.torch.executor import Executor


def quiet(module: Executor, weight: float = 0.05) -> Aid:
    """The mean magnitude of what layers read of each other: few channels are used, and room is left in the others.

    Golkar, Kagan, Cho: "Continual learning via neural pruning", arXiv 1903.04476; R099.
    """
    given = {entry.name for entry in module.net.inputs}
    names = [site.tensor for site in module.net.sites if site.tensor not in given]

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Mapping[str, Tensor]) -> Tensor:
        return weight * torch.stack([torch.zeros(()), *(taps[name].abs().mean() for name in names)]).sum()

    return aid


HELP = {"quiet": quiet}
