# SPDX-License-Identifier: Apache-2.0
"""What stands before and behind the integers goes out as well: the file takes and gives what the model does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from onnx import TensorProto

import bitwright as bw
from tests.exported import Array, as_list, differences, execute
from tests.frontend.nets import QONNX, Net

WEIGHTS = np.random.default_rng(7).integers(-7, 8, (4, 6))


def head(net: Net, x: str) -> str:
    """Four logits with a scale of their own."""
    return net.add("MatMul", x, net.weights(WEIGHTS.T * 0.3, 0.3))


def divided(net: Net) -> str:
    shifted = net.add("Sub", net.add("Div", net.x, net.const(3.0)), net.const([0.5] * 5 + [0.25]))
    return head(net, net.quant(net.add("Mul", shifted, net.const(2.0)), 0.07))


def turned(net: Net) -> str:
    return head(net, net.quant(net.add("Sub", net.const(1.0), net.x), 0.1, bits=4))


def clipped(net: Net) -> str:
    return head(net, net.qdq(net.add("Clip", net.x, net.const(-2.0), net.const(3.0)), 0.05, 40))


def zero_before(net: Net) -> str:
    return head(net, net.quant(net.x, 0.3, 3.0, 5, signed=0, mode="FLOOR"))


def narrow(net: Net) -> str:
    return head(net, net.quant(net.x, 0.3, bits=10, narrow=1, mode="HALF_UP"))


def bipolar(net: Net) -> str:
    return head(net, net.add("BipolarQuant", net.add("Relu", net.x), net.const(0.5), domain=QONNX))


def counted(net: Net) -> str:
    rows = np.sort(np.random.default_rng(8).normal(size=(6, 3)).astype(np.float32), axis=1)
    return head(net, net.add("MultiThreshold", net.x, net.const(rows), domain=QONNX))


def softmax(net: Net) -> str:
    return net.add("Softmax", head(net, net.qdq(net.x, 0.1, 128)), axis=-1)


def requantised(net: Net) -> str:
    return net.quantize(softmax(net), 1 / 256, -128, np.int8)


def leaky(net: Net) -> str:
    made = net.add("LeakyRelu", head(net, net.qdq(net.x, 0.1, 128)), alpha=0.3)
    return net.add("Elu", net.add("Add", made, net.const(-1.5)), alpha=2.0)


def bounded(net: Net) -> str:
    return net.add("Clip", head(net, net.qdq(net.x, 0.1, 128)), net.const(-1.0), net.const(2.5))


def largest(net: Net) -> str:
    return net.add("ArgMax", head(net, net.qdq(net.x, 0.1, 128)), axis=1, keepdims=0)


NETS = (divided, turned, clipped, zero_before, narrow, bipolar, counted, softmax, requantised, leaky, bounded, largest)


def taken(net: Net, outputs: tuple[str, ...], x: Array, noise: float = 0) -> bw.Graph:
    """The graph of `net`, whose file computes the same as it, and is read back to an equal one."""
    graph = bw.load(net.proto(*outputs))
    model = bw.to_onnx(graph)
    again = bw.load(model)
    assert differences(graph, again) == []
    assert bw.to_onnx(again).SerializeToString(deterministic=True) == model.SerializeToString(deterministic=True)
    ours = as_list(bw.run(graph, x))
    for a, b in zip(ours, as_list(bw.run(again, x)), strict=True):
        np.testing.assert_array_equal(b, a)
    for a, b in zip(ours, execute(model, {"x": x})[1], strict=True):
        np.testing.assert_allclose(b, a, rtol=0, atol=noise)
    return graph


@pytest.mark.parametrize("build", NETS, ids=[build.__name__ for build in NETS])
def test_host_steps_are_written_too(build: Callable[[Net], str]) -> None:
    net = Net(6)
    x = np.random.default_rng(9).normal(scale=3, size=(50, 6)).astype(np.float32)
    taken(net, (build(net),), x, noise=3e-7 if build in (softmax, leaky) else 0)


@pytest.mark.parametrize("options", [{"keepdims": 0}, {"select_last_index": 1}])
def test_places_leave_and_are_read(options: dict[str, int]) -> None:
    net = Net(5, 3, 4)
    y = net.qdq(net.x, 0.5, 128)
    places = net.add("ArgMax", net.qdq(net.add("Conv", y, net.weights(np.eye(5)[:, :, None, None])), 4.0, 7), axis=1)
    other = net.add("ArgMax", y, axis=1, **options)
    codes = net.qdq(net.add("Cast", places, to=1), 0.7, 3)
    x = np.random.default_rng(9).normal(scale=9, size=(20, 5, 3, 4)).astype(np.float32)
    taken(net, (other, net.add("ArgMax", codes, axis=1), codes), x)


def test_both_outputs_of_a_selection_and_the_logits_leave() -> None:
    net = Net(6)
    logits = head(net, net.qdq(net.x, 0.1, 128))
    values = net.add("TopK", logits, net.const([2], np.int64), outputs=2)
    x = np.random.default_rng(9).normal(scale=3, size=(50, 6)).astype(np.float32)
    taken(net, (values, values.replace(".0", ".1"), logits), x)


@pytest.mark.parametrize(("kind", "dtype"), [(TensorProto.INT8, np.int8), (TensorProto.UINT16, np.uint16)])
def test_integer_inputs_stay_integers(kind: int, dtype: type) -> None:
    net = Net(2, 3, 3, kind=kind)
    real = net.dequantize(net.x, 0.25, 3, dtype)
    made = net.add("Conv", real, net.weights(np.arange(-9, 9).reshape(1, 2, 3, 3)), pads=[1, 1, 1, 1])
    info = np.iinfo(dtype)
    x = np.random.default_rng(10).integers(info.min, info.max + 1, (9, 2, 3, 3)).astype(dtype)
    taken(net, (net.qdq(made, 4.0, 100),), x)


def test_a_signal_is_written_as_an_image_of_height_one() -> None:
    net = Net(3, 17)
    x = net.add("Conv", net.qdq(net.x, 0.1, 128), net.weights(np.ones((2, 3, 4))), pads=[2, 1], strides=[2])
    data = np.random.default_rng(11).normal(scale=4, size=(5, 3, 17)).astype(np.float32)
    taken(net, (net.add("MaxPool", net.qdq(x, 0.3, 128), kernel_shape=[2]),), data)


def test_float64_inputs_are_quantised_in_float32() -> None:
    net = Net(6, kind=TensorProto.DOUBLE)
    x = np.random.default_rng(12).normal(scale=3, size=(50, 6))
    taken(net, (head(net, net.quant(net.x, 0.07)),), x)


def test_the_roundings_of_pytorch_are_written_out() -> None:
    net = Net(6)
    x = (np.random.default_rng(13).integers(-80, 80, (200, 6)) * 0.015).astype(np.float32)  # ties of the scale 0.03
    made = head(net, net.qdq(net.x, 0.03, 0, np.int8))
    net.qdq(made, 0.3 * 0.03 * 3, 0, np.int8)
    torch = bw.load(net.proto(), rounding="torch")
    assert not np.array_equal(bw.run(torch, x), bw.run(bw.load(net.proto()), x))
    model = bw.to_onnx(torch)
    np.testing.assert_array_equal(bw.run(bw.load(model), x), bw.run(torch, x))
    np.testing.assert_array_equal(execute(model, {"x": x})[1][0], bw.run(torch, x))


@pytest.mark.parametrize("zero", [0, 77])
@pytest.mark.parametrize(
    ("kernel", "group", "options"),
    [
        ((2, 2), 1, {"strides": [2, 2]}),
        ((3, 3), 2, {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
        ((4, 2), 1, {"strides": [3, 1], "pads": [0, 1, 2, 0]}),
        ((3, 3), 1, {"strides": [1, 1], "pads": [1, 1, 1, 1]}),
        ((1, 3), 1, {"strides": [2, 2], "dilations": [1, 2]}),
    ],
    ids=["plain", "groups", "asymmetric", "stride 1", "dilated"],
)
def test_transposed_convolutions_stay_what_they_are(
    kernel: tuple[int, int], group: int, options: dict[str, list[int]], zero: int
) -> None:
    net, rng = Net(4, 5, 6), np.random.default_rng(14)
    weights = net.weights(rng.integers(1, 8, (4, 3, *kernel)) * rng.choice([-1, 1], (4, 3, *kernel)))
    made = net.add(
        "ConvTranspose",
        net.qdq(net.x, 0.1, zero),
        weights,
        net.const(rng.normal(size=3 * group)),
        group=group,
        **options,
    )
    x = rng.normal(scale=9, size=(4, 4, 5, 6)).astype(np.float32)
    graph = taken(net, (net.qdq(made, 0.7, 100),), x)
    assert [node.op_type for node in bw.to_onnx(graph).graph.node].count("ConvTranspose") == (
        options["strides"] != [1, 1]
    )
