# SPDX-License-Identifier: Apache-2.0
"""Which channels go, and how many: criteria against their definitions, targets, what cannot be had."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of
from bitwright.compress.config import nearest_names
from bitwright.compress.groups import traced
from bitwright.compress.prune.channels import Inseparable, without
from bitwright.compress.prune.choose import Ranked, alike
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.geometry import filter_distances, filter_norms
from bitwright.compress.prune.shrink import CHANNELS, shrunk
from bitwright.compress.prune.work import Work, macs
from bitwright.compress.prune.worth import Worth, compared
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw
from tests.compress.test_channels import CASES, drawn, net_of

Array = NDArray[Any]


def chain(weight: Array, **changed: Array) -> FloatNet:
    """A convolution that makes channels, and one that reads them."""
    constants = {"a": weight, "b": normal(len(weight)), "w": normal(3, len(weight), 1, 1, seed=3)} | changed
    nodes = [node("Conv", "x a b", "h"), node("Relu", "h", "r"), node("Conv", "r w", "y")]
    return float_net(graph(nodes, constants, sample=[weight.shape[1], 4, 4]))


def scores(criterion: Any, net: FloatNet) -> Array:
    (group,) = [group for group in net.groups if not group.fixed]
    return np.asarray(criterion(Facts(net), group))


@pytest.mark.parametrize("seed", range(20))
def test_the_work_of_what_stays_is_that_of_the_network_it_becomes(seed: int) -> None:
    net = float_net(Draw(seed).model())
    kept = drawn(net, seed)
    assert Work(net).macs(kept) == macs(without(net, kept))


@pytest.mark.parametrize("name", CASES)
def test_the_work_is_counted_through(name: str) -> None:
    net = net_of(name)
    kept = drawn(net, 1)
    assert Work(net).macs(kept) == macs(without(net, kept))


def test_norms_are_those_of_the_filters() -> None:
    weight = normal(5, 2, 3, 3)
    np.testing.assert_allclose(scores(filter_norms, chain(weight)), np.abs(weight).sum(axis=(1, 2, 3)), rtol=1e-6)


@pytest.mark.rows("R050")
def test_distances_are_summed_over_pairs_and_do_not_change_when_all_filters_move() -> None:
    weight = normal(6, 2, 3, 3)
    weight[4] = weight[1]
    found = scores(filter_distances, chain(weight))
    pairs = [sum(float(np.linalg.norm(weight[i] - weight[j])) for j in range(6)) for i in range(6)]
    np.testing.assert_allclose(found, pairs, rtol=1e-5)
    np.testing.assert_allclose(scores(filter_distances, chain(weight + np.float32(3))), found, rtol=1e-4)
    assert not np.allclose(
        scores(filter_norms, chain(weight + np.float32(3))), scores(filter_norms, chain(weight)), rtol=0.1
    )


def test_of_filters_around_one_the_middle_goes_first() -> None:
    weight = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [0.1, 0]], np.float32).reshape(5, 2, 1, 1)
    assert scores(filter_distances, chain(weight)).argmin() == 4


@pytest.mark.parametrize("criterion", sorted(CHANNELS.keys() - {"gates", "slimming"}))
@pytest.mark.parametrize("share", [0.3, 0.7])
def test_as_few_channels_go_as_the_target_asks(criterion: str, share: float) -> None:
    draw = Draw(2)
    net, x = float_net(draw.model()), draw.samples()
    known: dict[str, Any] = {"criterion": criterion, "labels": np.arange(len(x)) % 3}
    found = shrunk(net, x, **known, macs=share)
    assert macs(found) <= share * macs(net)
    assert outputs_of(found, [x])[0].shape == outputs_of(net, [x])[0].shape
    assert shrunk(net, x, **known, macs=1.0) == net
    assert shrunk(net, x, **known, macs=macs(found)) == found


@pytest.mark.rows("R116")
def test_every_group_loses_an_equal_share_and_a_multiple_stays() -> None:
    nodes = [node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Conv", "r b", "g"), node("Relu", "g", "s"),
             node("Conv", "s c", "y")]  # fmt: skip
    weights = {"a": normal(16, 2, 1, 1), "b": normal(32, 16, 1, 1), "c": normal(3, 32, 1, 1)}
    net = float_net(graph(nodes, weights, sample=[2, 4, 4]))
    found = shrunk(net, macs=0.5)
    assert [group.size for group in found.groups] == [2, 11, 21, 3]
    assert 0.49 < macs(found) / macs(net) <= 0.5
    found = shrunk(net, macs=0.5, multiple=4)
    assert [group.size for group in found.groups] == [2, 8, 20, 3]


def test_what_a_tensor_is_made_of_does_not_go_altogether() -> None:
    net = net_of("split")
    levels = [
        np.full(group.size, np.inf) if group.fixed else np.arange(group.size) / group.size for group in net.groups
    ]
    ranked = Ranked(net.groups, levels, traced(net.model).spans())
    for bar in ranked.bars:
        without(net, ranked.kept(bar))
    least = ranked.kept(np.inf)
    assert [list(np.flatnonzero(held)) for held in least] == [[0, 1], [3, 6], [4], [0, 1]]


def test_levels_are_places() -> None:
    np.testing.assert_array_equal(alike(np.array([3.0, 1.0, 2.0, 9.0])), [0.75, 0.25, 0.5, 1.0])


def test_a_group_that_cannot_go_by_parts_stays() -> None:
    """Every second channel: what is left is no slice of the same step."""
    nodes = [node("Conv", "x a", "h"), node("Slice", "h low high axes steps", "u"), node("Conv", "u c", "p"),
             node("Relu", "p", "q"), node("Conv", "q d", "y")]  # fmt: skip
    weights = {"a": normal(7, 2, 1, 1), "low": np.array([0]), "high": np.array([7]), "axes": np.array([1]),
               "steps": np.array([3]), "c": normal(6, 3, 1, 1), "d": normal(2, 6, 1, 1)}  # fmt: skip
    net = float_net(graph(nodes, weights, sample=[2, 3, 3]))
    found = shrunk(net, macs=0.8)
    assert [group.size for group in found.groups] == [2, 7, 4, 2]


def test_channels_whose_number_is_the_size_of_another_tensor_do_not_go_alone() -> None:
    """It was asked for ever what else might stay."""
    nodes = [node("Conv", "x a", "r"), node("Conv", "r w", "q"), node("Shape", "r", "s"), node("Reshape", "q s", "f"),
             node("Conv", "f v", "y")]  # fmt: skip
    weights = {"a": normal(8, 2, 1, 1), "w": normal(8, 8, 1, 1, seed=1), "v": normal(3, 8, 1, 1, seed=2)}
    net = float_net(graph(nodes, weights, sample=[2, 4, 4]))
    kept = [np.ones(group.size, bool) for group in net.groups]
    kept[1][4:] = False
    first = Worth(lambda facts, group: np.full(group.size, np.inf if group.first > 2 else 1.0), compared)
    with pytest.raises(Inseparable) as error:
        without(net, kept)
    assert error.value.groups == {1}
    with pytest.raises(BitwrightError, match="no choice of channels leaves"):
        shrunk(net, criterion=first, macs=0.8)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "criterion": (
        {"criterion": "norms"},
        f"shrunk: 'norms' cannot be used for criterion\n  hint: {nearest_names('norms', set(CHANNELS))}",
    ),
    "macs": (
        {"macs": 0},
        "shrunk: 0 cannot be used for macs\n  hint: give a share of the network's, as 0.5, or a number of them",
    ),
    "multiple": ({"multiple": 0}, "shrunk: 0 cannot be used for multiple\n  hint: give a number of channels, as 4"),
    "least": (
        {"macs": 10},
        "model: no choice of channels leaves 10 of 420 multiply-accumulates\n  hint: ask for more",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had_is_said(name: str) -> None:
    options, message = REFUSED[name]
    with pytest.raises(BitwrightError) as error:
        shrunk(chain(normal(5, 2, 3, 3)), **options)
    assert str(error.value) == message
