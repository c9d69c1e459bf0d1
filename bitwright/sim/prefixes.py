# SPDX-License-Identifier: Apache-2.0
"""Many networks on the same samples: where two begin with the same layers, these are computed once.

A network is cut where few integers cross from the layers before to those behind. What crosses a cut is kept as soon as
a second network comes with the same layers before it, so that what nobody shares costs nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from numpy.typing import NDArray

from bitwright.ir.digests import host_digest
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Matrix
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, Built, best
from bitwright.sim.fast.prefix import Store, narrowest, rest, worth_keeping

Array = NDArray[Any]
Cut = tuple[str, ...]
"""The layers whose integers cross."""
CUTS = 8
"""Of a network, at most."""
PART = 4
"""A cut that takes more than this part of the memory is not kept."""
SEEN = 1 << 16
"""Cuts that are remembered of networks before."""


class Prefixes:
    """Samples, an array for each input, with what networks made of them: at most `memory` bytes of integers."""

    def __init__(self, arrays: Sequence[Array], memory: int) -> None:
        self.arrays = arrays
        self.store = Store(memory)
        self._seen: OrderedDict[Hashable, None] = OrderedDict()

    def met(self, key: Hashable) -> bool:
        """True if a network came with this cut before."""
        known = key in self._seen
        self._seen[key] = None
        self._seen.move_to_end(key)
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return known


class Running:
    """One network on the samples: it begins behind the last cut at which all integers are known."""

    def __init__(self, prefixes: Prefixes, net: Graph) -> None:
        self._store, self._arrays, self._net = prefixes.store, prefixes.arrays, net
        host = host_digest(net.entry)
        self._keys = {name: f"{host} {net.digest_of(name)}" for name in net.by_name}
        self._cuts = [tuple(layer.name for layer in net.inputs), *cuts(net)]
        self._shared = [prefixes.met(tuple(self._keys[name] for name in cut)) for cut in self._cuts]
        self.ready: dict[tuple[int, Cut], tuple[Graph, Built]] = {}

    def outputs(self, some: slice) -> list[Array]:
        """The outputs of the model for some of the samples."""
        known = max((place for place in range(1, len(self._cuts)) if self._is_known(place, some)), default=0)
        held = self._held(known, some)
        left, engine = self._rest(known, self._wanted(known, some), some.stop - some.start)
        found = engine.run([held[entry.name] for entry in left.inputs]).outputs
        made = dict(zip(left.outputs, found, strict=True))
        for name in left.outputs[len(self._net.outputs) :]:
            self._store.put(self._place(name, some), made[name])
        return whole.leaving(self._net, [made[name] for name in self._net.outputs])

    def _is_known(self, known: int, some: slice) -> bool:
        return all(self._place(name, some) in self._store for name in self._cuts[known])

    def _held(self, known: int, some: slice) -> dict[str, Array]:
        """The integers that cross a cut of which all are known; before the first one what the host makes of samples."""
        if known or self._is_known(known, some):
            return {name: self._store[self._place(name, some)] for name in self._cuts[known]}
        feeds = {name: array[some] for name, array in zip(self._net.entry.inputs, self._arrays, strict=True)}
        made = dict(zip(self._cuts[0], whole.entering(self._net, feeds), strict=True))
        for name, codes in made.items():
            self._store.put(self._place(name, some), codes)
        return made

    def _place(self, name: str, some: slice) -> str:
        return f"{self._keys[name]} {some.start}"

    def _wanted(self, known: int, some: slice) -> Cut:
        """What is to be kept of what is not known."""
        room = self._store.limit // PART
        wanted: list[str] = []
        for cut, shared in zip(self._cuts[known + 1 :], self._shared[known + 1 :], strict=True):
            size = (some.stop - some.start) * sum(map(_bytes, map(self._net.by_name.__getitem__, cut)))
            wanted += cut if shared and size <= room else ()
        return tuple(name for name in dict.fromkeys(wanted) if name not in self._cuts[known])

    def _rest(self, known: int, wanted: Cut, samples: int) -> tuple[Graph, Built]:
        """The network behind a cut, which also gives what is wanted, and what runs it."""
        if (known, wanted) not in self.ready:
            net = replace(self._net, outputs=(*self._net.outputs, *wanted))
            left = rest(net, self._cuts[known].__contains__) if known else net
            self.ready[known, wanted] = left, ENGINES[best(left.macs * samples)].build(left, None)
        return self.ready[known, wanted]


def cuts(net: Graph) -> list[Cut]:
    """Where a network is cut, in the order of its layers: after about the same work each, where least crosses."""
    total = net.macs or 1
    found: dict[int, tuple[int, Cut]] = {}
    for done, crossing in _crossings(net):
        size, part = sum(map(_bytes, crossing)), CUTS * done // total
        if 0 < done < total and (part not in found or size <= found[part][0]):
            found[part] = size, tuple(layer.name for layer in crossing)
    return [cut for _, cut in found.values()]


def _crossings(net: Graph) -> Iterator[tuple[int, list[Layer]]]:
    """After each layer the multiplications so far and the layers that later ones read; if those are codes, not sums."""
    last = {name: layer.name for layer in net.layers for name in layer.inputs}
    alive: dict[str, Layer] = {layer.name: layer for layer in net.inputs}
    done = 0
    for layer in net.layers:
        done += layer.macs if isinstance(layer, Matrix) else 0
        alive = {name: held for name, held in alive.items() if last.get(name) != layer.name} | {layer.name: layer}
        if all(worth_keeping(held) and held.name not in net.outputs for held in alive.values()):
            yield done, list(alive.values())


def _bytes(layer: Layer) -> int:
    """Of a sample."""
    return prod(layer.shape) * narrowest(layer.type).itemsize
