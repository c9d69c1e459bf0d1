# SPDX-License-Identifier: Apache-2.0
"""Exported files in onnxruntime, optimised: it moves quantisers through layouts and fuses them with joins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bitwright.backends.onnx.export import to_onnx
from bitwright.frontend.lowering import load_onnx
from tests.exported import execute
from tests.frontend.nets import Net, grid, outputs_of

END = Callable[[Net, str, np.random.Generator], str]


def requantised(net: Net, y: str, rng: np.random.Generator) -> str:
    """Another quantiser of the same: a branch of another scale."""
    return net.quant(y, float(rng.choice([0.125, 0.25, 1.0, 2.0])), bits=6.0)


def last(net: Net, y: str, rng: np.random.Generator) -> str:
    return net.quant(y, float(rng.choice([0.25, 0.5, 2.0])), bits=float(rng.integers(4, 9)))


def per_channel(net: Net, y: str, rng: np.random.Generator) -> str:
    return net.quant(y, rng.choice([0.25, 0.5, 1.0, 2.0], (4, 1, 1)), bits=6.0)


ENDS: dict[str, END] = {
    "flatten": lambda n, y, r: n.add("Flatten", y),
    "transpose": lambda n, y, r: n.add("Transpose", y, perm=[0, *(r.permutation(3) + 1).tolist()]),
    "channels last, flat": lambda n, y, r: n.add("Flatten", n.add("Transpose", y, perm=[0, 2, 3, 1])),
    "slice": lambda n, y, r: n.add(
        "Slice", y, *(n.const([v], np.int64) for v in (int(r.integers(2)), 3, int(r.integers(1, 4))))
    ),
    "reshape": lambda n, y, r: n.add("Reshape", y, n.const([0, int(r.choice([2, 8])), -1], np.int64)),
    "pool, flat": lambda n, y, r: n.add("Flatten", n.add("MaxPool", y, kernel_shape=[2, 2])),
    "depth to space": lambda n, y, r: n.add("DepthToSpace", y, blocksize=2),
    "resize": lambda n, y, r: n.add(
        "Resize", y, "", n.const([1.0, 1.0, 2.0, 3.0]), mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    ),
    "concat": lambda n, y, r: last(n, n.add("Concat", y, requantised(n, y, r), axis=1), r),
    "concat of features": lambda n, y, r: last(
        n, n.add("Concat", n.add("Flatten", y), n.add("Flatten", requantised(n, y, r)), axis=1), r
    ),
    "concat, pool": lambda n, y, r: last(
        n, n.add("MaxPool", n.add("Concat", y, requantised(n, y, r), axis=1), kernel_shape=[2, 2]), r
    ),
    "channels, pool": lambda n, y, r: last(n, n.add("MaxPool", per_channel(n, y, r), kernel_shape=[2, 2]), r),
    "channels, mean": lambda n, y, r: last(n, n.add("AveragePool", per_channel(n, y, r), kernel_shape=[2, 2]), r),
    "channels, sum": lambda n, y, r: per_channel(n, n.add("Add", per_channel(n, y, r), requantised(n, y, r)), r),
    "channels, product": lambda n, y, r: per_channel(n, n.add("Mul", per_channel(n, y, r), requantised(n, y, r)), r),
}  # fmt: skip
CODES = {"s8": (8.0, 1), "u8": (8.0, 0), "s6": (6.0, 1), "u5": (5.0, 0), "s16": (16.0, 1)}


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("end", ENDS)
def test_all_optimisations_leave_the_integers(end: str, codes: str) -> None:
    rng = np.random.default_rng([list(ENDS).index(end), list(CODES).index(codes)])
    bits, signed = CODES[codes]
    net = Net(2, 6, 6)
    weights = net.weights(rng.integers(-7, 8, (4, 2, 3, 3)).astype(float), 0.125, bits=4.0)
    y = net.add("Conv", net.quant(net.x, 0.0625, bits=8.0), weights)
    ENDS[end](net, net.quant(y, 0.5, bits=bits, signed=signed), rng)
    graph, pixels = load_onnx(net.proto()), grid(4, 2, 6, 6, step=1 / 16, span=7)
    model = to_onnx(graph)
    who, (got,) = execute(model, {model.graph.input[0].name: pixels})
    assert who == "onnxruntime"
    (want,) = outputs_of(graph, pixels)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(outputs_of(load_onnx(model), pixels)[0], want)
