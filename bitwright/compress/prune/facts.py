# SPDX-License-Identifier: Apache-2.0
"""What a criterion may know of a network's channels: the weights that make or read them, data and labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import gathered, walk
from bitwright.compress.columns import View
from bitwright.compress.groups import Group
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.responses import Responses, places
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
SAMPLES = 512
"""That are looked at, at most."""
GATED = 256
"""Whose losses are looked at, at most, one by one."""
TERMS = 512
"""Of a layer that are multiplied by all others at once."""
COLUMNS = 8_000
"""Of a layer, drawn at random."""


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

    def products(self, group: Group) -> Array:
        """What each pair of channels adds to the outputs of all layers that read them, multiplied and averaged.

        Each layer counts by what all of its channels together add; means are taken off.
        """
        place = next(place for place, other in enumerate(self.net.groups) if other is group)
        return self._products[place]

    @cached_property
    def _products(self) -> dict[int, Array]:
        found = Products(self.net)
        data = self.samples()
        with np.errstate(all="ignore"):
            walk(self.net, [array[:SAMPLES] for array in data], found)
        return found.sums

    def responses(self, group: Group) -> Array:
        """What a channel holds where it is first read, (samples, places, channels); none if no layer reads it alone."""
        place = next(place for place, other in enumerate(self.net.groups) if other is group)
        found = self._responses.get(place)
        return np.zeros((len(self.samples()[0][:SAMPLES]), 1, group.size), np.float32) if found is None else found

    @cached_property
    def _responses(self) -> dict[int, Array]:
        found = Responses(self.net)
        with np.errstate(all="ignore"):
            walk(self.net, [array[:SAMPLES] for array in self.samples()], found)
        return found.found

    def gates(self, group: Group) -> Array:
        """The mean square of the slope of each sample's loss along a gate in front of what reads each channel."""
        return np.asarray((self._slopes[:, group.first : group.first + group.size] ** 2).mean(axis=0))

    @cached_property
    def _slopes(self) -> Array:
        data, labels = self.samples(), self.answers()
        need_torch("shrunk")
        from bitwright.compress.torch.gates import slopes

        reads = [
            (name, axis, np.where(channels >= 0, group.first + channels, -1))
            for group in self.net.groups
            for name, axis, channels in places(group, "reads")
        ]
        count = sum(group.size for group in self.net.groups)
        return slopes(self.net, [array[:GATED] for array in data], labels[:GATED], reads, count)

    def _missing(self, what: str, hint: str) -> BitwrightError:
        return BitwrightError(f"the criterion looks at {what}", where=self.net.file, hint=hint)


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


class Products:
    """Walks a network, and notes what the channels of its groups add to the outputs of the layers that read them."""

    def __init__(self, net: FloatNet) -> None:
        self.sums = {place: np.zeros((group.size, group.size)) for place, group in enumerate(net.groups)}
        self._reads: dict[str, list[tuple[int, int, Array]]] = {}
        for place, group in enumerate(net.groups):
            for name, axis, channels in places(group, "reads"):
                self._reads.setdefault(name, []).append((place, axis, channels))
        self._random = np.random.default_rng(0)

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight as it is."""
        reads = self._reads.get(view.layer.weight, [])
        if reads:
            total = sum(view.count(chunk) for chunk in inputs)
            picked = np.sort(self._random.permutation(total)[:COLUMNS])
            columns = gathered(view, inputs, picked)
            columns -= columns.mean(axis=2, keepdims=True)
            weight = view.rows(view.weight)
            for place, axis, channels in reads:
                numbers = view.rows(_along(channels, axis, view.weight.ndim))[:, 0]
                self._add(
                    place,
                    [_pooled(*each, len(self.sums[place])) for each in zip(weight, columns, numbers, strict=True)],
                )
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        """Nothing."""
        return None

    def _add(self, place: int, products: Sequence[Array]) -> None:
        """The products of a layer's groups to those of a group of channels."""
        made = np.sum(products, axis=0)
        if made.sum() > 0:
            self.sums[place] += made / made.sum()


def _pooled(weight: Array, columns: Array, channels: Array, size: int) -> Array:
    """The products of channels, summed over outputs and columns: weight (outputs, terms), columns (terms, n)."""
    held = np.flatnonzero(channels >= 0)
    weight, columns, chosen = weight[:, held], columns[held], np.zeros((len(held), size), np.float32)
    chosen[np.arange(len(held)), channels[held]] = 1
    made = np.zeros((size, size))
    for start in range(0, len(held), TERMS):
        rows = slice(start, start + TERMS)
        products = (weight[:, rows].T @ weight) * (columns[rows] @ columns.T / columns.shape[1])
        made += chosen[rows].T.astype(np.float64) @ (products @ chosen)
    return made


def _along(numbers: Array, axis: int, rank: int) -> Array:
    """Numbers along an axis of so many."""
    shape = [1] * rank
    shape[axis] = -1
    return numbers.reshape(shape)
