# SPDX-License-Identifier: Apache-2.0
"""Layout operators before, between and behind the quantised layers, and shapes that the graph computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import QONNX, Net, agree, grid, ops


def chip(net: Net) -> str:
    return net.quant(net.x, 0.25, bits=10.0)


def flat_dense(net: Net, x: str, inputs: int) -> str:
    return net.add("MatMul", net.add("Flatten", x), net.weights(grid(inputs, 3, span=3, seed=7)))


def moved(net: Net, x: str, step: tuple[str, Any]) -> str:
    op, argument = step
    match op:
        case "Reshape":
            return net.add("Reshape", x, net.const(argument, np.int64))
        case "Transpose":
            return net.add("Transpose", x, perm=argument)
        case "Squeeze" | "Unsqueeze":
            return net.add(op, x, net.const(argument, np.int64))
        case _:
            return net.add(op, x, axis=argument)


MOVES: list[tuple[str, Any]] = [
    ("Reshape", [0, 8, 3]),
    ("Reshape", [1, -1]),
    ("Reshape", [-1, 24]),
    ("Reshape", [0, 0, 3, 1, 4]),
    ("Transpose", [0, 2, 3, 1]),
    ("Transpose", [0, 3, 1, 2]),
    ("Unsqueeze", [2]),
    ("Unsqueeze", [-1]),
    ("Flatten", 1),
    ("Flatten", -3),
]


@pytest.mark.parametrize("step", MOVES, ids=str)
@pytest.mark.parametrize("place", ["input", "integers", "middle", "output"])
def test_layout_operators_everywhere(place: str, step: tuple[str, Any]) -> None:
    net = Net(2, 3, 4, kind=TensorProto.INT8 if place == "integers" else TensorProto.FLOAT)
    match place:
        case "input":
            flat_dense(net, net.quant(moved(net, net.x, step), 0.25, bits=6.0), 24)
        case "integers":
            flat_dense(net, net.dequantize(moved(net, net.x, step), 0.25, 0, np.int8), 24)
        case "middle":
            kernel = net.weights(grid(2, 2, 1, 1, span=3))
            y = moved(net, net.quant(net.add("Conv", chip(net), kernel), 4.0, bits=5.0), step)
            flat_dense(net, net.quant(y, 4.0, bits=5.0), 24)
        case _:
            moved(net, net.quant(chip(net), 0.5, bits=6.0), step)
    x = grid(8, 2, 3, 4)
    agree(net, x.astype(np.int8) if place == "integers" else x)


def test_squeeze_with_and_without_axes() -> None:
    for axes in ([2], [-1], [2, 3], None):
        net = Net(3, 1, 1)
        x = chip(net)
        y = net.add("Squeeze", x) if axes is None else net.add("Squeeze", x, net.const(axes, np.int64))
        net.quant(y, 0.5, bits=6.0)
        if axes is not None:
            agree(net, grid(8, 3, 1, 1))


def test_squeeze_without_axes_keeps_the_samples() -> None:
    net = Net(3, 1, 1)
    flat_dense(net, net.add("Squeeze", chip(net)), 3)
    named = Net(3, 1, 1)
    flat_dense(named, named.add("Squeeze", chip(named), named.const([2, 3], np.int64)), 3)
    assert agree(named, grid(8, 3, 1, 1)).layers[0].shape == (3,)
    assert load_onnx(net.proto()).layers[0].shape == (3,)


def test_axes_as_attributes_of_old_files() -> None:
    net = Net(3, 4, opset=11)
    y = net.add("Squeeze", net.add("Unsqueeze", chip(net), axes=[1, 3]), axes=[3])
    flat_dense(net, y, 12)
    agree(net, grid(8, 3, 4))


def test_allowzero_keeps_its_zeros() -> None:
    net = Net(2, 3, opset=14)
    y = net.add("Reshape", chip(net), net.const([1, 6], np.int64), allowzero=1)
    net.quant(y, 0.5, bits=6.0)
    agree(net, grid(8, 2, 3))


@pytest.mark.parametrize(
    ("batch", "shape"),
    [(8, [8, -1]), (8, [8, 6]), ("N", [8, 6]), (1, [1, 6]), (8, [-1, 6]), (4, [4, 3, -1])],
)
def test_a_batch_that_the_export_wrote_into_a_reshape(batch: int | str, shape: list[int]) -> None:
    written, free = Net(2, 3, batch=batch), Net(2, 3)
    for net, dims in ((written, shape), (free, [0, *shape[1:]] if shape[0] > 0 else shape)):
        y = net.add("Reshape", chip(net), net.const(dims, np.int64))
        net.quant(y, 0.5, bits=6.0)
    graphs = [load_onnx(net.proto()) for net in (written, free)]
    assert graphs[0].after == graphs[1].after and graphs[0].layers == graphs[1].layers


def test_shapes_that_old_exporters_compute() -> None:
    net = Net(2, 3, 4)
    y = net.quant(chip(net), 0.5, bits=6.0)
    rows = net.add("Gather", net.add("Shape", y), net.const(0, np.int64))
    first = net.add("Unsqueeze", rows, net.const([0], np.int64))
    flat_dense(net, net.add("Reshape", y, net.add("Concat", first, net.const([-1], np.int64), axis=0)), 24)
    assert ops(agree(net, grid(8, 2, 3, 4))) == ["requantise", "reshape", "dense"]


def test_a_part_of_a_shape() -> None:
    net = Net(2, 3, 4, opset=15)
    part = net.add("Shape", net.x, start=1, end=-1)
    y = net.add(
        "Reshape", chip(net), net.add("Concat", net.const([1], np.int64), part, net.const([-1], np.int64), axis=0)
    )
    net.quant(y, 0.5, bits=6.0)
    agree(net, grid(8, 2, 3, 4))


def test_weights_re_laid_behind_their_quantiser() -> None:
    net = Net(4)
    for scale in (0.5, [[0.5], [0.25], [1.0]]):
        weights = net.quant(net.const(grid(3, 4, span=2)), scale, bits=4.0)
        weights = net.add(
            "Reshape", net.add("Unsqueeze", weights, net.const([0], np.int64)), net.const([3, 4], np.int64)
        )
        net.x = net.add("Gemm", net.quant(net.x, 0.25, bits=6.0), net.add("Transpose", weights, perm=[1, 0]))
        net.x = net.add("MatMul", net.quant(net.x, 0.5, bits=6.0), net.weights(grid(3, 4, span=2)))
    agree(net, grid(8, 4))


def test_an_image_that_comes_with_its_channels_last() -> None:
    net = Net(5, 4, 3)
    x = net.add("Transpose", chip(net), perm=[0, 3, 1, 2])
    net.add("Conv", x, net.weights(grid(2, 3, 2, 2, span=3)))
    graph = agree(net, grid(8, 5, 4, 3))
    assert ops(graph) == ["conv"] and graph.inputs[0].shape == (5, 4, 3)


def test_an_input_that_two_readers_want_in_different_orders() -> None:
    net = Net(3, 4)
    x = net.quant(net.x, 0.25, bits=6.0)
    first = net.add("MatMul", net.add("Transpose", x, perm=[0, 2, 1]), net.weights(grid(3, 2, span=3)))
    second = net.add("MatMul", x, net.weights(grid(4, 2, span=3)))
    agree(net, grid(8, 3, 4), outputs=(first, second, x))


def test_an_output_of_the_host_is_re_laid_there() -> None:
    net = Net(2, 3)
    y = net.add("Softmax", net.quant(chip(net), 0.5, bits=6.0), axis=-1)
    net.add("Reshape", net.add("Transpose", y, perm=[0, 2, 1]), net.const([0, 6], np.int64))
    agree(net, grid(8, 2, 3), exact=False)


def test_scales_per_channel_survive_a_flatten() -> None:
    net = Net(2, 3, 3)
    kernel = net.quant(net.const(grid(3, 2, 2, 2, span=3)), np.reshape([0.5, 0.3, 1.0], (3, 1, 1, 1)), bits=4.0)
    y = net.add("Flatten", net.add("Relu", net.add("Conv", chip(net), kernel)))
    net.add("BipolarQuant", net.add("Sub", y, net.const(np.linspace(0, 9, 12))), net.const(1.0), domain=QONNX)
    assert ops(agree(net, grid(8, 2, 3, 3, span=4))) == ["conv", "reshape", "requantise"]
