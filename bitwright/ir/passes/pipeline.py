# SPDX-License-Identifier: Apache-2.0
"""Passes are functions from graph to graph; a pipeline is their composition, verified after each."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.verify import verify

Pass = Callable[[Graph], Graph]


def pipeline(*passes: Pass) -> Pass:
    """The passes in order, the graph verified after each that changed it; an error's note says which pass it was."""

    def step(graph: Graph, pass_: Pass) -> Graph:
        try:
            made = pass_(graph)
            return graph if made is graph else verify(made)
        except BitwrightError as error:
            error.add_note(f"in pass {pass_.__name__}")
            raise

    return lambda graph: reduce(step, passes, verify(graph))
