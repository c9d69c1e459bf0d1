# SPDX-License-Identifier: Apache-2.0
"""Every host step is read as it was written, and counts in the graph's digest."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from bitwright.ir.codec import field_types
from bitwright.ir.files import from_bytes, to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import HOST_OPS, Constant, HostOp
from bitwright.ir.parsing import parse
from bitwright.ir.printing import constants, print_graph
from bitwright.ir.rounding import Rounding
from tests.ir.graphs import random_graph


def example(op: str) -> HostOp:
    """The step with numbers that all differ."""
    kind = HOST_OPS[op]
    values = {}
    for number, field in enumerate(fields(kind), start=2):
        of = field_types(kind)[field.name]
        held = Constant(np.array([number, 0.5], dtype=np.float32))
        values[field.name] = number if of is int else Rounding.FLOOR if of is Rounding else held
    return kind(**values)


def behind(does: HostOp) -> Graph:
    graph = random_graph(3, blocks=1)
    step = HostStep(does=does, inputs=graph.outputs[:1], output="made", side="output")
    return replace(graph, after=HostGraph(graph.outputs, (step,), ("made",)))


@pytest.mark.parametrize("op", HOST_OPS)
def test_a_host_step_is_read_as_it_was_written(op: str) -> None:
    graph = behind(example(op))
    assert graph.after.steps[0].op == op
    assert from_bytes(to_bytes(graph)) == graph
    assert parse(print_graph(graph), constants(graph)) == graph


def test_what_a_host_step_does_counts() -> None:
    graphs = [behind(example(op)) for op in HOST_OPS]
    assert len({graph.digest for graph in graphs}) == len(graphs)
