# SPDX-License-Identifier: Apache-2.0
"""A graph is a value: equal ones have one hash, found once, in every process."""

from __future__ import annotations

import pickle  # noqa: TID251  (as a pool of processes does)
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Input
from bitwright.ir.per_channel import ZEROS, PerChannel
from bitwright.ir.types import IntType
from bitwright.sim import tools
from tests.ir.graphs import random_graph

CHILD = """
import pickle, sys
from dataclasses import replace
graph = pickle.load(sys.stdin.buffer)
assert graph in {replace(graph)}, "an equal graph has another hash"
"""


class Counted(Input):
    """An input that counts how often it is hashed."""

    asked = 0

    def __hash__(self) -> int:
        Counted.asked += 1
        return Input.__hash__(self)


def test_a_hash_is_found_once() -> None:
    entry = Counted(
        name="x", inputs=(), shape=(3,), type=IntType(0, 7), scale=PerChannel.made(Fraction(1, 3)), zero=ZEROS
    )
    graph = Graph((entry,), (), ("x",))
    assert hash(graph) == hash(graph) == hash(replace(graph))
    assert Counted.asked == 2


def test_equal_graphs_have_one_hash_and_changed_ones_another() -> None:
    graph, again = random_graph(3), random_graph(3)
    assert graph == again and graph is not again and hash(graph) == hash(again)
    renamed = replace(graph, source=replace(graph.source, file="other.onnx"))
    assert renamed != graph and hash(renamed) != hash(graph)


def test_a_pickled_graph_takes_no_hash_into_another_process() -> None:
    graph = random_graph(3)
    hash(graph)
    environment = tools.environment() | {"PYTHONHASHSEED": "77"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=pickle.dumps(graph), env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
