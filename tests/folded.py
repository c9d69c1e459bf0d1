# SPDX-License-Identifier: Apache-2.0
"""Small networks of dialects whose widths cannot fall, and inputs of theirs in splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.frontend.nets import QONNX, Net
from tests.tflite.files import Net as FlatNet
from tests.tflite.files import act

Arrays = dict[str, NDArray[Any]]


def _weights(*shape: int, most: int = 7, seed: int = 3) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(-most, most + 1, shape)


def tflite(folder: Path) -> tuple[Path, Arrays]:
    """A convolution and a dense layer on int8, as the converter of TensorFlow writes them."""
    net = FlatNet()
    x = net.input((1, 6, 5, 4), scale=0.5, zero=-3)
    scales = np.array([0.5, 0.25, 0.125, 0.25])
    kernel = net.const(_weights(4, 3, 3, 4), "int8", scale=scales, zero=0, axis=0)
    bias = net.const(_weights(4, most=40), "int32", scale=scales * 0.5, zero=0, axis=0)
    options = {"_0": ("b", 1), "_1": ("i", 1), "_2": ("i", 1), "_3": act("RELU"), "_4": ("i", 1), "_5": ("i", 1)}
    y = net.add("CONV_2D", [x, kernel, bias], (1, 4, 3, 4), scale=0.5, zero=-3, **options)
    rows = net.const(_weights(5, 48), "int8", scale=0.25, zero=0)
    sums = net.const(_weights(5, most=40), "int32", scale=0.125, zero=0)
    net.add("FULLY_CONNECTED", [y, rows, sums], (1, 5), scale=4.0, zero=2)
    file = folder / "small.tflite"
    file.write_bytes(net.bytes())
    return file, splits(lambda count: _weights(count, 6, 5, 4, most=120, seed=count).astype(np.int8))


def thresholds(folder: Path) -> tuple[Path, Arrays]:
    """A convolution whose levels are thresholds, and bits that are cut off before a dense layer."""
    net = Net(3, 6, 6)
    y = net.add("Conv", net.quant(net.x, 0.25), net.weights(_weights(4, 3, 3, 3), bits=4.0))
    steps = np.sort(_weights(4, 7, most=200).astype(np.float64), axis=1) + np.arange(7) / 8
    y = net.add("MultiThreshold", y, net.const(steps), domain=QONNX, out_scale=1.0, out_bias=0.0, data_layout="NCHW")
    y = net.add("MatMul", net.add("Flatten", y), net.weights(_weights(64, 5, most=3), bits=3.0))
    cut = (net.const(value) for value in (1.0, 0.0, 11.0, 8.0))
    net.add("Trunc", y, *cut, domain=QONNX, rounding_mode="FLOOR")
    return _saved(net, folder / "thresholds.onnx"), _reals(3, 6, 6)


def qlinear(folder: Path) -> tuple[Path, Arrays]:
    """Two layers as operators on integers, the weights of the first with zero points."""
    net = Net(3, 6, 6)
    x = net.quantize(net.x, 0.25, 128)
    kernel, scale = net.const(_weights(4, 3, 3, 3) + 3, np.int8), net.const(np.full(4, 0.125))
    zeros, bias = net.const([3, 0, -2, 1], np.int8), net.const(_weights(4, most=60), np.int32)
    entry, middle = (net.const(0.25), net.const(128, np.uint8)), (net.const(0.75), net.const(20, np.uint8))
    y = net.add("QLinearConv", x, *entry, kernel, scale, zeros, *middle, bias)
    rows, size = net.const(_weights(64, 5), np.int8), (net.const(0.25), net.const(0, np.int8))
    end = net.const(2.0), net.const(100, np.uint8)
    y = net.add("QLinearMatMul", net.add("Flatten", y), *middle, rows, *size, *end)
    net.add("DequantizeLinear", y, *end)
    return _saved(net, folder / "qlinear.onnx"), _reals(3, 6, 6)


NETWORKS: Mapping[str, Callable[[Path], tuple[Path, Arrays]]] = {
    "tflite": tflite,
    "thresholds": thresholds,
    "qlinear": qlinear,
}


def splits(drawn: Callable[[int], NDArray[Any]]) -> Arrays:
    """Samples to choose by and to test with, and labels of both that nothing has to do with."""
    return {
        "validation": drawn(24),
        "y_validation": np.arange(24) % 5,
        "x": drawn(10),
        "y": np.arange(10) % 5,
    }


def _reals(*shape: int) -> Arrays:
    return splits(lambda count: (_weights(count, *shape, most=100, seed=count) / 8).astype(np.float32))


def _saved(net: Net, file: Path) -> Path:
    file.write_bytes(net.proto().SerializeToString())
    return file
