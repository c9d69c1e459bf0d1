# SPDX-License-Identifier: Apache-2.0
"""A gather that puts fill between pixels and a convolution behind it: together a transposed convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bitwright.ir import moves
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Gather
from bitwright.ir.weights import Ints


@dataclass(frozen=True, eq=False)
class Spread:
    """The layer that is spread, the integer between its pixels, and kernel and attributes of the ConvTranspose."""

    source: str
    fill: int
    kernel: Ints
    attributes: dict[str, Any]


def spread_of(graph: Graph, layer: Conv) -> Spread | None:
    """`layer` as a transposed convolution, if it reads a gather that spreads pixels."""
    moved = graph.source_of(layer)
    if not isinstance(moved, Gather) or not isinstance(moved.move, moves.Spread) or layer.window.strides != (1, 1):
        return None
    reach = layer.window.span * 2
    extra = [max(0, layer.window.pads[2 + axis] - reach[axis]) for axis in (0, 1)]
    pads = [r - p + e for r, p, e in zip(reach, layer.window.pads, [0, 0, *extra], strict=True)]
    if min(pads) < 0 or (layer.window.is_padded and layer.pad_value != moved.fill):
        return None
    attributes = {
        "strides": moved.move.strides,
        "dilations": layer.window.dilations,
        "pads": pads,
        "group": layer.groups,
    }
    options = {"kernel_shape": layer.window.kernel, "output_padding": extra if any(extra) else None}
    return Spread(moved.inputs[0], moved.fill, _turned(layer), attributes | options)


def only_spreads(graph: Graph, layer: Gather) -> bool:
    """True if all that read the gather are transposed convolutions."""
    readers = graph.readers[layer.name]
    spreads = [isinstance(reader, Conv) and spread_of(graph, reader) is not None for reader in readers]
    return bool(readers) and all(spreads) and layer.name not in graph.outputs


def _turned(layer: Conv) -> Ints:
    """(outputs, h, w, inputs / groups) as (inputs, outputs / groups, h, w), rotated by half a turn."""
    outputs, height, width, inputs = layer.weights.array.shape
    grouped = layer.weights.array.reshape(layer.groups, outputs // layer.groups, height, width, inputs)
    turned = grouped.transpose(0, 4, 1, 2, 3)[..., ::-1, ::-1]
    return np.ascontiguousarray(turned).reshape(layer.groups * inputs, -1, height, width)
