# SPDX-License-Identifier: Apache-2.0
"""Functions directly on accumulators: thresholds of what rises, and a count of steps and a table of what turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Requantise, Rounding
from tests.frontend.nets import Net, agree, grid, ops
from tests.frontend.refusing import Case, check, name_of
from tests.needs import needs_cxx, needs_rtl

Function = Callable[[Net, str], str]


def op(kind: str, **attributes: Any) -> Function:
    return lambda net, x: net.add(kind, x, **attributes)


def then(*functions: Function) -> Function:
    def apply(net: Net, x: str) -> str:
        for function in functions:
            x = function(net, x)
        return x

    return apply


def by(kind: str, number: float) -> Function:
    return lambda net, x: net.add(kind, x, net.const(number))


def limited(low: float, high: float) -> Function:
    return lambda net, x: net.add("Clip", x, net.const(low), net.const(high))


def times(function: Function, left: bool = False) -> Function:
    """The function times its input, on either side of the product."""
    return lambda net, x: net.add("Mul", *((function(net, x), x) if left else (x, function(net, x))))


SWISH = times(then(by("Mul", 1.75), op("Sigmoid")))
ERF_GELU = then(times(then(by("Div", 2**0.5), op("Erf"), by("Add", 1.0))), by("Mul", 0.5))
TANH_GELU = op("Gelu", approximate="tanh")
RISING: dict[str, Function] = {
    "sigmoid": op("Sigmoid"),
    "tanh": op("Tanh"),
    "softplus": op("Softplus"),
    "softsign": op("Softsign"),
    "elu": op("Elu", alpha=0.75),
    "selu": op("Selu"),
    "celu": op("Celu", alpha=1.5),
    "exp": then(by("Mul", 0.25), op("Exp")),
    "erf": op("Erf"),
    "root of relu": then(op("Relu"), op("Sqrt")),
    "logarithm": then(op("Relu"), by("Add", 0.5), op("Log")),
    "cube": lambda net, x: net.add("Pow", net.add("Mul", x, net.const(0.25)), net.const(3.0)),
    "jump": op("ThresholdedRelu", alpha=0.75),
    "tanh of sigmoid": then(op("Sigmoid"), by("Mul", 3.0), op("Tanh")),
    "scaled and limited": then(op("Tanh"), by("Mul", 2.0), by("Add", 0.5), op("Relu")),
}
TURNING: dict[str, Function] = {
    "silu": times(op("Sigmoid")),
    "silu, other side": times(op("Sigmoid"), left=True),
    "swish": SWISH,
    "gelu": op("Gelu"),
    "gelu by erf": ERF_GELU,
    "gelu by tanh": TANH_GELU,
    "hard swish": op("HardSwish"),
    "hard swish, written out": times(then(by("Add", 3.0), limited(0.0, 6.0), by("Div", 6.0))),
    "mish": op("Mish"),
    "mish, written out": times(then(op("Softplus"), op("Tanh"))),
    "abs": op("Abs"),
    "square": lambda net, x: net.add("Pow", net.add("Mul", x, net.const(0.25)), net.const(2.0)),
    "negative elu": op("Elu", alpha=-0.75),
    "leak that falls, limited": then(op("LeakyRelu", alpha=-0.5), limited(0.5, 4.0)),
    "hill": then(times(op("Sigmoid")), op("Neg")),
    "falling": then(op("Sigmoid"), op("Neg"), by("Add", 1.0)),
    "silu6": then(times(op("Sigmoid")), limited(-0.125, 6.0)),
}
FUNCTIONS = RISING | TURNING


def accumulators(net: Net, rng: np.random.Generator, *, wide: bool = False) -> str:
    """Of a convolution with a scale and a bias per channel; wide ones have 20 bits."""
    x = net.quant(net.x, 2.0**-10 if wide else 0.25, bits=16.0 if wide else 6.0)
    scales = np.reshape([0.125, 0.25, 0.5, 0.125] if not wide else [0.25] * 4, (4, 1, 1, 1))
    w = net.weights(scales * grid(4, 2, 2, 2, step=1.0, span=5, seed=int(rng.integers(99))), scales, bits=4.0)
    return net.add("Add", net.add("Conv", x, w), net.const(rng.integers(-6, 7, (4, 1, 1)) / 8))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_on_accumulators(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5, opset=20)
    y = FUNCTIONS[name](net, accumulators(net, rng, wide=seed == 3))
    scale = float(np.float32(rng.uniform(0.02, 0.2)))
    if seed % 2:
        net.dequantize(net.quantize(y, scale, 7, np.uint8), scale, 7, np.uint8)
    else:
        net.quant(y, scale, float(seed // 2), bits=7.0)
    agree(net, grid(12, 2, 4, 5, step=2.0**-10 if seed == 3 else 0.25, span=8, seed=seed))


@pytest.mark.parametrize("mode", ["ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN"])
@pytest.mark.parametrize("name", ["abs", "square", "jump", "leak that falls, limited"])
def test_exact_ties(name: str, mode: str) -> None:
    """All numbers are multiples of powers of two, so that steps are met, the one where a function turns too."""
    net = Net(2, 4, 5, opset=20)
    y = FUNCTIONS[name](net, accumulators(net, np.random.default_rng(1)))
    net.quant(net.add("Add", y, net.const(0.25)), 0.5, bits=6.0, mode=mode)
    agree(net, grid(12, 2, 4, 5, span=8))


@pytest.mark.parametrize("name", ["sigmoid", "silu", "elu", "abs", "hill"])
def test_a_quantiser_per_channel_behind_a_normalisation(name: str) -> None:
    rng = np.random.default_rng(len(name))
    net = Net(2, 4, 5, opset=20)
    numbers = [rng.choice([0.5, -0.75, 1.25], 4), rng.normal(size=4), rng.normal(size=4), rng.uniform(0.5, 2, 4)]
    y = net.add("BatchNormalization", accumulators(net, rng), *(net.const(each) for each in numbers))
    scale = rng.choice([0.0625, 0.09375, 0.1875], (1, 4, 1, 1))
    net.quant(FUNCTIONS[name](net, y), scale, bits=np.reshape([6.0, 4.0, 5.0, 6.0], (1, 4, 1, 1)))
    agree(net, grid(12, 2, 4, 5, span=8))


@pytest.mark.parametrize("name", ["tanh", "clip"])
def test_slopes_per_channel_in_front_of_another_function(name: str) -> None:
    """Some channels rise and others turn: they share a way of codes."""
    net = Net(2, 4, 5, opset=20)
    y = net.add(
        "PRelu", accumulators(net, np.random.default_rng(0)), net.const(np.reshape([0.25, -0.5, 0, 2], (4, 1, 1)))
    )
    y = net.add("Tanh", y) if name == "tanh" else limited(-0.75, 3.0)(net, y)
    net.quant(y, 0.03125 if name == "tanh" else 0.5, bits=6.0)
    agree(net, grid(12, 2, 4, 5, span=8))


def test_a_function_of_limited_values_before_a_pool() -> None:
    net = Net(2, 4, 5, opset=20)
    y = limited(-1.5, 2.25)(net, accumulators(net, np.random.default_rng(2)))
    y = net.add("MaxPool", TURNING["gelu"](net, y), kernel_shape=[2, 2])
    net.quant(y, 0.0625, bits=6.0)
    agree(net, grid(12, 2, 4, 5, span=8))


def test_codes_that_are_moved_before_a_product_with_a_function_of_them() -> None:
    net = Net(2, 4, 5, opset=20)
    y = net.add("Add", net.quant(net.x, 0.25, bits=6.0), net.const(1.0))
    net.quant(net.add("Gelu", y), 0.09375, bits=6.0)
    agree(net, grid(12, 2, 4, 5, span=8))


def test_channels_without_weights() -> None:
    net = Net(2, 4, 5, opset=20)
    w = net.weights(np.reshape([0.0, 0, 0, 0, 1, -2, 3, 1], (4, 2, 1, 1)), np.reshape([1, 1, 0.5, 0.25], (4, 1, 1, 1)))
    y = net.add(
        "Add", net.add("Conv", net.quant(net.x, 0.25, bits=6.0), w), net.const(np.reshape([0.5, -1, 0, 1], (4, 1, 1)))
    )
    net.quant(times(op("Sigmoid"))(net, y), 0.0625, bits=6.0)
    agree(net, grid(12, 2, 4, 5, span=8))


def test_what_rises_is_one_layer_and_what_turns_two() -> None:
    made = {}
    for name, function in FUNCTIONS.items():
        net = Net(2, 4, 5, opset=20)
        net.quant(function(net, accumulators(net, np.random.default_rng(0))), 0.03125, bits=8.0)
        graph = load_onnx(net.proto())
        made[name] = ops(graph)
        assert any(isinstance(x, Requantise) and x.rounding is Rounding.LEVELS for x in graph.layers)
    assert all(made[name] == ["conv", "requantise"] for name in RISING)
    assert all(made[name] == ["conv", "requantise", "table"] for name in TURNING)


def uneven(net: Net) -> str:
    return accumulators(net, np.random.default_rng(0))


TOO_WIDE = "follows a function of a tensor of type s11[-877..887]: too wide for a table, or with scales per channel"
HINT = "quantise the activation to at most 16 bits before the function"
REFUSED: list[Case] = [
    ("quant5", lambda n: n.quant(n.add("Reciprocal", uneven(n)), 0.5), TOO_WIDE, HINT),
    ("quant5", lambda n: n.quant(n.add("Tanh", uneven(n)), 2.0**-15, bits=16.0), TOO_WIDE, HINT),
    ("quant7", lambda n: n.quant(n.add("Abs", times(op("Sigmoid"))(n, uneven(n))), 0.5), TOO_WIDE, HINT),
    (
        "quant5",
        lambda n: n.quant(n.add("Log", uneven(n)), 0.5),
        "takes the logarithm of a negative number",
        "keep what it reads from below zero, by a Relu or an unsigned quantiser",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """What rises, turns and falls in one design, on scales per channel and on wide integers, and its data."""
    rng = np.random.default_rng(0)
    net = Net(2, 4, 5, opset=20)
    y, wide = accumulators(net, rng), accumulators(net, rng, wide=True)
    made = [
        net.quant(FUNCTIONS[name](net, x), 0.0625, bits=6.0)
        for name, x in (("sigmoid", y), ("silu", y), ("hill", wide), ("tanh", wide))
    ]
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
