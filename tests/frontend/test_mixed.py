# SPDX-License-Identifier: Apache-2.0
"""Activations with a scale or a zero point per channel, in front of everything that adds up, pads or moves them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.mixed import into_weights
from bitwright.frontend.values import Tensor
from bitwright.ir.layers import Conv
from bitwright.ir.per_channel import ONES, PerChannel
from bitwright.reading.model import Node
from tests.frontend.nets import Net, agree, grid
from tests.needs import needs_cxx, needs_rtl

CHANNELS = 4
Reader = Callable[[Net, str, np.random.Generator], str]


def chip(net: Net) -> str:
    return net.quant(net.x, 0.25, bits=8.0)


def steps(rng: np.random.Generator, count: int, *, plain: bool) -> Any:
    """Scales of so many channels: small multiples of a power of two, or any float32 numbers."""
    return rng.integers(1, 13, count) / 8 if plain else rng.uniform(0.2, 1.5, count).astype(np.float32)


def along(values: Any, rank: int) -> Any:
    return np.asarray(values).reshape(-1, *(1,) * (rank - 2))


def per_channel(net: Net, x: str, rng: np.random.Generator, rank: int, *, plain: bool) -> str:
    return net.quant(x, along(steps(rng, CHANNELS, plain=plain), rank), bits=5.0)


def kernel(net: Net, rng: np.random.Generator, *shape: int) -> str:
    return net.weights(rng.integers(-7, 8, shape).astype(float), 0.125, bits=4.0)


def depthwise(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("Conv", x, kernel(net, rng, CHANNELS, 1, 3, 3), group=CHANNELS, pads=[1, 1, 1, 1])


def widening(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("Conv", x, kernel(net, rng, 2 * CHANNELS, 1, 2, 3), group=CHANNELS, strides=[2, 1])


def grouped(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("Conv", x, kernel(net, rng, 6, CHANNELS // 2, 3, 3), group=2, pads=[1, 0, 1, 2])


def full(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("Conv", x, kernel(net, rng, 3, CHANNELS, 3, 3), pads=[1, 1, 1, 1])


def turned(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("ConvTranspose", x, kernel(net, rng, CHANNELS, 3, 2, 2), strides=[2, 2])


def mean(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("AveragePool", x, kernel_shape=[2, 2], pads=[1, 1, 0, 0], count_include_pad=1)


def pooled(net: Net, x: str, rng: np.random.Generator) -> str:
    return full(net, net.add("MaxPool", x, kernel_shape=[2, 2]), rng)


def rectified(net: Net, x: str, rng: np.random.Generator) -> str:
    return depthwise(net, net.add("Relu", x), rng)


def flattened(net: Net, x: str, rng: np.random.Generator) -> str:
    return net.add("MatMul", net.add("Flatten", x), kernel(net, rng, CHANNELS * 20, 3))


def rows(net: Net, x: str, rng: np.random.Generator) -> str:
    """Channels in the middle of what a matrix reads: they are brought to one scale."""
    return net.add("MatMul", x, kernel(net, rng, 5, 3))


def framed(net: Net, x: str, rng: np.random.Generator) -> str:
    return full(net, net.add("Pad", x, net.const([0, 0, 1, 0, 0, 0, 2, 1], np.int64)), rng)


def resized(net: Net, x: str, rng: np.random.Generator) -> str:
    scales = net.const([1.0, 1.0, 2.0, 2.0])
    return full(
        net,
        net.add(
            "Resize", x, "", scales, mode="nearest", nearest_mode="floor", coordinate_transformation_mode="asymmetric"
        ),
        rng,
    )


READERS: tuple[Reader, ...] = (
    depthwise, widening, grouped, full, turned, mean, pooled, rectified, flattened, rows, resized, framed,
)  # fmt: skip


def image(reader: Reader, seed: int, *, plain: bool) -> Net:
    """A convolution, a quantiser per channel, a reader."""
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x = net.add("Conv", chip(net), kernel(net, rng, CHANNELS, 2, 3, 3), pads=[1, 1, 1, 1])
    made = reader(net, per_channel(net, x, rng, 4, plain=plain), rng)
    net.quant(made, float(rng.integers(2, 9)) / 4, bits=6.0)
    return net


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_scale_per_channel_before_every_reader(reader: Reader, plain: bool) -> None:
    for seed in range(3):
        if reader is rows and not plain:
            continue  # which is refused: see below
        agree(image(reader, seed, plain=plain), grid(8, 2, 4, 5, span=8, seed=seed))


def test_a_depthwise_convolution_costs_nothing_more() -> None:
    for seed in range(4):
        layer = agree(image(depthwise, seed, plain=False), grid(4, 2, 4, 5, span=8)).layers[-2]
        assert isinstance(layer, Conv)
        assert np.abs(layer.weights.array).max() <= 8
        assert len(layer.scale.values) == CHANNELS


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reader", [depthwise, full, mean, flattened, turned], ids=lambda reader: reader.__name__)
def test_a_zero_point_per_channel(reader: Reader, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x = net.add("Conv", chip(net), kernel(net, rng, CHANNELS, 2, 3, 3), pads=[1, 1, 1, 1])
    dtype = (np.int8, np.uint8)[seed % 2]
    zero = rng.integers(-9, 9, CHANNELS) + (0, 128)[seed % 2]
    scale = steps(rng, CHANNELS, plain=seed < 3)
    axis = (1, -3)[seed % 2]
    q = net.quantize(x, scale, zero, dtype, axis=axis)
    q = q if seed % 3 else net.add("Identity", q)
    net.quant(reader(net, net.dequantize(q, scale, zero, dtype, axis=axis), rng), 0.75, bits=7.0)
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_an_input_is_normalised_on_chip(seed: int, padded: bool) -> None:
    rng = np.random.default_rng(seed)
    net = Net(3, 4, 5)
    mean, factor = (along(rng.integers(1, 16, 3) / 16, 4) for _ in range(2))
    x = net.add("Mul", net.add("Sub", chip(net), net.const(mean)), net.const(factor))
    y = net.add("Conv", x, kernel(net, rng, 4, 3, 3, 3), pads=[int(padded)] * 4)
    net.quant(y, 0.75, bits=7.0)
    agree(net, grid(8, 3, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("seed", range(6))
def test_features_are_normalised_on_chip(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(6)
    var = 4.0 ** rng.integers(-2, 3, 6)
    numbers = [net.const(values) for values in (rng.integers(-4, 5, 6) / 4, *rng.integers(-8, 9, (2, 6)) / 8, var)]
    x = net.add("BatchNormalization", chip(net), *numbers, epsilon=0.0)
    net.quant(net.add("MatMul", x, kernel(net, rng, 6, 4)), 0.75, bits=7.0)
    agree(net, grid(16, 6, span=8, seed=seed))


def test_a_tensor_that_is_zero_has_a_product() -> None:
    net = Net(2, 4, 4)
    y = net.add("Conv", net.add("Mul", chip(net), net.const(0.0)), net.weights(grid(3, 2, 2, 2, span=3)))
    net.quant(net.add("Add", y, net.const(1.5)), 0.5)
    agree(net, grid(4, 2, 4, 4))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "reader", [depthwise, full, mean, pooled, rectified, flattened, resized, turned], ids=lambda reader: reader.__name__
)
def test_parts_of_unlike_scales_are_joined(reader: Reader, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x, parts = chip(net), []
    for width in (1, 3):
        part = net.add("Conv", x, kernel(net, rng, width, 2, 3, 3), pads=[1, 1, 1, 1])
        scale, zero = float(steps(rng, 1, plain=seed < 2)[0]), int(rng.integers(-3, 4)) * (seed % 2)
        parts.append(net.qdq(part, scale, zero, np.int8))
    net.quant(reader(net, net.add("Concat", *parts, axis=1), rng), 0.75, bits=7.0)
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """Depthwise, full and flattened readers of one quantiser per channel in one design, and its data."""
    rng = np.random.default_rng(3)
    net = Net(2, 4, 5)
    x = net.add("Conv", chip(net), kernel(net, rng, CHANNELS, 2, 3, 3), pads=[1, 1, 1, 1])
    x = per_channel(net, x, rng, 4, plain=True)
    made = tuple(net.quant(reader(net, x, rng), 0.75, bits=6.0) for reader in (depthwise, full, flattened))
    pixels = grid(4, 2, 4, 5, span=8)
    return api.compile(agree(net, pixels, outputs=made)), pixels


@needs_cxx
def test_hls_takes_unlike_channels(side_by_side: Any) -> None:
    check(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_unlike_channels(side_by_side: Any) -> None:
    check(*side_by_side, "rtl")


def check(design: Any, pixels: Any, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [pixels], None, engines=("reference", engine), design=design))


@pytest.mark.parametrize("finest", [4, 100])
def test_the_zero_of_a_sum_is_that_of_its_fractions(finest: int) -> None:
    """Also where the offsets, on their common grid, are integers of more than 64 bits."""
    rng, groups, reads, outputs = np.random.default_rng(0), 2, 5, 4
    weights = rng.integers(-99, 100, (outputs, reads, 3))
    offsets = [Fraction(int(n), 2 ** int(s)) for n, s in rng.integers(1, finest, (groups * reads, 2))]
    tensor = Tensor("x", np.arange(groups * reads), ONES, PerChannel(tuple(offsets)))
    node = Node("conv", "Conv", "", ("x",), ("y",), {}, "m.onnx")
    same, scale, zero = into_weights(node, tensor, weights, groups, ONES)
    assert np.array_equal(same, weights)
    assert scale == ONES
    rows = weights.sum(axis=2).tolist()
    wanted = [-sum(w * o for w, o in zip(row, offsets[5 * (i // 2) :], strict=False)) for i, row in enumerate(rows)]
    assert list(zero.each(outputs)) == wanted
