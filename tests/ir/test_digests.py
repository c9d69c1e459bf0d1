# SPDX-License-Identifier: Apache-2.0
"""Digests name what is computed: not what it is called, and all of what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bitwright
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.host_ops import Softmax
from bitwright.ir.layers import AnyLayer
from bitwright.ir.source import Source
from tests.ir.graphs import random_graph

DIGITS = Path(__file__).parents[2] / "bitwright/demo/digits.onnx"


def renamed(graph: Graph) -> Graph:
    """The same network with every name another one, from another file."""

    def other(layer: Any) -> Any:
        return replace(
            layer, name=f"other {layer.name}", inputs=tuple(f"other {n}" for n in layer.inputs), source=("z",)
        )

    def host(given: HostGraph) -> HostGraph:
        steps = tuple(
            replace(s, inputs=tuple(f"t{n}" for n in s.inputs), output=f"t{s.output}", node="n", reason="r")
            for s in given.steps
        )
        inputs, outputs = (tuple(f"t{n}" for n in names) for names in (given.inputs, given.outputs))
        return replace(given, inputs=inputs, outputs=outputs, steps=steps)

    return Graph(
        tuple(map(other, graph.inputs)),
        tuple(map(other, graph.layers)),
        tuple(f"other {n}" for n in graph.outputs),
        host(graph.before),
        host(graph.after),
        Source("other.onnx", "0" * 64),
    )


def changed(graph: Graph) -> Iterator[tuple[AnyLayer, Graph]]:
    """Each layer with the graph in which it has another scale."""
    for layer in graph.layers:
        yield layer, graph.expand(layer.name, replace(layer, scale=layer.scale + 1))


def behind(graph: Graph, name: str) -> set[str]:
    """`name` and every layer that reads it, at any distance."""
    return {name}.union(*(behind(graph, reader.name) for reader in graph.readers[name]))


@pytest.mark.parametrize("seed", range(12))
def test_names_do_not_count(seed: int) -> None:
    graph = random_graph(seed, joins=True)
    other = renamed(graph)
    assert other.digest == graph.digest and other != graph
    for layer in graph.layers:
        assert other.digest_of(f"other {layer.name}") == graph.digest_of(layer.name)


@pytest.mark.parametrize("seed", range(12))
def test_a_change_is_seen_by_those_who_read_it(seed: int) -> None:
    graph = random_graph(seed, joins=True)
    for layer, other in changed(graph):
        assert other.digest != graph.digest or not behind(graph, layer.name) & set(graph.outputs)
        moved = {each.name for each in graph.layers if other.digest_of(each.name) != graph.digest_of(each.name)}
        assert moved == behind(graph, layer.name)


def test_host_steps_count_and_their_names_do_not() -> None:
    graph = bitwright.load(DIGITS)
    assert renamed(graph).digest == graph.digest
    step = graph.before.steps[0]
    other = replace(graph.before, steps=(replace(step, does=Softmax(3)), *graph.before.steps[1:]))
    assert replace(graph, before=other).digest != graph.digest
    fewer = replace(graph.after, steps=graph.after.steps[:-1], outputs=graph.after.steps[-1].inputs[:1])
    assert replace(graph, after=fewer).digest != graph.digest


def test_inputs_of_one_type_are_not_each_other() -> None:
    graph = random_graph(0, joins=True)
    second = replace(graph.inputs[0], name="second")
    both = replace(graph, inputs=(*graph.inputs, second))
    assert both.digest_of("second") != both.digest_of(graph.inputs[0].name)
