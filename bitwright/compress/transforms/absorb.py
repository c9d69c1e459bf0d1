# SPDX-License-Identifier: Apache-2.0
"""Convolutions side by side as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, fresh_names
from bitwright.compress.sites import key
from bitwright.compress.transforms.chains import Draft
from bitwright.reading.model import Node


def absorb(net: FloatNet) -> FloatNet:
    """The network whose sums of two convolutions of one tensor are one, the smaller window inside the larger.

    DeepRebirth (Li, Wang, Kong: "DeepRebirth: accelerating deep neural network execution on mobile devices", AAAI 2018,
    arXiv 1708.04728; R013), whose small branches a large one takes in; here where it is exact: both have an odd window,
    around the same places.
    """
    draft, fresh = Draft(net), fresh_names(net)
    for node in net.nodes:
        if node.op == "Add" and all(name in draft.layers and name in draft.nodes for name in node.inputs):
            wide, small = sorted((draft.nodes[name] for name in node.inputs), key=lambda each: -_size(draft, each))
            if _are_one(draft, wide, small):
                _join(draft, node, wide, small, fresh(f"{key(node)}_bias"))
    return draft.done()


def _size(draft: Draft, node: Node) -> int:
    return int(draft.constants[node.inputs[1]].size)


def _are_one(draft: Draft, wide: Node, small: Node) -> bool:
    """True for two convolutions of one tensor at the same places, whose results and constants nothing else reads."""
    if wide is small or (wide.op, small.op) != ("Conv", "Conv") or wide.inputs[0] != small.inputs[0]:
        return False
    if not all(draft.reads[key(each)] == 1 and all(map(draft.is_own, each.inputs[1:])) for each in (wide, small)):
        return False
    ways = [_places(draft, each) for each in (wide, small)]
    return ways[0] is not None and ways[0] == ways[1]


def _places(draft: Draft, node: Node) -> tuple[object, ...] | None:
    """Where a window is put and what it counts, if it is odd and is padded by halves."""
    shape = draft.constants[node.inputs[1]].shape
    window, given = shape[2:], node.attributes
    half = [size // 2 for size in window]
    plain = list(given.get("dilations", [1] * len(window))) == [1] * len(window)
    padded = list(given.get("pads", [0] * 2 * len(window))) == half * 2
    if not (plain and padded and all(size % 2 for size in window)) or given.get("auto_pad", "NOTSET") != "NOTSET":
        return None
    return tuple(given.get("strides", [1] * len(window))), given.get("group", 1), shape[:2]


def _join(draft: Draft, node: Node, wide: Node, small: Node, name: str) -> None:
    """One convolution under the name of the sum."""
    large, inner = (draft.constants[each.inputs[1]] for each in (wide, small))
    if any(a < b for a, b in zip(large.shape, inner.shape, strict=True)):
        return
    around = [((a - b) // 2,) * 2 for a, b in zip(large.shape, inner.shape, strict=True)]
    draft.set(wide.inputs[1], large + np.pad(inner, around))
    bias: NDArray[np.float32] = np.zeros(len(large), np.float32)
    for each in (wide, small):
        bias = bias + (draft.constants[each.inputs[2]] if len(each.inputs) > 2 else np.float32(0))
    draft.set(name, bias)
    for each in (wide, small):
        draft.nodes.pop(key(each))
    draft.nodes[key(node)] = replace(wide, inputs=(*wide.inputs[:2], name), outputs=node.outputs)


TRANSFORMS = {"absorb": absorb}
