# SPDX-License-Identifier: Apache-2.0
"""Every pass keeps every bit of every output, removes what it says, and leaves a clean graph alone."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.layers import Concat, Gather, Input, Layer, Reshape
from bitwright.ir.moves import Take
from bitwright.ir.passes import Pass, drop_dead, merge_gathers, merge_reshapes, pipeline
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, width
from bitwright.ir.types import IntType
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph, random_matrix

SEEDS = range(30)


def reshaped(x: Layer, name: str, shape: tuple[int, ...]) -> Reshape:
    return Reshape(
        name=name, inputs=(x.name,), shape=shape, type=x.type, scale=x.scale.take([0]), zero=x.zero.take([0])
    )


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
    net = bw.Net()
    dead = replace(random_matrix(np.random.default_rng(1), net, net.add(graph.inputs[0])), name="dead")
    deader = reshaped(dead, "deader", (prod(dead.shape),))
    return replace(graph, layers=(dead, deader, *graph.layers))


def run(graph: Graph) -> list[list[int]]:
    return [array.ravel().tolist() for array in reference.run(graph, random_codes(graph, 7, 6))]


@pytest.mark.parametrize("pass_", [drop_dead, merge_reshapes, merge_gathers, pipeline(drop_dead, merge_reshapes)])
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
    per_channel = width(x.scale, x.zero) > 1
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
    rescaled = graph.expand("same", replace(same, scale=PerChannel.made(same.scale.of(0) * 2)))
    assert "same" not in merge_reshapes(graph).by_name
    assert "same" in merge_reshapes(rescaled).by_name


def moving(*layers: Layer, output: str) -> Graph:
    return verify(Graph((image("x"), image("y")), layers, (output,)))


def image(name: str) -> Input:
    return Input(name=name, inputs=(), shape=(2, 3, 4), type=IntType(-8, 7), scale=ONES, zero=ZEROS)


def ordered(name: str, x: str, index: np.ndarray, **fields: Any) -> Gather:
    kind = IntType(-8, 7)
    move = Take(Weights(index))
    return Gather(name=name, inputs=(x,), shape=index.shape, type=kind, scale=ONES, zero=ZEROS, move=move, **fields)


def joined(name: str, *inputs: str, shape: tuple[int, ...]) -> Concat:
    return Concat(name=name, inputs=inputs, shape=shape, type=IntType(-8, 7), scale=ONES, zero=ZEROS)


PLACES = np.arange(24).reshape(2, 3, 4)


def test_orders_that_undo_each_other_vanish() -> None:
    there = PLACES.transpose(2, 0, 1)
    back = np.arange(24).reshape(4, 2, 3).transpose(1, 2, 0)
    graph = moving(
        ordered("there", "x", there),
        ordered("back", "there", back),
        joined("z", "back", "y", shape=(2, 3, 8)),
        output="z",
    )
    after = merge_gathers(graph)
    assert [layer.name for layer in after.layers] == ["z"] and after.layers[0].inputs == ("x", "y")
    assert run(after) == run(graph)


def test_a_concatenation_that_is_turned_joins_channels() -> None:
    """Both operands flat and in another order, then the order that puts the channels side by side."""
    flat = ordered("there", "x", PLACES.transpose(2, 0, 1).reshape(-1))
    plain = Reshape(name="plain", inputs=("y",), shape=(24,), type=IntType(-8, 7), scale=ONES, zero=ZEROS)
    places = np.concatenate([np.arange(24).reshape(4, 2, 3).transpose(1, 2, 0), 24 + PLACES], axis=-1)
    graph = moving(flat, plain, joined("both", "there", "plain", shape=(48,)), ordered("z", "both", places), output="z")
    after = merge_gathers(graph)
    assert [(layer.op, layer.inputs) for layer in after.layers] == [("concat", ("x", "y"))]
    assert run(after) == run(graph)


def test_operands_change_places_and_keep_what_moves() -> None:
    places = np.concatenate([24 + PLACES[::-1], PLACES], axis=-1)
    flat = [Reshape(name=f"{n}f", inputs=(n,), shape=(24,), type=IntType(-8, 7), scale=ONES, zero=ZEROS) for n in "xy"]
    graph = moving(*flat, joined("both", "xf", "yf", shape=(48,)), ordered("z", "both", places), output="z")
    after = merge_gathers(graph)
    assert [(layer.op, layer.inputs) for layer in after.layers] == [("gather", ("y",)), ("concat", ("z_part0", "x"))]
    assert run(after) == run(graph)


@pytest.mark.parametrize("case", ["mixed", "filled", "shared"])
def test_what_cannot_be_made_simpler_stays(case: str) -> None:
    """Channels of both operands in turn, a fill, an order that another layer reads."""
    flat = [Reshape(name=f"{n}f", inputs=(n,), shape=(24,), type=IntType(-8, 7), scale=ONES, zero=ZEROS) for n in "xy"]
    both = joined("both", "xf", "yf", shape=(48,))
    mixed = np.stack([PLACES, 24 + PLACES], axis=-1).reshape(2, 3, 8)
    filled = np.where(np.arange(8) == 3, -1, np.concatenate([PLACES, 24 + PLACES], axis=-1))
    last = ordered("z", "both", filled if case == "filled" else mixed if case == "mixed" else np.sort(mixed, axis=-1))
    graph = moving(*flat, both, last, output="z")
    if case == "shared":
        graph = replace(graph, outputs=("z", "both"))
    assert merge_gathers(graph) == graph


def test_a_pipeline_says_which_pass_broke_the_graph() -> None:
    def lose_everything(graph: Graph) -> Graph:
        return replace(graph, layers=())

    with pytest.raises(BitwrightError) as error:
        pipeline(drop_dead, lose_everything)(random_graph(0))
    assert error.value.__notes__ == ["in pass lose_everything"]
    assert error.value.where == "graph"
