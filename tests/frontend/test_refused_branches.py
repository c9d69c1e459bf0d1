# SPDX-License-Identifier: Apache-2.0
"""Joins of activations that cannot be taken, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.nets import Net
from tests.frontend.refusing import ACTIVATION, FIT, Case, check, chip, convolution, kernel, name_of


def two(net: Net) -> tuple[str, str]:
    """Two activations of one shape."""
    return net.quant(chip(net), 0.5), net.quant(chip(net), 0.75)


def dead_channel(net: Net) -> str:
    """A product with a channel that a gamma of 0 made constant."""
    a, b = two(net)
    constants = (net.const(v) for v in ([0.0, 1.0], [3.0, 0.0], [0.0, 0.0], [1.0, 1.0]))
    return net.add("Mul", net.add("BatchNormalization", a, *constants), b)


def turned(net: Net) -> str:
    """A part of a convolution with a scale per channel, its axes swapped, beside its input."""
    scale = np.reshape([0.5, 0.3, 0.1, 1.0], (4, 1, 1, 1))
    y = net.add("Conv", chip(net), net.quant(net.const(np.ones((4, 2, 1, 1))), scale))
    part = net.add("Slice", y, *(net.const(v, np.int64) for v in ([1], [3], [1])))
    swapped = net.add("Transpose", part, perm=[0, 2, 1, 3])
    return net.add("Concat", swapped, swapped, axis=1)


def folded(net: Net) -> str:
    """A sum of rows and of a vector with a scale per element."""
    x = chip(net)
    rows = net.add("Reshape", x, net.const([0, 2, 16], np.int64))
    left = net.add("MatMul", rows, kernel(net, 16, 3))
    scale = np.sqrt(np.arange(2.0, 8))
    right = net.add("MatMul", net.add("Flatten", x), net.quant(net.const(np.ones((32, 6))), scale))
    return net.add("Add", left, net.add("Reshape", right, net.const([0, 2, 3], np.int64)))


RELAID = ("re-lays a tensor whose scale differs per channel", "use one scale for the activation")
ONE_ZERO = "multiplies by a tensor whose zero point is no single integer"
BRANCHES: list[Case] = [
    ("concat5", turned, *RELAID),
    ("add8", folded, *RELAID),
    (
        "div4",
        lambda n: n.add("Div", *two(n)),
        "divides one activation by another",
        "not a function of fixed-point numbers",
    ),
    ("mul5", dead_channel, ONE_ZERO, "quantise it with one integer zero point"),
    (
        "mul2",
        lambda n: n.add("Mul", n.quant(n.x, 1.0, 0.5), chip(n)),
        ONE_ZERO,
        "quantise it with one integer zero point",
    ),
    (
        "mul2",
        lambda n: n.add("Mul", n.add("Tanh", chip(n)), n.nodes[-1].output[0]),
        "multiplies two functions of one tensor",
        "quantise one of them first",
    ),
    (
        "add3",
        lambda n: n.add("Add", chip(n), n.add("Tanh", chip(n))),
        "reads a real value that no quantiser turned into integers",
        ACTIVATION,
    ),
    (
        "add4",
        lambda n: n.add("Add", chip(n), convolution(n)),
        "combines shapes (1, 3, 3, 3) and (1, 2, 4, 4)",
        FIT,
    ),
    (
        "concat1",
        lambda n: n.add("Concat", chip(n), n.x, axis=1),
        "joins activations with a tensor that is none",
        "quantise all operands",
    ),
    (
        "concat3",
        lambda n: n.add("Concat", chip(n), n.add("Tanh", chip(n)), axis=1),
        "joins a real value that no quantiser turned into integers",
        "quantise the operand",
    ),
    (
        "concat2",
        lambda n: n.add("Concat", chip(n), chip(n), axis=0),
        "joins along the samples",
        "join along a data axis",
    ),
    (
        "concat3",
        lambda n: n.add("Concat", chip(n), n.add("Flatten", chip(n)), axis=1),
        "joins shapes (1, 2, 4, 4) and (1, 32)",
        FIT,
    ),
]


@pytest.mark.parametrize("case", BRANCHES, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)
