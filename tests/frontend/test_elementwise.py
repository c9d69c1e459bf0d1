# SPDX-License-Identifier: Apache-2.0
"""Arithmetic with constants, batch normalisation, clips and functions, before, between and behind quantisers."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from bitwright.ir.functions import function_of
from bitwright.ir.layers import Requantise, Table
from bitwright.ir.types import IntType
from tests.frontend.nets import QONNX, Net, agree, grid, only, ops


def chip(net: Net) -> str:
    return net.quant(net.x, 0.25, bits=10.0)


def normalised(net: Net, x: str, gamma: list[float], seed: int = 0, epsilon: float = 1e-5) -> str:
    rng = np.random.default_rng(seed)
    size = len(gamma)
    beta, mean = (net.const(rng.normal(size=size)) for _ in range(2))
    return net.add(
        "BatchNormalization", x, net.const(gamma), beta, mean, net.const(rng.uniform(0.1, 4, size)), epsilon=epsilon
    )


@pytest.mark.parametrize("gamma", [[1.0, 2.0, 0.5], [-1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
@pytest.mark.parametrize("relu", [False, True])
def test_batch_normalisation_behind_a_convolution(gamma: list[float], relu: bool) -> None:
    net = Net(2, 4, 4)
    y = normalised(net, net.add("Conv", chip(net), net.weights(grid(3, 2, 2, 2, span=3), 0.5)), gamma)
    net.quant(net.add("Relu", y) if relu else y, 0.37, bits=6.0, signed=0 if relu else 1)
    layer = only(agree(net, grid(16, 2, 4, 4, span=4)), Requantise)
    signs = [(m > 0) - (m < 0) for m in layer.multiplier.each(3)]
    assert signs == np.sign(gamma).tolist()


@pytest.mark.parametrize("shape", [(3,), (3, 5)])
def test_batch_normalisation_of_features_and_signals(shape: tuple[int, ...]) -> None:
    net = Net(*shape)
    net.quant(normalised(net, chip(net), [1.0, -2.0, 0.5], epsilon=1e-3), 0.25, bits=6.0)
    agree(net, grid(16, *shape, span=6))


def test_batch_normalisation_before_the_input_quantiser() -> None:
    net = Net(3, 4)
    net.quant(normalised(net, net.x, [1.0, -2.0, 0.5]), 0.25, bits=6.0)
    net.add("MatMul", net.nodes[-1].output[0], net.weights(np.eye(4)))
    graph = agree(net, grid(16, 3, 4, span=6))
    assert [step.op for step in graph.before.steps] == ["sub", "div", "mul", "add", "quantise", "gather"]
    assert [entry["node"] for entry in graph.host] == ["batchnormalization0", "quant1", "matmul3"]


def test_batch_normalisation_behind_the_last_quantiser() -> None:
    net = Net(3)
    y = net.add("MatMul", chip(net), net.weights(grid(3, 3, span=3)))
    normalised(net, y, [1.0, -2.0, 0.5])
    agree(net, grid(16, 3), exact=False)


def test_relu_between_two_scalings_is_a_limit_on_the_codes() -> None:
    net = Net(4)
    y = net.add("Relu", net.add("Sub", chip(net), net.const(1.5)))
    net.quant(net.add("Mul", y, net.const(-2.0)), 0.5, bits=6.0)
    layer = only(agree(net, grid(32, 4, span=10)), Requantise)
    assert (layer.low, layer.high) == ((-32,), (0,))


@pytest.mark.parametrize("low", [None, -3.25, 0.0])
@pytest.mark.parametrize("high", [None, 2.75, 100.0])
@pytest.mark.parametrize("opset", [6, 13])
def test_clip_before_a_quantiser(low: float | None, high: float | None, opset: int) -> None:
    net = Net(5, opset=opset)
    if opset < 11:
        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None}
        y = net.add("Clip", chip(net), **bounds)
    else:
        y = net.add("Clip", chip(net), *("" if b is None else net.const(b) for b in (low, high)))
    net.quant(y, 0.5, bits=5.0)
    agree(net, grid(32, 5, span=12))


def test_clips_one_after_the_other() -> None:
    net = Net(5)
    y = net.add("Clip", chip(net), net.const(-3.0), net.const(3.0))
    y = net.add("Clip", net.add("Add", y, net.const(4.0)), net.const(2.0), net.const(5.0))
    y = net.add("Relu", net.add("Mul", y, net.const([[-1.0, 1.0, 2.0, -2.0, 0.0]])))
    net.quant(y, 0.5, 0.5, bits=5.0)
    agree(net, grid(32, 5, span=12))


def test_a_clip_of_crossed_bounds_is_its_upper_one() -> None:
    net = Net(5)
    net.quant(net.add("Clip", chip(net), net.const(3.0), net.const(-1.0)), 0.5, bits=5.0)
    agree(net, grid(8, 5))


ARITHMETIC: list[tuple[str, Callable[[Net, str, str], str]]] = [
    ("x+c", lambda net, x, c: net.add("Add", x, c)),
    ("c+x", lambda net, x, c: net.add("Add", c, x)),
    ("x-c", lambda net, x, c: net.add("Sub", x, c)),
    ("c-x", lambda net, x, c: net.add("Sub", c, x)),
    ("x*c", lambda net, x, c: net.add("Mul", x, c)),
    ("c*x", lambda net, x, c: net.add("Mul", c, x)),
    ("x/c", lambda net, x, c: net.add("Div", x, c)),
]
CONSTANTS = {"scalar": -1.5, "channel": [[[[0.5]], [[-2.0]], [[1.0]]]], "element": grid(1, 3, 2, 2, seed=9) + 50}


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize(("name", "apply"), ARITHMETIC, ids=lambda v: v if isinstance(v, str) else "")
@pytest.mark.parametrize("place", ["before", "between", "behind"])
def test_arithmetic_with_constants(place: str, name: str, apply: Any, constant: str) -> None:
    net = Net(3, 2, 2)
    c = net.const(CONSTANTS[constant])
    match place:
        case "before":
            kernel = net.weights(np.eye(3).reshape(3, 3, 1, 1))
            net.add("Conv", net.quant(apply(net, net.x, c), 0.5, bits=7.0), kernel)
        case "between":
            net.quant(apply(net, chip(net), c), 0.5, bits=7.0)
        case _:
            apply(net, net.quant(chip(net), 0.5, bits=7.0), c)
    exact = place != "behind" or name != "x/c"  # the host rounds the quotient's scale to a double
    agree(net, grid(8, 3, 2, 2, span=9), exact=exact)


@pytest.mark.parametrize(
    "prologue",
    [
        lambda net: net.add("Sub", net.add("Mul", net.x, net.const(2.0)), net.const(1.0)),  # TFC
        lambda net: net.add("Div", net.add("Add", net.x, net.const(1.0)), net.const(2.0)),  # UNSW
        lambda net: net.add("Div", net.x, net.const(255.0)),  # FINN
        lambda net: net.add("Relu", net.x),  # ESPCN
        lambda net: net.add("Clip", net.x, net.const(-1.0), net.const(3.0)),
        lambda net: net.add("Sigmoid", net.x),
        lambda net: net.add("Tanh", net.x),
        lambda net: net.add("Cast", net.x, to=TensorProto.FLOAT),
        lambda net: net.add("Identity", net.x),
    ],
)
def test_prologues_stay_on_the_host(prologue: Any) -> None:
    net = Net(4)
    net.add("MatMul", net.quant(prologue(net), 0.01, bits=8.0), net.weights(np.eye(4)))
    graph = agree(net, grid(16, 4, step=1, span=8), exact=False)
    assert ops(graph) == ["dense"] and all(entry["side"] == "input" for entry in graph.host[:-1])


def test_a_prologue_on_integers_is_exact_on_chip() -> None:
    net = Net(3, 4, 4, kind=TensorProto.UINT8)
    x = net.add("Div", net.add("Cast", net.x, to=TensorProto.FLOAT), net.const(255.0))
    x = net.add("Sub", net.add("Mul", x, net.const(2.0)), net.const(1.0))
    kernel = net.weights(grid(2, 3, 3, 3, span=3))
    net.quant(net.add("Conv", x, kernel), 0.3, bits=6.0)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 4, 4)).astype(np.uint8)
    layers = agree_integers(net, pixels)
    assert [layer.op for layer in layers] == ["conv", "requantise"]


def agree_integers(net: Net, pixels: Any) -> Any:
    """The float32 oracle of an integer input: the model's own float32 steps, away from ties."""
    return agree(net, pixels).layers


def test_a_typed_input_needs_no_quantiser() -> None:
    net = Net(4)
    net.quant(net.add("MatMul", net.x, net.weights(grid(4, 3, span=3))), 1.0, bits=6.0)
    graph = agree(net, grid(16, 4, step=0.25, span=30), types={"x": "s8.2"})
    assert graph.inputs[0].type == IntType(-128, 127)
    assert graph.host[0]["reason"] == "quantises the input 'x' to s8.2, as asked"


def test_an_epilogue_is_part_of_the_dequantisation() -> None:
    net = Net(4)
    y = net.add("MatMul", chip(net), net.weights(grid(4, 3, span=3)))
    y = net.add("Div", net.add("Sub", y, net.const(0.7)), net.add("Pow", net.const(3.0), net.const(0.5)))
    net.add("Add", net.add("Mul", y, net.const([1.5, -2.0, 0.25])), net.const(0.1))
    graph = agree(net, grid(16, 4), exact=False)
    assert [step.op for step in graph.after.steps] == ["affine"] + ["same"] * 3
    assert [entry["op"] for entry in graph.host[1:]] == ["Sub", "Div", "Mul", "Add"]


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
@pytest.mark.parametrize("bits", [2.0, 5.0, 8.0])
def test_a_function_between_quantisers_is_a_table(op: str, bits: float) -> None:
    net = Net(16)
    x = net.quant(net.x, 0.25, 1.0, 7.0)
    net.quant(net.add(op, x), 1 / 128, 0.5, bits, signed=0)
    graph = agree(net, grid(64, 16))
    assert ops(graph) == ["table"]
    assert only(graph, Table).entries.array.size == 128


def test_the_table_of_a_scaled_and_clipped_value() -> None:
    net = Net(16)
    y = net.add("Clip", net.add("Mul", chip(net), net.const(-0.5)), net.const(-2.0), net.const(1.5))
    y = net.add("Add", net.add("Mul", net.add("Sigmoid", y), net.const(3.0)), net.const(-1.0))
    net.quant(net.add("Relu", y), 1 / 16, bits=7.0)
    function = only(agree(net, grid(64, 16, span=20)), Table).function
    assert function == function_of(
        ("affine", "-1/2", "0"),
        ("clip", "-2", "3/2"),
        ("sigmoid",),
        ("affine", "3", "0"),
        ("affine", "1", "-1"),
        ("clip", "0", ""),
        ("affine", "16", "0"),
    )


def test_the_table_of_bipolar_codes() -> None:
    net = Net(6)
    x = net.add("BipolarQuant", net.x, net.const(0.5), domain=QONNX)
    net.quant(net.add("Tanh", x), 1 / 64, bits=8.0)
    assert only(agree(net, grid(16, 6)), Table).entries.array.size == 3


def test_the_table_of_an_onnx_quantiser() -> None:
    net = Net(16)
    net.qdq(net.add("Sigmoid", net.qdq(net.x, 0.1, 130)), 1 / 255)
    layer = only(agree(net, grid(64, 16, span=15)), Table)
    assert (layer.low, layer.high, layer.shift) == (0, 255, 0)


def test_a_leaky_relu_of_what_the_host_computed_stays_there() -> None:
    net = Net(4)
    y = net.add("Softmax", net.add("MatMul", chip(net), net.weights(grid(4, 3, span=1))), axis=-1)
    net.add("LeakyRelu", net.add("Sub", y, net.const(0.5)), alpha=0.25)
    graph = agree(net, grid(16, 4, span=3), exact=False)
    assert [step.op for step in graph.after.steps][-3:] == ["softmax", "sub", "leaky_relu"]


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
def test_a_function_behind_the_last_quantiser_stays_on_the_host(op: str) -> None:
    net = Net(4)
    y = net.add("MatMul", chip(net), net.weights(grid(4, 3, span=1)))
    y = net.add("Clip", net.add("Mul", net.add(op, y), net.const(3.0)), net.const(-1.0), net.const(2.5))
    net.add("Sub", net.const(1.0), y)
    graph = agree(net, grid(16, 4, span=3), exact=False)
    assert [step.op for step in graph.after.steps][:2] == ["affine", op.lower()]


def test_dropout_in_inference_does_nothing() -> None:
    net = Net(4)
    net.quant(net.add("Dropout", chip(net), outputs=2), 0.5, bits=6.0)
    agree(net, grid(8, 4))


def test_a_bias_added_in_two_steps_is_one_rational() -> None:
    net = Net(3)
    y = net.add("Add", net.add("Add", chip(net), net.const(0.1)), net.const(0.2))
    net.quant(y, 0.5, bits=6.0)
    (offset,) = only(agree(net, grid(8, 3)), Requantise).offset.values
    assert offset == 2 * (Fraction(float(np.float32(0.1))) + Fraction(float(np.float32(0.2))))


def test_clips_of_quantised_weights() -> None:
    for op, bounds in (("Relu", ()), ("Clip", (-1.0, 1.0)), ("Clip", (-99.0, 99.0))):
        net = Net(4)
        weights = net.add(op, net.weights(grid(4, 3, span=3), 0.25), *map(net.const, bounds))
        net.quant(net.add("MatMul", chip(net), weights), 0.5, bits=8.0)
        agree(net, grid(16, 4))


def test_an_input_that_is_laid_out_as_it_came() -> None:
    net = Net(4)
    net.add("MatMul", net.quant(net.add("Flatten", net.add("Relu", net.x)), 0.25, bits=6.0), net.weights(np.eye(4)))
    graph = agree(net, grid(16, 4))
    assert [step.op for step in graph.before.steps] == ["clip", "quantise", "gather"]
