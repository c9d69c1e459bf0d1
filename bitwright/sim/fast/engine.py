# SPDX-License-Identifier: Apache-2.0
"""The engine `fast`: a network prepared once for the library's kernels, then run on integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.sim.fast.native import array, library
from bitwright.sim.fast.prefix import narrowest
from bitwright.sim.fast.prepare import prepare
from bitwright.sim.fast.program import Program

Compute = Callable[[Sequence[Ints]], list[Ints]]


def ready(graph: Graph) -> Compute:
    """What gives the integers of `graph.outputs` for integers of `graph.inputs`, samples on axis 0."""
    return of(prepare(graph, library()), graph)


def of(program: Program, graph: Graph) -> Compute:
    """The same for a program that was prepared of `graph`; each output in the narrowest type of NumPy."""
    outputs = [(layer.shape, narrowest(layer.type)) for layer in map(graph.by_name.__getitem__, graph.outputs)]

    def run(codes: Sequence[Ints]) -> list[Ints]:
        made = [np.empty((len(codes[0]), *shape), dtype) for shape, dtype in outputs]
        program.run([_given(values) for values in codes], made)
        return made

    return run


def _given(values: NDArray[Any]) -> NDArray[Any]:
    """Integers in one piece, in this machine's byte order, of a type that the library reads as it is."""
    readable = values.dtype.kind == "i" or (values.dtype.kind == "u" and values.dtype.itemsize < 8)
    return array(values, values.dtype.newbyteorder("=") if readable else np.int64)
