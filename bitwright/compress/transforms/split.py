# SPDX-License-Identifier: Apache-2.0
"""A layer as the sum of two: one has the outliers, the other what is left, in a smaller range."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, Layer, fresh_names
from bitwright.compress.sites import key
from bitwright.compress.transforms.chains import FLATTENING, Draft
from bitwright.reading.model import Node

Array = NDArray[Any]
SHARE = 0.03
"""Of a layer's weights that are outliers."""


def split_layers(net: FloatNet) -> FloatNet:
    """The network whose layers are sums of two: the three in a hundred largest weights, and all others.

    Outlier-aware quantisation (Park, Kim, Yoo: "Energy-efficient neural network accelerator based on outlier-aware
    low-precision computation", ISCA 2018; R019). Every weight is in one of the two as it was, so that the function is
    the same but for the order of sums; a config may give the outliers more bits. Layers behind a flattening stay.
    """
    draft, fresh = Draft(net), fresh_names(net)
    nodes: list[Node] = []
    for node in net.nodes:
        layer = draft.layers.get(key(node))
        weight = net.constants[layer.weight] if layer is not None else np.zeros(0)
        if layer is None or not _can_be_two(draft, node, layer):
            nodes.append(node)
            continue
        large = outliers(weight)
        draft.set(layer.weight, np.where(large, 0, weight))
        name, inner, other = (fresh(f"{layer.name}_{part}") for part in ("outliers", "inner", "few"))
        draft.set(name, np.where(large, weight, 0))
        nodes.append(replace(node, outputs=(inner,)))
        nodes.append(replace(node, name=fresh(f"{node.name}_few"), inputs=(node.inputs[0], name), outputs=(other,)))
        added = fresh(f"{node.name}_sum")
        nodes.append(Node(added, "Add", "", (inner, other), node.outputs, {}, node.file))
    draft.nodes = {key(node): node for node in nodes}
    return draft.done()


def outliers(weight: Array) -> Array:
    """Where the largest weights are."""
    count = int(SHARE * weight.size)
    found = np.zeros(weight.size, np.bool_)
    found[np.argsort(-np.abs(weight).ravel(), kind="stable")[:count]] = True
    return found.reshape(weight.shape)


def _can_be_two(draft: Draft, node: Node, layer: Layer) -> bool:
    """True for a layer whose weight is its own, without factors; what re-lays a tensor has one reader."""
    maker = draft.nodes.get(node.inputs[0])
    factors = (node.attributes.get("alpha", 1), node.attributes.get("beta", 1))
    return draft.is_own(layer.weight) and factors == (1, 1) and (maker is None or maker.op not in FLATTENING)


TRANSFORMS = {"outliers": split_layers}
