# SPDX-License-Identifier: Apache-2.0
"""Channels that carry nothing leave: every output keeps each bit, every proof holds, a second look finds none."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.check import Verdict, check
from bitwright.compiling import compile_graph
from bitwright.exact.ranges import ranges
from bitwright.ir.files import to_bytes
from bitwright.ir.functions import function_of
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Requantise,
    Reshape,
    Rounding,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.moves import Take
from bitwright.ir.passes import remove_channels
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.source import Removed
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph

SEEDS = range(60)
U4, WIDE = integer(4, signed=False), integer(16, signed=True)


def removed(graph: Graph) -> Graph:
    return verify(remove_channels(graph, ranges))


def run(graph: Graph, samples: int = 8) -> list[Any]:
    return [array.tolist() for array in reference.run(graph, random_codes(graph, 7, samples))]


def unproved(graph: Graph, folder: Path) -> list[Verdict]:
    """What the checker does not accept of the graph's design."""
    design = compile_graph(graph)
    (folder / "graph.bw").write_bytes(to_bytes(design.graph))
    (folder / "certificate.json").write_text(json.dumps(design.certificate))
    return [verdict for verdict in check(folder) if not verdict.ok]


def planted(seed: int) -> Graph:
    """A random graph with some rows and some columns of its weights zero, each with a chance of a third."""
    graph, rng = random_graph(seed, blocks=4, joins=seed % 2 == 1), np.random.default_rng(seed + 1000)
    for layer in graph.layers:
        if isinstance(layer, Dense | Conv):
            weights = layer.weights.array.copy()
            weights[rng.random(len(weights)) < 1 / 3] = 0
            weights[..., rng.random(weights.shape[-1]) < 1 / 3] = 0
            graph = graph.expand(layer.name, replace(layer, weights=Weights(weights)))
    return verify(graph)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_bit_stays_and_a_second_run_changes_nothing(seed: int) -> None:
    graph = planted(seed)
    after = removed(graph)
    assert (after.inputs, after.outputs) == (graph.inputs, graph.outputs)
    assert [after.by_name[name].shape for name in after.outputs] == [graph.by_name[n].shape for n in graph.outputs]
    assert [(x.name, x.op, x.inputs) for x in after.layers] == [(x.name, x.op, x.inputs) for x in graph.layers]
    assert run(after) == run(graph)
    assert removed(after) is after


def test_most_of_the_planted_graphs_shrink() -> None:
    assert sum(bool(removed(planted(seed)).source.removed) for seed in SEEDS) > len(SEEDS) // 3


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_the_checker_proves_what_is_left(seed: int, tmp_path: Path) -> None:
    assert unproved(removed(planted(seed)), tmp_path) == []


# Networks that are made for one rule


class Chain:
    """A network of one line, layer by layer."""

    def __init__(self, *shape: int) -> None:
        self.layers: list[Layer] = [Input(name="x", inputs=(), shape=shape, type=U4, scale=ONES, zero=ZEROS)]

    @property
    def last(self) -> Layer:
        return self.layers[-1]

    def add(self, kind: type[Layer], name: str, shape: tuple[int, ...], type_: IntType, **fields: Any) -> Chain:
        inputs = fields.pop("inputs", (self.last.name,))
        self.layers.append(
            kind(name=name, inputs=inputs, shape=shape, type=type_, scale=ONES, zero=ZEROS, **fields)  # type: ignore[call-arg]
        )
        return self

    def dense(self, name: str, weights: Any) -> Chain:
        array = np.asarray(weights)
        return self.add(Dense, name, (*self.last.shape[:-1], len(array)), WIDE, weights=Weights(array))

    def conv(self, name: str, weights: Any, window: dict[str, Any] | None = None, **fields: Any) -> Chain:
        made = Conv(
            name=name,
            inputs=(),
            shape=(1,),
            type=WIDE,
            scale=ONES,
            zero=ZEROS,
            weights=Weights(np.asarray(weights)),
            window=Window(np.shape(weights)[1:3], **window or {}),
            **fields,
        )
        size = made.window.out((self.last.shape[0], self.last.shape[1]))
        self.layers.append(replace(made, inputs=(self.last.name,), shape=(*size, len(np.asarray(weights)))))
        return self

    def quantised(self, name: str, offset: tuple[int, ...] = (0,), multiplier: Fraction = Fraction(1, 4)) -> Chain:
        return self.add(
            Requantise, name, self.last.shape, U4,
            multiplier=PerChannel.made(multiplier), offset=PerChannel.made(offset),
            rounding=Rounding.HALF_EVEN, low=(0,), high=(15,),
        )  # fmt: skip

    def graph(self) -> Graph:
        first, *layers = self.layers
        assert isinstance(first, Input)
        return verify(Graph((first,), tuple(layers), (layers[-1].name,)))


def weights(rng_seed: int, *shape: int) -> Any:
    """Weights of which none is zero."""
    rng = np.random.default_rng(rng_seed)
    return rng.integers(1, 4, shape) * rng.choice([-1, 1], shape)


def without(array: Any, *rows: int) -> Any:
    array[list(rows)] = 0
    return array


def without_inputs(array: Any, *columns: int) -> Any:
    array[..., list(columns)] = 0
    return array


def counts(graph: Graph) -> dict[str, int]:
    return {layer.name: layer.channels for layer in graph.layers}


def test_a_constant_moves_into_the_next_offset() -> None:
    """Row 1 makes 0, which is quantised to 3; the next layer's column 1 times 3 goes behind its sums."""
    second = np.array([[1, 2], [3, -1]])
    graph = Chain(2).dense("a", [[1, 1], [0, 0]]).quantised("q", (0, 3)).dense("b", second).quantised("r").graph()
    after = removed(graph)
    b, r = after.by_name["b"], after.by_name["r"]
    assert isinstance(b, Dense) and isinstance(r, Requantise)
    assert counts(after) == {"a": 1, "q": 1, "b": 2, "r": 2}
    assert b.weights.array.tolist() == [[1], [3]]
    assert r.offset.values == (Fraction(6, 4), Fraction(-3, 4))
    assert (b.type, b.zero) == (IntType(0, 24), PerChannel.made([-6, 3]))  # a reaches 30, of which q leaves 8
    assert after.source.removed == (Removed("a", 2, 1),)
    assert run(after) == run(graph)


def test_a_constant_stays_where_no_requantiser_can_take_it() -> None:
    graph = Chain(2).dense("a", [[1, 1], [0, 0]]).quantised("q", (0, 3)).dense("b", [[1, 2], [3, -1]]).graph()
    assert removed(graph) is graph
    zero = Chain(2).dense("a", [[1, 1], [0, 0]]).quantised("q").dense("b", [[1, 2], [3, -1]]).graph()
    assert removed(zero) is zero  # weights that are not zero are read, whatever they multiply


@pytest.mark.parametrize(("pad", "value", "left"), [(1, 3, 1), (1, 2, 2), (0, 2, 1)])
def test_padding_keeps_a_constant_that_the_border_does_not_see(pad: int, value: int, left: int) -> None:
    net = Chain(4, 4, 1).conv("a", without(weights(1, 2, 1, 1, 1), 1)).quantised("q", (0, 3))
    net.conv("b", weights(2, 2, 3, 3, 2), window={"pads": (pad,) * 4}, pad_value=value).quantised("r")
    graph = net.graph()
    after = removed(graph)
    assert counts(after) == {"a": left, "q": left, "b": 2, "r": 2}
    assert run(after) == run(graph)


def test_what_nothing_reads_leaves_all_the_way_up() -> None:
    """Outputs 2 and 3 of b are not read, nor is output 1 of a, which only they read."""
    middle = weights(2, 4, 4)
    middle[:2, 1] = 0
    net = Chain(3).dense("a", weights(1, 4, 3)).quantised("q").dense("b", middle).quantised("r")
    graph = net.dense("c", without_inputs(weights(3, 3, 4), 2, 3)).graph()
    after = removed(graph)
    assert counts(after) == {"a": 3, "q": 3, "b": 2, "r": 2, "c": 3}
    assert run(after) == run(graph)


@pytest.mark.parametrize(
    ("channels", "live", "left"),
    [
        (64, 61, 64),
        (64, 45, 48),
        (61, 45, 48),
        (61, 60, 60),
        (61, 59, 60),
        (40, 17, 20),
        (16, 9, 10),
        (16, 5, 5),
        (2, 0, 1),
    ],
)
def test_the_count_stays_divisible(channels: int, live: int, left: int) -> None:
    net = Chain(3).dense("a", weights(1, channels, 3)).quantised("q")
    graph = net.dense("b", without_inputs(weights(2, 3, channels), *range(live, channels))).graph()
    after = removed(graph)
    assert counts(after) == {"a": left, "q": left, "b": 3}
    assert run(after) == run(graph)
    assert removed(after) is after


def test_through_pools_depthwise_kernels_and_a_flattening() -> None:
    """Channel 1 of a is zero: through all of these, two kernels for each channel, down to b's columns."""
    net = Chain(4, 4, 2).conv("a", without(weights(1, 3, 1, 1, 2), 1)).quantised("q")
    net.conv("d", weights(2, 6, 2, 2, 1), groups=3).quantised("e")
    net.add(MaxPool, "p", (2, 2, 6), U4, window=Window((2, 2)))
    net.add(SumPool, "s", (2, 1, 6), integer(5, signed=False), window=Window((1, 2))).quantised("t")
    graph = net.add(Reshape, "f", (12,), U4).dense("b", weights(3, 3, 12)).quantised("r").graph()
    after = removed(graph)
    assert counts(after) == dict(a=2, q=2, d=4, e=4, p=4, s=4, t=4, f=8, b=3, r=3)
    assert after.by_name["d"].groups == 2  # type: ignore[attr-defined]
    assert run(after) == run(graph)


def two_branches(kind: type[Layer], left: Any, right: Any, last: Any, **fields: Any) -> Graph:
    net = Chain(3).dense("a", left).quantised("q")
    net.layers.append(replace(net.layers[1], name="b", weights=Weights(right), shape=(len(right),)))
    net.quantised("r").add(kind, "j", **fields, inputs=("q", "r")).quantised("t")
    return net.dense("c", last).graph()


def test_a_sum_loses_what_neither_side_needs() -> None:
    last = without_inputs(weights(3, 3, 5), 1, 4)
    graph = two_branches(
        Sum, weights(1, 5, 3), weights(2, 5, 3), last, shape=(5,), type_=WIDE, factors=((1, 2, 3, 4, 5), (2,))
    )
    after = removed(graph)
    assert set(counts(after).values()) == {3}
    assert after.by_name["j"].factors == ((1, 3, 4), (2,))  # type: ignore[attr-defined]
    assert run(after) == run(graph)


def test_a_concatenation_loses_channels_of_each_part() -> None:
    last = without_inputs(weights(3, 3, 8), 1, 4, 6)
    graph = two_branches(Concat, weights(1, 5, 3), weights(2, 3, 3), last, shape=(8,), type_=U4)
    after = removed(graph)
    assert counts(after) == {"a": 3, "q": 3, "b": 2, "r": 2, "j": 5, "t": 5, "c": 3}
    assert run(after) == run(graph)


def test_a_gather_keeps_its_order() -> None:
    index = np.array([[1, 5, -1], [2, 4, 0]])
    net = Chain(2, 2).dense("a", without(weights(1, 3, 2), 1)).quantised("q")
    net.add(Gather, "g", (2, 3), U4, move=Take(Weights(index))).dense("b", weights(2, 2, 3)).quantised("r")
    graph = net.graph()
    after = removed(graph)
    assert run(after) == run(graph)
    assert counts(after)["a"] == 3  # channels 1 and 2 of a meet in g
    swapped = np.array([[2, 1, 0], [5, 4, 3]])
    net = Chain(2, 2).dense("a", without(np.array([[1, 2], [2, 1], [0, 0]]), 2)).quantised("q")
    net.add(Gather, "g", (2, 3), U4, move=Take(Weights(swapped))).dense("b", weights(2, 2, 3)).quantised("r")
    after = removed(net.graph())
    assert after.by_name["g"].move.index((2, 2)).tolist() == [[1, 0], [3, 2]]  # type: ignore[attr-defined]
    assert run(after) == run(net.graph())


def test_a_table_keeps_the_entries_that_are_left(tmp_path: Path) -> None:
    """Channel 1 of a reaches further than channel 0, and leaves: type and table shrink."""
    net = Chain(2).dense("a", [[1, -1], [3, -3]])
    net.layers[-1] = replace(net.last, type=IntType(-45, 45))
    function = function_of(("clip", "-8", "7"), ("affine", "1", "0"))
    entries = Weights(np.clip(np.arange(-45, 46), -8, 7))
    limits: Any = {"function": function, "rounding": Rounding.HALF_EVEN, "low": -8, "high": 7}
    net.add(Table, "t", (2,), integer(4, signed=True), entries=entries, **limits)
    graph = net.dense("b", [[2, 0], [-1, 0]]).graph()
    after = removed(graph)
    assert counts(after) == {"a": 1, "t": 1, "b": 2}
    assert after.by_name["a"].type == IntType(-15, 15)
    assert after.by_name["t"].entries.array.tolist() == np.clip(np.arange(-15, 16), -8, 7).tolist()  # type: ignore[attr-defined]
    assert run(after) == run(graph)
    assert unproved(after, tmp_path) == []


ALL = np.ones((2, 4), dtype=int)
ONE_OF_TWO = np.array([[1, 0, 0, 1], [0, 1, 1, 0]])
THREE_OF_FOUR = np.array([[1, 0, 1, 1], [1, 1, 1, 0]])


@pytest.mark.parametrize(
    ("pattern", "zero", "left"),
    [
        (ALL, (1,), 7),
        (THREE_OF_FOUR, (1,), 7),
        (ONE_OF_TWO, (1,), 8),
        (ALL, (1, 4, 5), 5),
        (ONE_OF_TWO, (1, 4, 5), 6),
    ],
)
def test_an_n_of_m_pattern_survives(pattern: Any, zero: tuple[int, ...], left: int) -> None:
    """Neighbours leave together, if half of them or fewer are read: one alone would give the others new neighbours."""
    net = Chain(3).dense("a", without(abs(weights(1, 8, 3)), *zero)).quantised("q")
    graph = net.dense("b", weights(2, 6, 8) * np.tile(pattern, (3, 2))).quantised("r").graph()
    after = removed(graph)
    assert counts(after) == {"a": left, "q": left, "b": 6, "r": 6}
    assert run(after) == run(graph)


def test_columns_that_are_zero_in_every_row_are_no_pattern() -> None:
    net = Chain(3).dense("a", abs(weights(1, 8, 3))).quantised("q")
    graph = net.dense("b", without_inputs(weights(2, 6, 8), 0, 3, 4, 7)).quantised("r").graph()
    assert counts(removed(graph)) == {"a": 4, "q": 4, "b": 6, "r": 6}


def test_what_left_before_is_remembered() -> None:
    graph = Chain(2).dense("a", [[1, 1], [0, 0]]).quantised("q", (0, 3)).dense("b", [[1, 2]]).quantised("r").graph()
    pruned = replace(graph, source=replace(graph.source, removed=(Removed("a", 9, 2), Removed("b", 5, 1))))
    assert removed(pruned).source.removed == (Removed("a", 9, 1), Removed("b", 5, 1))


def test_groups_and_borders_keep_their_channels() -> None:
    """A group leaves as a whole or not at all; inputs and outputs keep all channels."""
    net = Chain(3, 3, 4).conv("a", weights(1, 6, 1, 1, 4)).quantised("q")
    net.conv("b", weights(2, 9, 1, 1, 2), groups=3).quantised("r")
    graph = net.conv("c", without_inputs(weights(3, 2, 1, 1, 9), 0, 3, 4, 5)).graph()
    after = removed(graph)
    assert counts(after) == {"a": 4, "q": 4, "b": 6, "r": 6, "c": 2}
    assert after.by_name["b"].groups == 2  # type: ignore[attr-defined]
    assert run(after) == run(graph)
    ends = Chain(4).dense("a", without_inputs(without(weights(1, 4, 4), 2), 1)).quantised("q").graph()
    assert removed(ends) is ends
