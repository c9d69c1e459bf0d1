# SPDX-License-Identifier: Apache-2.0
"""The models that are mutated: the bundled network, one small network of each dialect, and real ones where present."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from onnx import TensorProto

from tests.frontend.nets import QONNX, Net, grid

DEMO = Path(__file__).parents[2] / "bitwright/demo/digits.onnx"
SHARED = Path(__file__).parents[2].parent / "shared/models"
LARGEST = 60_000
"""Bytes of the largest real model that is taken: a thousand mutations a minute need small ones."""


def qonnx() -> Net:
    """Convolution, batch normalisation, pool, residual sum, dense layer, soft maximum."""
    net = Net(2, 6, 6)
    x = net.quant(net.x, 0.25, bits=6.0)
    y = net.add("Conv", x, net.weights(grid(3, 2, 3, 3, span=3), 0.5, 4.0), pads=[1, 1, 1, 1])
    norm = [net.const(v) for v in ([1.0, 0.5, 2.0], [0.5, -1.0, 0.25], [0.0, 1.0, 2.0], [1.0, 4.0, 0.25])]
    y = net.quant(net.add("Relu", net.add("BatchNormalization", y, *norm)), 0.5, bits=5.0, signed=0)
    z = net.quant(net.add("Conv", y, net.weights(grid(3, 1, 3, 3, span=3)), group=3, pads=[1, 1, 1, 1]), 0.75)
    y = net.quant(net.add("Add", y, z), 1.0, bits=6.0)
    y = net.add("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    y = net.add("Reshape", y, net.const([0, -1], np.int64))
    y = net.add("Gemm", y, net.weights(grid(4, 27, span=2)), net.const([0.5, 1.0, -2.0, 0.0]), transB=1)
    net.add("Softmax", net.quant(y, 2.0), axis=1)
    return net


def qdq() -> Net:
    """QuantizeLinear and DequantizeLinear with zero points and a scale per channel, concat, average pool."""
    net = Net(3, 5, 5, batch=1)
    x = net.qdq(net.x, 0.1, 128)
    w = net.dequantize(net.const(grid(4, 3, 3, 3, span=9), np.int8), [0.1, 0.2, 0.3, 0.4], [0] * 4, np.int8, axis=0)
    y = net.qdq(net.add("Clip", net.add("Conv", x, w), net.const(0.0), net.const(6.0)), 0.02)
    pooled = net.qdq(net.add("AveragePool", y, kernel_shape=[2, 2], pads=[0, 0, 1, 1], count_include_pad=1), 0.03, 3)
    y = net.qdq(net.add("Concat", y, pooled, axis=1), 0.04, 7)
    y = net.qdq(net.add("GlobalAveragePool", y), 0.05, 1)
    y = net.add("Squeeze", y, net.const([2, 3], np.int64))
    net.add("TopK", net.qdq(net.add("Sigmoid", y), 1 / 256), net.const([2], np.int64), outputs=2, axis=1)
    return net


def qoperator() -> Net:
    """Operators on integers, the input an integer as well."""
    net = Net(2, 4, kind=TensorProto.UINT8)
    s, zero, zero8 = net.const(0.05), net.const(10, np.uint8), net.const(0, np.int8)
    w = net.const(grid(3, 2, 2, span=9), np.int8)
    y = net.add("QLinearConv", net.x, s, zero, w, s, zero8, s, zero, net.const([3, -4, 5], np.int32))
    net.add("QLinearAdd", y, s, zero, y, net.const(0.07), zero, s, zero, domain="com.microsoft")
    y = net.add("QLinearLeakyRelu", net.nodes[-1].output[0], s, zero, s, zero, domain="com.microsoft", alpha=0.1)
    y = net.add("QLinearMatMul", y, s, zero, net.const(grid(3, 2, span=9), np.int8), s, zero8, s, zero)
    net.add("ArgMax", net.add("DequantizeLinear", y, s, zero), axis=1, keepdims=0)
    return net


def layouts() -> Net:
    """Slices, splits, pads, transposes, resizes, transposed convolutions and depth to space between quantisers."""
    net = Net(4, 4, 4)
    x = net.quant(net.x, 0.25, bits=5.0)
    y = net.add("ConvTranspose", x, net.weights(grid(4, 4, 2, 2, span=3)), strides=[2, 2])
    y = net.quant(y, 1.0, bits=6.0)
    y = net.add("DepthToSpace", y, blocksize=2, mode="CRD")
    y = net.add("Slice", y, *(net.const([v], np.int64) for v in (1, 9, 2)))
    y = net.add("Pad", y, net.const([0, 0, 1, 0, 0, 0, 0, 1], np.int64), net.const(0.0))
    y = net.add("Resize", y, net.const([]), net.const([1.0, 1.0, 2.0, 1.0]), mode="nearest")
    y = net.add("Transpose", y, perm=[0, 1, 3, 2])
    left = net.add("Split", y, net.const([8, 9], np.int64), outputs=2, axis=2)
    y = net.quant(net.add("LeakyRelu", net.add("Mul", left, left), alpha=0.25), 4.0)
    net.add("Flatten", net.add("Tanh", y))
    return net


def deployment() -> Net:
    """Integer arithmetic that rounds by itself, thresholds, truncation and one-bit values."""
    net = Net(4, kind=TensorProto.INT8)
    y = net.add("MatMul", net.add("Cast", net.x, to=TensorProto.FLOAT), net.const(grid(4, 4, step=1, span=9)))
    y = net.add("Div", net.add("Add", net.add("Mul", y, net.const(5.0)), net.const(64.0)), net.const(128.0))
    y = net.add("Clip", net.add("Floor", y), net.const(0.0), net.const(255.0))
    steps = np.sort(grid(4, 7, span=90))
    y = net.add(
        "MultiThreshold",
        net.quant(y, 2.0, bits=7.0, signed=0),
        net.const(steps),
        domain=QONNX,
        out_scale=0.5,
        out_bias=-1.0,
    )
    width = [net.const(v) for v in (0.5, 0.0, 4.0, 2.0)]
    y = net.add("Trunc", y, *width, domain=QONNX, rounding_mode="FLOOR")
    y = net.add("BipolarQuant", net.add("Sub", y, net.const(0.3)), net.const(0.5), domain=QONNX)
    net.add("Gemm", y, net.add("BipolarQuant", net.const(grid(3, 4)), net.const(1.0), domain=QONNX), transB=1)
    return net


def floating() -> Net:
    """No quantiser: what `quantize` takes, with weights and statistics computed from constants."""
    net = Net(2, 6, 6)
    kernel = net.add("Div", net.const(grid(3, 2, 3, 3, span=3)), net.const(4.0))
    y = net.add("Conv", net.x, kernel, net.const([0.5, -1.0, 0.25]), pads=[1, 1, 1, 1])
    norm = [net.const(v) for v in ([1.0, 0.5, 2.0], [0.5, -1.0, 0.25], [0.0, 1.0, 2.0], [1.0, 4.0, 0.25])]
    y = net.add("Clip", net.add("BatchNormalization", y, *norm), net.const(0.0), net.const(6.0))
    z = net.add("Conv", y, net.const(grid(3, 1, 3, 3, span=3)), group=3, pads=[1, 1, 1, 1])
    y = net.add("MaxPool", net.add("Add", y, z), kernel_shape=[2, 2], strides=[2, 2])
    y = net.add("Reshape", net.add("LeakyRelu", y, alpha=0.25), net.const([0, -1], np.int64))
    y = net.add("Gemm", y, net.const(grid(4, 27, span=2)), net.const([0.5, 1.0, -2.0, 0.0]), transB=1)
    net.add("Softmax", net.add("MatMul", net.add("Tanh", y), net.const(grid(4, 3))), axis=1)
    return net


BUILT: tuple[Callable[[], Net], ...] = (qonnx, qdq, qoperator, layouts, deployment, floating)


def seeds(*, real: bool = True) -> Mapping[str, bytes]:
    """The models by name; with `real` also the small ones of the folder beside the repository."""
    found = {build.__name__: build().proto().SerializeToString() for build in BUILT}
    found["digits"] = DEMO.read_bytes()
    for path in sorted(SHARED.glob("*/*/model.onnx")) if real else ():
        if path.stat().st_size <= LARGEST:
            found[f"{path.parent.parent.name}/{path.parent.name}"] = path.read_bytes()
    return found
