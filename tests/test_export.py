# SPDX-License-Identifier: Apache-2.0
"""Graphs out to ONNX: other tools compute the same integers, and bitwright reads an equal graph back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.backends.onnx.export import dialect, to_onnx
from bitwright.exact.ranges import ranges
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.functions import Function, function_of
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.passes import remove_channels
from bitwright.ir.types import IntType, integer
from bitwright.sim import reference
from bitwright.sim.whole import leaving
from tests.exported import Array, as_list, differences, execute
from tests.ir.graphs import random_graph
from tests.layers.cases import CASES
from tests.layers.nets import Net

RESTATED = {
    "conv_of_bits": "padding that is no code of the input is a layer of its own when it is read",
    "conv_of_a_calibrated_range": "padding that is no code of the input is a layer of its own when it is read",
    "sum_pools": "padding that is no code of the input is a layer of its own when it is read",
    "roundings": "thresholds count from 0",
    "signs": "what leaves two codes is read as a bit",
    "levels": "thresholds count from 0",
    "leaks": "thresholds count from 0",
    "tables": "a table of a line is a requantiser when it is read",
    "sums": "a sum of three is two sums, and the factors of a sum have no common divisor",
    "gathers": "a gather that only leaves is a layout of the host when it is read",
    "classes": "the largest of a layer's channels is a layer when it is read",
    "residual": "outputs leave in the order of their layers",
    "passed_through": "outputs leave in the order of their layers",
}
"""Networks that no frontend builds like this: what is read back computes the same and is built otherwise."""
QONNX = {
    "dense_bits",
    "conv_of_bits",
    "max_pools",
    "roundings",
    "signs",
    "levels",
    "leaks",
    "sums",
    "products",
    "concats",
    "arg_maxes",
}
SEEDS = (*range(300, 312), 1018)  # the last with padding as wide as a window


def bare(graph: Graph) -> Graph:
    """The integer part alone."""
    return replace(graph, before=HostGraph(), after=HostGraph()) if graph.before.inputs else graph


def samples(graph: Graph, seed: int, count: int = 7) -> list[Array]:
    """Random codes of every input, its lowest and highest first."""
    rng = np.random.default_rng(seed)
    made = []
    for entry in graph.inputs:
        codes = rng.integers(entry.type.lo, entry.type.hi + 1, (count, *entry.shape))
        codes[0], codes[1] = entry.type.lo, entry.type.hi
        made.append(np.where(codes >= 0, 1, -1) if entry.type.is_bipolar else codes)
    return made


def first(codes: Array) -> Array:
    """Channels first, as a file lays out what has no host steps."""
    return np.moveaxis(codes, -1, 1)


def expected(graph: Graph, codes: list[Array]) -> list[Array]:
    """What the file must give."""
    left = reference.run(graph, codes)
    if graph.after.outputs:
        return leaving(graph, left)
    return [first(array) if array.ndim == 4 else array for array in left]


def written(graph: Graph) -> tuple[onnx.ModelProto, Graph]:
    """The file and the graph that is read from it, which computes what the file does and what `graph` does."""
    model = to_onnx(graph)
    if dialect(model) == "QDQ":
        onnx.checker.check_model(model, full_check=True)
    codes = samples(graph, 5)
    feeds = {entry.name: first(x).astype(np.float32) for entry, x in zip(model.graph.input, codes, strict=True)}
    want = expected(graph, codes)
    _, got = execute(model, feeds)
    for ours, theirs in zip(want, got, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    again = load_onnx(model)
    for ours, theirs in zip(want, as_list(bw.run(again, list(feeds.values()))), strict=True):
        np.testing.assert_array_equal(np.sort(theirs.ravel()), np.sort(ours.ravel()))
    return model, again


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_layer_is_executed_and_read_back(name: str) -> None:
    """`load` leaves out what carries nothing; the networks are made by hand and have it."""
    graph = bare(CASES[name])
    model, again = written(graph)
    if not name.startswith("random"):
        assert dialect(model) == ("QONNX" if name in QONNX else "QDQ")
    if name not in RESTATED and not name.startswith("random"):
        kept = remove_channels(graph, ranges)
        assert differences(kept, again) == []
        assert to_onnx(again).SerializeToString(deterministic=True) == to_onnx(kept).SerializeToString(
            deterministic=True
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks_are_executed_and_read_back(seed: int) -> None:
    written(bare(random_graph(seed, joins=True)))


STEP = "572875/16777216"
"""A float32 scale: in float32 the codes of a tie of 1/8 of it are not the nearest."""
FUNCTIONS: dict[str, tuple[IntType, Function, str]] = {
    "codes of no integer type": (
        integer(10, signed=True),
        function_of(("affine", "1/8", "0"), ("leaky_relu", "1/4"), ("affine", "32", "0")),
        "FLOAT",
    ),
    "ties that codes keep": (
        integer(6, signed=True),
        function_of(("affine", STEP, "0"), ("leaky_relu", "1/8"), ("affine", str(1 / Fraction(STEP)), "0")),
        "INT8",
    ),
    "ties that float32 misses": (
        integer(8, signed=True),
        function_of(
            ("affine", STEP, "0"),
            ("above", "0"),
            ("affine", str(1 / Fraction(STEP) / 2), "0"),
        ),
        "DOUBLE",
    ),
    "codes closer to a step than float32 is exact": (
        integer(16, signed=True),
        function_of(("affine", "1/64", "0"), "tanh", ("affine", "32767", "0")),
        "DOUBLE",
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_tables_beyond_float32_and_the_integer_types_of_onnx(case: str) -> None:
    kind, function, number = FUNCTIONS[case]
    net = Net()
    net.table(net.input("x0", (3,), "s8"), kind, *function)
    model, again = written(net.graph())
    kinds = {onnx.TensorProto.DataType.Name(t.data_type) for t in model.graph.initializer if "/clip" in t.name}
    assert kinds == {number}
    assert differences(bare(net.graph()), again) == []
    assert to_onnx(again).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
