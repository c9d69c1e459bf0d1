# SPDX-License-Identifier: Apache-2.0
"""Every pass keeps every bit of every output, removes what it says, and leaves a clean graph alone."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.layers import Layer, Reshape
from bitwright.ir.passes import Pass, drop_dead, merge_reshapes, pipeline
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph, random_matrix

SEEDS = range(30)


def reshaped(x: Layer, name: str, shape: tuple[int, ...]) -> Reshape:
    return Reshape(name=name, inputs=(x.name,), shape=shape, type=x.type, scale=x.scale[:1], zero=x.zero[:1])


def with_reshapes(graph: Graph) -> Graph:
    """Before the last layer that is no reshape: there and back, and once to the same shape, under new names."""
    reader = next(layer for layer in reversed(graph.layers) if not isinstance(layer, Reshape))
    x = graph.by_name[reader.inputs[0]]
    there = reshaped(x, "there", (prod(x.shape), 1))
    back = reshaped(there, "back", x.shape)
    same = replace(reshaped(back, "same", x.shape), scale=x.scale, zero=x.zero)
    return graph.expand(reader.name, there, back, same, replace(reader, inputs=("same",)))


def with_dead(graph: Graph) -> Graph:
    """Two layers, one reading the other, that reach no output."""
    dead = replace(random_matrix(np.random.default_rng(1), graph.inputs[0], 90), name="dead")
    deader = reshaped(dead, "deader", (prod(dead.shape),))
    return replace(graph, layers=(dead, deader, *graph.layers))


def run(graph: Graph) -> list[list[int]]:
    return [array.ravel().tolist() for array in reference.run(graph, random_codes(graph, 7, 6))]


@pytest.mark.parametrize("pass_", [drop_dead, merge_reshapes, pipeline(drop_dead, merge_reshapes)])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_pass_keeps_every_bit_and_name(pass_: Pass, seed: int) -> None:
    graph = with_dead(with_reshapes(random_graph(seed, joins=seed % 2 == 1)))
    after = pass_(graph)
    assert (after.outputs, after.inputs) == (graph.outputs, graph.inputs)
    assert run(after) == run(graph)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_dead_are_dropped_and_nothing_else(seed: int) -> None:
    graph = random_graph(seed, joins=True)
    assert drop_dead(graph) == graph
    assert drop_dead(with_dead(graph)) == graph


@pytest.mark.parametrize("seed", SEEDS)
def test_reshapes_there_and_back_vanish(seed: int) -> None:
    graph = with_reshapes(random_graph(seed))
    after = merge_reshapes(graph)
    x = graph.by_name[graph.by_name["there"].inputs[0]]
    left = {layer.name for layer in graph.layers} - {layer.name for layer in after.layers}
    per_channel = len(x.scale) > 1 or len(x.zero) > 1
    assert left >= ({"there", "back"} if per_channel else {"there", "back", "same"})
    assert merge_reshapes(after) == after


def test_an_output_keeps_its_name_even_if_it_changes_nothing() -> None:
    graph = replace(random_graph(1), after=HostGraph())
    last = graph.by_name[graph.outputs[0]]
    assert not isinstance(last, Reshape)
    same = replace(reshaped(last, "same", last.shape), scale=last.scale, zero=last.zero)
    graph = replace(graph, layers=(*graph.layers, same), outputs=("same",))
    assert merge_reshapes(graph) == graph


def test_a_reshape_that_changes_the_real_value_stays() -> None:
    """A table after it reads its scale."""
    graph = with_reshapes(random_graph(1))
    same = graph.by_name["same"]
    rescaled = graph.expand("same", replace(same, scale=(same.scale[0] * 2,)))
    assert "same" not in merge_reshapes(graph).by_name
    assert "same" in merge_reshapes(rescaled).by_name


def test_a_pipeline_says_which_pass_broke_the_graph() -> None:
    def lose_everything(graph: Graph) -> Graph:
        return replace(graph, layers=())

    with pytest.raises(BitwrightError) as error:
        pipeline(drop_dead, lose_everything)(random_graph(0))
    assert error.value.__notes__ == ["in pass lose_everything"]
    assert error.value.where == "graph"
