# SPDX-License-Identifier: Apache-2.0
"""Samples that are no longer alone on axis 0: steps folded into it, an axis in its place, a matrix on the left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.graph import Graph
from bitwright.ir.verify import verify
from tests.exported import execute
from tests.frontend.nets import Array, Net, grid, outputs_of
from tests.frontend.oracle import CUSTOM
from tests.frontend.refusing import BATCH, axes, refusal
from tests.needs import needs_cxx, needs_rtl


def agree_each(net: Net, x: Array, *outputs: str, exact: bool = True, batch: int = 1) -> Graph:
    """Every output beside that of the oracle for each sample alone, or each `batch`, stacked on axis 0."""
    proto = net.proto(*outputs)
    graph = verify(load_onnx(proto))
    session = ReferenceEvaluator(proto, new_ops=CUSTOM)
    wanted = zip(*(session.run(None, {net.x: x[i : i + batch]}) for i in range(0, len(x), batch)), strict=True)
    for mine, rows in zip(outputs_of(graph, x), wanted, strict=True):
        other = np.concatenate(rows)
        assert mine.shape == other.shape
        if exact:
            np.testing.assert_array_equal(mine, other.astype(mine.dtype))
        else:
            np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-6)
    return graph


def codes(net: Net, x: str, scale: float = 0.5) -> str:
    return net.quant(x, scale, bits=6.0)


def matrix(net: Net, rng: np.random.Generator, *shape: int) -> str:
    return net.weights(rng.integers(-3, 4, shape).astype(float), 0.5)


@pytest.mark.parametrize("batch", ["N", 1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_steps_folded_into_the_batch(batch: int | str, seed: int) -> None:
    """A dense layer for every step: however the two shapes are spelled, and what follows folded or not."""
    rng = np.random.default_rng(seed)
    steps, features, made = (int(n) for n in rng.permutation([3, 4, 5]))
    times = steps * (batch if isinstance(batch, int) else 1)
    folded = [[-1, features], [times, features]][seed % 2 if batch != "N" else 0]
    net = Net(steps, features, batch=batch)
    y = net.add("Reshape", codes(net, net.x, 0.25), axes(net, *folded))
    w = matrix(net, rng, features, made)
    y = net.add("MatMul", y, w) if seed < 2 else net.add("Gemm", y, w, net.const(rng.integers(-8, 9, made) / 8))
    if seed % 2:
        y = codes(net, net.add("Relu", y))
    y = net.add("Reshape", y, axes(net, -1, steps, made))
    y = codes(net, net.add("Relu", y))
    codes(net, net.add("MatMul", net.add("Flatten", y), matrix(net, rng, steps * made, 3)), 2.0)
    agree_each(net, grid(8, steps, features, span=8, seed=seed), batch=4 if batch == 4 else 1)


@pytest.mark.parametrize("seed", range(4))
def test_signals_folded_into_the_batch(seed: int) -> None:
    """Convolutions and pools of one axis act on every step alone."""
    rng = np.random.default_rng(seed)
    net = Net(4, 2, 9)
    y = net.add("Reshape", codes(net, net.x, 0.25), axes(net, -1, 2, 9))
    stride, pads = int(rng.integers(1, 3)), rng.integers(0, 2, 2).tolist()
    kernel, bias = matrix(net, rng, 3, 2, 3), net.const([0.5, -1.0, 0.25])
    y = codes(net, net.add("Conv", y, kernel, bias, strides=[stride], pads=pads))
    y = net.add(["MaxPool", "AveragePool"][seed % 2], y, kernel_shape=[2], strides=[1 + seed // 2])
    y = net.add("GlobalAveragePool", codes(net, y))
    codes(net, net.add("Reshape", y, axes(net, -1, 4, 3)), 0.25)
    agree_each(net, grid(6, 4, 2, 9, span=8, seed=seed))


@pytest.mark.parametrize("seed", range(6))
def test_frames_folded_into_the_batch(seed: int) -> None:
    """Their channels lie side by side: convolutions have a group for each, of the same weights."""
    rng = np.random.default_rng(seed)
    net = Net(3, 2, 6, 5)
    y = net.add("Reshape", codes(net, net.x, 0.25), axes(net, -1, 2, 6, 5))
    groups, outputs = 1 + seed % 2, 4
    scale = rng.choice([0.25, 0.5], (outputs, 1, 1, 1)) if seed % 3 else 0.5
    kernel = net.weights(rng.integers(-3, 4, (outputs, 2 // groups, 3, 2)).astype(float), scale)
    bias = net.const(rng.integers(-4, 5, outputs) / 4)
    y = net.add("Conv", y, kernel, bias, pads=[1, 0, 1, 1], strides=[1 + seed % 2, 1], group=groups)
    y = net.add("MaxPool", net.add("Relu", y), kernel_shape=[2, 2]) if seed < 3 else codes(net, y)
    y = codes(net, y if seed < 3 else net.add("AveragePool", y, kernel_shape=[2, 2]))
    y = net.add("Reshape", net.add(["GlobalMaxPool", "GlobalAveragePool"][seed % 2], y), axes(net, -1, 3, outputs))
    y = codes(net, y, 0.25)
    codes(net, net.add("MatMul", net.add("Flatten", y), matrix(net, rng, 3 * outputs, 3)), 2.0)
    agree_each(net, grid(4, 3, 2, 6, 5, span=8, seed=seed))


@pytest.mark.parametrize("ends", ["codes", "real", "Softmax", "ArgMax", "TopK"])
def test_a_network_that_ends_folded(ends: str) -> None:
    """The rows of a sample lie where the model has them, and what the host does along an axis does it along theirs."""
    rng = np.random.default_rng(3)
    net = Net(5, 4)
    x = net.add("Reshape", codes(net, net.x, 0.25), axes(net, -1, 4))
    y = net.add("MatMul", x, matrix(net, rng, 4, 3))
    y = y if ends == "real" else codes(net, y)
    if ends in ("Softmax", "ArgMax"):
        y = net.add(ends, y if ends == "Softmax" else net.add("Neg", y), axis=1)
    elif ends == "TopK":
        net.add("TopK", net.add("Neg", y), axes(net, 2), outputs=2)
    agree_each(net, grid(6, 5, 4, span=8), exact=ends != "Softmax")


def test_outputs_that_leave_folded_are_compared_sample_by_sample_and_exported() -> None:
    """Given as the model gives them, or stacked; one code is wrong and is one element of its sample."""
    net = Net(5, 4)
    x = net.add("Reshape", codes(net, net.x, 0.25), axes(net, -1, 4))
    codes(net, net.add("MatMul", x, matrix(net, np.random.default_rng(3), 4, 3)))
    graph, samples = load_onnx(net.proto()), grid(6, 5, 4, span=8)
    mine = api.run(graph, samples)
    assert mine.shape == (30, 3)
    mine[7, 1] += 0.5
    for given in (mine, mine.reshape(6, 5, 3)):
        report = api.verify(graph, samples, [given])
        assert (report["golden"]["equal"], report["golden"]["elements"]) == (89, 90)
    (again,) = outputs_of(load_onnx(api.to_onnx(graph)), samples)
    mine[7, 1] -= 0.5
    np.testing.assert_array_equal(again, mine)
    _, (other,) = execute(api.to_onnx(graph), {"x": samples})
    np.testing.assert_array_equal(other, mine)


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("meet", ["never", "in a sum", "in a join", "behind a convolution", "folded back"])
def test_frames_that_never_meet_are_said_to_be_independent(meet: str, batch: int | str) -> None:
    rng = np.random.default_rng(3)
    net = Net(5, 4, batch=batch)
    x = codes(net, net.x, 0.25)
    if meet == "behind a convolution":
        x = codes(net, net.add("Conv", x, matrix(net, rng, 5, 5, 1)))
    x = net.add("Reshape", x, axes(net, -1, 4))
    y = codes(net, net.add("MatMul", x, matrix(net, rng, 4, 3)))
    if meet == "in a sum":
        whole = net.add("ReduceSum", codes(net, net.x, 0.5), axes(net, 1, 2), keepdims=0)
        y = codes(net, net.add("Add", y, net.add("Reshape", whole, axes(net, -1, 1))))
    elif meet == "in a join" and batch == 1:
        y = net.add("Concat", y, y, axis=0)
    elif meet == "folded back":
        net.add("Reshape", y, axes(net, -1, 5, 3))
    reasons = [step.reason for step in load_onnx(net.proto()).after.steps if step.reason]
    alone = meet == "never" or (meet, batch) == ("in a join", "N")
    said = "codes to real values; its 5 frames are independent: the network of one frame does the same"
    assert (said in reasons) == alone
    assert alone or not any("independent" in reason for reason in reasons)


@pytest.mark.parametrize("back", [True, False])
@pytest.mark.parametrize("perm", [(2, 0, 1), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_an_axis_in_place_of_the_batch(perm: tuple[int, ...], back: bool) -> None:
    """The classifier of a file of one sample reads (W, N, C)."""
    rng = np.random.default_rng(sum(perm[:2]))
    net = Net(2, 9, batch=1)
    y = codes(net, net.add("Relu", net.add("Conv", codes(net, net.x, 0.25), matrix(net, rng, 3, 2, 3))))
    y = net.add("Transpose", y, perm=list(perm))
    reads = (1, 3, 7)[perm[2]]
    y = net.add("Add", net.add("MatMul", y, matrix(net, rng, reads, 5)), net.const(rng.integers(-4, 5, 5) / 4))
    y = codes(net, y)
    if back:
        y = net.add("Transpose", y, perm=[perm.index(0), *(i for i in range(3) if i != perm.index(0))])
    agree_each(net, grid(6, 2, 9, span=8))


def test_a_batch_that_is_fixed_to_one_sample_may_move() -> None:
    net = Net(2, 9)
    y = net.add(
        "MatMul", net.add("Transpose", codes(net, net.x, 0.25), perm=[2, 0, 1]), net.weights(grid(2, 5, span=3))
    )
    net.add("Transpose", codes(net, y), perm=[1, 0, 2])
    assert refusal(net.proto()) == "model: node 'transpose1' (Transpose): {}\n  hint: {}".format(*BATCH)
    fixed = load_onnx(net.proto(), shapes={"x": "1x2x9"})
    x = grid(6, 2, 9, span=8)
    net.inputs[0].type.tensor_type.shape.dim[0].dim_value = 1
    np.testing.assert_array_equal(outputs_of(fixed, x)[0], outputs_of(agree_each(net, x), x)[0])


ACROSS: dict[str, Callable[[Net, str], str]] = {
    "slice2": lambda n, x: n.add("Slice", x, axes(n, 0), axes(n, 1), axes(n, 0)),
    "slice2, from the second on": lambda n, x: n.add("Slice", x, axes(n, 1), axes(n, 2**62), axes(n, 0)),
    "slice2, backwards": lambda n, x: n.add("Slice", x, axes(n, -1), axes(n, -999), axes(n, -2), axes(n, -1)),
    "slice2, every other": lambda n, x: n.add("Slice", x, axes(n, 0), axes(n, 2**62), axes(n, 0), axes(n, 2)),
    "gather2": lambda n, x: n.add("Gather", x, axes(n, 0), axis=0),
    "gather2, all steps": lambda n, x: n.add("Gather", x, axes(n, 1, 0, 2, 3), axis=-2),
    "flatten2": lambda n, x: n.add("Flatten", x, axis=0),
    "flatten2, from behind": lambda n, x: n.add("Flatten", x, axis=-2),
}
"""Nodes that act across the samples, by their names."""


@pytest.mark.parametrize("batch", ["N", 3])
@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("name", ACROSS)
def test_what_acts_across_the_samples_is_refused(name: str, folded: bool, batch: int | str) -> None:
    """Also where the result looks like one of each sample; of a file of one sample it is exact."""

    def made(batch: int | str) -> Net:
        net = Net(4, 3, batch=batch)
        x = codes(net, net.x, 0.25)
        y = ACROSS[name](net, net.add("Reshape", x, axes(net, -1, 3 if folded else 12)))
        codes(net, y, 0.75)
        return net

    node = name.partition(",")[0]
    op = node[:-1].capitalize()
    assert refusal(made(batch).proto()) == "model: node '{}' ({}): {}\n  hint: {}".format(node, op, *BATCH)
    if folded:
        x = grid(5, 4, 3, span=8)
        one = made(1)
        session = ReferenceEvaluator(one.proto(), new_ops=CUSTOM)
        for row in x:
            (wanted,) = session.run(None, {"x": row[None]})
            mine = outputs_of(load_onnx(one.proto()), row[None])[0]
            np.testing.assert_array_equal(mine, wanted.astype(mine.dtype))


def test_a_slice_of_all_samples_is_none() -> None:
    """To an end that lies beyond every batch, or that of the file's own."""
    for batch, end in (("N", 2**31 - 1), ("N", 2**63 - 1), (3, 3), (3, 9)):
        net = Net(4, 3, batch=batch)
        y = net.add("Slice", codes(net, net.x, 0.25), axes(net, 0, 1), axes(net, end, 3), axes(net, 0, 1))
        codes(net, y, 0.75)
        agree_each(net, grid(6, 4, 3, span=8), batch=3)


@pytest.mark.parametrize("batch", ["N", 3])
@pytest.mark.parametrize("value", [0.0, -1.5])
@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4)])
def test_pads_of_frames_folded_into_the_batch(shape: tuple[int, ...], value: float, batch: int | str) -> None:
    """Every frame is padded: what follows it folded, or given back."""
    for back in (False, True):
        net = Net(3, *shape, batch=batch)
        y = net.add("Reshape", codes(net, net.x, 0.5), axes(net, -1, *shape))
        before, after = [*[1] * (len(shape) - 1), 2], [1, *[0] * (len(shape) - 1)]
        y = net.add("Pad", y, axes(net, 0, *before, 0, *after), net.const(value))
        grown = np.add(shape, np.add(before, after)).tolist()
        y = codes(net, y, 0.75)
        if back:
            net.add("Reshape", y, axes(net, -1, 3, *grown))
        proto = net.proto()
        x = grid(6, 3, *shape, span=8)
        parts = [ReferenceEvaluator(proto, new_ops=CUSTOM).run(None, {"x": x[i : i + 3]})[0] for i in (0, 3)]
        mine, wanted = outputs_of(load_onnx(proto), x)[0], np.concatenate(parts)
        assert mine.size == wanted.size == 18 * np.prod(grown)
        np.testing.assert_array_equal(mine, wanted.astype(mine.dtype))


def test_the_first_axis_of_one_sample_is_an_axis() -> None:
    """Squeezed and given back, sliced, joined and reduced."""
    net = Net(4, 6, batch=1)
    y = net.add("Squeeze", codes(net, net.x, 0.25), axes(net, 0))
    y = net.add("Slice", y, axes(net, 1), axes(net, 4), axes(net, 0))
    y = codes(net, net.add("MatMul", y, net.weights(grid(6, 3, span=3), 0.5)))
    y = net.add("Concat", y, net.add("Relu", y), axis=0)
    y = net.add("ReduceSum", codes(net, y), axes(net, 0), keepdims=0)
    net.add("Unsqueeze", codes(net, y), axes(net, 0))
    agree_each(net, grid(6, 4, 6, span=8))


@pytest.mark.parametrize("shape", [(5, 6), (2, 5, 6), (3, 2, 5, 6)])
@pytest.mark.parametrize("seed", range(3))
def test_a_matrix_on_the_left(shape: tuple[int, ...], seed: int) -> None:
    """It mixes positions: alone, before and behind one on the right, of a scale per row."""
    rng = np.random.default_rng(seed)
    net = Net(*shape)
    rows = int(rng.integers(2, 6))
    scale = rng.choice([0.25, 0.5], (rows, 1)) if seed else 0.5
    left = net.weights(rng.integers(-3, 4, (rows, 5)).astype(float), scale)
    if seed == 2:
        left = net.const(rng.integers(-3, 4, (1, rows, 5)) / 4)
    y = net.add("MatMul", left, codes(net, net.x, 0.25))
    y = net.add("MatMul", codes(net, y) if seed == 1 else y, matrix(net, rng, 6, 3))
    y = codes(net, net.add("Relu", y))
    codes(net, net.add("MatMul", net.weights(rng.integers(-3, 4, (4, rows)).astype(float), 0.5), y), 1.0)
    agree_each(net, grid(6, *shape, span=8, seed=seed))


@pytest.mark.parametrize("turned", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("left", [True, False])
def test_a_gemm_of_either_side(turned: tuple[int, int], left: bool) -> None:
    rng = np.random.default_rng(turned[0] + 2 * turned[1])
    net = Net(5, 6, batch=1)
    x = net.add("Reshape", codes(net, net.x, 0.25), axes(net, 5, 6))
    shape = (3, 6 if turned[1] else 5) if left else (5 if turned[0] else 6, 3)
    shape = shape[::-1] if turned[not left] else shape
    a, b = (matrix(net, rng, *shape), x) if left else (x, matrix(net, rng, *shape))
    codes(net, net.add("Gemm", a, b, transA=turned[0], transB=turned[1], alpha=0.5), 0.75)
    agree_each(net, grid(6, 5, 6, span=8))


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """One of each kind in one design, and its data."""
    rng = np.random.default_rng(8)
    net = Net(4, 6, batch=1)
    x = codes(net, net.x, 0.25)
    dense = net.add("MatMul", net.add("Reshape", x, axes(net, -1, 6)), matrix(net, rng, 6, 3))
    moved = net.add("MatMul", net.add("Transpose", x, perm=[2, 0, 1]), matrix(net, rng, 4, 3))
    made = [
        net.add("Reshape", dense, axes(net, -1, 4, 3)),
        net.add("Transpose", moved, perm=[1, 0, 2]),
        net.add("MatMul", matrix(net, rng, 3, 4), x),
        net.add("Conv", net.add("Reshape", x, axes(net, -1, 2, 3)), matrix(net, rng, 3, 2, 2)),
        net.add("Conv", net.add("Reshape", x, axes(net, -1, 2, 2, 3)), matrix(net, rng, 3, 2, 2, 2)),
    ]
    samples = grid(4, 4, 6, span=8)
    return api.compile(agree_each(net, samples, *(codes(net, each) for each in made))), samples


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "rtl")


def same(design: Any, samples: Array, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [samples], None, engines=("reference", engine), design=design))


@pytest.mark.parametrize("batch", ["N", 4])
def test_an_axis_in_front_of_many_samples_is_refused(batch: int | str) -> None:
    net = Net(3, batch=batch)
    net.quant(net.add("Relu", net.add("Expand", net.quant(net.x, 0.25), axes(net, 1, 1, 3))), 0.5)
    assert refusal(net.proto()) == "model: node 'expand1' (Expand): {}\n  hint: {}".format(*BATCH)
