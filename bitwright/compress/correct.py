# SPDX-License-Identifier: Apache-2.0
"""What quantising shifted is put back: one function of each layer's means for each correction, in `CORRECTIONS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, fresh_names
from bitwright.compress.sites import key
from bitwright.reading.model import Node

Array = NDArray[Any]
Correction = Callable[[Array, Array], Array]
"""(each channel's mean in the float network, in the quantised one) -> what is added to each channel's bias."""


def bias(wanted: Array, made: Array) -> Array:
    """What makes the means of each channel equal.

    Banner, Nahshan, Soudry: "Post training 4-bit quantization of convolutional networks for rapid-deployment", NeurIPS
    2019, arXiv 1810.05723; R012.
    """
    return wanted - made


CORRECTIONS: Mapping[str, Correction | None] = {"none": None, "bias": bias}
"""The corrections by their name on the command line."""


def with_biases(net: FloatNet, shifts: Mapping[str, Array]) -> FloatNet:
    """The network, a number more on every channel of the layers that `shifts` names.

    A layer with a constant bias, its own or that of the Add behind it, gets another; one without gets a bias.
    """
    biased = _Biased(net)
    nodes: dict[str, tuple[Node, ...]] = {key(node): (node,) for node in net.nodes}
    for node in net.nodes:
        if key(node) in shifts:
            nodes |= biased.shifted(node, shifts[key(node)].astype(np.float32))
    return replace(net, nodes=tuple(chain(*nodes.values())), constants=biased.constants)


def held(net: FloatNet, node: Node) -> Array:
    """What a shift of a layer's output is added to, in the unit of that output: its bias, that behind it, or zero."""
    return _Biased(net).held(node)


class _Biased:
    """A network's constants while biases change: what one node alone reads keeps its name."""

    def __init__(self, net: FloatNet) -> None:
        self.constants = dict(net.constants)
        self._fresh = fresh_names(net)
        self._outputs = frozenset(net.outputs)
        self._readers: dict[str, list[Node]] = {}
        for node in net.nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def shifted(self, node: Node, shift: Array) -> dict[str, tuple[Node, ...]]:
        """The nodes that add `shift` to the output of `node`, by the key of the node they replace."""
        if self._is_own(node):
            given, factor = self._given(node), np.float32(node.attributes.get("beta", 1))
            old = self.constants.get(given, np.zeros(len(shift), np.float32))
            return {key(node): (self._with(node, 2, given, old + shift / factor),)}
        after = self._sum_behind(node)
        if after is None:
            return {key(node): self._sum(node, shift)}
        position = 1 - after.inputs.index(key(node))
        given = after.inputs[position]
        return {key(after): (self._with(after, position, given, self.constants[given] + shift),)}

    def held(self, node: Node) -> Array:
        """What `shifted` would add to, in the unit of the output."""
        if self._is_own(node):
            given, factor = self._given(node), np.float32(node.attributes.get("beta", 1))
            return np.asarray(self.constants[given] * factor) if given else np.zeros(1)
        after = self._sum_behind(node)
        return np.zeros(1) if after is None else self.constants[after.inputs[1 - after.inputs.index(key(node))]]

    def _given(self, node: Node) -> str:
        return node.inputs[2] if len(node.inputs) > 2 else ""

    def _is_own(self, node: Node) -> bool:
        """True if a bias of the node itself can be changed."""
        factor = np.float32(node.attributes.get("beta", 1))
        return bool(node.op != "MatMul" and factor and self._given(node) in ("", *self.constants))

    def _sum_behind(self, node: Node) -> Node | None:
        """The node that adds a constant, the same for every row, to a product, and alone reads it."""
        name = key(node)
        readers = self._readers.get(name, [])
        if node.op != "MatMul" or name in self._outputs or [reader.op for reader in readers] != ["Add"]:
            return None
        others = [self.constants.get(other) for other in readers[0].inputs if other != name]
        return readers[0] if len(others) == 1 and others[0] is not None and others[0].ndim <= 1 else None

    def _with(self, node: Node, position: int, old: str, array: Array) -> Node:
        """The node with another constant at an input."""
        name = old if old and len(self._readers[old]) == 1 else self._fresh(f"{key(node)}_bias")
        self._keep(name, array)
        inputs = [*node.inputs, *[""] * (position + 1 - len(node.inputs))]
        inputs[position] = name
        return replace(node, inputs=tuple(inputs))

    def _sum(self, node: Node, shift: Array) -> tuple[Node, ...]:
        """The node, and one behind it that adds the shift."""
        name, made, given = key(node), self._fresh(f"{key(node)}_product"), self._fresh(f"{key(node)}_bias")
        spatial = [1] * (self.constants[node.inputs[1]].ndim - 2 if node.op.startswith("Conv") else 0)
        self._keep(given, shift.reshape(-1, *spatial))
        added = Node(self._fresh(f"{node.name}_bias"), "Add", node.domain, (made, given), (name,), {}, node.file)
        return replace(node, outputs=(made, *node.outputs[1:])), added

    def _keep(self, name: str, array: Array) -> None:
        self.constants[name] = np.asarray(array, dtype=np.float32)
        self.constants[name].flags.writeable = False
