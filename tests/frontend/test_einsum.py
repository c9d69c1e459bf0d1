# SPDX-License-Identifier: Apache-2.0
"""Einsum of data and a constant, and broadcasts and repetitions that are written as nodes."""

from __future__ import annotations

import pytest

from tests.frontend.nets import Net, agree, grid, ops
from tests.frontend.refusing import axes, refusal

EQUATIONS = {
    "bij,jk->bik": ((5, 6), (6, 3)),
    "ij,bjk->bik": ((5, 6), (4, 5)),
    "bij,j->bi": ((5, 6), (6,)),
    "...i,io->...o": ((5, 6), (6, 3)),
    "bchw,oc->bohw": ((4, 5, 6), (3, 4)),
    "nctv,vw->nctw": ((4, 7, 5), (5, 5)),
    "nkctv,kvw->nctw": ((3, 2, 4, 5), (3, 5, 5)),
    "btd,dhk->bhtk": ((5, 6), (6, 2, 3)),
    "bhtk,hkd->btd": ((2, 5, 3), (2, 3, 4)),
    "b i j , j k -> b k i": ((5, 6), (6, 3)),
    "...hd,hde->...e": ((1, 2, 4), (2, 4, 5)),
    "...d,dhe->...he": ((1, 4), (4, 2, 5)),
    "...chd,hde->...ce": ((3, 2, 2, 4), (2, 4, 5)),
}


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_of_a_constant(equation: str, batch: int | str) -> None:
    data, constant = EQUATIONS[equation]
    net = Net(*data, batch=batch)
    operands = [net.quant(net.x, 0.25, bits=6.0), net.weights(grid(constant[0], *constant[1:], step=1.0, span=7), 0.5)]
    if equation.startswith("ij"):
        operands.reverse()
    net.quant(net.add("Einsum", *operands, equation=equation), 0.75)
    agree(net, grid(1 if batch == 1 else 4, *data, span=8))


@pytest.mark.parametrize("equation", ["bij,bjk->bik", "bij,jk->bk", "bii,ik->bk", "bij,jk", "bij,kl->bijkl"])
def test_an_einsum_that_is_no_product_of_matrices_is_not_supported(equation: str) -> None:
    net = Net(6, 6)
    w = net.weights(grid(1 if equation == "bij,bjk->bik" else 6, *([6, 6] if "bjk" in equation else [6]), span=7))
    net.quant(net.add("Einsum", net.quant(net.x, 0.25), w, equation=equation), 0.75)
    said, _, hint = refusal(net.proto()).partition("\n")
    assert said == "model: node 'einsum2' (Einsum): is not supported"
    assert hint.startswith("  hint: supported operators: Abs, Add,")


def test_broadcasts_and_repetitions() -> None:
    """A gate of each channel stretched over an image, pixels repeated, and a vector for every step."""
    net = Net(4, 6, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    gate = net.add(
        "Reshape", net.quant(net.add("ReduceMean", x, axes=[2, 3], keepdims=0), 0.125), axes(net, -1, 4, 1, 1)
    )
    y = net.quant(net.add("Mul", x, net.add("Expand", gate, net.add("Shape", x))), 0.5)
    apart = net.add("Reshape", y, axes(net, -1, 4, 6, 1, 5, 1))
    twice = net.add("Reshape", net.add("Tile", apart, axes(net, 1, 1, 1, 2, 1, 2)), axes(net, -1, 4, 12, 10))
    net.quant(net.add("Conv", twice, net.weights(grid(3, 4, 2, 2, step=1.0, span=7), 0.5)), 1.5)
    assert ops(agree(net, grid(4, 4, 6, 5, span=8)))[-2:] == ["conv", "requantise"]


def test_a_vector_for_every_step() -> None:
    net = Net(6)
    steps = net.add("Tile", net.add("Unsqueeze", net.quant(net.x, 0.25, bits=6.0), axes(net, 1)), axes(net, 1, 5, 1))
    net.quant(net.add("MatMul", steps, net.weights(grid(6, 3, step=1.0, span=7), 0.5)), 0.75)
    agree(net, grid(4, 6, span=8))


@pytest.mark.parametrize(
    ("op", "numbers", "said", "hint"),
    [
        ("Expand", (1, 3, 4), "stretches [1, 2, 4] to [1, 3, 4]", "export the model again"),
        ("Tile", (1, 2), "repeats a tensor of 3 axes [1, 2] times", "give a count from 1 up to each axis"),
        ("Tile", (1, 0, 1), "repeats a tensor of 3 axes [1, 0, 1] times", "give a count from 1 up to each axis"),
    ],
)
def test_what_does_not_fit_is_refused(op: str, numbers: tuple[int, ...], said: str, hint: str) -> None:
    net = Net(2, 4)
    net.quant(net.add(op, net.quant(net.x, 0.25), axes(net, *numbers)), 0.75)
    assert refusal(net.proto()) == f"model: node '{op.lower()}1' ({op}): {said}\n  hint: {hint}"
