# SPDX-License-Identifier: Apache-2.0
"""Biases in whole steps of the accumulators that they are added to, wherever a network has them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.operators import moves
from bitwright.compress.sites import Edge, key
from bitwright.frontend.scales import unit
from bitwright.frontend.values import Const, fractions
from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Node

Array = NDArray[Any]
HINT = "give it a quantiser, or the network free scales"
WIDEST = 62
"""Bits of the codes of a bias."""


class Grid:
    """The accumulators of a network: what one step of each stands for."""

    def __init__(
        self, net: FloatNet, weights: Mapping[str, tuple[Coded, ...]], quantisers: Mapping[Edge, ActQuant]
    ) -> None:
        self.net, self.weights, self.quantisers = net, weights, quantisers
        self.makers = {name: node for node in net.nodes for name in node.outputs}

    def step(self, layer: Layer) -> Array:
        """The real value of one step for each output of a layer, or for all of them, before any factor alpha."""
        inputs = self._scales(Edge(layer.name, 0))
        bases = [fractions(coded.scale.reshape(-1)) for coded in self.weights[layer.weight]]
        size = max(len(scales) for scales in bases)
        rows = zip(*(np.broadcast_to(scales, size) for scales in bases), strict=True)
        steps = np.array([unit([x * w for x in inputs for w in row]) for row in rows], dtype=object)
        shared = layer.op == "ConvTranspose" and size > 1  # by its groups, each of which has as many outputs
        return np.tile(steps, int(self.makers[layer.name].attributes.get("group", 1))) if shared else steps

    def _scales(self, edge: Edge) -> list[Fraction]:
        """Those of the integers that are read at an edge."""
        source = source_of(self.makers, self.quantisers, edge)
        if source is None:
            return [Fraction(1)]
        return list(dict.fromkeys(fractions(self.quantisers[source].scale.reshape(-1))))

    def nearest(self, layer: Layer, bias: Array, shift: Array) -> Array:
        """The shift after which a bias, or what is added in its place, is the nearest number of whole steps."""
        alpha, _ = factors(self.makers[layer.name])
        step = self.step(layer).astype(np.float64) * float(alpha)
        return np.asarray(np.rint((bias + shift) / step) * step - bias)

    def codes(self, bias: Array, step: Array, where: str) -> Const:
        """A constant as the nearest whole steps of what it is added to."""
        wide = step.astype(np.float64)
        codes = np.rint(bias / wide)
        if np.abs(codes).max(initial=0) >= 2.0**WIDEST or (fractions(wide) != step).any():
            raise BitwrightError(
                "is too fine a grid for its bias",
                where=f"{self.net.file}: {where}",
                hint="use one scale for the activation that the layer reads",
            )
        whole = codes.astype(np.int64)
        return Const((whole * wide).astype(np.float32), whole, wide, np.zeros(()))


def source_of(makers: Mapping[str, Node], quantised: Container[Edge], edge: Edge) -> Edge | None:
    """The edge, at or before another, whose quantiser makes what is read there; None for an input of integers."""
    while edge not in quantised:
        maker = makers.get(makers[edge.reader].inputs[edge.position])
        if maker is None:
            return None
        if not (moves(maker) or maker.op == "Cast"):
            raise maker.error("stays in float, so that the layer behind it has no grid", HINT)
        edge = Edge(key(maker), 0)
    return edge


def grid_of(net: FloatNet, weights: Mapping[str, tuple[Coded, ...]], acts: Mapping[str, ActQuant]) -> Grid:
    """The accumulators of a network whose tensors have quantisers by their names."""
    sites = (site for site in net.sites if site.tensor in acts)
    return Grid(net, weights, {edge: acts[site.tensor] for site in sites for edge in site.edges})


def factors(node: Node) -> tuple[Fraction, Fraction]:
    """Alpha and beta of a Gemm, 1 for other layers."""
    alpha, beta = (Fraction(float(np.float32(node.attributes.get(name, 1)))) for name in ("alpha", "beta"))
    return alpha, beta


def plain(node: Node) -> Node:
    """The layer without factors."""
    kept = {name: value for name, value in node.attributes.items() if name not in ("alpha", "beta")}
    return replace(node, attributes=kept)


def added(net: FloatNet, layer: Layer) -> Sequence[Edge]:
    """Where constants are added to what a layer makes, or it is taken from them, by nodes of their own."""
    found, sums = [], {layer.name}
    for node in net.nodes:
        places = [place for place, name in enumerate(node.inputs[:2]) if name in sums]
        if node.op in ("Add", "Sub") and len(places) == 1 and node.inputs[1 - places[0]] in net.constants:
            found.append(Edge(key(node), 1 - places[0]))
            sums.add(key(node))
    return found


def laid(layer: Layer, step: Array, rank: int) -> Array:
    """One number for each output in the shape that broadcasts against a constant of `rank` axes beside the layer's."""
    return step.reshape(-1, *[1] * behind(layer, rank))


def behind(layer: Layer, rank: int) -> int:
    """How many axes of a constant of `rank` axes are behind that of the layer's outputs."""
    return max(rank - 2, 0) if layer.op in ("Conv", "ConvTranspose") else 0
