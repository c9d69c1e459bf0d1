# SPDX-License-Identifier: Apache-2.0
"""Which tensors of the source are integers of a layer: what the audit follows a replay by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.values import Pieces, Tensor, Value
from bitwright.ir.graph import Graph
from bitwright.ir.trace import Place, Trace


def traced(builder: Builder, graph: Graph) -> Trace:
    """The tensors whose layer stayed in the graph and on which nothing waits."""
    found = ((name, value, builder.pieces.get(name)) for name, value in builder.values.items())
    places = {name: (*_places(graph, value), *_places(graph, pieces)) for name, value, pieces in found}
    return Trace({name: found for name, found in places.items() if found}, builder.arithmetic)


def _places(graph: Graph, value: Value | None) -> Iterator[Place]:
    """Where a tensor is, or each of the pieces of a join."""
    match value:
        case Tensor() if _is_there(graph, value):
            yield Place(value.layer, value.where, value.scale, value.offset)
        case Pieces():
            yield from _pieces(graph, value)
        case _:
            return


def _pieces(graph: Graph, value: Pieces) -> Iterator[Place]:
    where = [part.where if isinstance(part, Tensor) else np.zeros(part.array.shape, np.int64) for part in value.parts]
    owners = [np.full(each.shape, k) for k, each in enumerate(where)]
    owner, index = (np.concatenate(each, value.axis).reshape(-1)[value.where] for each in (owners, where))
    for k, part in enumerate(value.parts):
        of = np.flatnonzero(owner == k)
        if of.size and isinstance(part, Tensor) and _is_there(graph, part):
            yield Place(part.layer, index.reshape(-1)[of], part.scale, part.offset, of)


def _is_there(graph: Graph, tensor: Tensor) -> bool:
    waits = tensor.bounded or tensor.curved or tensor.pools or tensor.rest
    return tensor.layer in graph.by_name and not waits
