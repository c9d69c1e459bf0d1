# SPDX-License-Identifier: Apache-2.0
"""What a network multiplies by how far each of its channels is open, with gradients."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from bitwright.compress.network import FloatNet
from bitwright.compress.prune.work import Work

CHANNELS = (0, 1)
"""The axes of a weight that channels lie along; the others are its window's."""


class Multiplied:
    """Multiply-accumulates of a sample; `opens` has 0 to 1 for each channel of each of the network's groups."""

    def __init__(self, net: FloatNet) -> None:
        self._work = Work(net)
        self._parts = [
            (place, (part.constant, part.axis), torch.tensor(part.channels)) for place, part in self._work.parts
        ]
        self.whole = float(self.macs([torch.ones(group.size) for group in net.groups]))

    def sides(self, opens: Sequence[Tensor]) -> dict[str, list[Tensor]]:
        """How many indices of each axis of each weight are open."""
        held = {
            (name, axis): torch.ones(size)
            for name, sizes in self._work.shapes.items()
            for axis, size in enumerate(sizes)
        }
        for place, at, channels in self._parts:
            held[at] = held[at] * torch.cat([opens[place], torch.ones(1)])[channels]
        return {
            name: [held[name, axis].sum() for axis in range(len(sizes))] for name, sizes in self._work.shapes.items()
        }

    def macs(self, opens: Sequence[Tensor]) -> Tensor:
        """Those that are left: of channels that are open by chance, each by itself, what is to be expected."""
        sides = self.sides(opens)
        return torch.stack([times * prod(sides[name], start=torch.ones(())) for name, times in self._work.layers]).sum()

    def operations(self, sizes: Sequence[Tensor], stays: Sequence[Tensor]) -> Tensor:
        """Multiplications and additions, linear in the `sizes` of channels: each by how many others stay.

        Where sizes are 1 of what stays and 0 of the rest they are what there is: each product is counted from both
        of its sides.
        """
        soft, hard = self.sides(sizes), self.sides(stays)
        parts = []
        for name, times in self._work.layers:
            for axis in CHANNELS:
                others = [side for place, side in enumerate(hard[name]) if place != axis]
                parts.append(times * soft[name][axis] * prod(others, start=torch.ones(())))
        return torch.stack(parts).sum()
