# SPDX-License-Identifier: Apache-2.0
"""ConvTranspose whose padding follows from the size of its output, and that of signals."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import Net, grid, outputs_of

WAYS: list[dict[str, Any]] = [
    *(
        {"auto_pad": way, "strides": strides}
        for way in ("SAME_UPPER", "SAME_LOWER", "VALID")
        for strides in ([2, 3], [1, 2])
    ),
    {"output_shape": [9, 11], "strides": [2, 2]},
    {"output_shape": [9, 11], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"pads": [1, 0, 0, 1], "output_padding": [1, 0], "strides": [2, 2]},
]


def check(net: Net, rank: int) -> None:
    """Equal to onnxruntime, whose reference has other rules for odd paddings."""
    proto = net.proto()
    x = grid(3, 4, *(4, 5)[2 - rank :], span=8)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    (wanted,) = ort.InferenceSession(proto.SerializeToString(), options).run(None, {"x": x})
    (mine,) = outputs_of(load_onnx(proto), x)
    assert mine.shape == wanted.shape
    assert (mine == wanted).all()


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_padding_by_the_size_of_the_output(way: dict[str, Any], size: int) -> None:
    net = Net(4, 4, 5)
    w = net.dequantize(net.const(grid(4, 2, size, size, step=1.0, span=7), np.int8), 0.5, 0, np.int8)
    net.qdq(net.add("ConvTranspose", net.qdq(net.x, 0.25, 0, np.int8), w, **way), 1.0, 0, np.int8)
    check(net, 2)


@pytest.mark.parametrize(
    "way",
    [
        {"strides": [2], "pads": [1, 1]},
        {"strides": [3], "auto_pad": "SAME_UPPER"},
        {"dilations": [2], "kernel_shape": [3]},
        {"strides": [3], "output_padding": [1], "group": 2},
        {"strides": [2], "output_shape": [8]},
    ],
    ids=str,
)
def test_signals(way: dict[str, Any]) -> None:
    net = Net(4, 5)
    w = net.dequantize(net.const(grid(4, 2, 3, step=1.0, span=7), np.int8), 0.5, 0, np.int8)
    net.qdq(net.add("ConvTranspose", net.qdq(net.x, 0.25, 0, np.int8), w, **way), 1.0, 0, np.int8)
    check(net, 1)
