# SPDX-License-Identifier: Apache-2.0
"""Biases in whole steps of their accumulators while a network is trained, where its scales are powers of two."""

from __future__ import annotations

from collections.abc import Container
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor

from bitwright.compress.grid import added, behind, factors, source_of
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.sites import Edge
from bitwright.compress.torch.ste import round_ste

WHOLE = 1 << 24
"""By which the mantissa of a float32 number is whole."""


class Place(NamedTuple):
    """A constant that is added to the sums of a layer: the layer, and the axes behind that of the channels.

    The layer reads what a quantiser makes at `source`, or integers.
    """

    layer: Layer
    source: Edge | None
    behind: int


def places(net: FloatNet, quantised: Container[Edge]) -> dict[Edge, Place]:
    """Where constants are added to sums, by the edges that read them: the same places where an export rounds them."""
    makers = {name: node for node in net.nodes for name in node.outputs}
    found = {}
    for layer in net.layers:
        alpha, _ = factors(makers[layer.name])
        edges = list(added(net, layer)) if alpha == 1 else []
        source = source_of(makers, quantised, Edge(layer.name, 0)) if edges or layer.bias else None
        for edge in edges:
            array = net.constants[makers[edge.reader].inputs[edge.position]]
            rank = max(array.ndim, net.constants[layer.weight].ndim)
            found[edge] = Place(layer, source, behind(layer, rank))
        if layer.bias is not None:
            found[Edge(layer.name, 2)] = Place(layer, source, behind(layer, net.constants[layer.bias].ndim))
    return found


def on_grid(bias: Tensor, place: Place, groups: int, scale: Tensor, weights: list[Tensor]) -> Tensor:
    """A bias in whole steps: those of the sums of codes of `scale` times codes of the scales of a weight's bases."""
    rows = [each.detach().movedim(place.layer.axis, 0).flatten(1) for each in weights]
    many = max(len(each) for each in rows)
    step = (_unit(torch.cat([each.expand(many, -1) for each in rows], dim=1)) * scale.detach()).reshape(-1)
    if place.layer.op == "ConvTranspose" and len(step) > 1:
        step = step.tile(groups)
    step = step.reshape(-1, *[1] * place.behind)
    return round_ste(bias / step) * step


def _unit(scales: Tensor) -> Tensor:
    """The largest number of which all scales of a row are whole multiples: a power of two where they are."""
    power = (scales / torch.frexp(scales).mantissa).amin(dim=1, keepdim=True)
    whole = (scales / power * WHOLE).to(torch.int64)
    return reduce(torch.gcd, whole.unbind(1)).to(scales.dtype) * power.squeeze(1) / WHOLE
