# SPDX-License-Identifier: Apache-2.0
"""Softmax, LogSoftmax, TopK and ArgMax behind the last integer layer: layers where they can be, else said aloud."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.graph import Graph
from bitwright.ir.layers import ArgMax
from bitwright.ir.types import IntType
from tests.frontend.nets import Net, agree, grid, only, ops, outputs_of


def logits(net: Net) -> str:
    return net.quant(net.quant(net.x, 0.25, bits=10.0), 2.0, bits=4.0)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(
    ("shape", "opset", "attributes"), [((6,), 13, {"axis": -1}), ((6,), 11, {}), ((3, 4), 13, {"axis": 1})]
)
def test_softmax(op: str, shape: tuple[int, ...], opset: int, attributes: dict[str, Any]) -> None:
    net = Net(*shape, opset=opset)
    net.add(op, logits(net), **attributes)
    graph = agree(net, grid(16, *shape), exact=False)
    assert graph.host[-1] == {
        "node": f"{op.lower()}2",
        "op": op,
        "side": "output",
        "reason": "not integer arithmetic: stays on the host",
    }


def stable_order(x: Any, largest: bool) -> Any:
    """Indices of a row by value, the lowest index first among equals."""
    return np.array([sorted(range(len(row)), key=lambda i: (-row[i] if largest else row[i], i)) for row in x])


@pytest.mark.parametrize("largest", [1, 0])
@pytest.mark.parametrize("opset", [9, 13])
def test_top_k_gives_the_lowest_index_of_a_tie(largest: int, opset: int) -> None:
    net = Net(8, opset=opset)
    y = logits(net)
    attributes = {"largest": largest} if opset > 10 else {"k": 5}
    operands = (y, net.const([5], np.int64)) if opset > 9 else (y,)
    values = net.add("TopK", *operands, outputs=2, **attributes)
    indices = values.replace(".0", ".1")
    graph = load_onnx(net.proto(values, indices, y))
    x = grid(32, 8, span=4)
    best, places, codes = outputs_of(graph, x)
    assert len(np.unique(codes)) < 8  # ties in every sample
    order = stable_order(codes, largest == 1 or opset < 11)[:, :5]
    np.testing.assert_array_equal(places, order)
    np.testing.assert_array_equal(best, np.take_along_axis(codes, order, axis=1))
    assert [entry["reason"] for entry in graph.host if entry["op"] == "TopK"] == ["selects among the outputs"] * 2


@pytest.mark.parametrize("names", [(0,), (1,)])
def test_one_output_of_top_k(names: tuple[int, ...]) -> None:
    net = Net(6)
    y = logits(net)
    net.add("TopK", y, net.const([1], np.int64), outputs=2, axis=1)
    node = net.nodes[-1]
    kept = node.output[names[0]]
    node.output[1 - names[0]] = ""
    (made,) = outputs_of(load_onnx(net.proto(kept)), grid(16, 6))
    assert made.shape == (16, 1) and made.dtype == (np.int64 if names[0] else np.float32)


CHANNELS = [((8,), 1), ((3, 4), 1), ((5, 2, 3), 1), ((5, 2, 3), -3)]
"""Shapes of samples, and the axis of the channels."""


def reasons(graph: Graph, op: str) -> list[str]:
    return [entry["reason"] for entry in graph.host if entry["op"] == op]


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(("shape", "axis"), CHANNELS)
def test_arg_max_of_channels_is_a_layer(shape: tuple[int, ...], axis: int, keepdims: int, last: int) -> None:
    net = Net(*shape)
    net.add("ArgMax", logits(net), axis=axis, keepdims=keepdims, select_last_index=last)
    x = grid(60, *shape, span=5)
    graph = agree(net, x)
    (made,) = outputs_of(graph, x)
    assert made.dtype == np.int64
    layer = only(graph, ArgMax)
    assert (layer.last, layer.type, layer.channels) == (last, IntType(0, shape[0] - 1), 1)
    assert reasons(graph, "ArgMax") == [] and graph.outputs == (layer.name,)
    codes = outputs_of(load_onnx(net.proto(net.nodes[-1].input[0])), x)[0]
    assert ((codes == codes.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_arg_max_along_another_axis_stays_on_the_host(keepdims: int, last: int) -> None:
    net = Net(3, 4)
    net.add("ArgMax", logits(net), axis=-1, keepdims=keepdims, select_last_index=last)
    graph = agree(net, grid(32, 3, 4, span=3))
    assert reasons(graph, "ArgMax") == ["selects along an axis that is not that of the channels"]


def per_channel(net: Net, scale: list[float], zero: list[int]) -> str:
    q = net.quantize(logits(net), 2.0, 0, np.int8)
    return net.dequantize(q, scale, zero, np.int8, axis=1)


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (lambda n: per_channel(n, [0.5] * 6, [3] * 6), ""),
        (lambda n: n.add("Add", n.add("Mul", logits(n), n.const(0.3)), n.const([-1.5] * 6)), ""),
        (
            lambda n: per_channel(n, [0.5, 0.5, 0.5, 0.5, 0.25, 0.5], [3] * 6),
            "selects among channels of different scales or offsets",
        ),
        (
            lambda n: per_channel(n, [0.5] * 6, [3, 3, 3, 3, 3, 4]),
            "selects among channels of different scales or offsets",
        ),
        (lambda n: n.add("Neg", logits(n)), "selects among integers that fall where the values rise"),
        (lambda n: n.add("Relu", logits(n)), "selects among clipped values, more of which are equal"),
        (lambda n: n.add("Sigmoid", logits(n)), "selects among values that no quantiser turned into integers"),
        (lambda n: n.add("Softmax", logits(n)), "selects among the outputs"),
    ],
)
def test_the_order_of_the_integers_is_that_of_the_values(build: Callable[[Net], str], reason: str) -> None:
    net = Net(6)
    net.add("ArgMax", build(net), axis=1)
    graph = agree(net, grid(40, 6, span=6))
    assert reasons(graph, "ArgMax") == [reason] * bool(reason)
    assert ("argmax" in ops(graph)) == (not reason)


def test_the_index_of_a_top_one_is_a_layer() -> None:
    net = Net(6)
    net.add("TopK", logits(net), net.const([1], np.int64), outputs=2)
    indices = net.nodes[-1].output[1]
    graph = agree(net, grid(40, 6, span=6), outputs=(indices,))
    assert ops(graph)[-1] == "argmax" and reasons(graph, "TopK") == []


@pytest.mark.parametrize(("k", "largest"), [(1, 0), (2, 1)])
def test_other_choices_stay_on_the_host(k: int, largest: int) -> None:
    net = Net(6)
    net.add("TopK", logits(net), net.const([k], np.int64), outputs=2, largest=largest)
    graph = load_onnx(net.proto(net.nodes[-1].output[1]))
    assert reasons(graph, "TopK") == ["selects among the outputs"] and "argmax" not in ops(graph)
    (places,) = outputs_of(graph, x := grid(40, 6, span=6))
    (codes,) = outputs_of(load_onnx(net.proto(net.nodes[-1].input[0])), x)
    np.testing.assert_array_equal(places, stable_order(codes, largest == 1)[:, :k])


def test_logits_and_places_leave_together_and_places_are_read() -> None:
    net = Net(4, 2, 3)
    y = logits(net)
    place = net.add("ArgMax", y, axis=1)
    real = net.add("Cast", place, to=1)
    flat = net.add("Flatten", place)
    q = net.quant(net.add("Mul", real, net.const(1.5)), 1.0, bits=4.0)
    graph = agree(net, grid(40, 4, 2, 3, span=5), outputs=(y, place, real, flat, q))
    assert ops(graph).count("argmax") == 1
    kinds = [array.dtype for array in outputs_of(graph, grid(2, 4, 2, 3))]
    assert kinds == [np.float32, np.int64, np.float32, np.int64, np.float32]


def test_steps_on_the_host_may_follow_each_other() -> None:
    net = Net(6)
    y = net.add("Mul", net.add("Softmax", logits(net), axis=-1), net.const(2.0))
    net.add("ArgMax", net.add("Sub", net.const(1.0), y), axis=1)
    net.add("Add", net.add("Sigmoid", y), y)
    agree(net, grid(16, 6), outputs=(net.nodes[-1].output[0],), exact=False)


@pytest.mark.parametrize("zero", [0, 3])
def test_what_the_host_computed_may_be_quantised_again(zero: int) -> None:
    linear = Net(6)
    linear.qdq(linear.add("Softmax", logits(linear), axis=-1), 1 / 255, zero)
    graph = agree(linear, grid(16, 6))
    assert [entry["op"] for entry in graph.host[-2:]] == ["QuantizeLinear", "DequantizeLinear"]
    qonnx = Net(6)
    qonnx.quant(qonnx.add("Softmax", logits(qonnx), axis=-1), 1 / 255, float(zero), bits=6.0, signed=0)
    agree(qonnx, grid(16, 6))


def test_codes_of_the_host_may_have_a_scale_per_channel() -> None:
    net = Net(3)
    q = net.quantize(net.add("Softmax", logits(net), axis=-1), 1 / 128)
    net.dequantize(q, [0.5, 0.25, 1.0], [1, 2, 3], axis=1)
    agree(net, grid(16, 3))
