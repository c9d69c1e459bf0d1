# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation put into the weights and the bias of the layer in front of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, Layer, fresh_names
from bitwright.compress.sites import key
from bitwright.compress.transforms.chains import Draft
from bitwright.reading.model import Node

Array = NDArray[Any]


def fuse(net: FloatNet) -> FloatNet:
    """The network without the batch normalisations that stand behind a layer with weights and alone read it.

    Jacob et al.: "Quantization and training of neural networks for efficient integer-arithmetic-only inference", CVPR
    2018, section 3.2; R013. Where they stay, they are exact in the requantiser; other rewrites need them gone.
    """
    draft = Draft(net)
    fresh = fresh_names(net)
    for node in net.nodes:
        layer = draft.layers.get(node.inputs[0]) if node.op == "BatchNormalization" else None
        if layer is not None and _foldable(draft, layer, node):
            name = layer.bias or fresh(f"{layer.name}_bias")
            _folded(draft, layer, node, name)
    return draft.done()


def _foldable(draft: Draft, layer: Layer, node: Node) -> bool:
    """True if a normalisation is all that reads the layer, and the layer's constants are its own."""
    maker = draft.nodes[layer.name]
    given = [name for name in maker.inputs[1:] if name]
    known = all(name in draft.constants for name in node.inputs[1:]) and len(list(filter(None, node.outputs))) == 1
    return known and draft.reads[layer.name] == 1 and all(map(draft.is_own, given)) and _is_plain(maker)


def _is_plain(maker: Node) -> bool:
    """True for a layer whose channels are those of a normalisation, with no factors of its own."""
    match maker.op:
        case "Conv":
            return True
        case "ConvTranspose":
            return int(maker.attributes.get("group", 1)) == 1
        case "Gemm":
            return (maker.attributes.get("alpha", 1), maker.attributes.get("beta", 1)) == (1, 1)
        case _:
            return False


def _folded(draft: Draft, layer: Layer, node: Node, name: str) -> None:
    """The layer with the normalisation's factors in its weight, under the name of what the normalisation made."""
    gamma, beta, mean, variance = (draft.constants[given].astype(np.float64) for given in node.inputs[1:5])
    factors = gamma / np.sqrt(variance + float(node.attributes.get("epsilon", 1e-5)))
    weight = draft.constants[layer.weight]
    bias = draft.constants.get(name, np.zeros(len(factors), np.float32))
    draft.set(layer.weight, weight * layer.along(factors, weight))
    draft.set(name, (bias - mean) * factors + beta)
    made = draft.nodes.pop(layer.name)
    inputs = (*made.inputs[:2], name)
    draft.nodes[key(node)] = replace(made, inputs=inputs, outputs=node.outputs)


TRANSFORMS = {"fuse": fuse}
