# SPDX-License-Identifier: Apache-2.0
"""What a layer of the integer graph depends on, and what follows from widths alone: bits of weights, bit operations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

from bitwright.compress.allocate.tables import Amounts, Term
from bitwright.compress.network import FloatNet
from bitwright.compress.sites import key
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Matrix

Offered = Mapping[str, tuple[int, ...]]
"""The widths that weights and tensors can have; those that it does not know are fixed."""


OF_WIDTHS = ("weight_bits", "bops")
"""What needs no hardware to be known."""
Way = tuple[str, ...]
"""From the last quantiser before a layer to it: the weight on the way, and the tensor that it begins at, by name.

What has no choice of widths is left out.
"""


def ways_to(graph: Graph, net: FloatNet, offered: Offered) -> dict[str, tuple[Way, ...]]:
    """Of every layer of `graph` the ways to it; `graph` is what `encode` made of `net`."""
    layers = {layer.name for layer in net.layers}
    weights = {node.name: node.inputs[1] for node in net.nodes if key(node) in layers}
    tensors = {f"{site.tensor}_quant": site.tensor for site in net.sites}
    found: dict[str, list[Way]] = {}
    ends: dict[str, list[Way]] = {}
    for layer in (*graph.inputs, *graph.layers):
        weight = _first(layer, weights) if isinstance(layer, Matrix) else None
        found[layer.name] = _ways(layer, ends, weight)
        tensor = _first(layer, tensors)
        ends[layer.name] = found[layer.name] if tensor is None else [(tensor,)]
    return {name: tuple(dict.fromkeys(_kept(way, offered) for way in ways)) for name, ways in found.items()}


def _ways(layer: Layer, ends: Mapping[str, list[Way]], weight: str | None) -> list[Way]:
    """The ways to a layer by those that its operands end, with its own weight in place of others on them."""
    ways = [way for name in layer.inputs for way in ends[name]] or [()]
    return list(dict.fromkeys(ways if weight is None else [(weight, *way[-1:]) for way in ways]))


def _first(layer: Layer, names: Mapping[str, str]) -> str | None:
    """What stands for the last node of a layer that has a name for one."""
    return next((names[node] for node in reversed(layer.source) if node in names), None)


def _kept(way: Way, offered: Offered) -> Way:
    return tuple(name for name in way if name in offered)


def combinations(names: Way, offered: Offered) -> Iterator[tuple[int, ...]]:
    """All widths that some names can have together."""
    return product(*(offered[name] for name in names))


def weight_bits(net: FloatNet, offered: Offered) -> Iterator[Term]:
    """The bits that the weights take as they are: their number times their width."""
    for name in {layer.weight: None for layer in net.layers}:
        given, size = net.given(name), net.constants[name].size
        if name in offered:
            yield Term((name,), {(bits,): {"weight_bits": float(size * bits)} for bits in offered[name]})
        elif given is not None:
            kinds = given.type if isinstance(given.type, tuple) else (given.type,)
            yield Term((), {(): {"weight_bits": size * sum(kind.bits for kind in kinds) / len(kinds)}})


def bit_operations(graph: Graph, ways: Mapping[str, tuple[Way, ...]], offered: Offered) -> Iterator[Term]:
    """Multiply-accumulates times the widths of both operands, those with a zero weight left out.

    The cost that needs no hardware of "Prune or quantise?" (R104).
    """
    for layer in graph.layers:
        if not isinstance(layer, Matrix):
            continue
        work = layer.macs * (1 - layer.weights.zeros / layer.weights.array.size) / max(len(ways[layer.name]), 1)
        for way in ways[layer.name]:
            yield Term(way, {key: _bops(work, key) for key in combinations(way, offered)})


def _bops(work: float, widths: tuple[int, ...]) -> Amounts:
    made = work
    for bits in widths:
        made *= bits
    return {"bops": made}
