# SPDX-License-Identifier: Apache-2.0
"""What a criterion may know of a network's channels: the weights that make or read them, data and labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.groups import Group, Role
from bitwright.compress.network import FloatNet
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Facts:
    """A network with what is known beside it; a criterion that needs what is not there says so."""

    net: FloatNet
    data: Sequence[Array] | None = None
    labels: Array | None = None

    def samples(self) -> Sequence[Array]:
        """An array per input."""
        if self.data is None:
            raise self._missing("what the layers read, and there is no data", "give samples of the network's inputs")
        return self.data

    def answers(self) -> Array:
        """The label of each sample."""
        if self.labels is None:
            raise self._missing("the loss, and the data has no labels", "give labels, or a criterion that needs none")
        return self.labels

    def _missing(self, what: str, hint: str) -> BitwrightError:
        return BitwrightError(f"the criterion looks at {what}", where=self.net.file, hint=hint)


def places(group: Group, role: Role) -> Iterator[tuple[str, int, Array]]:
    """What of each constant belongs to the channels of a group: its name, the axis, and a channel for each index."""
    seen = set()
    for part in group.parts:
        if part.role == role and (part.constant, part.axis) not in seen:
            seen.add((part.constant, part.axis))
            yield part.constant, part.axis, part.channels


def pooled(group: Group, numbers: Array, channels: Array) -> Array:
    """The sum for each channel of numbers for the indices of an axis."""
    held = channels >= 0
    return np.bincount(channels[held], weights=numbers[held], minlength=group.size)


def filters(net: FloatNet, group: Group) -> Array:
    """The weights that make each channel, one row for each; zeros where it is made of fewer than others."""
    parts = [np.zeros((group.size, 0))]
    for name, axis, channels in places(group, "makes"):
        rows = np.moveaxis(net.constants[name], axis, 0).reshape(len(channels), -1)
        slots = np.array([np.count_nonzero(channels[:i] == channel) for i, channel in enumerate(channels)])
        held = channels >= 0
        part = np.zeros((group.size, slots[held].max() + 1, rows.shape[1]))
        part[channels[held], slots[held]] = rows[held]
        parts.append(part.reshape(group.size, -1))
    return np.concatenate(parts, axis=1)
