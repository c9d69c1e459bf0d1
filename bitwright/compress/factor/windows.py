# SPDX-License-Identifier: Apache-2.0
"""Dense layers whose stages have windows: they read what they did as an image of one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.factor.stages import Stage
from bitwright.compress.network import FloatNet, fresh_names
from bitwright.compress.sites import key
from bitwright.reading.inference import infer
from bitwright.reading.model import Node

Stages = Mapping[str, Sequence[Stage]]
IMAGE = 4
"""Axes of an image, or of the weight that reads one."""


def as_windows(net: FloatNet, stages: Stages) -> tuple[FloatNet, Stages]:
    """The network in which such layers are convolutions, and the stages by the names that these have.

    A dense layer of more than one row a sample, or whose bias is no constant, stays as it is.
    """
    kinds, fresh = infer(net.model).kinds, fresh_names(net)
    constants, nodes, found = dict(net.constants), list[Node](), dict[str, Sequence[Stage]]()
    for node in net.nodes:
        parts = stages.get(key(node), ())
        dense = bool(parts) and node.op != "Conv" and parts[0].weight.ndim == IMAGE
        if dense and len(kinds[node.inputs[0]].shape) == 2 and constants.keys() >= set(node.inputs[2:]):
            inner = _Image(node, parts, fresh)
            nodes += inner.nodes(constants)
            found[inner.made] = parts
        else:
            nodes.append(node)
            found |= {key(node): parts} if parts and not dense else {}
    return replace(net, nodes=tuple(nodes), constants=constants), found


class _Image:
    """A dense layer as a convolution between two changes of shape."""

    def __init__(self, node: Node, parts: Sequence[Stage], fresh: Any) -> None:
        self.node, self.fresh = node, fresh
        self.read, self.made = fresh(f"{node.inputs[0]}_image"), fresh(f"{node.outputs[0]}_image")
        self.shape = (parts[0].weight.shape[1], 1, parts[-1].weight.shape[3])
        self.outputs = len(parts[-1].weight)

    def nodes(self, constants: dict[str, NDArray[Any]]) -> list[Node]:
        """They, whose constants are put beside the others."""
        node = self.node
        bias = [
            self._held(constants, "bias", np.broadcast_to(constants[name], self.outputs).ravel())
            for name in node.inputs[2:3]
        ]
        sizes = [
            self._held(constants, "sizes", np.array(shape, np.int64)) for shape in ((0, *self.shape), (0, self.outputs))
        ]
        attributes = {"kernel_shape": [1, self.shape[2]]}
        named = self.fresh(f"{node.name}_image")
        layer = replace(
            node, op="Conv", inputs=(self.read, node.inputs[1], *bias), outputs=(self.made,), attributes=attributes
        )
        ends = [
            replace(node, name=self.fresh(named), op="Reshape", inputs=(source, size), outputs=(target,), attributes={})
            for source, size, target in zip(
                (node.inputs[0], self.made), sizes, (self.read, node.outputs[0]), strict=True
            )
        ]
        return [ends[0], layer, ends[1]]

    def _held(self, constants: dict[str, NDArray[Any]], what: str, array: NDArray[Any]) -> str:
        name: str = self.fresh(f"{self.node.outputs[0]}_{what}")
        constants[name] = np.ascontiguousarray(array)
        constants[name].flags.writeable = False
        return name
