# SPDX-License-Identifier: Apache-2.0
"""Many networks on the same data: what they share is computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.api import as_list, feeds_of
from bitwright.ir.digests import host_digest
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer
from bitwright.ir.weights import Ints
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, best
from bitwright.sim.fast.prefix import Store, narrowest, rest, worth_keeping

Array = NDArray[Any]
PIECE = 1 << 24
"""Elements of all kept layers that are on their way at once."""
MEMORY = 1 << 30
"""Bytes of integers that a session keeps unless told otherwise."""


class Session:
    """Data with the integers that a network makes of it: another network that shares a prefix computes only the rest.

    What a layer computes is told by `graph.digest_of`, whatever it is called. At most `memory` bytes are kept; what was
    not used longest goes first, and is computed again when it is needed.
    """

    def __init__(self, net: Graph, x: Array | Sequence[Array], memory: int = MEMORY) -> None:
        self._arrays = list(feeds_of(net, as_list(x)).values())
        self._store = Store(memory)
        self.keep(net)

    @property
    def bytes(self) -> int:
        """Bytes of integers that are kept."""
        return self._store.bytes

    def keep(self, net: Graph) -> None:
        """Compute every layer of `net` that is not known, and keep its codes."""
        keys = _keys(net)
        kept = [layer for layer in (*net.inputs, *net.layers) if worth_keeping(layer)]
        missing = self._lasting([layer for layer in kept if keys[layer.name] not in self._store])
        if not missing:
            return
        found = self._codes(replace(net, outputs=tuple(layer.name for layer in missing)))
        for layer, codes in zip(missing, found, strict=True):
            self._store.put(keys[layer.name], codes)

    def _lasting(self, layers: Sequence[Layer]) -> list[Layer]:
        """Those of `layers`, to be kept one after the other, that are not gone again at the end."""
        found: list[Layer] = []
        room = self._store.limit
        for layer in reversed(layers):
            size = len(self._arrays[0]) * prod(layer.shape) * narrowest(layer.type).itemsize
            if size > self._store.limit:
                continue
            if (room := room - size) < 0:
                break
            found.append(layer)
        return found[::-1]

    def run(self, net: Graph) -> Any:
        """The outputs of `net` for the session's data, as `bitwright.run` gives them; nothing more is kept."""
        codes = [np.array(array, dtype=np.int64) for array in self._codes(net)]  # the caller's own
        results = whole.leaving(net, codes)
        return results[0] if len(results) == 1 else results

    def _codes(self, net: Graph) -> list[Ints]:
        """The integers of the outputs of `net`, each in the narrowest type that holds its layer's."""
        keys = _keys(net)
        left = rest(net, lambda name: keys[name] in self._store)
        entering = self._entering(net, left)
        computed = _computed(left, entering) if left.layers else {}
        return [computed[name] if name in computed else entering[name] for name in left.outputs]

    def _entering(self, net: Graph, left: Graph) -> dict[str, Array]:
        """What enters the rest of a network, by layer: what is kept, or what the host makes of the data."""
        keys = {entry.name: _keys(net)[entry.name] for entry in left.inputs}
        found = {name: self._store[key] for name, key in keys.items() if key in self._store}
        if len(found) < len(keys):
            feeds = dict(zip(net.entry.inputs, self._arrays, strict=True))
            for layer, array in zip(net.inputs, whole.entering(net, feeds), strict=True):
                found[layer.name] = array
        return found


def _computed(left: Graph, entering: Mapping[str, Array]) -> dict[str, Array]:
    """What an engine makes of the rest of a network, a piece of the samples at a time."""
    samples = len(next(iter(entering.values())))
    outputs = [left.by_name[name] for name in left.outputs]
    made = {layer.name: np.empty((samples, *layer.shape), narrowest(layer.type)) for layer in outputs}
    ready = ENGINES[best(left.macs * samples)].build(left, None)
    size = max(1, PIECE // sum(prod(layer.shape) for layer in left.by_name.values()))
    for start in range(0, samples, size):
        piece = slice(start, start + size)
        parts = ready.run([entering[entry.name][piece] for entry in left.inputs]).outputs
        for name, part in zip(left.outputs, parts, strict=True):
            made[name][piece] = part
    return made


@lru_cache(maxsize=16)
def _keys(net: Graph) -> Mapping[str, str]:
    """By what the integers of each layer are kept: all that is computed before it, on the host too."""
    host = host_digest(net.entry)
    return {name: f"{host} {net.digest_of(name)}" for name in net.by_name}
