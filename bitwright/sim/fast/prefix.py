# SPDX-License-Identifier: Apache-2.0
"""What is known of a network's integers already, by what computes them: the rest of it as a network of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.ranges import ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Input, Layer, Sums
from bitwright.ir.types import IntType

Array = NDArray[np.integer]


class Store:
    """Integers of all samples by what computes them, at most `limit` bytes; what was not used longest goes.

    They lie in the narrowest type of NumPy that holds the layer's.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: OrderedDict[str, Array] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Bytes of all that is held."""
        return sum(array.nbytes for array in self._held.values())

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def __getitem__(self, key: str) -> Array:
        self._held.move_to_end(key)
        return self._held[key]

    def put(self, key: str, array: Array) -> None:
        """Keep `array`, unless it is larger than everything may be."""
        if array.nbytes > self.limit:
            return
        self._held[key] = array
        self._held.move_to_end(key)
        while self.bytes > self.limit:
            self._held.popitem(last=False)


def narrowest(kind: IntType) -> np.dtype[np.integer]:
    """The type of NumPy that holds a layer's integers."""
    signed = [np.dtype(name) for name in ("int8", "int16", "int32", "int64")]
    unsigned = [np.dtype(name) for name in ("uint8", "uint16", "uint32")]
    fitting = (d for d in (*unsigned, *signed) if np.iinfo(d).min <= kind.lo and kind.hi <= np.iinfo(d).max)
    return min(fitting, key=lambda dtype: dtype.itemsize)


def worth_keeping(layer: Layer) -> bool:
    """True of codes; sums are as quickly made again, with the requantiser behind them, as they are read."""
    return not isinstance(layer, Sums)


def rest(graph: Graph, known: Callable[[str], bool]) -> Graph:
    """`graph` from the layers on whose integers are known: its inputs.

    Layers that only those need are left out; an output that is known is an input and an output.
    """
    needed: set[str] = set()
    waiting, entering = list(graph.outputs), set[str]()
    while waiting:
        layer = graph.by_name[waiting.pop()]
        if isinstance(layer, Input) or (worth_keeping(layer) and known(layer.name)):
            entering.add(layer.name)
        elif layer.name not in needed:
            needed.add(layer.name)
            waiting += layer.inputs
    everything: tuple[Input | AnyLayer, ...] = (*graph.inputs, *graph.layers)
    reached = ranges(graph)
    inputs = tuple(_entry(layer, reached[layer.name].type) for layer in everything if layer.name in entering)
    return Graph(inputs, tuple(layer for layer in graph.layers if layer.name in needed), graph.outputs)


def _entry(layer: Input | AnyLayer, reached: IntType) -> Input:
    """An input of a layer's integers, of the type that they reach."""
    kind = layer.type if layer.type.is_bipolar else reached
    return Input(name=layer.name, inputs=(), shape=layer.shape, type=kind, scale=layer.scale, zero=layer.zero)
