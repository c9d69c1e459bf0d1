# SPDX-License-Identifier: Apache-2.0
"""Average pools, transposed convolutions, and QONNX's Trunc behind a sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import SumPool
from tests.frontend.nets import QONNX, Net, agree, grid, only, ops, outputs_of

AVERAGES: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3]},
    {"kernel_shape": [3, 2], "strides": [1, 2], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [3, 2], "strides": [1, 2], "pads": [1, 0, 2, 1], "count_include_pad": 1},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1], "count_include_pad": 1},
    {"kernel_shape": [7, 6]},
]


@pytest.mark.parametrize("zero", [0.0, 3.0])
@pytest.mark.parametrize("attributes", AVERAGES, ids=str)
def test_average_pools(attributes: dict[str, Any], zero: float) -> None:
    net = Net(2, 7, 6)
    net.quant(net.add("AveragePool", net.quant(net.x, 0.25, zero, 6.0), **attributes), 0.125, 1.0, 6.0)
    agree(net, grid(8, 2, 7, 6, span=10))


def test_the_average_of_a_signal() -> None:
    net = Net(3, 8)
    y = net.add("AveragePool", net.quant(net.x, 0.25, 1.0, 6.0), kernel_shape=[3], strides=[2], pads=[1, 0])
    net.quant(y, 0.3, bits=6.0)
    assert only(agree(net, grid(8, 3, 8)), SumPool).window.kernel == (1, 3)


@pytest.mark.parametrize("op", ["GlobalAveragePool", "ReduceMean", "ReduceMean flat"])
@pytest.mark.parametrize("shape", [(3, 4, 4), (3, 6)])
def test_averages_over_everything(op: str, shape: tuple[int, ...]) -> None:
    net = Net(*shape)
    x = net.quant(net.x, 0.25, 1.0, 6.0)
    attributes: dict[str, Any] = {}
    if op.startswith("ReduceMean"):
        attributes = {"axes": [-1, -2] if len(shape) == 3 else [2], "keepdims": int(op == "ReduceMean")}
    net.quant(net.add(op.split()[0], x, **attributes), 0.25, bits=6.0)  # four elements: ties
    agree(net, grid(32, *shape))


def test_averages_behind_unquantised_values() -> None:
    net = Net(2, 6, 6)
    kernel = net.quant(net.const(grid(3, 2, 2, 2, span=3)), np.reshape([0.5, 0.3, 1.0], (3, 1, 1, 1)), bits=4.0)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=5.0), kernel, net.const([0.3, -1.0, 2.0]))
    net.quant(net.add("AveragePool", y, kernel_shape=[2, 2]), 0.7, bits=6.0)
    assert ops(agree(net, grid(8, 2, 6, 6))) == ["conv", "sumpool", "requantise"]


def test_dilated_averages() -> None:
    net = Net(2, 7, 7, opset=19)
    y = net.add("AveragePool", net.quant(net.x, 0.25, bits=6.0), kernel_shape=[2, 3], dilations=[3, 2])
    net.quant(y, 0.125, bits=7.0)
    graph = load_onnx(net.proto())
    x = grid(4, 2, 7, 7, span=7)
    total = sum(x[:, :, 3 * i : 3 * i + 4, 2 * j : 2 * j + 3].astype(np.float64) for i in range(2) for j in range(3))
    np.testing.assert_array_equal(outputs_of(graph, x)[0], np.clip(np.rint(total / 6 / 0.125), -64, 63) * 0.125)


TRANSPOSED: list[dict[str, Any]] = [
    {},
    {"strides": [2, 2]},
    {"strides": [2, 3], "pads": [1, 0, 0, 1]},
    {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    {"dilations": [2, 1]},
]


@pytest.mark.parametrize("zero", [0.0, 2.0])
@pytest.mark.parametrize("attributes", TRANSPOSED, ids=str)
def test_transposed_convolutions(attributes: dict[str, Any], zero: float) -> None:
    net = Net(4, 3, 4)
    kernel = net.weights(grid(4, 6, 3, 2, span=3), 0.5, bits=4.0)
    y = net.add("ConvTranspose", net.quant(net.x, 0.25, zero, 6.0), kernel, net.const(np.arange(6) / 4), **attributes)
    net.quant(y, 2.0, bits=6.0)
    agree(net, grid(4, 4, 3, 4, span=9))


def test_grouped_transposed_convolutions() -> None:  # which onnx.reference cannot compute
    weights, x = grid(4, 3, 3, 2, span=3), grid(4, 4, 3, 4, span=9)

    def transposed(kernel: Any, images: Any, groups: int) -> Any:
        net = Net(*images.shape[1:])
        y = net.add(
            "ConvTranspose",
            net.quant(net.x, 0.25, 1.0, 6.0),
            net.weights(kernel, 0.5, 4.0),
            strides=[2, 1],
            group=groups,
        )
        return outputs_of(load_onnx(net.proto(y)), images)[0]

    halves = [transposed(weights[i : i + 2], x[:, i : i + 2], 1) for i in (0, 2)]
    np.testing.assert_array_equal(transposed(weights, x, 2), np.concatenate(halves, axis=1))


@pytest.mark.parametrize("mode", ["FLOOR", "floor", "ROUND", "CEIL", "DOWN", "HALF_UP"])
@pytest.mark.parametrize("bits", [(9.0, 5.0), (9.0, 9.0)])
def test_trunc_of_an_average(mode: str, bits: tuple[float, float]) -> None:
    """Version 1: the output keeps the input's scale."""
    net = Net(2, 4, 4)
    sums = net.add("AveragePool", net.quant(net.x, 0.25, bits=6.0), kernel_shape=[2, 2], strides=[2, 2])
    constants = (net.const(v) for v in (0.25 / 4, 0.0, *bits))
    net.add("Trunc", sums, *constants, domain=QONNX, rounding_mode=mode)
    x = grid(16, 2, 4, 4, span=7)
    total = x.reshape(16, 2, 2, 2, 2, 2).sum(axis=(3, 5), dtype=np.float64) / 0.25
    rounding = {
        "FLOOR": np.floor,
        "ROUND": np.rint,
        "CEIL": np.ceil,
        "DOWN": np.trunc,
        "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5),
    }[mode.upper()]
    wanted = rounding(total / 2.0 ** (bits[0] - bits[1])) * 0.25 / 4
    np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), x)[0], wanted.astype(np.float32))


@pytest.mark.parametrize(("signed", "narrow"), [(1, 0), (1, 1), (0, 0)])
def test_trunc_to_a_scale_of_its_own(signed: int, narrow: int) -> None:
    """Version 2: an output scale, and saturation."""
    net = Net(6)
    x = net.quant(net.x, 0.25, bits=10.0)
    constants = (net.const(v) for v in (0.25, 3.0, 10.0, 2.0, 5.0))
    net.add("Trunc", x, *constants, domain=QONNX, signed=signed, narrow=narrow, rounding_mode="ROUND")
    values = grid(32, 6, span=80)
    shifted = (values.astype(np.float64) / 0.25 + 3.0) / 8
    low, high = (-16 + narrow, 15) if signed else (0, 31)
    wanted = (np.rint(np.clip(shifted, low, high)) - 3.0 / 8) * 2.0
    np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), values)[0], wanted.astype(np.float32))
