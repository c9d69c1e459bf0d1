# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions without the zeros between their pixels: every bit stays, products with fill go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Gather, Rounding
from bitwright.ir.passes import subpixel
from bitwright.ir.types import IntType
from bitwright.ir.verify import verify
from bitwright.sim import reference
from tests.ir.graphs import random_codes
from tests.layers.nets import Net

KIND = IntType(-8, 7)


def spread(size: tuple[int, int], channels: int, strides: tuple[int, int]) -> np.ndarray:
    """The indices that put `strides` - 1 pixels of fill between neighbours."""
    index = np.full(((size[0] - 1) * strides[0] + 1, (size[1] - 1) * strides[1] + 1, channels), -1)
    index[:: strides[0], :: strides[1]] = np.arange(np.prod(size) * channels).reshape(*size, channels)
    return index


def network(
    kernel: tuple[int, int] = (3, 3), strides: tuple[int, int] = (2, 2), size: tuple[int, int] = (3, 4),
    groups: int = 1, fill: int = 0, rounding: Rounding = Rounding.HALF_EVEN, kind: IntType = KIND, **window: Any,
) -> Graph:  # fmt: skip
    """An input of four channels, spread, convolved to six, requantised per channel."""
    rng = np.random.default_rng(sum(kernel) + sum(strides) + groups)
    net = Net()
    x = net.gather(net.input("x0", (*size, 4), kind), spread(size, 4, strides), fill=fill)
    weights = rng.integers(-4, 5, (6, *kernel, 4 // groups))
    net.act(net.conv(x, weights, groups=groups, pad_value=fill, **window), KIND, rng, rounding)
    return net.graph()


CASES: dict[str, dict[str, Any]] = {
    "three": {"pads": (1, 1, 2, 2)},
    "two": {"kernel": (2, 2), "pads": (1, 1, 1, 1)},
    "four": {"kernel": (4, 4), "pads": (2, 2, 2, 2)},
    "five_by_three": {"kernel": (5, 5), "strides": (3, 3), "pads": (4, 3, 2, 4)},
    "cropped": {"kernel": (3, 3), "pads": (0, 0, 0, 0)},
    "gaps": {"kernel": (1, 2), "strides": (2, 3), "pads": (0, 1, 1, 2)},
    "signal": {"kernel": (1, 4), "strides": (1, 2), "size": (1, 9), "pads": (0, 2, 0, 2)},
    "groups": {"groups": 2, "pads": (1, 1, 2, 2)},
    "zero_point": {"fill": 3, "pads": (2, 1, 1, 2)},
    "zero_point_outside": {"fill": 9, "kind": IntType(10, 13), "pads": (1, 1, 1, 1)},
    "floor": {"rounding": Rounding.FLOOR, "fill": -2, "pads": (1, 1, 1, 1)},
}


@pytest.mark.parametrize("case", CASES)
def test_every_bit_stays(case: str) -> None:
    fields = CASES[case]
    if fields.get("fill", 0) not in (kind := fields.get("kind", KIND)):
        fields = fields | {"kind": kind | IntType(fields["fill"], fields["fill"])}
    graph = network(**fields)
    after = verify(subpixel(graph))
    codes = random_codes(graph, 5, 4)
    for ours, theirs in zip(reference.run(after, codes), reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [layer.op for layer in after.layers] == ["conv", "requantise", "gather"]
    assert after.outputs == graph.outputs and after.macs < graph.macs


@pytest.mark.parametrize(("kernel", "pad", "small"), [(2, 1, 1), (3, 1, 2), (4, 2, 3), (6, 3, 3)])
def test_products_with_fill_are_gone(kernel: int, pad: int, small: int) -> None:
    """Each phase has the taps that meet pixels; all phases have kernels as large as the union of them."""
    graph = network(kernel=(kernel, kernel), pads=(pad, pad, pad, pad))
    (conv,) = (layer for layer in subpixel(graph).layers if isinstance(layer, Conv))
    assert conv.window.kernel == (small, small)
    assert conv.macs == conv.shape[0] * conv.shape[1] * 4 * 6 * 4 * small**2


def test_what_is_no_transposed_convolution_stays() -> None:
    graph = network(pads=(1, 1, 1, 1))
    gather, conv, act = graph.layers
    assert isinstance(gather, Gather)
    other_fill = replace(gather, fill=1)
    dense = network(strides=(1, 1), pads=(1, 1, 1, 1))
    dilated = network(dilations=(2, 2), pads=(2, 2, 2, 2))
    for left in (
        replace(graph, layers=(other_fill, conv, act)),
        replace(graph, outputs=(*graph.outputs, conv.name)),
        replace(graph, outputs=(*graph.outputs, gather.name)),
        dense,
        dilated,
    ):
        assert subpixel(left) == left
