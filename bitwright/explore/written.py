# SPDX-License-Identifier: Apache-2.0
"""A design as what is written of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from bitwright.ir.graph import Graph
from bitwright.planning.target import Target


@dataclass(frozen=True)
class Written:
    """The graph and the target of a design; the file that is read as the graph, by its name; who it is a design of."""

    graph: Graph
    target: Target
    name: str
    content: bytes = field(repr=False)
    model: str
