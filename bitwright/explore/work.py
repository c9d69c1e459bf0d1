# SPDX-License-Identifier: Apache-2.0
"""What a network works without any hardware: bits of weights, bit operations, and a proxy of the energy of a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import State
from bitwright.compress.allocate.costs import ways_to
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix

MULTIPLY_PJ = 0.2 / (8 * 8)
"""Of a bit of one factor and a bit of the other: 0.2 pJ for 8 x 8 bits.

This and what follows is of 45 nm at 0.9 V: M. Horowitz, "Computing's energy problem", ISSCC 2014, figure 1.1.9.
"""
ADD_PJ = 0.03 / 8
"""Of a bit of the sum: 0.03 pJ for 8 bits."""
READ_PJ = 10 / 64
"""Of a bit that is read from a memory of 8 kbyte: 10 pJ for 64 bits."""
PJ_PER_NJ = 1000
TABLED = 16
"""Bits of a code up to which those that are set are looked up."""


@dataclass(frozen=True, slots=True)
class Work:
    """How often a layer multiplies by each of its weights; the tensors that it multiplies them with, or their bits.

    `terms` is how many products are in one sum.
    """

    weight: str
    tensors: tuple[str, ...]
    bits: int
    uses: float
    terms: int


def works_of(graph: Graph, state: State) -> tuple[Work, ...]:
    """The layers of the graph that `encode` made of `state` that multiply; of a weight of several bases the first."""
    weights = {layer.weight: (0,) for layer in state.net.layers}
    ways = ways_to(graph, state.net, {**weights, **dict.fromkeys(state.acts, (0,))})
    found = []
    for layer in graph.layers:
        if isinstance(layer, Matrix):
            tensors = tuple(dict.fromkeys(name for way in ways[layer.name] for name in way if name in state.acts))
            for weight in dict.fromkeys(way[0] for way in ways[layer.name] if way and way[0] in weights):
                each = layer.macs / state.net.constants[weight].size
                terms = layer.weights.array[0].size
                found.append(Work(weight, tensors, graph.source_of(layer).type.bits, each, terms))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Products:
    """The multiplications of a frame by one base of a weight: `count` by what is not zero, of `bits` times `wide` bits.

    `set_bits` is how many bits all its factors have from the first to the last one that is set, times how often each is
    used; `sums` the bits of what products are added to.
    """

    count: float
    bits: float
    wide: float
    set_bits: float
    sums: float


def bops(products: Products) -> float:
    """Bit operations of a frame: products by weights that are not zero, times the widths of both factors.

    It needs no hardware, and counts zeros and widths alike, so that a search can weigh them. First pruned and then
    moderately narrow is before whole and of 1 or 2 bits: with the nearest codes, for GPTQ's make up for much (In review
    for ICLR 2020: "Prune or quantize? Strategy for Pareto-optimally low-cost and accurate CNN"; R104).
    """
    return products.count * products.bits * products.wide


def ebops(products: Products) -> float:
    """Effective bit operations: of each weight only the bits from its first to its last one that is set.

    Sun, Årrestad, Loncar, Ngadiuba, Spiropulu: "Gradient-based automatic mixed precision quantization for
    neural networks on-chip", 2024, arXiv 2405.00645.
    """
    return products.set_bits * products.wide


def energy(products: Products) -> float:
    """A proxy of the energy of a frame in nJ: reading each weight that is not zero, its product, and adding that.

    At 45 nm and 0.9 V (Horowitz: "Computing's energy problem (and what we can do about it)", ISSCC 2014). All is on
    the chip: of the levels of memory that dataflows tell apart, what is not a register is one buffer (Sze, Chen, Yang,
    Emer: "Efficient processing of deep neural networks: a tutorial and survey", Proceedings of the IEEE 2017; R160).
    """
    each = MULTIPLY_PJ * products.bits * products.wide + ADD_PJ * products.sums + READ_PJ * products.bits
    return products.count * each / PJ_PER_NJ


WORK = {"bops": bops, "ebops": ebops, "energy": energy}
"""What a frame works without hardware, by name."""


def worked(works: Iterable[Work], state: State) -> dict[str, float]:
    """Bits of all weights as they are coded, and of a frame what `WORK` has."""
    stored = sum(_bits(each) for bases in state.weights.values() for each in bases)
    found = {"weight_bits": float(stored), **dict.fromkeys(WORK, 0.0)}
    for work in works:
        for products in products_of(work, state):
            for name, of in WORK.items():
                found[name] += of(products)
    return found


def worked_as(graph: Graph) -> dict[str, float]:
    """The same of a graph as it is: each layer's weights, and what it reads, in the bits that their types have."""
    found = {"weight_bits": 0.0, **dict.fromkeys(WORK, 0.0)}
    for layer in graph.layers:
        if isinstance(layer, Matrix):
            codes, bits, wide = layer.weights.array, layer.weights.type.bits, graph.source_of(layer).type.bits
            (set_bits, count), uses = _set_bits(codes), layer.macs / max(codes.size, 1)
            sums = bits + wide + ceil(log2(max(codes[0].size, 1)))
            found["weight_bits"] += float(codes.size * bits)
            for name, of in WORK.items():
                found[name] += of(Products(uses * count, bits, wide, uses * set_bits, sums))
    return found


def by_energy(state: State) -> list[str]:
    """The weights of a network by the energy that their layers take of a frame, the most first."""
    found: dict[str, float] = {}
    for work in works_of(state.graph(), state):
        found[work.weight] = found.get(work.weight, 0.0) + sum(map(energy, products_of(work, state)))
    return sorted(found, key=lambda name: -found[name])


def products_of(work: Work, state: State) -> Iterator[Products]:
    """Of a layer, for each base of its weight."""
    tensors = [state.acts[name].type.bits for name in work.tensors] or [work.bits]
    wide = sum(tensors) / len(tensors)
    for set_bits, count, bits in _codes(state, work.weight):
        sums = bits + wide + ceil(log2(max(work.terms, 1)))
        yield Products(work.uses * count, bits, wide, work.uses * set_bits, sums)


def _codes(state: State, weight: str) -> Iterator[tuple[float, int, float]]:
    """Of each base of a weight the effective bits of all its codes, how many are not zero, and the bits of each."""
    for coded in state.weights[weight]:
        yield (*_set_bits(coded.codes), _bits(coded) / max(coded.codes.size, 1))


def _set_bits(codes: NDArray[Any]) -> tuple[float, int]:
    """The effective bits of all codes, and how many are not zero."""
    magnitudes = np.abs(codes)
    most = int(magnitudes.max(initial=0)).bit_length()
    if most > TABLED:
        return float(sum(map(_effective_of, magnitudes.ravel().tolist()))), int(np.count_nonzero(magnitudes))
    return float(_effective(max(most, 1))[magnitudes].sum()), int(np.count_nonzero(magnitudes))


@cache
def _effective(bits: int) -> NDArray[np.uint8]:
    """From the first to the last bit that is set, of every number of so many bits."""
    return np.array([_effective_of(n) for n in range(1 << bits)], dtype=np.uint8)


def _effective_of(number: int) -> int:
    return number.bit_length() - _trailing(number)


def _trailing(number: int) -> int:
    """The zeros at the end; all of zero."""
    return (number & -number).bit_length() - 1 if number else 0


def _bits(coded: Any) -> float:
    """Of all codes of a weight."""
    kinds = coded.type if isinstance(coded.type, tuple) else (coded.type,)
    return float(coded.codes.size * sum(kind.bits for kind in kinds) / len(kinds))
