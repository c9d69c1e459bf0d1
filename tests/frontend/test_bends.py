# SPDX-License-Identifier: Apache-2.0
"""Leaky ReLUs, PReLUs and functions as exporters spell them, out of sums, products and limits of one tensor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.frontend.nets import Net, agree, grid, ops
from tests.frontend.refusing import refusal

ALPHA = np.reshape([0.25, -0.1875, 0.5], (3, 1, 1))
Spell = Callable[[Net, str], str]


def times(net: Net, x: str, factor: object) -> str:
    return net.add("Mul", x, net.const(factor))


def half_of_difference(net: Net, x: str) -> str:
    return times(net, net.add("Sub", x, net.add("Abs", x)), 0.5)


BENDS: dict[str, Spell] = {
    "max": lambda n, x: n.add("Max", x, times(n, x, 0.1)),
    "max, turned": lambda n, x: n.add("Max", times(n, x, 0.1), x),
    "max, upside down": lambda n, x: n.add("Max", x, times(n, x, -0.3)),
    "min": lambda n, x: n.add("Min", x, times(n, x, 3)),
    "max of each": lambda n, x: n.add("Max", x, times(n, x, np.abs(ALPHA))),
    "abs": lambda n, x: n.add("Max", x, n.add("Neg", x)),
    "two reluctant": lambda n, x: n.add("Sub", n.add("Relu", x), times(n, n.add("Relu", n.add("Neg", x)), ALPHA)),
    "limits": lambda n, x: n.add("Add", n.add("Max", x, n.const(0.0)), times(n, n.add("Min", x, n.const(0.0)), ALPHA)),
    "difference": lambda n, x: n.add("Add", n.add("Relu", x), times(n, half_of_difference(n, x), ALPHA)),
    "relu": lambda n, x: times(n, n.add("Add", x, n.add("Abs", x)), 0.5),
    "below": lambda n, x: half_of_difference(n, x),
    "before a pool": lambda n, x: n.add("MaxPool", n.add("Max", x, times(n, x, 0.1)), kernel_shape=[2, 2]),
}


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("spell", BENDS.values(), ids=BENDS)
def test_lines_of_one_tensor_that_bend_at_zero(spell: Spell, biased: bool) -> None:
    """Of an accumulator with a bias of many bits, that no grid would hold."""
    net = Net(2, 4, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    y = net.add("Conv", x, net.weights(grid(3, 2, 2, 2, step=1.0, span=7), 0.5))
    y = net.add("Add", y, net.const(np.reshape([0.3, -1.1, 2.7], (3, 1, 1)))) if biased else y
    net.quant(spell(net, y), 0.75, bits=6.0)
    assert ops(agree(net, grid(8, 2, 4, 5, span=8)))[-1] in ("requantise", "table", "maxpool")


def test_a_bend_that_is_read_by_a_sum_stays_a_sum_of_integers() -> None:
    net = Net(2, 4, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    y = net.add("Max", x, times(net, x, 0.125))
    net.quant(net.add("Add", y, x), 0.75, bits=6.0)
    graph = agree(net, grid(8, 2, 4, 5, span=8))
    assert "sum" in ops(graph)


FUNCTIONS: dict[str, Spell] = {
    "sigmoid": lambda n, x: n.add("Div", n.const(1.0), n.add("Add", n.const(1.0), n.add("Exp", n.add("Neg", x)))),
    "sigmoid, reciprocal": lambda n, x: n.add("Reciprocal", n.add("Add", n.add("Exp", n.add("Neg", x)), n.const(1.0))),
    "silu": lambda n, x: n.add("Div", x, n.add("Add", n.add("Exp", n.add("Neg", x)), n.const(1.0))),
    "softplus": lambda n, x: n.add("Log", n.add("Add", n.add("Exp", x), n.const(1.0))),
    "mish": lambda n, x: n.add("Mul", x, n.add("Tanh", n.add("Log", n.add("Add", n.add("Exp", x), n.const(1.0))))),
    "softsign": lambda n, x: n.add("Div", x, n.add("Add", n.const(1.0), n.add("Abs", x))),
    "gelu, pow": lambda n, x: gelu(n, x, n.add("Pow", x, n.const(3.0))),
    "gelu, products": lambda n, x: gelu(n, x, n.add("Mul", n.add("Mul", x, x), x)),
    "square": lambda n, x: n.add("Mul", x, x),
}


def gelu(net: Net, x: str, cube: str) -> str:
    inner = times(net, net.add("Add", x, times(net, cube, 0.044715)), 0.7978846)
    return net.add("Mul", times(net, x, 0.5), net.add("Add", net.const(1.0), net.add("Tanh", inner)))


@pytest.mark.parametrize("spell", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_in_other_words_on_an_accumulator(spell: Spell) -> None:
    """A sum of more bits than a table has; around zero, where they turn."""
    net = Net(40)
    x = net.quant(net.x, 2.0**-8, bits=12.0)
    y = net.add("MatMul", x, net.weights(grid(40, 3, step=1.0, span=7), 2.0**-3))
    y = net.add("Add", y, net.const([0.3, -1.1, 0.7]))
    net.quant(spell(net, y), 2.0**-4, bits=7.0)
    agree(net, grid(60, 40, step=2.0**-8, span=1))


def test_a_quotient_of_two_tensors_is_refused() -> None:
    net = Net(4)
    x = net.quant(net.x, 0.25)
    net.quant(net.add("Div", x, net.quant(net.x, 0.5)), 0.5)
    assert refusal(net.proto()) == (
        "model: node 'div2' (Div): divides one activation by another\n  hint: not a function of fixed-point numbers"
    )
