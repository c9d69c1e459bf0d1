# SPDX-License-Identifier: Apache-2.0
"""Floor and Round of exact values, the clip in front of them, and the order and repetition of what surrounds them."""

from __future__ import annotations

import numpy as np

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.functions import function_of
from bitwright.ir.layers import Requantise, Rounding, Table
from bitwright.ir.types import IntType
from tests.frontend.nets import Net, agree, grid, only
from tests.frontend.refusing import refusal

ROWS = np.eye(3) * 2 - 1


def rounded(op: str, low: float | None = None, high: float | None = None) -> Net:
    """A dense layer over the rounded halves of the codes of 3 features."""
    net = Net(3)
    half = net.add("Mul", net.qdq(net.x, 1.0, 0, np.int8), net.const(0.5))
    if low is not None:
        half = net.add("Clip", half, net.const(low), net.const(high))
    net.add("MatMul", net.add(op, half), net.weights(ROWS))
    return net


def test_round_takes_ties_to_even_and_floor_takes_them_down() -> None:
    x = grid(40, 3, step=1.0)
    for op, rounding in (("Round", Rounding.HALF_EVEN), ("Floor", Rounding.FLOOR)):
        layer = only(agree(rounded(op), x), Requantise)
        assert (layer.rounding, layer.type) == (rounding, IntType(-64, 64 if op == "Round" else 63))


def test_a_clip_in_front_of_a_rounding_says_the_range() -> None:
    layer = only(agree(rounded("Floor", -3.5, 200.0), grid(40, 3, step=1.0)), Requantise)
    assert (layer.low, layer.high, layer.type) == ((-4,), (63,), IntType(-4, 63))
    layer = only(agree(rounded("Round", -20.0, 7.0), grid(40, 3, step=1.0)), Requantise)
    assert layer.type == IntType(-20, 7)


def test_a_rounded_function_is_a_table_within_the_clip_in_front_of_it() -> None:
    net = Net(3)
    curve = net.add("LeakyRelu", net.qdq(net.x, 1.0, 0, np.int8), alpha=0.125)
    limited = net.add("Clip", net.add("Mul", curve, net.const(3.0)), net.const(-20.0), net.const(300.0))
    net.add("MatMul", net.add("Round", limited), net.weights(ROWS))
    layer = only(agree(net, grid(40, 3, step=1.0)), Table)
    assert (layer.low, layer.high, layer.type) == (-20, 300, IntType(-20, 300))
    assert layer.function[:2] == function_of(("leaky_relu", "1/8"), ("affine", "3", "0"))


def test_a_function_that_nothing_limits_is_not_rounded() -> None:
    net = Net(3)
    net.add("MatMul", net.add("Round", net.add("Exp", net.qdq(net.x, 1.0, 0, np.int8))), net.weights(ROWS))
    assert refusal(net.proto()) == (
        "model: node 'round3' (Round): rounds a function that nothing limits\n  hint: clip it before, or quantise it"
    )


def test_layers_of_parallel_branches_come_in_the_order_of_the_file() -> None:
    net = Net(3)
    x = net.qdq(net.x, 0.5, 0, np.int8)
    first = net.add("MatMul", x, net.weights(ROWS))
    deep = net.qdq(net.qdq(first, 0.7, 0, np.int8), 0.9, 0, np.int8)
    second = net.qdq(net.add("MatMul", x, net.weights(-ROWS)), 0.9, 0, np.int8)
    net.add("Add", deep, second)
    names = [layer.name for layer in load_onnx(net.proto()).layers]
    made = [node.name for node in net.nodes if node.op_type in ("MatMul", "QuantizeLinear", "Add")][1:]
    assert names == made


def test_elements_that_stand_in_several_places_may_meet_constants_of_their_own() -> None:
    net = Net(2, 3, 3)
    codes = net.qdq(net.x, 0.5, 0, np.int8)
    scales = net.const([1.0, 1.0, 2.0, 2.0])
    wide = net.add("Resize", codes, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                   nearest_mode="floor")  # fmt: skip
    factors = np.random.default_rng(5).integers(1, 9, (1, 2, 6, 6)) / 4
    net.qdq(net.add("Mul", wide, net.const(factors)), 0.25, 0, np.int8)
    agree(net, grid(6, 2, 3, 3))
