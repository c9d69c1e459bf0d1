# SPDX-License-Identifier: Apache-2.0
"""Sizes beyond any memory: refused in place, word for word, before they are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bitwright.reading.sizes import MAX_CHANNELS, MAX_CONSTANT, MAX_ELEMENTS
from tests.frontend.nets import Net
from tests.frontend.refusing import axes, chip, convolution, kernel, refusal

HUGE = 1 << 40
TOO_LARGE = f"at most {MAX_ELEMENTS} elements are supported"


def test_an_enormous_input() -> None:
    assert refusal(Net(3, HUGE, HUGE).proto("x")) == (
        f"model: input 'x': holds 1 x 3 x {HUGE} x {HUGE} elements\n  hint: {TOO_LARGE}"
    )


SIZES: list[tuple[str, Callable[[Net], Any], str]] = [
    (
        "resize1",
        lambda n: n.add("Resize", chip(n), "", n.const([1.0, 1.0, 2.0**40, 2.0**40])),
        f"1 x 2 x {4 * HUGE} x {4 * HUGE}",
    ),
    (
        "pad1",
        lambda n: n.add("Pad", chip(n), axes(n, 0, 0, 0, 0, 0, 0, HUGE, 0)),
        f"1 x 2 x {HUGE + 4} x 4",
    ),
    ("gather1", lambda n: n.add("Gather", chip(n), n.const(np.zeros(1 << 21), np.int64), axis=1), f"16 x {1 << 21}"),
    (
        "conv2",
        lambda n: convolution(n, pads=[HUGE] * 4),
        f"{2 * HUGE + 4} x {2 * HUGE + 4}",
    ),
    (
        "averagepool1",
        lambda n: n.add("AveragePool", chip(n), kernel_shape=[1, 1], pads=[HUGE] * 4),
        f"{2 * HUGE + 4} x {2 * HUGE + 4}",
    ),
    (
        "convtranspose2",
        lambda n: n.add("ConvTranspose", chip(n), kernel(n, 2, 2, 2, 2), strides=[HUGE, HUGE]),
        f"{3 * HUGE + 1} x {3 * HUGE + 1} x 2",
    ),
    (
        "add0",
        lambda n: n.add("Add", n.x, n.const(np.ones((1 << 20, 1, 1, 1, 1)))),
        f"{1 << 20} x 1 x 2 x 4 x 4",
    ),
]


@pytest.mark.parametrize(("node", "build", "sizes"), SIZES, ids=[case[0] for case in SIZES])
def test_activations_beyond_any_memory(node: str, build: Callable[[Net], Any], sizes: str) -> None:
    net = Net(2, 4, 4)
    build(net)
    op = {proto.name: proto.op_type for proto in net.nodes}[node]
    assert refusal(net.proto()) == f"model: node '{node}' ({op}): holds {sizes} elements\n  hint: {TOO_LARGE}"


CONSTANTS: dict[str, Callable[[Net], str]] = {
    "ConstantOfShape": lambda n: n.add("ConstantOfShape", axes(n, HUGE, HUGE)),
    "Expand": lambda n: n.add("Expand", n.const([[1.0]]), axes(n, HUGE, HUGE)),
    "Tile": lambda n: n.add("Tile", n.const([[1.0]]), axes(n, HUGE, HUGE)),
    "Range": lambda n: n.add("Range", *(n.const(v, np.int64) for v in (0, HUGE, 1))),
    "Add": lambda n: n.add("Add", n.const(np.ones((1 << 13, 1))), n.const(np.ones(1 << 13))),
    "MatMul": lambda n: n.add("MatMul", n.const(np.ones((1 << 13, 1))), n.const(np.ones((1, 1 << 13)))),
    "Gather": lambda n: n.add("Gather", n.const(np.ones((1 << 13, 1 << 7))), n.const(np.zeros(1 << 19), np.int64)),
    "Concat": lambda n: n.add("Concat", *[n.const(np.ones(1 << 20))] * 33, axis=0),
}
SHOWN = {"Range": f"{HUGE}", "Gather": f"{1 << 19} x 128", "Concat": f"{33 << 20}"}


@pytest.mark.parametrize("op", CONSTANTS)
def test_constants_beyond_any_memory(op: str) -> None:
    net = Net(2, 4, 4)
    net.add("Mul", chip(net), CONSTANTS[op](net))
    sizes = SHOWN.get(op, f"{HUGE} x {HUGE}" if op in ("ConstantOfShape", "Expand", "Tile") else f"{1 << 26}")
    sizes = "8192 x 8192" if op == "MatMul" else sizes
    assert refusal(net.proto()) == (
        f"model: node '{op.lower()}1' ({op}): holds {sizes} elements\n"
        f"  hint: at most {MAX_CONSTANT} elements are supported"
    )


def test_a_constant_that_changes_from_run_to_run_is_not_folded() -> None:
    net = Net(4)
    net.add("MatMul", net.quant(net.x, 1.0), net.add("RandomNormal", shape=[4, 4]))
    assert refusal(net.proto()).startswith("model: node 'randomnormal1' (RandomNormal): is not supported\n")


@pytest.mark.parametrize(
    ("op", "said"),
    [
        ("Concat", f"holds {1 << 25} elements\n  hint: {TOO_LARGE}"),
        ("Add", "its integers reach 4.61e+18 and need more than 63 bits\n"),
    ],
)
def test_towers_that_double(op: str, said: str) -> None:
    net = Net(4)
    y = net.quant(net.x, 0.25)
    for _ in range(80):
        y = net.add(op, y, y, **({"axis": 1} if op == "Concat" else {}))
    text = refusal(net.proto())
    assert text.startswith("model: node '") and said in text


def test_constants_for_every_one_of_too_many_elements() -> None:
    net = Net(1 << 20)
    net.add("Concat", net.quant(net.x, 0.25), net.quant(net.x, 0.5), axis=1)
    assert refusal(net.proto()) == (
        f"model: node 'concat2' (Concat): holds {1 << 21} elements\n"
        f"  hint: at most {MAX_CHANNELS} elements are supported"
    )
