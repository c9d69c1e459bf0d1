# SPDX-License-Identifier: Apache-2.0
"""A classifier of float weights that no integers hold stays on the host, whatever follows it there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from tests.exported import execute
from tests.frontend.nets import Net, agree, grid
from tests.frontend.refusing import refusal


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def head(net: Net) -> str:
    """The mean of a clipped sum of convolutions that no quantiser follows."""
    x = net.quant(net.x, 0.25, bits=6.0)
    sides = [net.add("Conv", x, net.weights(grid(4, 2, 2, 2, step=1.0, span=7, seed=k), 0.3 + k / 9)) for k in (0, 1)]
    mean = net.add("GlobalAveragePool", net.add("Relu", net.add("Add", *sides)))
    return net.add("Flatten", mean)


def gemm(net: Net, x: str, outputs: int, inputs: int) -> str:
    return net.add("Gemm", x, net.const(normal(outputs, inputs)), net.const(normal(outputs)), transB=1)


TAILS: dict[str, Callable[[Net], str]] = {
    "gemm": lambda n: gemm(n, head(n), 5, 4),
    "product": lambda n: n.add("MatMul", head(n), n.const(normal(4, 5))),
    "product and bias": lambda n: n.add("Add", n.add("MatMul", head(n), n.const(normal(4, 5))), n.const(normal(5))),
    "two layers": lambda n: gemm(n, n.add("Relu", gemm(n, head(n), 6, 4)), 3, 6),
    "softmax": lambda n: n.add("Softmax", gemm(n, head(n), 5, 4), axis=1),
}


@pytest.mark.parametrize("tail", TAILS.values(), ids=TAILS)
def test_a_float_classifier_is_computed_on_the_host(tail: Callable[[Net], str]) -> None:
    net = Net(2, 4, 5)
    tail(net)
    x = grid(6, 2, 4, 5, span=8)
    proto = net.proto()
    mine = api.run(load_onnx(proto), x)
    _, (other,) = execute(api.to_onnx(load_onnx(proto)), {"x": x})
    np.testing.assert_allclose(other, mine, rtol=1e-4, atol=1e-5 * np.abs(mine).max())
    rows = [row["op"] for row in load_onnx(proto).host]
    assert rows.count("Gemm") or rows.count("MatMul")


def test_steps_of_a_sequence_are_each_multiplied() -> None:
    net = Net(5, 3)
    x = net.quant(net.add("MatMul", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 4, step=1.0, span=7))), 0.3)
    net.add("MatMul", x, net.const(normal(4, 6) * np.float32(2.0**-30) + normal(4, 6)))
    graph = load_onnx(net.proto())
    assert api.run(graph, grid(2, 5, 3, span=8)).shape == (2, 5, 6)


def test_a_float_product_in_front_of_a_quantiser_is_refused_as_before() -> None:
    net = Net(2, 4, 5)
    net.quant(gemm(net, head(net), 5, 4), 0.5)
    assert refusal(net.proto()).endswith(
        "need more than 63 bits\n  hint: quantise weights or inputs to fewer bits, "
        "or summands to scales that are nearer to each other"
    )


def test_the_host_agrees_with_the_source() -> None:
    net = Net(2, 4, 5)
    gemm(net, head(net), 5, 4)
    agree(net, grid(6, 2, 4, 5, span=8), exact=False)


def test_what_the_chip_could_not_hold_leaves_nothing_behind() -> None:
    """The input was laid out for the product before it was refused; the host read the elements where they had been."""
    net = Net(2, 3, 4)
    x = net.quant(net.x, 0.5)
    far = normal(3, 5) * np.float32([[2.0**-30], [1], [1]])
    product = net.add("MatMul", net.add("Transpose", x, perm=[0, 1, 3, 2]), net.const(far))
    other = net.add("Conv", x, net.weights(grid(2, 2, 1, 1, step=1.0, span=7)))
    graph = load_onnx(net.proto(product, other))
    assert [layer.name for layer in graph.layers] == ["conv4"]
    agree(net, grid(3, 2, 3, 4, span=8), outputs=(product, other), exact=False)


@pytest.mark.parametrize(("bias", "said"), [((6, 5), "(6, 5)"), ((3,), "(3,)")])
def test_a_bias_that_does_not_fit_each_sample_is_refused(bias: tuple[int, ...], said: str) -> None:
    net = Net(2, 4, 5)
    net.add("Gemm", head(net), net.const(normal(4, 5)), net.const(normal(*bias)))
    assert refusal(net.proto()) == (
        f"model: node '{net.nodes[-1].name}' (Gemm): combines shapes (1, 5) and {said}\n"
        "  hint: export the model again; the shapes do not fit"
    )
