# SPDX-License-Identifier: Apache-2.0
"""What each weight and each tensor becomes: width, kind of scale, range, rounding, zero point; from options alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwright.compress.network import FloatNet
from bitwright.compress.operators import moves
from bitwright.compress.options import Options
from bitwright.compress.sites import Site, key
from bitwright.ir.types import IntType, integer
from bitwright.reading.model import Node

PADS = frozenset(("AveragePool", "Conv", "ConvTranspose"))
"""Operators whose padding is zeros."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChoice:
    """How a weight is quantised: bits, a scale for each output or one, keys of `RANGES`, `ROUNDINGS` and `SCALES`."""

    bits: int
    per_channel: bool
    range: str
    rounding: str
    scale: str

    @property
    def type(self) -> IntType:
        """The type of the codes, which are as many below zero as above."""
        return integer(self.bits, signed=True, narrow=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActChoice:
    """How a tensor is quantised; `unsigned` if nothing of it is below zero, `padded` if zero must be one of the codes.

    `zero` says whether there is a zero point: where it saves at least half a bit ("auto"), "always" or "never".
    """

    bits: int
    range: str
    scale: str
    zero: str
    unsigned: bool
    padded: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The choice for each weight, and for each quantised tensor, by their names."""

    weights: Mapping[str, WeightChoice]
    acts: Mapping[str, ActChoice]


def choose(net: FloatNet, unsigned: frozenset[str], options: Options) -> Choices:
    """The same for all; `unsigned` are the tensors of which nothing is below zero on the data."""
    weight = WeightChoice(
        bits=options.weights,
        per_channel=options.per_channel,
        range=options.range,
        rounding=options.rounding,
        scale=options.scale,
    )
    acts = {
        site.tensor: ActChoice(
            bits=options.activations,
            range=options.range,
            scale=options.scale,
            zero=options.zero,
            unsigned=site.non_negative or site.tensor in unsigned,
            padded=is_padded(net, site),
        )
        for site in net.sites
    }
    return Choices({layer.weight: weight for layer in net.layers}, acts)


def is_padded(net: FloatNet, site: Site) -> bool:
    """True if zeros are put beside the codes of a tensor, at once or behind what only moves them."""
    readers: dict[str, list[Node]] = {}
    for node in net.nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    makers = {key(node): node for node in net.nodes}
    waiting = [makers[edge.reader] for edge in site.edges]
    while waiting:
        node = waiting.pop()
        if _pads(node):
            return True
        if moves(node):
            waiting += [reader for name in node.outputs for reader in readers.get(name, [])]
    return False


def _pads(node: Node) -> bool:
    if node.op == "Pad":
        return True
    same = str(node.attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID")
    return node.op in PADS and (node.op == "ConvTranspose" or same or any(node.attributes.get("pads") or []))
