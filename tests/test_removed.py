# SPDX-License-Identifier: Apache-2.0
"""A pruned ONNX model from load to hardware: its channels leave, are said to, and are there again for the audit."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from rich.console import Console

import bitwright as bw
from bitwright.design import random_codes
from bitwright.exact.ranges import ranges
from bitwright.ir import files
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise
from bitwright.ir.parsing import parse
from bitwright.ir.passes import remove_channels
from bitwright.ir.printing import constants, print_graph
from bitwright.ir.source import Removed
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.report import show
from bitwright.report.inspection import inspection
from bitwright.report.page import page
from bitwright.sim import reference
from tests.collection import load, needs_collection, taken
from tests.exported import as_list, differences, execute
from tests.frontend.nets import Net
from tests.frontend.oracle import replay
from tests.needs import needs_rtl

SAID = ["conv2: 16 -> 8 channels, the others carry nothing", "matmul8: 24 -> 12 channels, the others carry nothing"]


@cache
def model() -> onnx.ModelProto:
    """A convolution of 16 channels and a dense layer of 24; half of each carry nothing, two are constants."""
    rng = np.random.default_rng(5)
    net = Net(2, 6, 6)
    first = rng.integers(-3, 4, (16, 2, 3, 3)) | 1
    first[8:] = 0  # zero rows: these channels hold what the bias makes of them
    bias = np.where(np.arange(16) == 9, 3.0, 0.0)
    x = net.quant(net.x, 0.25, bits=4.0)
    x = net.add("Conv", x, net.weights(first * 0.25, 0.25, 4), net.const(bias), kernel_shape=[3, 3])
    x = net.quant(net.add("Relu", x), 0.5, bits=4.0, signed=0)
    x = net.add("Flatten", net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]))
    second = rng.integers(-3, 4, (64, 24)) | 1
    x = net.add("MatMul", x, net.weights(second * 0.5, 0.5, 4))
    x = net.quant(net.add("Relu", x), 2.0, bits=4.0, signed=0)
    third = rng.integers(-3, 4, (24, 3)) | 1
    third[12:] = 0
    net.quant(net.add("MatMul", x, net.weights(third * 0.5, 0.5, 4)), 1.0)
    return net.proto()


@cache
def network() -> Graph:
    return bw.load(model())


@cache
def images() -> Any:
    return np.random.default_rng(7).integers(-8, 8, (6, 2, 6, 6)).astype(np.float32) / 4


def test_what_left_is_said() -> None:
    net = network()
    assert net.source.removed == (Removed("conv2", 16, 8), Removed("matmul8", 24, 12))
    design = bw.compile(net)
    report = design.report()
    assert report["removed"] == bw.inspect(net)["removed"] == net.removed
    for drawn in (inspection(bw.inspect(net)), show.design(design.record)):
        text = io.StringIO()
        Console(file=text, width=120).print(drawn)
        assert [line.rstrip() for line in text.getvalue().splitlines() if "->" in line] == SAID
    assert all(f'<p class="note">{line.replace(">", "&gt;")}</p>' in page(design.record) for line in SAID)


def test_it_computes_what_the_model_does() -> None:
    net = network()
    (wanted,) = replay(model(), {"x": images()})
    np.testing.assert_array_equal(bw.run(net, images()), wanted)
    conv = next(layer for layer in net.layers if isinstance(layer, Conv))
    assert conv.shape == (4, 4, 8) and conv.weights.zeros == 0
    assert len({*next(x for x in net.layers if isinstance(x, Requantise) and x.channels == 12).offset.values}) > 1


def test_the_audit_sees_every_channel() -> None:
    net = network()
    (wanted,) = replay(model(), {"x": images()})
    result = bw.verify(net, images(), wanted + (np.arange(3) == 1), trace=True)
    assert result["trace"] == [None] * len(images())
    assert result["golden"]["equal"] == 2 * len(images()) and result["golden"]["unexplained"] == len(images())


def test_it_goes_out_to_onnx_and_back() -> None:
    net = network()
    exported = bw.to_onnx(net)
    assert differences(net, bw.load(exported.SerializeToString())) == []
    _, (theirs,) = execute(exported, {"x": images()})
    np.testing.assert_array_equal(theirs, as_list(bw.run(net, images()))[0])


def test_a_slice_of_what_left_costs_nothing() -> None:
    """Half of the channels are cut off behind the quantiser: what made them leaves, and the order needs no hardware."""
    net = Net(4)
    x = net.quant(net.add("MatMul", net.quant(net.x, 0.5), net.weights(np.arange(1, 33).reshape(4, 8) % 5 - 2)), 1.0)
    x = net.add("Slice", x, net.const([0], np.int64), net.const([4], np.int64), net.const([1], np.int64))
    net.quant(net.add("MatMul", x, net.weights(np.arange(1, 13).reshape(4, 3) % 4 - 1)), 2.0)
    made = bw.load(net.proto())
    assert [layer.op for layer in made.layers] == ["dense", "requantise", "dense", "requantise"]
    assert made.source.removed == (Removed("matmul2", 8, 4),)
    values = np.random.default_rng(3).integers(-6, 7, (5, 4)).astype(np.float32) / 2
    np.testing.assert_array_equal(bw.run(made, values), replay(net.proto(), {"x": values})[0])


def test_a_saved_graph_remembers(tmp_path: Path) -> None:
    net = network()
    files.save(net, tmp_path / "net.bw")
    assert bw.load(tmp_path / "net.bw") == net
    assert parse(print_graph(net), constants(net)) == net
    assert "removed=((conv2, 16, 8), (matmul8, 24, 12))" in print_graph(net).splitlines()[0]


@needs_rtl
@pytest.mark.parametrize("engine", ["hls", "rtl"])
def test_every_engine_agrees(engine: str) -> None:
    result = bw.verify(network(), images(), engines=(engine,), samples=4)
    assert result["engines"][engine]["mismatches"] == 0


def planted(graph: Graph, seed: int) -> Graph:
    """`graph` with half of the rows of its matrix layers zero, and some of their columns."""
    rng = np.random.default_rng(seed)
    for layer in graph.layers:
        if isinstance(layer, Dense | Conv):
            weights = layer.weights.array.copy()
            weights[rng.random(len(weights)) < 0.5] = 0
            weights[..., rng.random(weights.shape[-1]) < 0.2] = 0
            graph = graph.expand(layer.name, replace(layer, weights=Weights(weights)))
    return graph


@pytest.mark.slow
@needs_collection
def test_networks_of_the_collection_shrink_to_the_same_function() -> None:
    """Every structure there is: residual sums, concatenations, transposed and grouped convolutions, flattenings."""
    shrunk = []
    for seed, name in enumerate(taken()):
        graph = planted(load(name), seed)
        after = verify(remove_channels(graph, ranges))
        codes = random_codes(graph, 2)
        for ours, wanted in zip(reference.run(after, codes), reference.run(graph, codes), strict=True):
            np.testing.assert_array_equal(ours, wanted, err_msg=name)
        assert remove_channels(after, ranges) is after, name
        if after.macs < graph.macs:
            shrunk.append(name)
    assert len(shrunk) > 35, shrunk
