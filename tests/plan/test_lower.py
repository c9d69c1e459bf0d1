# SPDX-License-Identifier: Apache-2.0
"""Lowering: streams that fit on both ends, and kernels that compute what the layers mean."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from math import prod

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.exact.ranges import ranges
from bitwright.frontend.build import Net
from bitwright.hardware.kernels.adder import Adder
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Fork, Interleave, Join, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector, weight_words
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lanes import choices, is_legal, matrix_lanes
from bitwright.hardware.lowering.emit import Contents
from bitwright.hardware.lowering.lower import kernels_of, lower_layer
from bitwright.hardware.plan import ZEROS, LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Gather, Layer, MaxPool, SumPool
from bitwright.ir.per_channel import PerChannel
from bitwright.planning.candidates import candidates
from bitwright.planning.decide import decide
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph
from tests.rtl import kernel_models


def random_plan(graph: Graph, seed: int) -> Plan:
    """Any legal parallelism for every layer that has one, and zeros skipped in some of those that can."""
    rng, skips = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    plans = {}
    for layer in graph.layers:
        if isinstance(layer, Dense | Conv | MaxPool | SumPool):
            legal = choices(layer, graph.by_name[layer.inputs[0]].shape)
            pe, simd = legal[rng.integers(len(legal))]
            plans[layer.name] = LayerPlan(
                pe=pe, simd=simd, zeros=ZEROS[skips.integers(3)] if skips_zeros(layer) else "multiply"
            )
    return Plan(plans)


def skips_zeros(layer: Layer) -> bool:
    return isinstance(layer, Dense | Conv) and getattr(layer, "groups", 1) == 1 and 0 in layer.weights.type


@cache
def lowered(seed: int, joins: bool) -> tuple[Graph, KernelGraph]:
    graph = random_graph(seed, joins=joins)
    return graph, compile_graph(graph, plan=random_plan(graph, seed)).kernels


SEEDS = pytest.mark.parametrize(("seed", "joins"), [(seed, joins) for seed in range(40) for joins in (False, True)])


@SEEDS
def test_kernels_compute_what_the_layers_mean(seed: int, joins: bool) -> None:
    graph, kernels = lowered(seed, joins)
    codes = random_codes(graph, seed, 2)
    for i in range(2):
        frame = {name: codes[k][i].reshape(-1, kernels.stream(name).lanes) for k, name in enumerate(kernels.inputs)}
        beats = kernel_models.run(kernels, frame)
        wanted = reference.run(graph, [c[i : i + 1] for c in codes])
        for name, out in zip(kernels.outputs, wanted, strict=True):
            np.testing.assert_array_equal(beats[name].reshape(-1), out.reshape(-1))


Port = tuple[int, int]
"""(lanes, beats) of one stream."""


def ports(kernel: Kernel) -> tuple[list[Port], list[Port]]:
    """What a kernel must find on its input and output streams."""
    match kernel:
        case Window() | Reorder():
            return [(kernel.lanes, kernel.in_beats)], [(kernel.lanes, kernel.out_beats)]
        case ParallelWindow():
            return [(kernel.lanes, kernel.in_beats)], [(kernel.lanes * kernel.window.size, kernel.out_beats)]
        case MatrixVector() | SparseMatrixVector():
            vectors = kernel.vectors * (kernel.groups if isinstance(kernel, MatrixVector) else 1)
            return [(kernel.simd, vectors * kernel.col_fold)], [(kernel.pe, vectors * kernel.row_fold)]
        case Depthwise():
            beats = kernel.vectors * kernel.blocks
            return [(kernel.lanes * kernel.simd, beats * kernel.fold)], [(kernel.pe, beats)]
        case MaxReduce() | SumReduce() | ArgMaxReduce():
            lanes = 1 if isinstance(kernel, ArgMaxReduce) else kernel.lanes
            return [(kernel.lanes, kernel.groups * kernel.fold)], [(lanes, kernel.groups)]
        case WidthConverter():
            lanes = (kernel.in_lanes, kernel.out_lanes)
            return [(lanes[0], kernel.elements // lanes[0])], [(lanes[1], kernel.elements // lanes[1])]
        case Fork() | Requantiser():
            return [(kernel.lanes, kernel.beats)], [(kernel.lanes, kernel.beats)] * len(kernel.outputs)
        case Interleave():
            parts = [(kernel.lanes, kernel.pixels * part) for part in kernel.parts]
            return parts, [(kernel.lanes, kernel.pixels * sum(kernel.parts))]
        case Join():
            return [(kernel.lanes, kernel.beats)] * len(kernel.inputs), [(kernel.lanes, kernel.beats)]
        case _:
            raise AssertionError(kernel)


@SEEDS
def test_every_stream_fits_both_its_ends(seed: int, joins: bool) -> None:
    graph, kernels = lowered(seed, joins)
    for kernel in kernels.kernels:
        reads, writes = ports(kernel)
        assert [(kernels.stream(n).lanes, kernels.stream(n).beats) for n in kernel.inputs] == reads
        assert [(kernels.stream(n).lanes, kernels.stream(n).beats) for n in kernel.outputs] == writes
        assert kernel.cycles >= max(beats for _, beats in (*reads, *writes))
        assert kernel.layer in graph.by_name
    made = [name for kernel in kernels.kernels for name in kernel.outputs]
    read = [name for kernel in kernels.kernels for name in kernel.inputs]
    assert sorted([*made, *kernels.inputs]) == sorted(stream.name for stream in kernels.streams)
    assert sorted([*read, *kernels.outputs]) == sorted(stream.name for stream in kernels.streams)
    assert all(stream.lanes * stream.beats == prod(stream.shape) for stream in kernels.streams)
    assert all(stream.depth >= 2 for stream in kernels.streams)
    assert len({kernel.name for kernel in kernels.kernels}) == len(kernels.kernels)


@SEEDS
def test_kernels_come_after_what_they_read(seed: int, joins: bool) -> None:
    _, kernels = lowered(seed, joins)
    known = set(kernels.inputs)
    for kernel in kernels.kernels:
        assert known.issuperset(kernel.inputs)
        known.update(kernel.outputs)


@SEEDS
def test_types_of_streams_are_those_of_the_layers(seed: int, joins: bool) -> None:
    graph, kernels = lowered(seed, joins)
    for kernel in kernels.kernels:
        layer = graph.by_name[kernel.layer]
        (source, *_) = kernel.inputs
        if isinstance(
            kernel,
            MatrixVector
            | SparseMatrixVector
            | Depthwise
            | MaxReduce
            | SumReduce
            | Requantiser
            | Multiplier
            | Interleave
            | Reorder,
        ):
            extends = isinstance(kernel, Interleave) and not kernel.others
            pads = isinstance(kernel, Reorder) and not isinstance(layer, Gather)
            assert kernels.stream(kernel.output).type == layer.type or extends or pads
        if isinstance(kernel, Join):
            assert kernels.stream(kernel.output).type == kernel.y_type
        if isinstance(kernel, MatrixVector | SparseMatrixVector | Depthwise):
            assert (kernel.x_type, kernel.acc_type) == (kernels.stream(source).type, layer.type)
        if isinstance(kernel, Requantiser):
            assert kernel.folds * kernel.lanes == layer.channels
        if isinstance(kernel, Adder | Multiplier | Interleave):
            assert kernel.x_types == tuple(kernels.stream(name).type for name in kernel.inputs)


def test_weight_words_come_in_the_order_of_use() -> None:
    groups, rows, cols, pe, simd = 2, 4, 6, 2, 3
    matrix = np.arange(groups * rows * cols).reshape(groups * rows, cols)
    words = weight_words(matrix, groups, pe, simd).array
    used = []
    for group in range(groups):
        for row_fold in range(rows // pe):
            for col_fold in range(cols // simd):
                first = group * rows + row_fold * pe
                used.append(matrix[first : first + pe, col_fold * simd : (col_fold + 1) * simd])
    np.testing.assert_array_equal(words, np.array(used))


def single(op: str) -> Graph:
    """An input and one layer: a dense one of 6 x 4, a grouped or depthwise convolution, or a pool of 6 channels."""
    shape = {"dense": (4,), "conv": (5, 5, 4), "depthwise": (5, 5, 3), "maxpool": (5, 5, 6)}[op]
    net = Net()
    x = net.input("x", shape, "s4")
    match op:
        case "dense":
            net.dense(x, np.arange(24).reshape(6, 4), name="layer")
        case "conv":
            net.conv(x, np.arange(6 * 9 * 2).reshape(6, 3, 3, 2), groups=2, name="layer")
        case "depthwise":
            net.conv(x, np.arange(6 * 9).reshape(6, 3, 3, 1), groups=3, name="layer")
        case _:
            net.max_pool(x, (2, 2), name="layer")
    return net.graph()


@pytest.mark.parametrize(
    ("op", "pe", "simd", "what", "hint"),
    [
        ("dense", 4, 2, "PE 4 must divide 6 rows and SIMD 2 must divide 4 columns", "choose divisors"),
        ("dense", 3, 3, "PE 3 must divide 6 rows and SIMD 3 must divide 4 columns", "choose divisors"),
        (
            "conv",
            6,
            2,
            "PE 6 must divide 3 rows and SIMD 2 must divide 2 columns or be 9 times a divisor",
            "choose divisors",
        ),
        (
            "conv",
            3,
            4,
            "PE 3 must divide 3 rows and SIMD 4 must divide 2 columns or be 9 times a divisor",
            "choose divisors",
        ),
        (
            "depthwise",
            3,
            1,
            "PE 3 must divide 2 or be 2 times a divisor of 3 channels "
            "and SIMD 1 must divide 1 columns or be 9 times a divisor",
            "choose divisors",
        ),
        (
            "depthwise",
            2,
            3,
            "PE 2 must divide 2 or be 2 times a divisor of 3 channels "
            "and SIMD 3 must divide 1 columns or be 9 times a divisor",
            "choose divisors",
        ),
        ("maxpool", 1, 4, "SIMD 4 must divide 6 channels", "choose a divisor"),
    ],
)
def test_parallelism_that_does_not_divide(op: str, pe: int, simd: int, what: str, hint: str) -> None:
    with pytest.raises(BitwrightError) as error:
        compile_graph(single(op), plan=Plan({"layer": LayerPlan(pe=pe, simd=simd)}))
    assert str(error.value) == f"plan: layer 'layer': {what}\n  hint: {hint}"


def test_the_depth_that_a_plan_chooses() -> None:
    kernels = compile_graph(single("conv"), plan=Plan({"layer": LayerPlan(fifo_depth=77)})).kernels
    assert {stream.name: stream.depth for stream in kernels.streams}[kernels.inputs[0]] == 77


def test_streams_say_what_their_integers_mean() -> None:
    graph = single("dense")
    scales = PerChannel.made(range(6)) + Fraction(1, 4)
    layer = replace(graph.layers[0], scale=scales, zero=PerChannel.made(Fraction(3)))
    kernels = compile_graph(replace(graph, layers=(layer,)), plan=Plan({})).kernels
    assert kernels.stream(kernels.outputs[0]).real == "scale 0.25..5.25, zero 3"


@pytest.mark.parametrize("seed", range(24))
def test_lanes_are_legal_where_they_are_a_choice(seed: int) -> None:
    graph = random_graph(seed, joins=False)
    for layer in graph.layers:
        if isinstance(layer, Dense | Conv):
            shape = graph.by_name[layer.inputs[0]].shape
            rows, cols = matrix_lanes(layer, shape[-1])
            most = range(1, 2 + 2 * max(rows, layer.channels)), range(1, 2 + 10 * cols)
            found = [(pe, simd) for pe in most[0] for simd in most[1] if is_legal(layer, shape, pe, simd)]
            assert sorted(found) == sorted(set(choices(layer, shape)))


@pytest.mark.parametrize("op", ["conv", "depthwise", "dense", "maxpool"])
def test_one_layer_alone_is_what_it_is_in_its_network(op: str) -> None:
    """Lowering is a function of the layer, what it reads and what was decided: the same twice, and in the graph."""
    graph = single(op)
    choices = decide(graph, Plan(), candidates(graph, Plan(), ranges(graph)))
    whole = kernels_of(graph, choices, Contents.REAL)
    layer, x = graph.layers[0], whole.stream(whole.inputs[0])
    made = lower_layer(layer, "layer", (x,), choices["layer"], Contents.REAL)
    assert made == lower_layer(layer, "layer", (x,), choices["layer"], Contents.REAL)
    assert made.kernels == whole.kernels and (x, *made.streams) == whole.streams
    estimated = lower_layer(layer, "layer", (x,), choices["layer"], Contents.SHAPES)
    assert [(type(k), k.cycles, k.inputs, k.outputs) for k in estimated.kernels] == [
        (type(k), k.cycles, k.inputs, k.outputs) for k in made.kernels
    ]
