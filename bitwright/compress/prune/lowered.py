# SPDX-License-Identifier: Apache-2.0
"""Where the weights of a float network come to lie in hardware: the network is lowered with its places as weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.encode import encode
from bitwright.compress.network import FloatNet
from bitwright.hardware.counts import beat_of
from bitwright.hardware.lanes import is_legal, matrix_lanes
from bitwright.hardware.schedule import matrix_of
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix
from bitwright.ir.types import integer

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class _Numbered:
    """A network whose weights are their places, counted from one through all of them."""

    net: FloatNet
    weights: Mapping[str, tuple[Coded, ...]]
    acts: Mapping[str, ActQuant]
    bias_grid: bool = False


@dataclass(frozen=True, eq=False)
class Placed:
    """A layer of the hardware, its `name` there; its `weights` (outputs, ..., channels) are places in the float weight.

    `source` is the shape of what it reads.
    """

    name: str
    weights: Array
    layer: Matrix
    source: tuple[int, ...]

    @property
    def is_window(self) -> bool:
        """True if each channel is read at several places."""
        return bool(self.weights[0].size > self.weights.shape[-1])

    @property
    def channels(self) -> Array:
        """That of what is read by each weight, by its place."""
        found = np.empty(self.weights.size, np.int64)
        found[self.weights] = np.arange(self.weights.shape[-1])
        return found

    def takes(self, rows: int, simd: int) -> bool:
        """True for the lanes of a unit that it can have."""
        return min(rows, simd) > 0 and is_legal(self.layer, self.source, rows, simd)

    def columns(self, simd: int) -> Array:
        """The places (rows, columns) in the order in which a unit of so many input lanes reads them."""
        return matrix_of(self.weights, beat_of(self.layer, self.source[-1], simd))


def lowered(net: FloatNet) -> dict[str, Placed]:
    """The layers of the hardware by the weights that they hold: the dense ones, and convolutions of one group.

    No unit skips zeros of others, which are not among them.
    """
    codes = _numbers(net)
    graph = _encoded(net, codes)
    names = {int(array.min()): name for name, array in codes.items()}
    found: dict[str, Placed] = {}
    for made in graph.layers:
        if isinstance(made, Matrix) and _has_one_group(made, graph.source_of(made).channels):
            start = int(made.weights.array.min())
            name, places = names.get(start, ""), made.weights.array - start
            if name and np.array_equal(np.sort(places, axis=None), np.arange(codes[name].size)):
                found.setdefault(name, Placed(made.name, places, made, graph.source_of(made).shape))
    return found


def _has_one_group(layer: Matrix, channels: int) -> bool:
    """True if each output reads all channels."""
    return matrix_lanes(layer, channels)[1] == channels


def _numbers(net: FloatNet) -> dict[str, Array]:
    """The numbers of all weights from one on, by the weights' names."""
    codes: dict[str, Array] = {}
    first = 1
    for layer in net.layers:
        if layer.weight not in codes:
            array = net.constants[layer.weight]
            codes[layer.weight] = np.arange(first, first + array.size, dtype=np.int32).reshape(array.shape)
            first += array.size
    return codes


def _encoded(net: FloatNet, codes: Mapping[str, Array]) -> Graph:
    """The graph with these codes, no channel left out."""
    most, one = max(int(array.max()) for array in codes.values()), np.ones((), np.float32)
    kind = integer(most.bit_length() + 1, signed=True)
    coded = {name: (Coded(array, one, kind),) for name, array in codes.items()}
    acts = {site.tensor: ActQuant(integer(8, signed=not site.non_negative), one, one * 0) for site in net.sites}
    return encode(_Numbered(net, coded, acts), whole=True)
