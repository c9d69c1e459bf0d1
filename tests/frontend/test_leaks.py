# SPDX-License-Identifier: Apache-2.0
"""PReLU and leaky ReLU of any slopes, of either sign and zero, on accumulators: on the reference and on the engines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Requantise
from tests.frontend.nets import Net, agree, grid, ops, outputs_of
from tests.frontend.refusing import Case, check, chip, name_of
from tests.needs import needs_cxx, needs_rtl

SLOPES = (0.25, -0.1875, 0.5, 0.0, 1.5, -2.0)


def convolved(net: Net, channels: int = 6, step: float = 0.5) -> str:
    """The accumulators of a convolution with a scale per channel."""
    x = net.quant(net.x, 0.25, bits=6.0)
    scales = np.reshape([step * 2.0 ** (i % 3) for i in range(channels)], (channels, 1, 1, 1))
    return net.add("Conv", x, net.weights(scales * grid(channels, 2, 2, 2, step=1.0, span=7), scales, bits=4.0))


def slopes(rng: np.random.Generator, *shape: int, only: int = 0) -> np.ndarray:
    """Slopes of either sign, or of one sign where `only` says so."""
    drawn = np.asarray(rng.choice(SLOPES, shape))
    return np.where(drawn == 0, 0, only * np.abs(drawn)) if only else drawn


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(6, 1, 1), (1, 6, 1, 1), (6, 3, 4), (1, 1, 4), (1,)])
def test_a_slope_per_channel_and_per_element(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    y = net.add("PRelu", convolved(net), net.const(slopes(rng, *shape, only=seed % 3 - 1)))
    scale = rng.choice([0.75, 1.0, 1.25], (1, 6, 1, 1)) if seed % 2 else 1.5
    net.quant(y, scale, float(seed % 4 // 2), bits=6.0, signed=int(seed % 5 > 0))
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("slope", [0.25, -0.25, 0.0])
@pytest.mark.parametrize("zero", [0, 3])
def test_one_slope_on_accumulators_per_channel(slope: float, zero: int) -> None:
    net = Net(2, 4, 5)
    y = net.quantize(net.add("LeakyRelu", convolved(net), alpha=slope), 1.25, zero, np.int8)
    net.dequantize(y, 1.25, zero, np.int8)
    agree(net, grid(8, 2, 4, 5, span=8))


@pytest.mark.parametrize("seed", range(4))
def test_a_prelu_of_a_clip_moved_scaled_and_pooled(seed: int) -> None:
    """As a detector's first layers have it: biased, limited, sloped, pooled, then quantised."""
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    y = net.add("Add", convolved(net), net.const(rng.integers(-8, 9, (6, 1, 1)) / 4))
    y = net.add("Clip", y, net.const(-9.0), net.const(7.5)) if seed % 2 else y
    y = net.add("PRelu", y, net.const(slopes(rng, 6, 1, 1)))
    net.add("MaxPool", net.quant(y, 0.75, bits=6.0), kernel_shape=[2, 2])
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


def test_slopes_that_rise_are_one_requantiser_and_one_that_falls_takes_two() -> None:
    made = []
    for slope in (0.0, 0.5, -0.5):
        net = Net(2, 4, 5)
        net.quant(net.add("PRelu", convolved(net), net.const(np.reshape([0.25] * 5 + [slope], (6, 1, 1)))), 1.5)
        made.append(ops(load_onnx(net.proto())))
    assert made == [["conv", "requantise"]] * 2 + [["conv", "requantise", "requantise", "sum", "requantise"]]


def test_slopes_behind_the_last_integers_are_the_hosts() -> None:
    net = Net(2, 4, 5)
    net.add("PRelu", convolved(net), net.const(np.reshape(SLOPES, (6, 1, 1))))
    agree(net, grid(8, 2, 4, 5, span=8), exact=False)


def test_ties_follow_torch() -> None:
    """Ties on either side of zero, in channels that rise and that fall, as PyTorch's float32 arithmetic takes them."""
    scale = np.float32(0.1)
    net = Net(2, 1, 1)
    x = net.quant(net.x, scale / 2, bits=8.0)
    net.quant(net.add("PRelu", x, net.const(np.reshape([1.0, -1.0], (2, 1, 1)))), scale, bits=6.0)
    graph = load_onnx(net.proto(), rounding="torch")
    assert {layer.rounding for layer in graph.layers if isinstance(layer, Requantise)} >= {"levels"}
    x = (np.arange(-40, 40).reshape(-1, 1, 1, 1) * (scale / 2)).repeat(2, axis=1).astype(np.float32)
    bent = np.where(x < 0, x * np.reshape([1.0, -1.0], (2, 1, 1)), x).astype(np.float32)
    wanted = np.clip(np.rint(bent * (np.float32(1) / scale)), -32, 31)
    np.testing.assert_array_equal(np.rint(outputs_of(graph, x)[0] / scale), wanted)


def test_a_slope_that_is_left_alone_by_a_slice_stays_before_a_function() -> None:
    net = Net(2, 4, 5)
    y = net.add("PRelu", net.quant(net.x, 0.25, bits=6.0), net.const(np.reshape([0.5, -0.25], (2, 1, 1))))
    y = net.add("Slice", y, net.const([1], np.int64), net.const([2], np.int64), net.const([1], np.int64))
    net.quant(net.add("Tanh", y), 0.03125, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=8))


REFUSED: list[Case] = [
    (
        "resize2",
        lambda n: n.add(
            "Resize",
            n.add("PRelu", chip(n), n.const([[[0.5]], [[0.25]]])),
            "",
            n.const([1, 1, 2, 2]),
            mode="linear",
            coordinate_transformation_mode="asymmetric",
        ),
        "interpolates real values by 'linear'",
        "quantise the activation before it",
    ),
    (
        "prelu2",
        lambda n: n.add("PRelu", n.add("Tanh", chip(n)), n.const([[[0.5]], [[0.25]]])),
        "has a slope per channel behind what no quantiser turned into integers",
        "quantise the activation before it",
    ),
    (
        "prelu0",
        lambda n: n.add("PRelu", n.x, n.const([[[0.5]], [[0.25]]])),
        "is a function of real values",
        "quantise its input, and its output",
    ),
    (
        "prelu1",
        lambda n: n.add("PRelu", chip(n), n.const([[[0.5]], [[0.25]], [[0.25]]])),
        "combines shapes (1, 2, 4, 4) and [(3, 1, 1)]",
        "export the model again; the shapes do not fit",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """Slopes that rise, and slopes of all signs, per channel and per element, in one design, and its data."""
    rng = np.random.default_rng(0)
    net = Net(2, 4, 5)
    y = convolved(net)
    drawn = [slopes(rng, 6, 1, 1, only=1), slopes(rng, 6, 1, 1), slopes(rng, 6, 3, 4)]
    made = [net.quant(net.add("PRelu", y, net.const(each)), 1.25, bits=6.0) for each in drawn]
    pixels = grid(4, 2, 4, 5, span=8)
    return api.compile(agree(net, pixels, outputs=tuple(made))), pixels


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "rtl")


def same(design: Any, pixels: Any, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [pixels], None, engines=("reference", engine), design=design))
