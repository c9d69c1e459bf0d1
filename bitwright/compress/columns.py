# SPDX-License-Identifier: Apache-2.0
"""A layer as products of matrices: its weight (groups, outputs, terms), its inputs as columns (groups, terms, n)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.operators import conv_transpose, windows
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.sites import key
from bitwright.reading.model import Node

Array = NDArray[Any]


def views(net: FloatNet) -> dict[str, View]:
    """The layers of a network by their names."""
    nodes = {key(node): node for node in net.nodes}
    readers: dict[str, list[str]] = {}
    for node in net.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node.op)
    rectified = {name for name, ops in readers.items() if set(ops) == {"Relu"}}.difference(net.outputs)
    return {
        layer.name: View(nodes[layer.name], layer, net.constants[layer.weight], layer.name in rectified)
        for layer in net.layers
    }


@dataclass(frozen=True, eq=False)
class View:
    """One layer of a float network: `rows(weight) @ columns(x, all)` is what it makes, but for bias and factors.

    Convolutions have a group for each of theirs, products of stacks of matrices one for each matrix.
    """

    node: Node
    layer: Layer
    weight: Array
    rectified: bool
    """True if all that reads the layer is a Relu."""

    @cached_property
    def _places(self) -> Array:
        """Where each entry of the matrices lies in the weight."""
        shape, groups = self.weight.shape, int(self.node.attributes.get("group", 1))
        places = np.arange(self.weight.size).reshape(shape)
        match self.layer.op:
            case "Conv":
                return places.reshape(groups, shape[0] // groups, -1)
            case "ConvTranspose":
                return (
                    places.reshape(groups, shape[0] // groups, shape[1], -1)
                    .swapaxes(1, 2)
                    .reshape(groups, shape[1], -1)
                )
            case _:
                return np.moveaxis(places, self.layer.axis, -2).reshape(-1, *self._matrix)

    @property
    def _matrix(self) -> tuple[int, int]:
        """Outputs and terms of a matrix of a dense layer."""
        outputs = self.weight.shape[self.layer.axis]
        return outputs, prod(self.weight.shape[-2:]) // outputs

    @property
    def shape(self) -> tuple[int, int, int]:
        """Groups, outputs of each, terms of an output."""
        groups, outputs, terms = self._places.shape
        return groups, outputs, terms

    def rows(self, array: Array) -> Array:
        """What broadcasts against the weight, as (groups, outputs, terms)."""
        return np.asarray(np.broadcast_to(array, self.weight.shape).reshape(-1)[self._places])

    def array(self, rows: Array) -> Array:
        """(groups, outputs, terms) in the shape of the weight."""
        flat = np.empty(self.weight.size, rows.dtype)
        flat[self._places] = rows
        return flat.reshape(self.weight.shape)

    def offset(self, constants: Mapping[str, Array]) -> Array:
        """What is added to the products, in their unit, (groups, outputs, 1)."""
        groups, outputs, _ = self.shape
        alpha, beta = (np.float32(self.node.attributes.get(name, 1)) for name in ("alpha", "beta"))
        bias = constants[self.layer.bias] if self.layer.bias else np.zeros(1, np.float32)
        channels = np.broadcast_to(bias.reshape(-1, bias.shape[-1] if bias.ndim else 1)[0], groups * outputs)
        return (channels * beta / alpha).reshape(groups, outputs, 1)

    def per_channel(self, means: Array) -> Array:
        """Means of the products (groups, outputs) as those of the layer's channels, in the unit of its output."""
        factor = np.float32(self.node.attributes.get("alpha", 1))
        convolved = self.layer.op in ("Conv", "ConvTranspose")
        return np.asarray(factor * (means.reshape(-1) if convolved else means.mean(axis=0)))

    @property
    def channel_axis(self) -> int:
        """The axis of the layer's output that counts its channels."""
        return 1 if self.layer.op in ("Conv", "ConvTranspose") else -1

    def count(self, x: Array) -> int:
        """How many columns an input holds."""
        match self.layer.op:
            case "Conv":
                fields = windows(self.node.attributes, x, self.weight.shape[2:])
                return prod((len(x), *fields.shape[2 : x.ndim]))
            case "ConvTranspose":
                return prod((len(x), *self._overlaps(x[:1, :1]).shape[2:]))
            case _:
                return prod(self._stacked(x).shape[1:-1])

    def columns(self, x: Array, picked: Array) -> Array:
        """Some columns of an input, by their places among all of them, as float32."""
        groups, _, terms = self.shape
        match self.layer.op:
            case "Conv":
                fields = windows(self.node.attributes, x, self.weight.shape[2:])
                found = _at(np.moveaxis(fields, 1, x.ndim - 1), picked, x.ndim - 1)
            case "ConvTranspose":
                found = _at(np.moveaxis(self._overlaps(x), 1, -1), picked, x.ndim - 1)
            case _:
                stacked = self._stacked(x)
                found = stacked.reshape(groups, -1, terms)[:, picked].swapaxes(0, 1)
        found = found.reshape(len(picked), groups, terms).transpose(1, 2, 0)
        return np.ascontiguousarray(found, dtype=np.float32)

    def _overlaps(self, x: Array) -> Array:
        """What each output of a transposed convolution adds up: (n, channels * taps, out...)."""
        taps = prod(self.weight.shape[2:])
        ones = np.eye(taps, dtype=np.float32).reshape(1, taps, *self.weight.shape[2:])
        single = {name: value for name, value in self.node.attributes.items() if name != "group"}
        made = conv_transpose(single, x.reshape(-1, 1, *x.shape[2:]), ones, multiply=np.matmul)
        return made.reshape(len(x), x.shape[1] * taps, *made.shape[2:])

    def _stacked(self, x: Array) -> Array:
        """The rows of a dense layer's input, (matrices, n..., terms)."""
        if self.layer.op == "Gemm":
            return (x.T if self.node.attributes.get("transA", 0) else x)[None]
        lead = self.weight.shape[:-2]
        x = x.reshape(1, -1) if x.ndim == 1 else x
        spread = np.broadcast_to(x, (*np.broadcast_shapes(x.shape[:-2], lead), *x.shape[-2:]))
        axes = [spread.ndim - 2 - len(lead) + i for i, size in enumerate(lead) if size > 1]
        moved = np.moveaxis(spread, axes, range(len(axes)))
        return moved.reshape(prod(lead), *moved.shape[len(axes) :])


def _at(fields: Array, picked: Array, axes: int) -> Array:
    """What lies at places among all of the first axes."""
    return np.asarray(fields[np.unravel_index(picked, fields.shape[:axes])])
