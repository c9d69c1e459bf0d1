# SPDX-License-Identifier: Apache-2.0
"""Nodes in topological order, whatever order the file has them in; every tensor has one maker."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Model, Node


def in_order(model: Model) -> list[Node]:
    """The nodes, each behind those whose outputs it reads, and otherwise in the order of the file."""
    known = {*model.constants, *(entry.name for entry in model.inputs)}
    _refuse_second_makers(model, known)
    missing = [{name for name in node.inputs if name and name not in known} for node in model.nodes]
    order = _sorted(model.nodes, missing)
    if len(order) < len(model.nodes):
        raise _stuck(model.nodes, missing)
    return [model.nodes[i] for i in order]


def reachable(model: Model) -> list[Node]:
    """The nodes that can be put in order, whatever is wrong with the others."""
    known = {*model.constants, *(entry.name for entry in model.inputs)}
    missing = [{name for name in node.inputs if name and name not in known} for node in model.nodes]
    return [model.nodes[i] for i in _sorted(model.nodes, missing)]


def _sorted(nodes: Sequence[Node], missing: Sequence[set[str]]) -> list[int]:
    """The indices of the nodes that can be reached; `missing` is left with what each of the others still lacks."""
    readers: dict[str, list[int]] = {}
    for i, names in enumerate(missing):
        for name in names:
            readers.setdefault(name, []).append(i)
    order: list[int] = []
    ready = [i for i, names in enumerate(missing) if not names]
    while ready:
        order.append(heappop(ready))
        for output in nodes[order[-1]].outputs:
            for reader in readers.pop(output, ()):
                missing[reader].discard(output)
                if not missing[reader]:
                    heappush(ready, reader)
    return order


def _stuck(nodes: Sequence[Node], missing: Sequence[set[str]]) -> BitwrightError:
    node, names = next((node, names) for node, names in zip(nodes, missing, strict=True) if names)
    name = next(name for name in node.inputs if name in names)
    return node.error(
        f"reads '{name}', which nothing makes before it", "the graph has a cycle or a gap; export it again"
    )


def _refuse_second_makers(model: Model, known: set[str]) -> None:
    made = set(known)
    for node in model.nodes:
        for name in filter(None, node.outputs):
            if name in made:
                raise node.error(f"makes '{name}', which is made elsewhere already", "give every tensor its own name")
            made.add(name)
