# SPDX-License-Identifier: Apache-2.0
"""The front is what no other design beats, and a price is that of the design that `compile` makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bitwright import api
from bitwright.compress import quantize
from bitwright.explore.evaluate import weight_memory
from bitwright.explore.pareto import pareto_front
from bitwright.explore.pricing import price_of
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.devices import device
from bitwright.planning.price import KINDS
from bitwright.planning.target import Target
from bitwright.report.record import Report
from bitwright.report.svg import ticks
from tests import collection

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


# The front, and the ticks of its picture


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nothing_beats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [(int(cost), int(score)) for cost, score in rng.integers(0, 12, (30, 2))]

    def beaten(item: tuple[int, int]) -> bool:
        return any(c <= item[0] and s >= item[1] and (c, s) != item for c, s in items)

    front = pareto_front(items, cost=lambda item: item[0], score=lambda item: item[1])
    assert front == sorted({item for item in items if not beaten(item)})


@pytest.mark.parametrize("low, high", [(0, 1), (0.123, 1.0), (396, 1871), (5, 5), (0.986, 0.989), (1, 1e6), (0, 0)])
def test_ticks_are_few_round_and_enclose(low: float, high: float) -> None:
    values = ticks(low, high)
    assert values[0] <= low + 1e-9 and values[-1] >= high - 1e-9
    assert 2 <= len(values) <= 10
    step = values[1] - values[0]
    assert f"{step:.3e}"[0] in "125"
    np.testing.assert_allclose(np.diff(values), step)


# The price


def compiled(graph: Graph, **asked: Any) -> dict[str, Any]:
    """What the report of `bitwright compile` says of a graph for a target, as a row of a sweep has it."""
    record = api.compile(graph, **asked).record
    used = {name: getattr(record.total, name) for name in KINDS}
    return used | {"interval_cycles": record.interval_cycles, "cost": round(100 * sum(shares(record)), 4)}


def shares(record: Report) -> Iterator[float]:
    """What is taken of each resource of the part, or of the device that stands in for what is not fitted."""
    held = device(record.part if record.part and record.total.share else "xc7z020").budget
    yield from (getattr(record.total, name) / max(1, getattr(held, name)) for name in KINDS)


def model_of(nodes: list[onnx.NodeProto], sizes: list[list[int]], weights: Mapping[str, Any]) -> onnx.ModelProto:
    """A float network from "x" to "y", of these `sizes`."""
    ends = zip("xy", sizes, strict=True)
    entry, end = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *size]) for name, size in ends)
    constants = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", [entry], [end], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def branches() -> onnx.ModelProto:
    """A residual sum of unequal scales, then two convolutions that are concatenated, then a dense layer."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w1"], ["d"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["d", "r"], ["s"]),
        helper.make_node("Relu", ["s"], ["t"]),
        helper.make_node("Conv", ["t", "w2"], ["e"]),
        helper.make_node("Conv", ["t", "w3"], ["f"], pads=[1, 1, 1, 1]),
        helper.make_node("Concat", ["e", "f"], ["j"], axis=1),
        helper.make_node("Relu", ["j"], ["k"]),
        helper.make_node("Flatten", ["k"], ["l"]),
        helper.make_node("MatMul", ["l", "w4"], ["y"]),
    ]
    sizes = [(4, 1, 3, 3), (4, 4, 3, 3), (4, 4, 1, 1), (2, 4, 3, 3), (6 * 64, 10)]
    return model_of(nodes, [[1, 8, 8], [10]], {f"w{index}": rng.normal(size=size) for index, size in enumerate(sizes)})


TARGETS: list[dict[str, Any]] = [
    {},
    {"cycles": 600},
    {"fps": 200_000.0, "part": "xczu3eg"},
    {"part": "xc7s6", "cycles": 5_000},
    {"part": "zcu104"},
    {"part": "vck190", "cycles": 900},
]


def made(model: onnx.ModelProto, x: list[int], weights: int, activations: int) -> Graph:
    """A network of so many bits."""
    data = np.random.default_rng(0).normal(size=(64, *x)).astype(np.float32)
    options: dict[str, Any] = {"rounding": "nearest", "correct": "none", "zero": "never"}
    return quantize(model, [data], weights=weights, activations=activations, **options).graph()


def price(graph: Graph, **asked: Any) -> dict[str, Any]:
    """What a sweep says of a design's price."""
    found = price_of(graph, Target(**asked))
    return asdict(found.total) | {"interval_cycles": found.interval, "cost": round(found.cost, 4)}


@pytest.mark.parametrize("asked", TARGETS, ids=str)
def test_a_network_with_joins_is_priced_as_compile_makes_it(asked: dict[str, Any]) -> None:
    """In ResNet-8 the requantisers of exact sums, in place of short factors and one shift, were half as much again."""
    graph = made(branches(), [1, 8, 8], 4, 8)
    assert {"sum", "concat"} <= {layer.op for layer in graph.layers}
    assert len(api.compile(graph).sums) == 1
    assert price(graph, **asked) == compiled(graph, **asked) and not price_of(graph, Target(**asked)).over


def test_a_design_that_does_not_fit_is_priced_as_compile_forces_it() -> None:
    graph, asked = made(branches(), [1, 8, 8], 8, 8), {"part": "xc7s6", "cycles": 192}
    with pytest.raises(BitwrightError, match="192 clocks per frame do not fit xc7s6"):
        api.compile(graph, **asked)
    assert price(graph, **asked) == compiled(graph, **asked, force=True)
    assert price_of(graph, Target(part="xc7s6", cycles=192)).over


@pytest.mark.slow
@collection.needs_collection
@pytest.mark.parametrize(
    "asked", [{}, {"part": "xczu7ev", "cycles": 20_000}, {"part": "xc7k325t", "fps": 1500.0}], ids=str
)
def test_resnet_8_is_priced_as_compile_makes_it(asked: dict[str, Any]) -> None:
    graph = collection.load("tflite/ic_resnet8_int8")
    assert price(graph, **asked) == compiled(graph, **asked)


def test_a_table_is_counted_too() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Tanh", ["h"], ["t"]),
        helper.make_node("MatMul", ["t", "v"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    floating = model_of(nodes, [[4], [2]], {"w": rng.normal(size=(4, 8)), "v": rng.normal(size=(8, 2))})
    graph = made(floating, [4], 4, 6)
    assert "table" in [layer.op for layer in graph.layers]
    assert price(graph) == compiled(graph)


def test_weight_memory_counts_each_layer_at_its_own_width() -> None:
    graph = api.load(DIGITS / "digits.onnx")
    # 4-bit conv1, 3-bit conv2, ternary dense1 of which 20 outputs carry something, 4-bit dense2
    assert weight_memory(graph) == 72 * 4 + 1152 * 3 + 64 * 20 * 2 + 20 * 10 * 4
