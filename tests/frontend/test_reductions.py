# SPDX-License-Identifier: Apache-2.0
"""Means, sums and maxima over any axes, Max and Min, channels without a bit: on the reference, and on the engines."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import Net, agree, grid, outputs_of
from tests.frontend.refusing import ACTIVATION, Case, axes, check, chip, name_of
from tests.needs import needs_cxx, needs_rtl

SHAPES: tuple[tuple[int, ...], ...] = ((3, 4, 5), (4, 5), (6,))
AXES = [
    (shape, chosen) for shape in SHAPES for n in range(1, 4) for chosen in combinations(range(1, len(shape) + 1), n)
]


def reduced(net: Net, op: str, x: str, rank: int, chosen: tuple[int, ...], rng: np.random.Generator) -> str:
    """Axes counted from either end, as an attribute or an input, kept or not."""
    given = [int(axis - rank * rng.integers(2)) for axis in chosen]
    keepdims = int(rng.integers(2))
    if op == "ReduceSum":
        return net.add(op, x, axes(net, *given), keepdims=keepdims)
    return net.add(op, x, axes=given, keepdims=keepdims)


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"])
@pytest.mark.parametrize(("shape", "chosen"), AXES)
def test_any_axes_are_reduced(op: str, shape: tuple[int, ...], chosen: tuple[int, ...]) -> None:
    rng = np.random.default_rng(AXES.index((shape, chosen)))
    net = Net(*shape)
    x = net.quant(net.x, 0.25, float(rng.integers(3)), bits=6.0)
    if rng.integers(2) and len(shape) > 1:
        order = [0, *(rng.permutation(len(shape)) + 1).tolist()]
        x = net.add("Transpose", x, perm=order)
    y = reduced(net, op, x, len(shape) + 1, chosen, rng)
    net.quant(y, float(rng.choice([0.25, 0.75, 1.0])), bits=7.0)
    agree(net, grid(6, *shape, span=8, seed=int(rng.integers(99))))


@pytest.mark.parametrize("op", ["ReduceMax", "ReduceMin"])
@pytest.mark.parametrize("seed", range(6))
def test_the_extremes_of_accumulators_of_either_sign(op: str, seed: int) -> None:
    """Also behind a clip, and where the values of some channels fall as their integers rise."""
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(rng.integers(-3, 4, (3, 2, 2, 2)), 0.5))
    y = net.add("Mul", y, net.const(rng.choice([-0.5, 0.75, -1.5], (3, 1, 1) if seed % 2 else ())))
    y = net.add("Relu", y) if seed % 3 == 0 else y
    net.quant(net.add(op, y, axes=[[2, 3], [3]][seed % 2], keepdims=0), 0.5, bits=7.0)
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("shape", [(3, 4, 5), (4, 5)])
@pytest.mark.parametrize("real", [False, True])
def test_the_largest_of_an_image(shape: tuple[int, ...], real: bool) -> None:
    net = Net(*shape)
    x = net.add("Mul", net.quant(net.x, 0.25, bits=6.0), net.const(0.75))
    x = net.add("Relu", x) if real else net.quant(x, 0.5, bits=5.0)
    y = net.add("GlobalMaxPool", x)
    net.quant(y if real else net.add("Flatten", y), 0.5, bits=5.0)
    agree(net, grid(8, *shape, span=8))


@pytest.mark.parametrize("op", ["Max", "Min"])
@pytest.mark.parametrize("seed", range(6))
def test_the_larger_and_the_smaller_of_two(op: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x = net.quant(net.x, 0.25, bits=7.0)
    scales = rng.choice([0.25, 0.375, 0.5, 1.25], 2).tolist()
    kernels = [net.weights(rng.integers(-3, 4, (3, 2, 2, 2)).astype(float), 0.5) for _ in scales]
    branches = [net.quant(net.add("Conv", x, w), s, bits=6.0) for s, w in zip(scales, kernels, strict=True)]
    made = net.add(op, *branches)
    if seed % 2:
        made = net.add(op, net.const(rng.integers(-4, 5, (3, 1, 1)) / 4), made, branches[0])
    net.quant(made, 0.5, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=12, seed=seed))


@pytest.mark.parametrize("seed", range(4))
def test_a_clip_by_min_and_max(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x = net.add("Mul", net.quant(net.x, 0.25, bits=8.0), net.const(float(rng.choice([-1.5, 0.5, 2.0]))))
    low, high = (net.const(v) for v in (0.0, 6.0))
    if seed % 2:
        net.quant(net.add("Min", high, net.add("Max", x, low)), 0.5)
    else:
        net.quant(net.add("Max", net.add("Min", x, high), low), 0.5)
    agree(net, grid(8, 2, 4, 5, span=12, seed=seed))


@pytest.mark.parametrize("slope", [0.125, 0.5, -0.25])
def test_a_leaky_relu_as_a_maximum(slope: float) -> None:
    net = Net(2, 4, 5)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 2, 2, 2, span=3), 0.5))
    net.quant(net.add("Max", y, net.add("Mul", y, net.const(slope))), 0.75, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=8))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("zero", [0.0, 1.0])
def test_channels_without_a_bit_hold_the_code_zero(signed: int, zero: float) -> None:
    net = Net(2, 4, 5)
    widths = np.reshape([4.0, 0.0, 5.0, 0.0], (1, 4, 1, 1))
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(4, 2, 2, 2, span=3), 0.5))
    y = net.quant(y, 0.5, zero, widths, signed=signed)
    pruned = net.quant(net.const(grid(3, 4, 1, 1, span=3)), 0.5, bits=np.reshape([3.0, 0.0, 4.0], (3, 1, 1, 1)))
    net.quant(net.add("Conv", y, pruned), 0.75, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=8))


def test_round_to_zero_is_what_down_is() -> None:
    made = []
    for mode in ("DOWN", "ROUND_TO_ZERO", "round_to_zero"):
        net = Net(2, 4, 5)
        x = net.add("Add", net.quant(net.x, 0.25, bits=6.0), net.const(0.125))
        net.quant(x, 0.375, bits=5.0, mode=mode)
        made.append(net.proto())
    first, *others = (load_onnx(proto).layers for proto in made)
    assert all(other == first for other in others)


@pytest.mark.parametrize("factor", [0.5, -0.5])
def test_a_pool_of_a_clip_on_integers_is_read_by_a_matrix(factor: float) -> None:
    net = Net(2, 4, 6)
    x = net.add("Floor", net.add("Mul", net.quant(net.x, 1.0, bits=7.0), net.const(factor)))
    y = net.add("MaxPool", net.add("Clip", x, net.const(-3.0), net.const(9.0)), kernel_shape=[2, 2])
    net.quant(net.add("Conv", y, net.weights(grid(3, 2, 2, 2, span=3))), 2.0, bits=6.0)
    agree(net, grid(8, 2, 4, 6, span=40))


INTEGERS: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "ReduceSum": lambda a, b: a.sum(axis=2, keepdims=True),
    "ReduceMax": lambda a, b: a.max(axis=2, keepdims=True),
    "ReduceMin": lambda a, b: a.min(axis=2, keepdims=True),
    "ReduceMean": lambda a, b: np.trunc(a.sum(axis=2, keepdims=True) / 5),
}


@pytest.mark.parametrize("op", INTEGERS)
@pytest.mark.parametrize("divisor", [3, 4])
def test_integers_stay_integers(op: str, divisor: int) -> None:
    """So that a division behind them truncates toward zero."""
    net = Net(3, 5)
    a, b = (net.add("Cast", net.quant(net.x, scale, bits=9.0), to=TensorProto.INT32) for scale in (1.0, 2.0))
    attribute = {"axes": [2]} if op in ("ReduceMax", "ReduceMin", "ReduceMean") else {}
    more = {"ReduceSum": [axes(net, 2)]}.get(op, [] if attribute else [b])
    made = net.add(op, a, *more, **attribute)
    net.add("Cast", net.add("Div", made, net.const(divisor, np.int32)), to=TensorProto.FLOAT)
    x = grid(9, 3, 5, step=2.0, span=60)
    np.testing.assert_array_equal(
        outputs_of(load_onnx(net.proto()), x)[0], np.trunc(INTEGERS[op](x, x) / np.float64(divisor))
    )


def by(net: Net, factor: float) -> str:
    pool = net.add("MaxPool", net.add("Relu", net.add("Mul", chip(net), net.const(factor))), kernel_shape=[2, 2])
    return net.add("Conv", pool, net.weights(grid(3, 2, 1, 1, span=3)))


REFUSED: list[Case] = [
    (
        "reducemean1",
        lambda n: n.add("ReduceMean", chip(n), axes=[0, 1]),
        "reduces axes [0, 1] of 4",
        "reduce axes of the data, not that of the samples",
    ),
    (
        "reducemax2",
        lambda n: n.add("ReduceMax", n.add("Tanh", chip(n)), axes=[1]),
        "takes the largest of real values",
        "quantise the activation before it",
    ),
    (
        "reducesum0",
        lambda n: n.add("ReduceSum", n.x, axes(n, 1)),
        "reduces a tensor that no quantiser turned into integers",
        "quantise its input",
    ),
    ("max1", lambda n: n.add("Max", chip(n), n.x), "compares a float tensor with another", "quantise both operands"),
    (
        "max3",
        lambda n: n.add("Max", chip(n), n.add("Tanh", chip(n))),
        "reads a real value that no quantiser turned into integers",
        ACTIVATION,
    ),
    (
        "reducemin2",
        lambda n: n.add("ReduceMin", n.add("Tanh", chip(n)), axes=[1]),
        "takes the smallest of real values",
        "quantise the activation before it",
    ),
    (
        "max1",
        lambda n: n.add("Max", chip(n), n.const(-np.inf)),
        "has a number in its input 1 that is not finite",
        "export the model again",
    ),
    (
        "min1",
        lambda n: n.add("Min", chip(n), n.const([[[[[1.0]]]]])),
        "combines shapes (1, 2, 4, 4) and (1, 1, 1, 1, 1)",
        "export the model again; the shapes do not fit",
    ),
    (
        "add1",
        lambda n: n.add("Add", chip(n), n.const([[[[[1.0]]]]])),
        "combines shapes (1, 2, 4, 4) and (1, 1, 1, 1, 1)",
        "export the model again; the shapes do not fit",
    ),
    (
        "conv5",
        lambda n: by(n, -0.5),
        "reads a max-pool of falling values",
        "quantise the activation before the pool",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """One of each kind in one design, and its data."""
    net = Net(4, 4, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    y = net.quant(net.add("Conv", x, net.weights(grid(4, 4, 1, 1, span=3), 0.5)), 0.5, bits=6.0)
    widths = np.reshape([4.0, 0.0, 5.0, 3.0], (1, 4, 1, 1))
    made = [
        net.add("ReduceSum", x, axes(net, 1, 3), keepdims=0),
        net.add("ReduceMax", x, axes=[2], keepdims=0),
        net.add("ReduceMin", x, axes=[3], keepdims=0),
        net.add("GlobalMaxPool", y),
        net.add("Max", x, y),
        net.add("Conv", net.quant(y, 0.5, bits=widths), net.weights(grid(2, 4, 1, 1, span=3))),
    ]
    pixels = grid(4, 4, 4, 5, span=8)
    return api.compile(agree(net, pixels, outputs=tuple(net.quant(each, 0.5, bits=6.0) for each in made))), pixels


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "rtl")


def same(design: Any, pixels: Any, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [pixels], None, engines=("reference", engine), design=design))
