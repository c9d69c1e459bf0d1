# SPDX-License-Identifier: Apache-2.0
"""Widths of channels: the goal in the mean, the best of all sharings, and the same integers packed at each width."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FloatNet, float_net, outputs_of, quantize
from bitwright.compress.allocate.channels import LEAST, shared_out
from bitwright.explore.work import worked, works_of
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import Kept, Material, follow, read_recipe
from bitwright.recipe.apportion import Apportion
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
X = normal(128, 3, 6, 6, seed=9)


def uneven() -> FloatNet:
    """Two layers, whose channels have spreads from 0.02 to 2."""
    spreads = np.geomspace(0.02, 2, 8).astype(np.float32)
    weights = {"a": normal(8, 3, 3, 3) * spreads[:, None, None, None], "b": normal(4, 128, seed=1)}
    weights["b"] *= np.array([[0.05], [1.0], [0.3], [4.0]], np.float32)
    nodes = [node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Flatten", "r", "f")]
    return float_net(graph([*nodes, node("Gemm", "f b", "y", transB=1)], weights, sample=[3, 6, 6]))


@pytest.mark.rows("R107")
@pytest.mark.parametrize("goal", [3, 4])
def test_no_sharing_of_as_many_bits_errs_less(goal: int) -> None:
    ranges = np.array([0.3, 1.0, 2.5, 9.0, 2.7])
    found = shared_out(ranges, goal, 6)
    assert found.mean() == goal and found.min() >= LEAST and found.max() <= 6
    assert (np.diff(found[np.argsort(ranges, kind="stable")]) >= 0).all(), "a larger range has no fewer bits"

    def errs(bits: Any) -> float:
        return float((ranges**2 / 4.0 ** np.array(bits)).sum())

    assert errs(found) == min(errs(bits) for bits in product(range(LEAST, 7), repeat=5) if sum(bits) == 5 * goal)


@pytest.mark.rows("R107")
def test_channels_have_the_goal_in_the_mean_and_more_where_they_vary_more() -> None:
    net = uneven()
    made = Apportion(weights=4).run(net, Material([X]), None)
    state = quantize(made, X, activations=8)
    for name, axis in (("a", 0), ("b", 0)):
        (coded,) = state.weights[name]
        assert isinstance(coded.type, tuple)
        bits = np.array([kind.bits for kind in coded.type])
        assert bits.mean() == 4 and len(set(bits)) > 2
        spreads = np.moveaxis(net.constants[name], axis, 0).reshape(len(bits), -1).std(axis=1)
        order = np.argsort(spreads)
        assert (np.diff(bits[order]) >= -1).all() and bits[order[-1]] > bits[order[0]]
        for kind, row in zip(coded.type, coded.codes, strict=True):
            assert row.min() >= kind.lo and row.max() <= kind.hi
    assert worked(works_of(state.graph(), state), state)["weight_bits"] == 4 * (net.constants["a"].size + 4 * 128)
    wanted = outputs_of(net, [X])[0]
    same = quantize(net, X, weights=4, activations=8, rounding="nearest")
    errors = [np.square(bw.run(each.graph(), X) - wanted).sum() for each in (state, same)]
    assert errors[0] < 0.5 * errors[1], "of as many bits, a layer at one width"


@pytest.mark.rows("R107")
def test_products_of_weights_packed_at_each_width_are_those_of_the_graph() -> None:
    """Every channel as a string of bits of its own width, read back, multiplied and added in plain integers."""
    weight = normal(6, 20, seed=1) * np.geomspace(0.01, 4, 6).astype(np.float32)[:, None]
    net, samples = float_net(graph([node("Gemm", "x b", "y", transB=1)], {"b": weight}, sample=[20])), normal(64, 20)
    made = Apportion(weights=3, most=6, scale="po2").run(net, Material([samples]), None)
    state = quantize(made, samples, activations=6, exact="po2", zero="never", correct="none")
    (coded,), act = state.weights["b"], state.acts["x"]
    assert isinstance(coded.type, tuple)
    rows, length = [], 0
    for kind, row in zip(coded.type, coded.codes, strict=True):
        text = "".join(f"{code & (1 << kind.bits) - 1:0{kind.bits}b}" for code in map(int, row))
        numbers = [int(text[at : at + kind.bits], 2) for at in range(0, len(text), kind.bits)]
        rows.append([number - (1 << kind.bits) * (number >> kind.bits - 1) for number in numbers])
        length += len(text)
    assert length == 3 * coded.codes.size
    codes = np.rint(samples / act.scale).clip(act.type.lo, act.type.hi).astype(np.int64)
    sums = codes @ np.array(rows).T
    values = sums * (coded.scale.reshape(-1) * act.scale).astype(np.float64)
    np.testing.assert_array_equal(bw.run(state.graph(), samples), values)


@pytest.mark.rows("R107")
def test_goals_of_layers_come_from_a_budget(tmp_path: Any) -> None:
    """On both levels: a limit of all bits is shared out to layers, and these share theirs out to channels."""
    net = uneven()
    size = sum(net.constants[name].size for name in "ab")
    (tmp_path / "r.yaml").write_text(
        f"- apportion: {{weights: 6, budget: {{weight_bits: {4 * size}}}, cycles: 500}}\n"
        "- quantise: {activations: 8}\n"
    )
    state = follow(read_recipe(tmp_path / "r.yaml"), net, Material([X]), Kept(tmp_path / "k")).result.state
    means = [np.mean([kind.bits for kind in state.weights[name][0].type]) for name in "ab"]  # type: ignore[union-attr]
    assert all(mean == round(mean) for mean in means)
    assert sum(mean * net.constants[name].size for mean, name in zip(means, "ab", strict=True)) <= 4 * size


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": 1}, "apportion: 1 cannot be used for weights\n  hint: choose 2 bits or more"),
        ({"weights": 6, "most": 5}, "apportion: 5 cannot be used for most\n  hint: choose 6 to 16 bits"),
        ({"scale": "po3"}, "apportion: 'po3' cannot be used for scale\n  hint: choose free or po2"),
        (
            {"activations": 4},
            "apportion: 4 cannot be used for activations\n"
            "  hint: tensors have bits of the step that quantises; here they count within a budget alone",
        ),
    ],
)
def test_goals_that_no_channels_can_have_are_refused(given: Any, message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        Apportion(**given)
    assert str(refusal.value) == message
