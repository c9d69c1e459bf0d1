# SPDX-License-Identifier: Apache-2.0
"""From a quantised network to the integer graph: the frontend's handlers, given codes and quantisers, and no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.network import FloatNet, Layer, fresh_names
from bitwright.compress.sites import Edge, key
from bitwright.frontend.dialects.quantiser import Quantiser
from bitwright.frontend.lowering import lower_model
from bitwright.frontend.values import Const
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Rounding
from bitwright.ir.types import BIPOLAR
from bitwright.reading.model import Node

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"


class Quantised(Protocol):
    """What `encode` reads of a state."""

    @property
    def net(self) -> FloatNet:
        """The float network."""

    @property
    def weights(self) -> Mapping[str, tuple[Coded, ...]]:
        """The bases of each weight, by the weight's name."""

    @property
    def acts(self) -> Mapping[str, ActQuant]:
        """The quantiser of each tensor that has one."""

    @property
    def bias_grid(self) -> bool:
        """True if biases are whole steps of their accumulators."""


def encode(state: Quantised) -> Graph:
    """The graph of a quantised network: exactly the codes of its weights, biases and the rest as exact rationals."""
    net = state.net
    fresh = fresh_names(net)
    twins: dict[Edge, str] = {}
    coded: dict[str, str] = {}
    values: dict[str, Const] = {}
    quantisers = {}
    for site in net.sites:
        name = fresh(f"{site.tensor}_quant")
        node = Node(name, "Quant", QONNX, (site.tensor,), (name,), {}, net.file)
        quantisers[site.tensor] = node, _quantiser(state.acts[site.tensor])
        twins |= dict.fromkeys(site.edges, name)
    for layer in net.layers:
        name = twins[Edge(layer.name, 1)] = coded.get(layer.weight) or fresh(f"{layer.weight}_codes")
        if layer.weight not in coded:
            coded[layer.weight], values[name] = name, _weight(net, layer, state.weights[layer.weight])
        if state.bias_grid and layer.bias is not None:
            name = twins[Edge(layer.name, 2)] = fresh(f"{layer.name}_bias")
            values[name] = _bias(net, layer, layer.bias, state)
    model = replace(net.model, nodes=tuple(_reading_twins(node, twins) for node in net.nodes))
    return lower_model(model, values, quantisers)


def _reading_twins(node: Node, twins: Mapping[Edge, str]) -> Node:
    name = key(node)
    inputs = tuple(twins.get(Edge(name, position), tensor) for position, tensor in enumerate(node.inputs))
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _weight(net: FloatNet, layer: Layer, bases: tuple[Coded, ...]) -> Const:
    """The codes of a weight as the frontend has them."""
    if len(bases) != 1:
        raise BitwrightError(
            f"is a sum of {len(bases)} coded weights",
            where=f"{net.file}: weight '{layer.weight}'",
            hint="give one code for each weight; sums of several are not supported yet",
        )
    (coded,) = bases
    return Const(coded.value, coded.codes.astype(np.int64), coded.scale, np.zeros((), np.float32))


def _quantiser(given: ActQuant) -> Quantiser:
    low, high = np.array(given.type.lo), np.array(given.type.hi)
    rounding = Rounding.SIGN if given.type is BIPOLAR else Rounding.HALF_EVEN
    return Quantiser(given.scale, given.zero, 0, low, high, rounding)


def _bias(net: FloatNet, layer: Layer, bias: str, state: Quantised) -> Const:
    """A bias in whole steps of its accumulator: the product of the scales of what the layer multiplies."""
    makers = {name: node for node in net.nodes for name in node.outputs}
    node, tensor = makers[layer.name], layer.source
    if (node.attributes.get("alpha", 1), node.attributes.get("beta", 1)) != (1, 1):
        raise node.error("has factors alpha and beta beside a bias on the grid", "fold them into its constants")
    while tensor not in state.acts:  # a quantiser stands before what only moves its values
        tensor = makers[tensor].inputs[0]
    (coded,) = state.weights[layer.weight]
    step = state.acts[tensor].scale.reshape(-1).astype(np.float64) * coded.scale.reshape(-1)
    codes = np.rint(net.constants[bias] / step).astype(np.int64)
    return Const((codes * step).astype(np.float32), codes, step, np.zeros(()))
