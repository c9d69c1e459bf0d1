# SPDX-License-Identifier: Apache-2.0
"""Channels that become multiples of one another, so that one can stand for both."""

from __future__ import annotations

import torch
from torch import Tensor

from bitwright.compress.prune.responses import places
from bitwright.compress.torch.aids import Aid, Taps
from bitwright.compress.torch.executor import Executor


def likened(module: Executor, weight: float = 1.0) -> Aid:
    """How far filters are from multiples of those most like them: the alike half of each group becomes more so.

    Singh, Verma, Rai, Namboodiri: "Leveraging filter correlations for deep model compression", WACV 2020, arXiv
    1811.10559; R064. The pairs are those of the start; the criterion `correlation` of channels then takes one of each.
    """
    pairs = {}
    for group in module.net.groups:
        if not group.fixed and group.size > 1:
            (name, axis, _), *_ = places(group, "makes")
            rows = _rows(module, name, axis).detach()
            near = (rows @ rows.T).fill_diagonal_(-2)
            best = near.amax(dim=1).argsort(descending=True, stable=True)[: group.size // 2]
            pairs[name, axis] = best, near.argmax(dim=1)[best]

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        parts = [torch.zeros(())]
        for (name, axis), (one, other) in pairs.items():
            rows = _rows(module, name, axis)
            parts.append((1 - (rows[one] * rows[other]).sum(dim=1)).mean())
        return weight * torch.stack(parts).sum()

    return aid


def _rows(module: Executor, name: str, axis: int) -> Tensor:
    """The filters of a group's first layer, of unit norm."""
    return torch.nn.functional.normalize(module.tensor(name).movedim(axis, 0).flatten(1), dim=1)


HELP = {"alike": likened}
