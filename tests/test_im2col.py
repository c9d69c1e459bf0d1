# SPDX-License-Identifier: Apache-2.0
"""A convolution is the product of a matrix with its unfolded windows, on every engine, in the order of its windows."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Gather
from bitwright.ir.verify import verify
from bitwright.rewriting.im2col import im2col, patches
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph
from tests.needs import needs_rtl


def convolution(seed: int = 0) -> Graph:
    """A convolution with strides, dilations and a zero point in its padding."""
    rng = np.random.default_rng(seed)
    net = bw.Net()
    x = net.input("x", (5, 4, 2), "u3", zero=5)
    net.output(net.conv(x, rng.integers(-3, 4, (3, 2, 3, 2)), pads=(1, 1, 0, 1), strides=(1, 2), dilations=(2, 1)))
    return net.graph()


def oracle(conv: Conv, x: np.ndarray) -> np.ndarray:
    """The loop nest, in the order of a sliding window."""
    made = np.zeros(conv.shape, np.int64)
    for row, column, out in np.ndindex(*conv.shape):
        for k, (down, across, channel) in enumerate(np.ndindex(*conv.weights.array.shape[1:])):
            at = (conv.window.taps(0, conv.shape[0])[row, down], conv.window.taps(1, conv.shape[1])[column, across])
            inside = all(0 <= place < size for place, size in zip(at, x.shape[:2], strict=True))
            value = x[at][channel] if inside else conv.pad_value
            made[row, column, out] += conv.weights.array[out].flat[k] * value
    return made


@pytest.mark.rows("R161")
@pytest.mark.parametrize("seed", range(3))
def test_a_convolution_is_a_product_of_its_windows(seed: int) -> None:
    graph = convolution(seed)
    (conv,), made = graph.layers, verify(im2col()(graph))
    assert isinstance(conv, Conv)
    (x,) = random_codes(graph, seed, 2)
    index = patches(conv.window, graph.inputs[0].shape, (conv.shape[0], conv.shape[1]))
    for sample, wanted in zip(x, reference.run(graph, [x])[0], strict=True):
        rows = np.where(index < 0, conv.pad_value, sample.reshape(-1)[index])
        np.testing.assert_array_equal(rows @ conv.weights.array.reshape(3, -1).T, wanted)
        np.testing.assert_array_equal(oracle(conv, sample), wanted)
    np.testing.assert_array_equal(reference.run(made, [x])[0], reference.run(graph, [x])[0])


@pytest.mark.parametrize("seed", range(12))
def test_networks_of_every_kind_make_the_same_integers(seed: int) -> None:
    graph = random_graph(seed, joins=seed % 2 == 0)
    made = verify(im2col()(graph))
    codes = random_codes(graph, seed, 3)
    for ours, theirs in zip(reference.run(made, codes), reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not any(isinstance(layer, Conv) and layer.groups == 1 for layer in made.layers)


@pytest.mark.slow
@needs_rtl
@pytest.mark.rows("R161")
def test_windows_in_hardware_come_in_the_order_of_the_rows() -> None:
    """The sliding window and the matrix of its unfolded rows have the same weights in the same order."""
    graph = convolution()
    made = bw.rewrite(graph, "im2col")
    assert isinstance(made.layers[0], Gather)
    x = np.random.default_rng(1).integers(0, 8, (3, 5, 4, 2))
    wanted = bw.run(graph, x, engine="reference")
    np.testing.assert_array_equal(bw.run(graph, x, engine="rtl"), wanted)
    np.testing.assert_array_equal(bw.run(made, x, engine="fast"), wanted)
