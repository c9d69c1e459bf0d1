# SPDX-License-Identifier: Apache-2.0
"""Layers of low rank: the nearest there are, exact at the highest rank, as many multiplications as are allowed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from itertools import product as products
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FACTORISERS, FloatNet, factored, float_net, outputs_of, quantize
from bitwright.compress.factor.rewrite import rewritten
from bitwright.compress.factor.separable import low_band
from bitwright.compress.factor.stages import Stage
from bitwright.compress.factor.ternary import nearest, semidiscrete
from bitwright.compress.factor.ternary import product as ternary_product
from bitwright.compress.prune.work import macs
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
WEIGHT = normal(6, 5, 3, 3, seed=1)


def stood_for(stages: Sequence[Stage], shape: tuple[int, ...]) -> Array:
    """The weight that stages stand for, of a shape."""
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
    rank = {"svd": 2, "svd-space": 3, "tucker": 3, "projection": 8, "pointwise-depthwise": 1, "band": 4, "ternary": 1}
    factoriser = FACTORISERS[name]
    weight = stood_for(factoriser.parts(net.constants["b"], rank[name], moments), (12, 8, 3, 3)).astype(np.float32)
    low = net.replace(b=weight)
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
