# SPDX-License-Identifier: Apache-2.0
"""What the channels of a network hold where layers read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.columns import View
from bitwright.compress.groups import Group, Role
from bitwright.compress.network import FloatNet

Array = NDArray[Any]


def places(group: Group, role: Role) -> Iterator[tuple[str, int, Array]]:
    """What of each constant belongs to the channels of a group: its name, the axis, and a channel for each index."""
    seen = set()
    for part in group.parts:
        if part.role == role and (part.constant, part.axis) not in seen:
            seen.add((part.constant, part.axis))
            yield part.constant, part.axis, part.channels


class Responses:
    """Walks a network, and notes what each group of channels holds: (samples, places, channels), by its place."""

    def __init__(self, net: FloatNet) -> None:
        self.found: dict[int, Array] = {}
        self._reads: dict[str, list[tuple[int, int, Array]]] = {}
        for place, group in enumerate(net.groups):
            for name, _, channels in places(group, "reads"):
                self._reads.setdefault(name, []).append((place, group.size, channels))

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight as it is."""
        for place, size, channels in self._reads.get(view.layer.weight, []):
            axis = 1 if view.layer.op in ("Conv", "ConvTranspose") else -1
            if place not in self.found and inputs[0].shape[axis] == len(channels):
                parts = [np.moveaxis(chunk, axis, -1) for chunk in inputs]
                rows = np.concatenate([part.reshape(len(part), -1, len(channels)) for part in parts])
                self.found[place] = by_channel(rows, channels, size)
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        """Nothing."""
        return None


def by_channel(rows: Array, channels: Array, size: int) -> Array:
    """Features (samples, places, features) as channels: what is a channel in several features has more places."""
    held = [np.flatnonzero(channels == channel) for channel in range(size)]
    width = min((len(found) for found in held if len(found)), default=1)
    made = np.zeros((len(rows), rows.shape[1] * width, size), np.float32)
    for channel, found in enumerate(held):
        if len(found):
            made[:, :, channel] = rows[:, :, found[:width]].reshape(len(rows), -1)
    return made
