# SPDX-License-Identifier: Apache-2.0
"""Layers of low rank: the nearest there are, exact at the highest rank, as many multiplications as are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from itertools import product as products
from math import ceil, prod
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FACTORISERS, FloatNet, factored, float_net, outputs_of, quantize
from bitwright.compress.columns import views
from bitwright.compress.factor.rewrite import rewritten, wide
from bitwright.compress.factor.separable import low_band
from bitwright.compress.factor.stages import Stage
from bitwright.compress.factor.tensor import directions, train
from bitwright.compress.factor.ternary import nearest, semidiscrete
from bitwright.compress.factor.ternary import product as ternary_product
from bitwright.compress.prune.work import macs
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.needs import needs_cxx, needs_package, needs_rtl

Array = NDArray[Any]
WEIGHT = normal(6, 5, 3, 3, seed=1)


def stood_for(stages: Sequence[Stage], shape: tuple[int, ...]) -> Array:
    """The weight that stages stand for, of a shape."""
    if len(shape) == 2 and stages[0].weight.ndim == 4:
        return as_image(stages, shape)
    outputs, inputs, *window = shape
    made = np.zeros(shape)
    space = tuple(window) or (1,)
    for channel in range(inputs):
        held = np.zeros((inputs, *[2 * size - 1 for size in space]))
        held[(channel, *(size - 1 for size in space))] = 1
        for stage in stages:
            held = _correlated(held, stage)
        made[:, channel] = held.reshape(outputs, *window)[(slice(None), *(slice(None, None, -1) for _ in window))]
    return made


def as_image(stages: Sequence[Stage], shape: tuple[int, ...]) -> Array:
    """The matrix of stages that read an image of one row."""
    made = np.eye(shape[1]).reshape(shape[1], stages[0].weight.shape[1], 1, -1)
    found = [reduce(_correlated, stages, each) for each in made]
    return np.stack([each.reshape(shape[0]) for each in found], axis=1)


def _correlated(x: Array, stage: Stage) -> Array:
    """What a stage makes of one sample, without padding along its window."""
    weight = stage.weight.astype(np.float64)
    window = weight.shape[2:] if stage.window != "none" else (1,) * (x.ndim - 1)
    rows = [x.shape[axis + 1] - size + 1 for axis, size in enumerate(window)]
    parts = np.split(x, stage.groups)
    each = np.split(weight.reshape(*weight.shape[:2], *window), stage.groups)
    made = []
    for part, kernel in zip(parts, each, strict=True):
        found = np.zeros((len(kernel), *rows))
        for place in np.ndindex(*window):
            at = tuple(slice(start, start + size) for start, size in zip(place, rows, strict=True))
            found += np.tensordot(kernel[(slice(None), slice(None), *place)], part[(slice(None), *at)], axes=1)
        made.append(found)
    return np.concatenate(made)


def error(name: str, rank: int, weight: Array = WEIGHT, moments: Array | None = None) -> float:
    """The squared error of a rank, in parts of the energy."""
    made = stood_for(FACTORISERS[name].parts(weight, rank, moments), weight.shape)
    return float(((made - weight) ** 2).sum() / (weight**2).sum())


@pytest.mark.rows("R138")
@pytest.mark.parametrize("name", ["svd", "svd-space"])
def test_the_error_is_that_of_the_singular_values_that_are_left_out(name: str) -> None:
    shares = FACTORISERS[name].energy(WEIGHT, None)
    for rank in range(1, len(shares) + 1):
        assert error(name, rank) == pytest.approx(1 - shares[rank - 1], abs=1e-6)
    assert shares[-1] == pytest.approx(1) and (np.diff(shares) >= 0).all()
    dense = normal(7, 4)
    assert error("svd", 4, dense) < 1e-12 and FACTORISERS["svd"].energy(dense, None).shape == (4,)
    first, last = FACTORISERS["svd"].parts(dense, 2, None)
    assert first.weight.size + last.weight.size == 2 * (7 + 4)  # less than 7 * 4 below rank 28 / 11


@pytest.mark.rows("R141")
def test_a_core_of_all_ranks_is_the_kernel() -> None:
    assert error("tucker", 6) < 1e-12
    errors = [error("tucker", rank) for rank in range(1, 7)]
    assert errors == sorted(errors, reverse=True)
    parts = FACTORISERS["tucker"].parts(WEIGHT, 3, None)
    assert [part.weight.shape for part in parts] == [(3, 5, 1, 1), (3, 3, 3, 3), (6, 3, 1, 1)]
    np.testing.assert_allclose(1 - FACTORISERS["tucker"].energy(WEIGHT, None), errors, atol=1e-6)


@pytest.mark.rows("R139")
def test_a_separable_kernel_is_found_and_a_higher_rank_is_nearer() -> None:
    point, deep = normal(6, 5, seed=2), normal(6, 3, 3, seed=3)
    apart = np.einsum("oi,ohw->oihw", point, deep)
    assert error("pointwise-depthwise", 1, apart) < 1e-12
    errors = [error("pointwise-depthwise", rank) for rank in range(1, 6)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-12
    one = stood_for(FACTORISERS["pointwise-depthwise"].parts(WEIGHT, 1, None), WEIGHT.shape)
    for output in range(6):  # the nearest matrix of rank 1
        left, values, right = np.linalg.svd(WEIGHT[output].reshape(5, 9))
        np.testing.assert_allclose(one[output].reshape(5, 9), values[0] * np.outer(left[:, 0], right[0]), atol=1e-5)


@pytest.mark.rows("R140")
def test_ternary_products_leave_less_and_less() -> None:
    rows = normal(8, 6, seed=4)
    errors = [error("ternary", rank, rows) for rank in range(1, 13)]
    assert all(after <= before + 1e-12 for before, after in pairwise(errors))
    for seed in range(10):
        values = normal(7, seed=seed)
        every = np.array([vector for vector in products((-1, 0, 1), repeat=7) if any(vector)])
        best = ((every @ values) ** 2 / (every**2).sum(axis=1)).max()
        found = nearest(values)
        assert (found @ values) ** 2 / (found @ found) == pytest.approx(best)
    one, other, size = ternary_product(2.5 * np.outer([1, -1, 0, 1], [0, 1, 1]))
    assert size == 2.5 and set(one) <= {-1, 0, 1} and set(other) <= {-1, 0, 1}
    first, last = semidiscrete(rows, 5, None)
    assert set(np.unique(last.weight)) <= {-1, 0, 1}
    assert all(len(np.unique(np.abs(row[row != 0]))) == 1 for row in first.weight)


@pytest.mark.rows("R143")
@pytest.mark.parametrize("shape", [(12, 15), (6, 5, 3, 3)], ids=["matrix", "kernel"])
def test_a_train_of_all_ranks_is_the_weight_and_a_shorter_one_has_the_numbers_that_it_says(
    shape: tuple[int, ...],
) -> None:
    weight = normal(*shape, seed=7)
    tensor = (
        weight.reshape(3, 4, 3, 5).transpose(2, 0, 3, 1).reshape(9, 20)
        if len(shape) == 2
        else weight.transpose(1, 2, 3, 0)
    )
    shares = FACTORISERS["tensor-train"].energy(weight, None)
    for rank in (1, 2, 3, len(shares)):
        cores = train(tensor, rank)
        bonds = [1, *(core.shape[2] for core in cores)]
        assert [core.shape for core in cores] == [
            (a, size, b) for a, size, b in zip(bonds, tensor.shape, bonds[1:], strict=False)
        ]
        whole = reduce(lambda left, core: np.tensordot(left, core, axes=1), cores).reshape(tensor.shape)
        assert float(((whole - tensor) ** 2).sum() / (tensor**2).sum()) == pytest.approx(1 - shares[rank - 1], abs=1e-6)
        lost = [
            np.linalg.svd(tensor.reshape(prod(tensor.shape[:axis]), -1), compute_uv=False)[rank:]
            for axis in range(1, tensor.ndim)
        ]
        assert 1 - shares[rank - 1] <= sum(float((each**2).sum()) for each in lost) / float((tensor**2).sum()) + 1e-6
        assert error("tensor-train", rank, weight) == pytest.approx(1 - shares[rank - 1], abs=1e-6)
    stages = FACTORISERS["tensor-train"].parts(weight, 2, None)
    if len(shape) == 2:  # (x1 y1 + x2 y2) numbers a rank, the second tensor for each of the three y1
        assert stages[0].weight.size + stages[1].weight.size // 3 == 2 * (3 * 3 + 4 * 5)
    else:
        assert sum(stage.weight.size for stage in stages) == 5 * 2 + 2 * 3 * 2 + 2 * 3 * 2 + 2 * 6
    assert shares[-1] == pytest.approx(1) and error("tensor-train", len(shares), weight) < 1e-12


@needs_package("tensorly")
@pytest.mark.rows("R143")
def test_trains_are_those_of_tensorly() -> None:
    tensorly = pytest.importorskip("tensorly")
    tensor = normal(5, 3, 3, 6, seed=8).astype(np.float64)
    theirs = tensorly.decomposition.tensor_train(tensor, rank=[1, 3, 3, 3, 1])
    mine = reduce(lambda left, core: np.tensordot(left, core, axes=1), train(tensor, 3)).reshape(tensor.shape)
    np.testing.assert_allclose(mine, tensorly.tt_to_tensor(theirs), atol=1e-9)
    weight = normal(12, 15, seed=7)
    found = tensorly.decomposition.tensor_train_matrix(weight.reshape(3, 4, 3, 5).astype(np.float64), rank=[1, 2, 1])
    wanted = np.asarray(tensorly.tt_matrix_to_tensor(found)).reshape(12, 15)
    np.testing.assert_allclose(
        stood_for(FACTORISERS["tensor-train"].parts(weight, 2, None), (12, 15)), wanted, atol=1e-6
    )


@pytest.mark.rows("R144")
def test_alike_layers_share_two_products_and_their_cores_are_sums_of_few() -> None:
    stack = normal(4, 6, 5, 3, 3, seed=9)
    factoriser = FACTORISERS["shared-tucker"]
    shares = factoriser.energy(stack[0], stack)
    for rank in range(1, 7):
        made = [factoriser.parts(weight, rank, stack) for weight in stack]
        ranks = (ceil(rank * 4 / 6), rank, ceil(rank * 5 / 6))
        assert all(
            np.array_equal(one[0].weight, made[0][0].weight) and np.array_equal(one[2].weight, made[0][2].weight)
            for one in made
        )
        cores = np.stack([one[1].weight for one in made])
        assert (
            cores.shape == (4, rank, ranks[2], 3, 3)
            and np.linalg.matrix_rank(cores.reshape(4, -1), tol=1e-6) == ranks[0]
        )
        layers, outs, ins = directions(stack, rank)
        core = np.einsum("loihw,la,or,is->arshw", stack, layers, outs, ins)
        for place, weight in enumerate(stack):
            slice_ = np.einsum("a,arshw,or,is->oihw", layers[place], core, outs, ins)
            np.testing.assert_allclose(stood_for(made[place], weight.shape), slice_, atol=1e-6)
        lost = sum(
            float(((stood_for(one, weight.shape) - weight) ** 2).sum()) for one, weight in zip(made, stack, strict=True)
        )
        assert lost / float((stack**2).sum()) == pytest.approx(1 - shares[rank - 1], abs=1e-6)
    assert shares[-1] == pytest.approx(1)


def alike() -> FloatNet:
    """Three convolutions of one shape, with a Relu behind each, and a dense layer."""
    names = "abc"
    constants = {name: normal(8, 8, 3, 3, seed=place) / np.float32(8) for place, name in enumerate(names)}
    nodes = [node("Relu", "x", "x0")]
    for place, name in enumerate(names):
        nodes += [
            node("Conv", f"x{place} {name}", f"h{place}", pads=[1, 1, 1, 1]),
            node("Relu", f"h{place}", f"x{place + 1}"),
        ]
    nodes += [node("Flatten", "x3", "f"), node("Gemm", "f d", "y", transB=1)]
    return float_net(graph(nodes, {**constants, "d": normal(4, 96, seed=5)}, sample=[8, 3, 4]))


@pytest.mark.rows("R144")
def test_what_alike_layers_share_is_stored_once() -> None:
    net, x = alike(), normal(16, 8, 3, 4, seed=6)
    made = factored(net, method="shared-tucker", share=0.6)
    kernels = [layer for layer in made.layers if layer.op == "Conv"]
    assert len(kernels) == 9 and len({layer.weight for layer in kernels}) == 5
    ranks = made.constants[kernels[0].weight].shape[0], made.constants[kernels[1].weight].shape[0]
    stored = sum(made.constants[name].size for name in {layer.weight for layer in kernels})
    assert stored == 8 * ranks[0] + 3 * ranks[0] * ranks[1] * 9 + 8 * ranks[1]
    state = quantize(made, x, weights=6, activations=6)
    np.testing.assert_array_equal(bw.run(bw.load(state.onnx()), x), bw.run(state.graph(), x))


@pytest.mark.rows("R142")
def test_the_projection_is_orthonormal_and_that_of_the_principal_components() -> None:
    x = normal(500, 5, seed=5) @ normal(5, 5, seed=6)
    moments = (x.T @ x / 500).astype(np.float64)
    for rank in range(1, 6):
        first, _ = FACTORISERS["projection"].parts(WEIGHT, rank, moments)
        across = first.weight.reshape(rank, 5)
        np.testing.assert_allclose(across @ across.T, np.eye(rank), atol=1e-9)
        lost = float(((x - x @ across.T @ across) ** 2).sum())
        values = np.linalg.svd(x, compute_uv=False)
        assert lost == pytest.approx(float((values[rank:] ** 2).sum()), rel=1e-3, abs=1e-3)
    assert error("projection", 5, moments=moments) < 1e-12


@pytest.mark.rows("R145")
def test_all_frequencies_are_the_kernel_and_fewer_have_the_energy_of_theirs() -> None:
    assert error("band", 9) < 1e-12
    shares = FACTORISERS["band"].energy(WEIGHT, None)
    for rank in range(1, 10):
        assert error("band", rank) == pytest.approx(1 - shares[rank - 1], abs=1e-6)
    deep, _ = low_band(np.ones((1, 1, 3, 3)), 9, None)
    waves = deep.weight.reshape(9, 9)
    np.testing.assert_allclose(waves @ waves.T, np.eye(9), atol=1e-9)
    assert np.ptp(waves[0]) < 1e-9  # the lowest is the mean


def network() -> FloatNet:
    """Two convolutions, one with strides and padding, and two dense layers."""
    constants = {
        "a": normal(8, 3, 3, 3), "p": normal(8, seed=1), "b": normal(12, 8, 3, 3, seed=2), "q": normal(12, seed=3),
        "c": normal(48, 20, seed=4), "r": normal(20, seed=5), "d": normal(4, 20, seed=6), "s": normal(4, seed=7),
    }  # fmt: skip
    nodes = [
        node("Conv", "x a p", "h", pads=[1, 1, 1, 1], kernel_shape=[3, 3]), node("Relu", "h", "i"),
        node("Conv", "i b q", "j", strides=[2, 2], pads=[1, 0, 1, 0]), node("Relu", "j", "k"),
        node("Flatten", "k", "f"),
        node("MatMul", "f c", "m"), node("Add", "m r", "n"), node("Relu", "n", "o"),
        node("Gemm", "o d s", "y", transB=1),
    ]  # fmt: skip
    return float_net(graph(nodes, constants, sample=[3, 4, 6]))


X = normal(40, 3, 4, 6, seed=9)


@pytest.mark.rows("R137")
@pytest.mark.parametrize("name", FACTORISERS)
def test_ranks_are_those_of_one_energy_that_uses_up_the_budget(name: str) -> None:
    net = network()
    made = factored(net, [X], method=name, share=0.7)
    assert 0.5 * macs(net) < macs(made) <= 0.7 * macs(net)
    assert len(made.layers) > len(net.layers) and outputs_of(made, [X])[0].shape == (40, 4)
    fewer = factored(net, [X], method=name, share=0.64)
    assert macs(fewer) <= 0.64 * macs(net) and macs(fewer) <= macs(made)
    assert factored(net, [X], method=name, share=1.0) == net


@pytest.mark.parametrize("name", FACTORISERS)
def test_a_network_of_exact_factors_computes_the_same(name: str) -> None:
    """Weights that have the rank, with strides and padding: nothing is lost."""
    net, moments = network(), np.eye(8)
    rank = {
        "tensor-train": 3,
        "shared-tucker": 4,
        "svd": 2,
        "svd-space": 3,
        "tucker": 3,
        "projection": 8,
        "pointwise-depthwise": 1,
        "band": 4,
        "ternary": 1,
    }
    factoriser = FACTORISERS[name]
    if factoriser.needs == "alike":
        moments = net.constants["b"][None]
    weight = stood_for(factoriser.parts(net.constants["b"], rank[name], moments), (12, 8, 3, 3)).astype(np.float32)
    low, moments = net.replace(b=weight), weight[None] if factoriser.needs == "alike" else moments
    made = rewritten(low, {"j": factoriser.parts(weight, rank[name], moments)})
    np.testing.assert_allclose(outputs_of(made, [X])[0], outputs_of(low, [X])[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", FACTORISERS)
def test_factors_are_quantised_and_compiled_like_other_layers(name: str) -> None:
    made = factored(network(), [X], method=name, share=0.7)
    net = quantize(made, X, weights=6, activations=6).graph()
    design = bw.compile(net)
    assert design.plan is not None
    got, wanted = bw.run(net, X, engine="reference"), outputs_of(made, [X])[0]
    assert np.corrcoef(got.ravel(), wanted.ravel())[0, 1] > 0.9


def test_a_dense_layer_as_a_train_reads_an_image_of_one_row() -> None:
    """By either operator, with its bias; one of several rows a sample stays as it is."""
    net, whole = network(), FACTORISERS["tensor-train"]
    stages = {name: whole.parts(net.constants[weight].T, 99, None) for name, weight in {"m": "c"}.items()}
    stages["y"] = whole.parts(net.constants["d"], 99, None)
    made = rewritten(net, stages)
    assert [node.op for node in made.nodes].count("Reshape") == 4 and len(made.layers) == len(net.layers) + 2
    np.testing.assert_allclose(outputs_of(made, [X])[0], outputs_of(net, [X])[0], rtol=1e-3, atol=1e-3)
    rows = float_net(graph([node("MatMul", "x c", "y")], {"c": net.constants["c"]}, sample=[3, 48]))
    assert rewritten(rows, {"y": stages["m"]}) == rows


@needs_cxx
@needs_rtl
@pytest.mark.rows("R143", "R144")
def test_trains_and_shared_factors_are_the_same_on_all_engines() -> None:
    """Alike kernels with two products in common, and a matrix as a train: ONNX, C++ and SystemVerilog."""
    kernels = {"a": normal(4, 4, 2, 2), "b": normal(4, 4, 2, 2, seed=1), "d": normal(4, 4, seed=2)}
    nodes = [
        *(node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Conv", "r b", "i"), node("Relu", "i", "s")),
        *(node("Flatten", "s", "f"), node("Gemm", "f d", "y", transB=1)),
    ]
    net, x = float_net(graph(nodes, kernels, sample=[4, 3, 3])), normal(8, 4, 3, 3, seed=3)
    stages = {view.layer.name: wide(view) for view in views(net).values()}
    pair = np.stack([stages["h"], stages["i"]])
    parts = FACTORISERS["shared-tucker"].parts(stages["i"], 2, pair)
    made = rewritten(net, {"i": parts, "y": FACTORISERS["tensor-train"].parts(stages["y"], 1, None)})
    assert len(made.layers) == 6 and "Reshape" in {node.op for node in made.nodes}
    state = quantize(made, x, weights=4, activations=4, scale="po2", exact="po2")
    read = bw.load(state.onnx())
    wanted = bw.run(read, x, engine="reference", codes=True)
    for engine in ("hls", "rtl"):
        np.testing.assert_array_equal(bw.run(read, x, engine=engine, codes=True), wanted)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "svdd"}, "factor: there is no method 'svdd'\n  hint: the nearest are 'svd', 'svd-space'"),
        ({"share": 0}, "factor: 0 cannot be used for share\n  hint: give more than 0, to 1"),
        (
            {"method": "projection"},
            "factor: the method looks at what the layers read, and there is no data\n"
            "  hint: give samples of the network's inputs",
        ),
        (
            {"share": 0.001},
            "model: factor: the least ranks leave 1,268 of 9,680 multiply-accumulates\n"
            "  hint: ask for a larger share, or for another method",
        ),
    ],
)
def test_what_cannot_be_had_is_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        factored(network(), **given)
    assert str(error.value) == message
