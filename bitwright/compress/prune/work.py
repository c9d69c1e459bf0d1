# SPDX-License-Identifier: Apache-2.0
"""What a float network multiplies, whole and with fewer channels."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet
from bitwright.compress.operators import MATRIX
from bitwright.frontend.obstacles import macs_of
from bitwright.reading.inference import infer


def macs(net: FloatNet) -> int:
    """Multiply-accumulates of one sample."""
    kinds = infer(net.model).kinds
    return sum(macs_of(node, kinds) for node in net.nodes)


def nonzero_macs(net: FloatNet) -> int:
    """Those of a sample by weights that are not zero."""
    kinds = infer(net.model).kinds
    counted = [(node, net.constants[node.inputs[1]]) for node in net.nodes if node.op in MATRIX]
    return sum(macs_of(node, kinds) * int(np.count_nonzero(weight)) // weight.size for node, weight in counted)


class Work:
    """How much a network multiplies when some of the channels of its groups stay.

    `layers` are weights, and how often a sample multiplies by each of their elements; `parts` of groups, by the place
    of these, what of the weights belongs to their channels.
    """

    def __init__(self, net: FloatNet) -> None:
        kinds = infer(net.model).kinds
        shapes = {name: array.shape for name, array in net.constants.items()}
        self._groups = net.groups
        self.layers = [
            (node.inputs[1], macs_of(node, kinds) // prod(shapes[node.inputs[1]]))
            for node in net.nodes
            if node.op in MATRIX
        ]
        self.shapes = {name: shapes[name] for name, _ in self.layers}
        self.parts = [
            (place, part)
            for place, group in enumerate(net.groups)
            for part in group.parts
            if part.constant in self.shapes and part.role != "meets"
        ]

    def macs(self, kept: Sequence[NDArray[np.bool_]]) -> int:
        """Multiply-accumulates of one sample with these channels of each group."""
        left = {
            (name, axis): np.ones(size, bool) for name, shape in self.shapes.items() for axis, size in enumerate(shape)
        }
        for place, part in self.parts:
            left[part.constant, part.axis] &= np.append(kept[place], True)[part.channels]
        sizes = dict.fromkeys(self.shapes, 1)
        for (name, _), held in left.items():
            sizes[name] *= int(held.sum())
        return sum(times * sizes[name] for name, times in self.layers)
