# SPDX-License-Identifier: Apache-2.0
"""Softmax, LogSoftmax, TopK and ArgMax behind the last integer layer stay on the host, and are said aloud."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import Net, agree, grid, outputs_of


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


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("axis", [1, -1])
def test_arg_max_gives_the_lowest_index_of_a_tie(axis: int, keepdims: int) -> None:
    net = Net(3, 4)
    net.add("ArgMax", logits(net), axis=axis, keepdims=keepdims)
    agree(net, grid(32, 3, 4, span=3))


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
