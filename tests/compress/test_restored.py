# SPDX-License-Identifier: Apache-2.0
"""Weights that come back, least squares of those that stay, and layers in the order of their energy."""

from __future__ import annotations

from math import ceil, log2
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, calibrate, float_net, outputs_of, pruned, quantised
from bitwright.compress.acts import float_side
from bitwright.compress.columns import views
from bitwright.compress.prune.criteria import CRITERIA
from bitwright.compress.prune.evidence import Evidence
from bitwright.compress.prune.granularity import grains
from bitwright.compress.prune.least import least_squares
from bitwright.compress.prune.restored import gains
from bitwright.explore.metrics import accuracy
from bitwright.explore.work import by_energy, worked, works_of
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import Material
from bitwright.recipe.prune import Prune
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
DATA = Path(__file__).parents[2] / "benchmarks" / "data"


def dense(seed: int) -> tuple[FloatNet, Array]:
    """One layer, and samples whose parts go together."""
    net = float_net(graph([node("Gemm", "x w", "y", transB=1)], {"w": normal(6, 16, seed=seed)}, sample=[16]))
    return net, normal(200, 16, seed=seed + 1) @ normal(16, 16, seed=seed + 2)


def evidence(net: FloatNet, samples: Array) -> Evidence:
    (view,) = views(net).values()
    return Evidence(view, view.weight, "w", least_squares(net, float_side(net, [samples]), view, [samples]), None, net)


def error(net: FloatNet, other: FloatNet, samples: Array) -> float:
    return float(np.square(outputs_of(net, [samples])[0] - outputs_of(other, [samples])[0]).sum())


@pytest.mark.rows("R103")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_least_squares_of_what_stays_never_err_more_and_are_numpys(seed: int, share: float) -> None:
    """Output by output, of samples and, for the damping, of as many more that ask for the weights as they were."""
    net, samples = dense(seed)
    made = pruned(net, samples, criterion="restored", sparsity=share)
    kept = made.constants["w"] != 0
    assert kept.sum() == kept.size - round(share * kept.size)
    assert error(made, net, samples) <= error(net.replace(w=net.constants["w"] * kept), net, samples)
    known = evidence(net, samples)
    damping, columns = float(known.problem.squares.damping[0, 0, 0]), known.problem.inputs[0].astype(np.float64)
    for held, before, after in zip(kept, net.constants["w"], made.constants["w"], strict=True):
        left = np.concatenate([columns[held].T, np.sqrt(damping) * np.eye(held.sum())])
        right = np.concatenate([before @ columns, np.sqrt(damping) * before[held]])
        np.testing.assert_allclose(after[held], np.linalg.lstsq(left, right, rcond=None)[0], rtol=1e-3, atol=1e-4)


@pytest.mark.rows("R103")
@pytest.mark.parametrize("seed", range(4))
def test_those_come_back_that_take_most_off_the_error_of_the_outputs(seed: int) -> None:
    """What each takes off is what two runs of the layer differ by; the rest are the largest."""
    net, samples = dense(seed)
    known, (grain,) = evidence(net, samples), grains(net, None).values()
    weight, criterion = net.constants["w"], CRITERIA["restored"]
    kept = grain.smallest(criterion.score(known, grain), 0.6)
    found, mask = gains(known, grain, kept)[0], grain.mask(kept, weight.shape)
    out = error(net.replace(w=weight * mask), net, samples)
    for place in np.flatnonzero(~kept[0])[:20]:
        back = mask.copy().reshape(-1)
        back[place] = True
        brought = out - error(net.replace(w=weight * back.reshape(weight.shape)), net, samples)
        assert found[place] == pytest.approx(brought, rel=1e-2, abs=1e-2 * out)
    stays = criterion.stays(known, grain, criterion.score(known, grain), 0.6)[0]
    magnitudes = np.abs(weight).reshape(-1)
    back = round(0.25 * stays.sum())
    first = np.argsort(-magnitudes)[: stays.sum() - back]
    assert stays[first].all()
    below = [place for place in np.flatnonzero(stays) if place not in set(first)]
    base = grain.smallest(criterion.score(known, grain), 1 - len(first) / len(magnitudes))
    missed = np.where(base[0], -np.inf, gains(known, grain, base)[0])
    assert set(below) == set(np.argsort(-missed)[: len(below)])


def layers() -> FloatNet:
    """Three layers, of which the second multiplies most and the last least."""
    weights = {"a": normal(2, 1, 3, 3), "b": normal(8, 2, 3, 3, seed=1), "c": normal(3, 128, seed=2)}
    nodes = [node("Conv", "x a", "h", pads=[1, 1, 1, 1]), node("Relu", "h", "r"), node("Conv", "r b", "u")]
    nodes += [node("Relu", "u", "v"), node("Flatten", "v", "f"), node("Gemm", "f c", "y", transB=1)]
    return float_net(graph(nodes, weights, sample=[1, 6, 6]))


@pytest.mark.rows("R103")
def test_layers_are_pruned_in_falling_order_of_their_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The energy of what is multiplied, added and read; the first in the order is solved for in the whole network."""
    net, samples = layers(), normal(64, 1, 6, 6)
    state = quantised(calibrate(net, [samples]), weights=4, activations=4, rounding="nearest", correct="none")
    takes = {}
    for name, uses, terms in (("a", 36, 9), ("b", 16, 18), ("c", 1, 128)):
        products = uses * np.count_nonzero(state.weights[name][0].codes)
        sums = 4 + 4 + ceil(log2(terms))
        takes[name] = products * (0.2 * 16 / 64 + 0.03 * sums / 8 + 10 * 4 / 64)
    order = sorted(takes, key=lambda name: -takes[name])
    assert by_energy(state) == order == ["b", "a", "c"]
    seen: list[Any] = []

    def noted(net: FloatNet, data: Any, **asked: Any) -> FloatNet:
        seen.append(asked["order"])
        return pruned(net, data, **asked)

    monkeypatch.setattr("bitwright.recipe.prune.pruned", noted)
    made = Prune(criterion="restored", sparsity=0.5, order="energy").run(net, Material([samples]), None)
    assert seen == [order]
    alone = pruned(net, samples, criterion="restored", sparsity=0.5, order=["b"])
    assert (alone.constants["a"] == net.constants["a"]).all() and (alone.constants["b"] == 0).mean() == 0.5
    np.testing.assert_array_equal(alone.constants["b"] == 0, made.constants["b"] == 0)
    plain = pruned(net, samples, criterion="restored", sparsity=0.5)
    assert ((plain.constants["b"] == 0) != (made.constants["b"] == 0)).any(), "the first layer is pruned before it"


@pytest.mark.rows("R103")
def test_digits_take_less_than_half_of_the_energy_for_less_than_a_point() -> None:
    with np.load(DATA / "digits.npz") as file:
        images, labels, samples = file["x"] / np.float32(16), file["y"], file["calibration"] / np.float32(16)
    net = float_net(DATA / "digits_cnn_0.onnx")
    made = Prune(criterion="restored", sparsity=0.6, order="energy").run(net, Material([samples]), None)
    right = [accuracy(outputs_of(each, [images])[0], labels) for each in (net, made)]
    assert right[1] > right[0] - 0.01
    states = [
        quantised(calibrate(each, [samples]), weights=6, activations=6, rounding="nearest") for each in (net, made)
    ]
    takes = [worked(works_of(each.graph(), each), each)["energy"] for each in states]
    assert takes[1] < 0.5 * takes[0]


def test_there_is_no_other_order() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Prune(sparsity=0.5, order="size")
    assert str(refusal.value) == "prune: 'size' cannot be used for order\n  hint: choose network or energy"
