# SPDX-License-Identifier: Apache-2.0
"""Channels that carry nothing leave, and the layers around them shrink: every output keeps each of its bits.

A channel is used if an output of the network depends on it. It is not if every weight that reads it is zero, or if it
always holds one integer and the requantisers behind the weights can add what that contributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    Conv,
    Dense,
    Gather,
    Join,
    Layer,
    Move,
    Passing,
    Pool,
    Requantise,
    Reshape,
    Table,
)
from bitwright.ir.passes.narrow import Interval, is_whole, narrow, retyped
from bitwright.ir.weights import Ints

Flags = NDArray[np.bool_]
UNIT = 8
"""Channels that carry something are rounded up to a multiple of this, or of as much of it as adds less than a quarter.

Lanes divide channels: 61 channels would take 61 lanes, or as many clocks as one lane does, while 64 of which three are
zero have 2, 4, 8 and more.
"""

NEIGHBOURS = (2, 4, 8)
"""The m of n-of-m weights whose pattern is kept, where n is half of it or less."""

CHANNELWISE = Conv | Pool | Join | Requantise | Table | Move
"""Layers that move elements, or compute channels each from its own, or groups of them: of convolutions the grouped."""


class _Link(NamedTuple):
    """Channels of `source` and of `layer` that share elements: neither leaves without the other."""

    source: str
    layer: str
    inside: Ints
    outside: Ints


class _Demand(NamedTuple):
    """`needs` (outputs, inputs): which channels of `source` each channel of the matrix layer `layer` depends on."""

    source: str
    layer: str
    needs: Flags


def remove_channels(graph: Graph, intervals: Callable[[Graph], Mapping[str, Interval]]) -> Graph:
    """`graph` with the used channels of every layer, and as many of the others as make the counts divisible by `UNIT`.

    `intervals` finds what each channel of each layer of a graph can hold. Inputs and outputs keep all channels. What
    left is in `graph.source.removed`. A graph from which nothing can leave is returned as it is.
    """
    while True:
        reached = intervals(graph)
        constants = {name: np.where(found.lo == found.hi, found.lo, 0) for name, found in reached.items()}
        used = _used(graph, {name: found.lo == found.hi for name, found in reached.items()}, constants)
        if all(flags.all() for flags in used.values()):
            return graph
        smaller = narrow(graph, {name: np.flatnonzero(flags) for name, flags in used.items()}, constants)
        graph = retyped(smaller, intervals(smaller))


def _used(graph: Graph, constant: Mapping[str, Flags], constants: Mapping[str, Ints]) -> dict[str, Flags]:
    """Which channels of every layer stay."""
    used = {name: np.zeros(layer.channels, dtype=bool) for name, layer in graph.by_name.items()}
    links: list[_Link] = []
    demands: list[_Demand] = []
    for name in (*graph.outputs, *(entry.name for entry in graph.inputs)):
        used[name][:] = True
    for layer in graph.layers:
        if is_whole(layer):
            source = layer.inputs[0]
            needs = _needs(graph, layer, constant[source], constants[source])
            together = _together(needs, layer.weights.array)
            channels = np.arange(needs.shape[1])
            demands.append(_Demand(source, layer.name, needs))
            links.append(_Link(source, source, channels, channels // together * together))
        elif isinstance(layer, CHANNELWISE):
            links += _links(graph, layer)
        elif isinstance(layer, AnyLayer):
            for name in (layer.name, *layer.inputs):
                used[name][:] = True
        else:
            assert_never(layer)
    _settle(graph, used, links, demands)
    return used


def _settle(graph: Graph, used: dict[str, Flags], links: list[_Link], demands: list[_Demand]) -> None:
    """Spread what stays until every layer keeps a number of channels that it can have."""
    _spread(used, links, demands)
    sized = [name for name, layer in graph.by_name.items() if not isinstance(layer, Reshape)]
    while any(_rounded(used[name]) for name in sized):
        _spread(used, links, demands)


def _needs(graph: Graph, layer: Dense | Conv, constant: Flags, values: Ints) -> Flags:
    """(outputs, inputs): True where a weight is not zero, unless its products are one integer that can move on.

    They can where only requantisers read the sums. In a convolution the border sees the padding instead of the channel,
    which then must hold the same integer.
    """
    readers = graph.readers[layer.name]
    moves = layer.name not in graph.outputs and all(isinstance(reader, Requantise) for reader in readers)
    same = values == layer.pad_value if isinstance(layer, Conv) and layer.window.is_padded else True
    weights = layer.weights.array
    read = (weights != 0).reshape(len(weights), -1, weights.shape[-1]).any(axis=1)
    return np.asarray(read & ~(moves & constant & same))


def _together(needs: Flags, weights: Ints) -> int:
    """How many neighbouring inputs leave together or not at all: 1, or m where rows read n of m neighbours.

    One channel less would break that pattern; it is kept where n for each m that stay are fewer than the channels that
    are needed.
    """
    needed = np.asarray(needs.any(axis=0))
    found = [(int(needed.sum()), 1)]
    if 2 * np.count_nonzero(weights) > weights.size:  # then some neighbours have more than half
        return 1
    for size in (size for size in NEIGHBOURS if len(needed) % size == 0):
        most = int((weights != 0).reshape(-1, size).sum(axis=1).max())
        if 2 * most <= size:
            found.append((most * int(needed.reshape(-1, size).any(axis=1).sum()), size))
    return min(found)[1]


def _links(graph: Graph, layer: Layer) -> Iterator[_Link]:
    """Where the elements of a channelwise layer come from."""
    first = 0
    for name in layer.inputs:
        source = graph.by_name[name]
        inside, outside = np.arange(source.channels), np.arange(layer.channels)
        match layer:
            case Gather():
                inside, outside = _places(layer.move.index(source.shape), source.channels)
            case Reshape():
                inside, outside = _places(np.arange(np.prod(layer.shape)).reshape(layer.shape), source.channels)
            case Conv():
                inside, outside = _grouped(layer.groups, source.channels, layer.channels)
            case _ if isinstance(layer, Join) and isinstance(layer, Passing):
                outside = first + inside
                first += source.channels
        yield _Link(name, layer.name, inside, outside)


def _grouped(groups: int, inside: int, outside: int) -> tuple[Ints, Ints]:
    """All pairs of channels (of the source, of the layer) of the same group: a group leaves as a whole."""
    inner, rows = inside // groups, outside // groups
    group, place, row = np.indices((groups, inner, rows)).reshape(3, -1)
    return group * inner + place, group * rows + row


def _places(index: Ints, inside: int) -> tuple[Ints, Ints]:
    """The pairs of channels (of the source, of the layer) whose elements `index` brings together."""
    outside = index.shape[-1]
    pairs = np.unique(np.where(index < 0, -1, index % inside) * outside + np.arange(outside))
    return np.divmod(pairs[pairs >= 0], outside)


def _spread(used: dict[str, Flags], links: list[_Link], demands: list[_Demand]) -> None:
    """Mark what the used channels depend on, until nothing more is."""
    count, more = -1, _total(used)
    while more > count:
        for source, layer, needs in reversed(demands):
            used[source] |= needs[used[layer]].any(axis=0)
        for source, layer, inside, outside in (*reversed(links), *links):
            used[source][inside[used[layer][outside]]] = True
            used[layer][outside[used[source][inside]]] = True
        count, more = more, _total(used)


def _total(used: dict[str, Flags]) -> int:
    return sum(int(flags.sum()) for flags in used.values())


def _rounded(used: Flags) -> bool:
    """Mark as many of a layer's channels as make their count divisible; False if none need be."""
    count = max(1, int(used.sum()))
    units = [unit for unit in (UNIT, UNIT // 2, UNIT // 4) if 4 * unit <= count]
    wanted = next((least for unit in units if (least := -(-count // unit) * unit) <= len(used)), count)
    missing = wanted - int(used.sum())
    used[np.flatnonzero(~used)[:missing]] = True
    return missing > 0
