# SPDX-License-Identifier: Apache-2.0
"""Joins of unlike parts: pieces of one scale each along positions, constants, functions; each is quantised alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.layers import Requantise
from tests.frontend.nets import Array, Net, agree, grid
from tests.frontend.refusing import Case, axes, check, chip, name_of
from tests.needs import needs_cxx, needs_rtl


def heads(net: Net, x: str, rng: np.random.Generator, scales: list[float], zeros: list[float]) -> list[str]:
    """Detection heads (1, 3, positions): convolutions of growing kernels, each with a quantiser of its own."""
    made = []
    for k, (scale, zero) in enumerate(zip(scales, zeros, strict=True), start=1):
        kernel = net.weights(rng.integers(-3, 4, (3, 2, k, k)).astype(float), 0.5)
        head = net.quant(net.add("Conv", x, kernel, strides=[k, k]), scale, zero, bits=6.0)
        made.append(net.add("Reshape", head, axes(net, 0, 3, -1)))
    return made


def constant(net: Net, rng: np.random.Generator, *shape: int, kind: int) -> str:
    """A learned constant: as it is, behind a quantiser of the scale that follows, behind another one."""
    values = net.const(rng.integers(-12, 13, shape) / 8)
    return values if kind == 0 else net.quant(values, 0.5 if kind == 1 else 0.75, bits=5.0)


@pytest.mark.parametrize("seed", range(8))
def test_pieces_of_one_scale_each_along_positions(seed: int) -> None:
    """They get a requantiser each, behind whatever moves or clips them, and no constant per element."""
    rng = np.random.default_rng(seed)
    net = Net(2, 6, 6)
    x = net.quant(net.x, 0.25, bits=6.0)
    pieces = heads(net, x, rng, rng.choice([0.5, 0.75, 1.0, 1.25], 3, replace=False).tolist(), [0.0, 1.0, -2.0])
    y = net.add("Concat", *pieces, axis=[2, -1][seed % 2])
    if seed % 4 == 1:
        y = net.add("Relu", net.add("Transpose", y, perm=[0, 2, 1]))
    if seed % 4 == 2:
        y = net.add("Slice", net.add("Mul", y, net.const(-0.5)), axes(net, 3), axes(net, 40), axes(net, 2))
    y = net.quant(y, 0.75, bits=6.0)
    if seed % 4 == 0:
        y = net.quant(net.add("Conv", y, net.weights(grid(2, 3, 1, span=3), 0.5)), 1.5, bits=6.0)
    graph = agree(net, grid(4, 2, 6, 6, span=8, seed=seed))
    assert max(len(layer.multiplier.values) for layer in graph.layers if isinstance(layer, Requantise)) <= 3


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("place", ["sequence", "channels", "features"])
def test_a_constant_is_joined(place: str, first: bool, kind: int) -> None:
    rng = np.random.default_rng(kind)
    net = Net(2, 4, 5)
    kernel = net.weights(rng.integers(-3, 4, (3, 2, 1, 1)).astype(float), 0.5)
    y = net.quant(net.add("Conv", net.quant(net.x, 0.25, bits=6.0), kernel), 0.5, bits=6.0)
    shape, axis = (1, 2, 4, 5), 1
    if place == "sequence":
        y, shape, axis = net.add("Transpose", net.add("Reshape", y, axes(net, 0, 3, -1)), perm=[0, 2, 1]), (1, 2, 3), 1
    elif place == "features":
        y, shape = net.add("Flatten", y), (1, 7)
    token = constant(net, rng, *shape, kind=kind)
    y = net.add("Concat", *((token, y) if first else (y, token)), axis=axis)
    y = net.quant(net.add("Relu", y) if kind == 2 else y, 0.5, bits=5.0)
    if place == "channels":
        y = net.quant(net.add("Conv", y, net.weights(grid(2, 5, 2, 2, span=3), 0.5)), 1.5, bits=6.0)
    agree(net, grid(4, 2, 4, 5, span=8))


@pytest.mark.parametrize("kind", range(3))
def test_a_constant_and_integers_without_a_quantiser_behind(kind: int) -> None:
    """A matrix reads them, or they leave."""
    rng = np.random.default_rng(kind)
    net = Net(6)
    y = net.add("Concat", constant(net, rng, 1, 3, kind=kind), net.quant(net.x, 0.5, bits=6.0), axis=1)
    z = net.quant(net.add("MatMul", y, net.weights(rng.integers(-3, 4, (9, 4)).astype(float), 0.5)), 1.0, bits=7.0)
    agree(net, grid(4, 6, span=12), outputs=(y, z))


def test_a_token_that_a_file_copies_for_each_of_its_samples() -> None:
    net = Net(3, 2, batch=4)
    token = net.add("Expand", net.const([[[0.5, -1.0]]]), axes(net, 4, 1, 2))
    y = net.add("Concat", token, net.quant(net.x, 0.5, bits=6.0), axis=1)
    net.quant(y, 0.5, bits=6.0)
    x = grid(4, 3, 2, span=8)
    wanted = np.concatenate([np.broadcast_to(np.float32([[[0.5, -1.0]]]), (4, 1, 2)), np.rint(x * 2) / 2], axis=1)
    (made,) = outputs(net, x)
    np.testing.assert_array_equal(made, wanted)


@pytest.mark.parametrize("seed", range(4))
def test_functions_are_joined(seed: int) -> None:
    """Real values that no quantiser turned into integers yet: the one behind the join does, for each part."""
    rng = np.random.default_rng(seed)
    net = Net(2, 4, 5)
    x = net.quant(net.x, 0.25, bits=6.0)
    y = net.quant(net.add("Conv", x, net.weights(rng.integers(-3, 4, (3, 2, 1, 1)), 0.5)), 0.5, bits=6.0)
    parts = [net.add("Sigmoid", y), net.add("Mul", x, net.const(0.75)), net.add("Tanh", y)][seed % 2 :]
    net.quant(net.add("Concat", *parts, axis=[1, 1, 1, 1][seed]), [0.125, 0.0625][seed // 2], bits=6.0)
    agree(net, grid(4, 2, 4, 5, span=8, seed=seed))


@pytest.mark.parametrize("other", ["Tanh", "Mul"])
def test_a_join_that_waits_follows_an_input_that_is_laid_out_anew(other: str) -> None:
    """A matrix wants the rows of the input side by side, after the join and before its quantiser."""
    net = Net(3, 4)
    x = net.qdq(net.x, 0.0625, 3, np.int8)
    second = net.add("Tanh", x) if other == "Tanh" else net.add("Mul", x, net.const(0.375))
    y = net.add("Concat", x, second, net.const(np.full((1, 1, 4), 0.5)), axis=1)
    z = net.qdq(net.add("MatMul", x, net.weights(grid(4, 4, step=1, span=7), 0.03125)), 0.125, 0, np.int8)
    agree(net, grid(6, 3, 4, step=0.0625, span=8), outputs=(net.qdq(y, 0.0625, 0, np.int8), z))


def outputs(net: Net, x: Array) -> list[Array]:
    made = api.run(load_onnx(net.proto()), x)
    return made if isinstance(made, list) else [made]


REFUSED: list[Case] = [
    (
        "concat2",
        lambda n: n.add("Concat", chip(n), n.add("Sub", n.x, n.const(1.0)), axis=1),
        "joins activations with a tensor that is none",
        "quantise all operands",
    ),
    (
        "concat3",
        lambda n: n.add("Softmax", n.add("Concat", chip(n), n.add("Tanh", chip(n)), axis=1)),
        "joins a real value that no quantiser turned into integers",
        "quantise the operand",
    ),
    (
        "concat1",
        lambda n: n.add("Concat", chip(n), n.const(np.full((1, 1, 4, 4), 1e-30) + np.eye(4)), axis=1),
        "joins a constant that no quantiser turned into integers",
        "quantise the constant",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_join_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """One of each kind in one design, and its data."""
    rng = np.random.default_rng(8)
    net = Net(2, 6, 6)
    x = net.quant(net.x, 0.25, bits=6.0)
    made = [
        net.add("Concat", *heads(net, x, rng, [0.5, 0.75, 1.25], [0.0, 1.0, 0.0]), axis=2),
        net.add("Concat", constant(net, rng, 1, 2, 6, 6, kind=2), x, axis=1),
        net.add("Concat", net.add("Reshape", x, axes(net, 0, 12, 6)), constant(net, rng, 1, 1, 6, kind=1), axis=1),
    ]
    pixels = grid(4, 2, 6, 6, span=8)
    return api.compile(agree(net, pixels, outputs=tuple(net.quant(each, 0.75, bits=6.0) for each in made))), pixels


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "rtl")


def same(design: Any, pixels: Array, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [pixels], None, engines=("reference", engine), design=design))
