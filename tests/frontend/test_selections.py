# SPDX-License-Identifier: Apache-2.0
"""Selections written with Where and with masks are clips and leaks, on the host and on chip, and on the engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from bitwright import api
from bitwright.backends.onnx.export import to_onnx
from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import Net, agree, grid, ops, outputs_of
from tests.frontend.refusing import Case, check, chip, name_of
from tests.needs import needs_cxx, needs_rtl

FEATURES = 6
Pick = Callable[[Net, str, str, str, str], str]


def by_masks(net: Net, condition: str, x: str, constant: str, one: str) -> str:
    """As HGQ2's layers come out of tf2onnx: constant * mask + x * not mask."""
    mask, other = net.add("Cast", condition, to=TensorProto.FLOAT), net.add("Not", condition)
    kept = net.add("Mul", x, net.add("Cast", other, to=TensorProto.FLOAT))
    return net.add("Add", net.add("Mul", mask, constant), kept)


def by_rest(net: Net, condition: str, x: str, constant: str, one: str) -> str:
    """The opposite mask as 1 - mask, and the operands of products and sums the other way round."""
    mask = net.add("Cast", condition, to=TensorProto.FLOAT)
    kept = net.add("Mul", net.add("Sub", one, mask), x)
    return net.add("Add", kept, net.add("Mul", constant, mask))


def by_where(net: Net, condition: str, x: str, constant: str, one: str) -> str:
    return net.add("Where", condition, constant, x)


def by_opposite(net: Net, condition: str, x: str, constant: str, one: str) -> str:
    return net.add("Where", net.add("Not", condition), x, constant)


PICKS: list[Pick] = [by_masks, by_rest, by_where, by_opposite]


def saturated(net: Net, x: str, low: np.ndarray, high: np.ndarray, rng: np.random.Generator, pick: Pick) -> str:
    """x within low and high; both comparisons are of x itself, or the second one of what the first left."""
    one, ends = net.const(1.0), [net.const(low), net.const(high)]
    made = x
    for end, up in ((ends[0], False), (ends[1], True)) if rng.integers(2) else ((ends[1], True), (ends[0], False)):
        compared = x if pick is by_masks else made
        equal = "OrEqual" if rng.integers(2) else ""
        if rng.integers(2):
            condition = net.add(("Greater" if up else "Less") + equal, compared, end)
        else:
            condition = net.add(("Less" if up else "Greater") + equal, end, compared)
        made = pick(net, condition, made, end, one)
    return made


def quantised(net: Net, x: str, size: int, rng: np.random.Generator, pick: Pick, signed: bool = True) -> str:
    """Bits per channel: saturated, scaled, rounded by a floor, scaled back, and some channels left out."""
    step = 2.0 ** -rng.integers(1, 5, (1, size))
    most = 2.0 ** rng.integers(0, 3, (1, size))
    x = saturated(net, x, -most * signed, most - step, rng, pick)
    x = net.add("Floor", net.add("Add", net.add("Mul", x, net.const(1 / step)), net.const(0.5)))
    x = net.add("Mul", x, net.const(step))
    return net.add("Mul", net.const(rng.integers(0, 2, (1, size)).astype(float)), x)


def features(count: int, seed: int) -> np.ndarray:
    return grid(count, FEATURES, step=2.0**-6, span=6, seed=seed)


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("seed", range(5))
def test_bits_per_channel_with_saturation_and_channels_left_out(pick: Pick, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(FEATURES)
    x = quantised(net, net.x, FEATURES, rng, pick)
    y = net.add("MatMul", x, net.const(grid(FEATURES, 8, step=2.0**-5, span=0.75, seed=seed)))
    y = net.add("Relu", net.add("Add", y, net.const(grid(8, step=2.0**-6, span=0.5))))
    y = quantised(net, y, 8, rng, pick, signed=False)
    net.add("MatMul", y, net.const(grid(8, 3, step=2.0**-4, span=0.75, seed=seed)))
    agree(net, features(40, seed))


@pytest.mark.parametrize("pick", PICKS)
@pytest.mark.parametrize("seed", range(3))
def test_a_selection_of_an_image_before_a_quantiser(pick: Pick, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 2, 2, 2, span=3), 0.5))
    low, high = -(2.0 ** rng.integers(0, 3, (3, 1, 1))), 2.0 ** rng.integers(0, 3, (3, 1, 1))
    y = net.add("Tanh", y) if seed == 2 else y
    y = saturated(net, y, low if seed == 0 else np.float32(-0.5), high if seed == 0 else np.float32(0.25), rng, pick)
    net.quant(y, 0.0625 if seed == 2 else 0.5, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("slope", [0.25, -0.5, np.reshape([0.5, -0.25, 2.0], (3, 1, 1))])
@pytest.mark.parametrize("up", [False, True])
def test_a_leak_written_out(slope: Any, up: bool) -> None:
    net = Net(2, 4, 5)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 2, 2, 2, span=3), 0.5))
    bent = net.add("Mul", y, net.const(slope))
    zero = net.const(0.0)
    condition = net.add("Greater" if up else "Less", y, zero)
    made = net.add("Where", condition, *((y, bent) if up else (bent, y)))
    net.quant(made, 0.75, bits=6.0)
    agree(net, grid(8, 2, 4, 5, span=8))
    assert set(ops(load_onnx(net.proto()))) <= {"conv", "requantise", "table", "sum"}


def test_limits_of_the_input_are_written_and_read_back() -> None:
    rng = np.random.default_rng(1)
    net = Net(FEATURES)
    x = saturated(
        net, net.x, np.full((1, FEATURES), -2.0), 2.0 - 2.0 ** -rng.integers(1, 5, (1, FEATURES)), rng, by_where
    )
    x = net.add("Floor", net.add("Mul", x, net.const(4.0)))
    net.add("MatMul", x, net.const(grid(FEATURES, 3, span=2)))
    graph = load_onnx(net.proto())
    again = load_onnx(to_onnx(graph))
    np.testing.assert_array_equal(outputs_of(again, features(9, 0))[0], outputs_of(graph, features(9, 0))[0])


def test_an_input_that_is_laid_out_anew_between_the_parts_of_a_selection() -> None:
    net = Net(3, 4, 5, kind=TensorProto.UINT8)
    bound, one = net.const(40, np.uint8), net.const(1, np.uint8)
    mask = net.add("Cast", net.add("Less", net.x, bound), to=TensorProto.UINT8)
    kept, limit = net.add("Mul", net.x, net.add("Sub", one, mask)), net.add("Mul", mask, bound)
    real = net.add("Cast", net.x, to=TensorProto.FLOAT)
    first = net.add("MatMul", real, net.weights(grid(5, 2, span=3)))
    made = net.add("Cast", net.add("Add", kept, limit), to=TensorProto.FLOAT)
    values = np.random.default_rng(0).integers(0, 256, (6, 3, 4, 5)).astype(np.uint8)
    second = net.add("Conv", made, net.weights(grid(3, 3, 1, 1, span=3)))
    agree(net, values, outputs=(net.quant(first, 8.0), net.quant(second, 2.0)))


def masked(net: Net, x: str, bound: float = 1.0) -> str:
    return net.add("Cast", net.add("Less", x, net.const(bound)), to=TensorProto.FLOAT)


NO_CLIP = ("selects what is neither a clip of what it compares nor a leak below zero", "quantise before it")
NO_SELECTION = ("reads a comparison as no selection does", "write it as Where, Max, Min or Clip")
REFUSED: list[Case] = [
    ("where3", lambda n: n.add("Where", n.add("Less", chip(n), n.const(1.0)), n.const(0.5), chip(n)), *NO_CLIP),
    (
        "where4",
        lambda n: n.add("Where", n.add("Less", chip(n), n.const(1.0)), n.const(1.0), n.add("Neg", chip(n))),
        *NO_CLIP,
    ),
    ("less2", lambda n: n.add("Less", chip(n), chip(n)), "compares two activations", "use Max or Min"),
    ("conv4", lambda n: n.add("Conv", masked(n, chip(n)), n.weights(grid(3, 2, 1, 1, span=3))), *NO_SELECTION),
    ("add3", lambda n: n.add("Add", masked(n, chip(n)), n.const(1.0)), *NO_SELECTION),
    ("floor0", lambda n: n.add("Floor", n.x), "rounds real values", "quantise the input first"),
    (
        "floor2",
        lambda n: n.add("Floor", n.add("Where", n.add("Less", n.x, n.const(1.0)), n.const(1.0), n.x)),
        "rounds real values",
        "quantise the input first",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def compiled() -> Any:
    """A network of bits per channel and its data."""
    rng = np.random.default_rng(3)
    net = Net(FEATURES)
    x = quantised(net, net.x, FEATURES, rng, by_masks)
    y = net.add("MatMul", x, net.const(grid(FEATURES, 8, step=2.0**-5, span=0.75)))
    y = quantised(net, y, 8, rng, by_where)
    net.add("MatMul", y, net.const(grid(8, 3, step=2.0**-4, span=0.75)))
    values = features(8, 1)
    return api.compile(agree(net, values)), values


@needs_cxx
def test_hls_takes_it(compiled: Any) -> None:
    same(*compiled, "hls")


@needs_rtl
def test_rtl_takes_it(compiled: Any) -> None:
    same(*compiled, "rtl")


def same(design: Any, values: Any, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [values], None, engines=("reference", engine), design=design))
