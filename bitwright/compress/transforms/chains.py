# SPDX-License-Identifier: Apache-2.0
"""Chains from a layer that makes channels to the next one that reads them, through what takes each channel by itself.

Everything between them is positively homogeneous: a channel times a positive number comes out times that number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.operators import MATRIX
from bitwright.compress.sites import key
from bitwright.reading.model import Node

Array = NDArray[Any]
WINDOWED = frozenset(("Conv", "ConvTranspose"))
PLAIN = frozenset("AveragePool Dropout GlobalAveragePool GlobalMaxPool Identity LeakyRelu MaxPool Relu".split())
"""Take each channel by itself, and have no constant of their own."""
WITH_CONSTANT = frozenset(("Add", "PRelu"))
"""The same, with a constant of a number for each channel, or one for all."""
FLATTENING = frozenset(("Flatten", "Reshape"))
"""From (samples, channels, ...) to (samples, features): each channel becomes neighbours."""


@dataclass(frozen=True)
class Chain:
    """The names of the layers at both ends, and of the nodes between them, in order; depthwise layers may be inside."""

    maker: str
    inner: tuple[str, ...]
    reader: str


class Draft:
    """A float network while it is rewritten: nodes by their keys, constants by their names."""

    def __init__(self, net: FloatNet) -> None:
        self.net = net
        self.nodes = {key(node): node for node in net.nodes}
        self.constants: dict[str, Array] = dict(net.constants)
        self.layers = {layer.name: layer for layer in net.layers}
        self.reads = Counter([*net.outputs, *(name for node in net.nodes for name in node.inputs)])

    def done(self) -> FloatNet:
        """The network as it is now, without constants that nothing reads."""
        read = {name for node in self.nodes.values() for name in node.inputs}.union(self.net.outputs)
        constants = {name: array for name, array in self.constants.items() if name in read}
        for array in constants.values():
            array.flags.writeable = False
        return replace(self.net, nodes=tuple(self.nodes.values()), constants=constants)

    def set(self, name: str, array: Array) -> None:
        """Another value for a constant."""
        self.constants[name] = np.ascontiguousarray(array, dtype=np.float32)

    def is_own(self, name: str) -> bool:
        """True for a constant that one node alone reads."""
        return name in self.net.constants and self.reads[name] == 1

    def chains(self, through_depthwise: bool) -> Iterator[Chain]:
        """All chains, by their readers in order; those that pass depthwise layers, or end at each."""
        for layer in self.layers.values():
            if not (through_depthwise and is_depthwise(self, layer)):
                chain = self._chain(layer, through_depthwise)
                if chain is not None and _fits(self, chain):
                    yield chain

    def _chain(self, reader: Layer, through_depthwise: bool) -> Chain | None:
        """What leads to a layer from the one before it."""
        inner: list[str] = []
        tensor = reader.source
        while tensor in self.nodes and self.reads[tensor] == 1:
            node = self.nodes[tensor]
            if node.op in MATRIX and not (through_depthwise and is_depthwise(self, self.layers[tensor])):
                return Chain(tensor, tuple(reversed(inner)), reader.name)
            if node.op not in MATRIX | PLAIN | WITH_CONSTANT | FLATTENING:
                return None
            inner.append(tensor)
            tensor = next(name for name in node.inputs if name not in self.constants)
        return None

    def channels(self, layer: Layer) -> int:
        """How many channels a layer makes."""
        return int(self.constants[layer.weight].shape[layer.axis])

    def per_channel(self, node: Node, maker: Layer) -> list[tuple[str, int]]:
        """The constant of a node inside a chain that holds a number for each channel, and the axis that counts them."""
        if node.op not in WITH_CONSTANT:
            return []
        (name,) = (name for name in node.inputs if name in self.constants)
        array = self.constants[name]
        axis = 1 - self.constants[maker.weight].ndim if maker.op in WINDOWED else -1
        return [(name, axis)] if array.ndim >= -axis and array.shape[axis] > 1 else []


def is_depthwise(draft: Draft, layer: Layer | None) -> bool:
    """True for a convolution that makes one channel of each."""
    return layer is not None and layer.op == "Conv" and layer.groups > 1 and draft.channels(layer) == layer.groups


def _fits(draft: Draft, chain: Chain) -> bool:
    """True if every channel that is made is a block of the reader's columns, and all constants are the chain's own."""
    maker, reader = draft.layers[chain.maker], draft.layers[chain.reader]
    layers = [maker, *(draft.layers[name] for name in chain.inner if name in draft.layers), reader]
    if not all(_is_plain(draft, layer) for layer in layers) or not all(
        layer.groups == 1 or is_depthwise(draft, layer) for layer in (maker, reader)
    ):
        return False
    return _keeps_channels(draft, chain, maker, reader) and all(_has_own(draft, name, maker) for name in chain.inner)


def _is_plain(draft: Draft, layer: Layer) -> bool:
    """True for a layer of two axes or a window, whose constants nothing else reads."""
    given = [name for name in draft.nodes[layer.name].inputs[1:] if name]
    if draft.nodes[layer.name].attributes.get("transA", 0) or not all(map(draft.is_own, given)):
        return False
    array = draft.constants[layer.weight]
    if layer.op == "Gemm" and len(given) > 1 and draft.constants[given[1]].size != array.shape[layer.axis]:
        return False
    if layer.op == "ConvTranspose":
        return int(draft.nodes[layer.name].attributes.get("group", 1)) == 1
    return layer.op == "Conv" or array.ndim == 2


def _keeps_channels(draft: Draft, chain: Chain, maker: Layer, reader: Layer) -> bool:
    """True if the channels stay on their axis, or become blocks of a flattened one."""
    inner = [draft.nodes[name] for name in chain.inner]
    at = [place for place, node in enumerate(inner) if node.op in FLATTENING]
    ends = maker.op in WINDOWED, reader.op in WINDOWED
    if ends != (True, False):
        return not at and ends[0] == ends[1] and len(columns(draft, reader)) == draft.channels(maker)
    return len(at) == 1 and _flattens(draft, inner[at[0]]) and PLAIN.issuperset(node.op for node in inner[at[0] + 1 :])


def _flattens(draft: Draft, node: Node) -> bool:
    """True for a node that makes a row of each sample."""
    if node.op == "Flatten":
        return int(node.attributes.get("axis", 1)) == 1
    return draft.constants.get(node.inputs[1], np.zeros(0)).size == 2


def _has_own(draft: Draft, name: str, maker: Layer) -> bool:
    """True if all that a node inside a chain has for the channels is its own, and a number for each of them."""
    node = draft.nodes[name]
    if node.op not in WITH_CONSTANT:
        return True
    given = [other for other in node.inputs if other in draft.constants]
    if len(given) != 1 or not draft.is_own(given[0]):
        return False
    held = draft.per_channel(node, maker)
    return draft.constants[given[0]].size == (draft.channels(maker) if held else 1)


def columns(draft: Draft, layer: Layer) -> Array:
    """The weight of a layer with what it reads in front: a view of a column for each input channel or feature."""
    weight = draft.constants[layer.weight]
    return np.moveaxis(weight, column_axis(draft, layer), 0)


def column_axis(draft: Draft, layer: Layer) -> int:
    """The axis of a weight that counts what the layer reads; that of its channels where it is depthwise."""
    if is_depthwise(draft, layer):
        return 0
    return 1 - layer.axis
