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
WORKED = ("weight_bits", "bops", "ebops", "energy")
"""What is known without hardware."""


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


def worked(works: Iterable[Work], state: State) -> dict[str, float]:
    """Bits of all weights as they are coded; bit operations of a frame, and its energy in nJ.

    Bit operations are products by weights that are not zero, times the widths of both factors (R104). Effective ones
    count of each weight the bits from its first to its last one that is set (HGQ, arXiv 2405.00645). The energy is that
    of reading each such weight, of its product, and of adding that.
    """
    found = dict.fromkeys(WORKED, 0.0)
    found["weight_bits"] = float(sum(_bits(each) for bases in state.weights.values() for each in bases))
    for work in works:
        tensors = [state.acts[name].type.bits for name in work.tensors] or [work.bits]
        wide = sum(tensors) / len(tensors)
        for set_bits, count, bits in _codes(state, work.weight):
            products = work.uses * count
            sums = bits + wide + ceil(log2(max(work.terms, 1)))
            found["bops"] += products * bits * wide
            found["ebops"] += work.uses * set_bits * wide
            each = MULTIPLY_PJ * bits * wide + ADD_PJ * sums + READ_PJ * bits
            found["energy"] += products * each / PJ_PER_NJ
    return found


def _codes(state: State, weight: str) -> Iterator[tuple[float, int, float]]:
    """Of each base of a weight the effective bits of all its codes, how many are not zero, and the bits of each."""
    for coded in state.weights[weight]:
        magnitudes = np.abs(coded.codes)
        table = _effective(max(int(magnitudes.max(initial=0)).bit_length(), 1))
        yield float(table[magnitudes].sum()), int(np.count_nonzero(magnitudes)), _bits(coded) / max(magnitudes.size, 1)


@cache
def _effective(bits: int) -> NDArray[np.uint8]:
    """From the first to the last bit that is set, of every number of so many bits."""
    return np.array([n.bit_length() - _trailing(n) for n in range(1 << bits)], dtype=np.uint8)


def _trailing(number: int) -> int:
    """The zeros at the end; all of zero."""
    return (number & -number).bit_length() - 1 if number else 0


def _bits(coded: Any) -> float:
    """Of all codes of a weight."""
    kinds = coded.type if isinstance(coded.type, tuple) else (coded.type,)
    return float(coded.codes.size * sum(kind.bits for kind in kinds) / len(kinds))
