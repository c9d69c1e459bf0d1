# SPDX-License-Identifier: Apache-2.0
"""The reference engine against plain loops over Python integers."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window
from bitwright.sim import reference
from tests.exact.meaning import meaning
from tests.ir.graphs import random_codes, random_graph

Sample = NDArray[Any]
"""An object array of Python integers, without a sample axis."""


def plain_run(graph: Graph, codes: list[Ints]) -> list[Ints]:
    """The outputs of `graph`, sample by sample."""
    rows = []
    for sample in zip(*codes, strict=True):
        values = {entry.name: x.astype(object) for entry, x in zip(graph.inputs, sample, strict=True)}
        for layer in graph.layers:
            sources = [graph.by_name[name] for name in layer.inputs]
            values[layer.name] = plain(layer, sources, [values[name] for name in layer.inputs])
            assert values[layer.name].shape == layer.shape
        rows.append([values[name] for name in graph.outputs])
    return [np.array([row[i] for row in rows]).astype(np.int64) for i in range(len(graph.outputs))]


def plain(layer: Layer, sources: list[Layer], x: list[Sample]) -> Sample:
    first = x[0]
    match layer:
        case Dense():
            out = np.empty(layer.shape, dtype=object)
            for place in np.ndindex(*layer.shape):
                row = layer.weights.array[place[-1]].tolist()
                out[place] = sum(w * v for w, v in zip(row, first[place[:-1]], strict=True))
            return out
        case Conv() | MaxPool() | SumPool():
            return plain_window(layer, first)
        case Requantise():
            return plain_each(layer, lambda place: meaning(layer, place[-1], first[place]))
        case Table():
            return plain_each(layer, lambda place: int(layer.entries.array[first[place] - sources[0].type.lo]))
        case Reshape():
            return first.reshape(layer.shape)
        case ArgMax():
            return plain_each(layer, lambda place: plain_place(first[place[:-1]].tolist(), layer.last))
        case Sum() | Multiply() | Concat():
            return plain_join(layer, x)
        case Gather():
            flat, index = first.reshape(-1), layer.move.index(first.shape)
            return plain_each(layer, lambda place: flat[index[place]] if index[place] >= 0 else layer.fill)
        case _:
            raise AssertionError(layer.op)


def plain_place(values: list[int], last: int) -> int:
    """Where the largest stands, the first time or the last."""
    places = [i for i, value in enumerate(values) if value == max(values)]
    return places[-1] if last else places[0]


def plain_join(layer: Sum | Multiply | Concat, x: list[Sample]) -> Sample:
    match layer:
        case Sum():
            factors = [[int(f[c % len(f)]) for c in range(layer.channels)] for f in layer.factors]
            return plain_each(
                layer, lambda place: sum(f[place[-1]] * v[place] for f, v in zip(factors, x, strict=True))
            )
        case Multiply():
            return plain_each(layer, lambda place: (x[0][place] - layer.zeros[0]) * (x[1][place] - layer.zeros[1]))
        case Concat():
            return np.concatenate(x, axis=-1)


def plain_each(layer: Layer, value: Any) -> Sample:
    out = np.empty(layer.shape, dtype=object)
    for place in np.ndindex(*layer.shape):
        out[place] = value(place)
    return out


def plain_window(layer: Conv | MaxPool | SumPool, x: Sample) -> Sample:
    (height, width, _), window = x.shape, layer.window

    def taps(row: int, column: int) -> list[tuple[int, int, int, int]]:
        """(kernel row, kernel column, image row, image column) of one window."""
        return [
            (i, j, row * window.strides[0] - window.pads[0] + i * window.dilations[0],
             column * window.strides[1] - window.pads[1] + j * window.dilations[1])
            for i, j in product(range(window.kernel[0]), range(window.kernel[1]))
        ]  # fmt: skip

    def value(r: int, c: int, channel: int, pad: int | None) -> int | None:
        return x[r, c, channel] if 0 <= r < height and 0 <= c < width else pad

    def one(place: tuple[int, ...]) -> int:
        row, column, o = place
        if isinstance(layer, MaxPool):
            seen = [value(r, c, o, None) for _, _, r, c in taps(row, column)]
            return max(v for v in seen if v is not None)
        if isinstance(layer, SumPool):
            return sum(value(r, c, o, layer.pad_value) or 0 for _, _, r, c in taps(row, column))
        inner = layer.weights.array.shape[-1]
        base = o // (layer.channels // layer.groups) * inner
        weights = layer.weights.array.tolist()
        return sum(
            weights[o][i][j][k] * (value(r, c, base + k, layer.pad_value) or 0)
            for i, j, r, c in taps(row, column)
            for k in range(inner)
        )

    return plain_each(layer, one)


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("joins", [False, True])
def test_random_graphs(seed: int, joins: bool) -> None:
    graph = random_graph(seed, joins=joins)
    codes = random_codes(graph, seed + 1, 3)
    for ours, wanted in zip(reference.run(graph, codes), plain_run(graph, codes), strict=True):
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, wanted)


ONE = {"scale": ONES, "zero": ZEROS}


S4 = IntType(-8, 7)


def entry(*shape: int, kind: IntType = S4) -> Input:
    return Input(name="x", inputs=(), shape=shape, type=kind, **ONE)


def graph_of(first: Input, *layers: Layer, outputs: tuple[str, ...] = ()) -> Graph:
    return Graph((first,), layers, outputs or (layers[-1].name,))


def dense(weights: Any, x: str = "x", name: str = "y") -> Dense:
    array = np.array(weights)
    bound = 1 << 62
    return Dense(
        name=name, inputs=(x,), shape=(len(array),), type=IntType(-bound, bound), weights=Weights(array), **ONE
    )


@pytest.mark.parametrize("peak", [1 << 24, (1 << 24) + 1, (1 << 53) - 1, (1 << 53) + 1, (1 << 61) + 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_products_are_exact_where_floating_point_is_not(peak: int, sign: int) -> None:
    """The largest partial sum is `peak`, around the last integers that float32 and float64 hold."""
    weights = [[sign * (peak - 3), sign, sign, sign], [1, 1, -1, 0]]
    graph = graph_of(entry(4, kind=IntType(0, 1)), dense(weights))
    codes = [np.array(list(product((0, 1), repeat=4)), dtype=np.int64)]
    np.testing.assert_array_equal(reference.run(graph, codes)[0], plain_run(graph, codes)[0])
    assert abs(reference.run(graph, codes)[0]).max() == peak


def test_a_sum_that_leaves_64_bits_on_its_way_comes_back() -> None:
    weights = [[1 << 62, 1 << 62, 1 << 62, -(1 << 62), -(1 << 62), -5]]
    graph = graph_of(entry(6, kind=IntType(0, 1)), dense(weights))
    codes = [np.ones((1, 6), dtype=np.int64)]
    assert reference.run(graph, codes)[0].tolist() == plain_run(graph, codes)[0].tolist() == [[(1 << 62) - 5]]


def test_a_wide_accumulator_read_by_a_second_matrix() -> None:
    graph = graph_of(
        entry(2, kind=IntType(0, 1)), dense([[(1 << 40) + 1, 1], [3, -5]], name="a"), dense([[1, 7]], x="a")
    )
    codes = [np.array(list(product((0, 1), repeat=2)), dtype=np.int64)]
    np.testing.assert_array_equal(reference.run(graph, codes)[0], plain_run(graph, codes)[0])


def conv(weights: Ints, shape: tuple[int, ...], **options: Any) -> Conv:
    bound = IntType(-(1 << 40), 1 << 40)
    options.setdefault("window", Window((weights.shape[1], weights.shape[2])))
    return Conv(name="y", inputs=("x",), shape=shape, type=bound, weights=Weights(weights), **ONE, **options)


@pytest.mark.parametrize("pad_value", [0, -8, 7, 127, 128, -300, 1 << 40])
def test_padding_with_values_of_any_width(pad_value: int) -> None:
    weights = np.random.default_rng(0).integers(-3, 4, (2, 3, 2, 2))
    graph = graph_of(
        entry(4, 5, 2), conv(weights, (4, 7, 2), window=Window((3, 2), pads=(1, 2, 1, 1)), pad_value=pad_value)
    )
    codes = random_codes(graph, 1, 4)
    np.testing.assert_array_equal(reference.run(graph, codes)[0], plain_run(graph, codes)[0])


@pytest.mark.parametrize("kind", [IntType(-128, 127), IntType(-128, -128), IntType(0, 255), IntType(-(1 << 31), 0)])
def test_padding_of_a_pool_never_wins(kind: IntType) -> None:
    pool = MaxPool(name="y", inputs=("x",), shape=(3, 3, 2), type=kind, window=Window((2, 2), pads=(1, 1, 0, 0)), **ONE)
    graph = graph_of(entry(3, 3, 2, kind=kind), pool)
    codes = random_codes(graph, 2, 5)
    np.testing.assert_array_equal(reference.run(graph, codes)[0], plain_run(graph, codes)[0])


def test_a_pool_of_accumulators() -> None:
    weights = np.random.default_rng(0).integers(-3, 4, (2, 1, 1, 2))
    bound = IntType(-(1 << 40), 1 << 40)
    pool = MaxPool(
        name="z", inputs=("y",), shape=(2, 2, 2), type=bound, window=Window((2, 2), (2, 2), pads=(0, 0, 1, 1)), **ONE
    )
    graph = graph_of(entry(3, 3, 2), conv(weights, (3, 3, 2)), pool)
    codes = random_codes(graph, 3, 5)
    np.testing.assert_array_equal(reference.run(graph, codes)[0], plain_run(graph, codes)[0])


def test_an_output_that_is_also_read_and_a_layer_read_twice_by_one() -> None:
    both = Sum(name="s", inputs=("y", "y"), shape=(2,), type=IntType(-999, 999), factors=((1,), (2, -3)), **ONE)
    graph = graph_of(entry(3), dense([[1, 2, 3], [-1, 0, 2]]), both, outputs=("y", "s", "x"))
    codes = random_codes(graph, 4, 6)
    for ours, wanted in zip(reference.run(graph, codes), plain_run(graph, codes), strict=True):
        np.testing.assert_array_equal(ours, wanted)


@pytest.mark.parametrize("held", [1, 1000, 10000])
def test_how_much_is_in_flight_changes_nothing(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = random_graph(11)
    codes = random_codes(graph, 5, 23)
    whole = reference.run(graph, codes)
    monkeypatch.setattr(reference, "IN_FLIGHT", held)
    for part, wanted in zip(reference.run(graph, codes), whole, strict=True):
        np.testing.assert_array_equal(part, wanted)


def test_no_samples_give_no_outputs() -> None:
    graph = random_graph(12)
    (out,) = reference.run(graph, random_codes(graph, 6, 4)[:1][0][None, :0])
    assert out.shape == (0, *graph.by_name[graph.outputs[0]].shape)


def test_the_samples_given_are_left_as_they_are() -> None:
    graph = random_graph(13)
    codes = random_codes(graph, 7, 4)
    before = [array.copy() for array in codes]
    reference.run(graph, codes)
    assert all((a == b).all() for a, b in zip(codes, before, strict=True))
