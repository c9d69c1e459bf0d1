# SPDX-License-Identifier: Apache-2.0
"""Channels by what they hold, by what is lost without them, by draws: each against its definition."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of, shrunk
from bitwright.compress.columns import views
from bitwright.compress.groups import Group
from bitwright.compress.prune.ablation import discrimination, divergences
from bitwright.compress.prune.channels import without
from bitwright.compress.prune.evidence import Evidence
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.geometry import joint_norms
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.responses import by_channel
from bitwright.compress.prune.sampled import coreset, sensitivities
from bitwright.compress.prune.statistics import (
    BINS,
    apartness,
    class_correlations,
    entropies,
    entropy,
    information,
    mutual,
    nonzeros,
)
from bitwright.compress.prune.weights import lookahead
from bitwright.compress.prune.worth import CHANNELS
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
X = normal(96, 4, seed=1)
LABELS = np.arange(96) % 3


def net(weight: Array | None = None, bias: Array | None = None, reads: Array | None = None) -> FloatNet:
    """A dense layer that makes six channels, and one that reads them, a Relu between."""
    constants = {
        "a": normal(6, 4, seed=2) if weight is None else weight,
        "b": np.zeros(6, np.float32) if bias is None else bias,
        "w": normal(3, 6, seed=3) if reads is None else reads,
    }
    nodes = [node("Gemm", "x a b", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r w", "y", transB=1)]
    return float_net(graph(nodes, constants, sample=[4]))


def group_of(given: FloatNet) -> Group:
    (group,) = [group for group in given.groups if not group.fixed]
    return group


def scores(criterion: Any, given: FloatNet, x: Array = X, labels: Array | None = LABELS) -> Array:
    return np.asarray(criterion(Facts(given, [x], labels), group_of(given)))


def held(given: FloatNet, x: Array = X) -> Array:
    return np.maximum(x @ given.constants["a"].T + given.constants["b"], 0)


@pytest.mark.rows("R060")
def test_a_channel_is_worth_its_share_of_values_that_are_not_zero() -> None:
    bias = np.array([0, -100, 100, 0, 0, 0], np.float32)
    given = net(bias=bias)
    found = scores(nonzeros, given)
    np.testing.assert_allclose(found, (held(given) > 0).mean(axis=0))
    assert found[1] == 0 and found[2] == 1
    kept = [np.ones(group.size, bool) for group in given.groups]
    kept[given.groups.index(group_of(given))][1] = False
    np.testing.assert_array_equal(outputs_of(without(given, kept), [X])[0], outputs_of(given, [X])[0])


@pytest.mark.rows("R061")
def test_what_is_always_the_same_says_nothing_and_what_is_uniform_says_most() -> None:
    x = np.zeros((BINS * 5, 4), np.float32)
    x[:, 0] = np.repeat(np.arange(BINS), 5) + 0.5
    weight = np.zeros((6, 4), np.float32)
    weight[0, 0] = 1
    found = scores(entropies, net(weight, np.ones(6, np.float32)), x)
    assert found[0] == pytest.approx(math.log(BINS)) and not found[1:].any()


@pytest.mark.rows("R074")
def test_information_is_that_of_the_label_or_none() -> None:
    x = np.zeros((96, 4), np.float32)
    x[:, 0] = LABELS
    x[:, 1] = np.arange(96) // 3 % 2  # as often in each class
    weight = np.eye(6, 4, dtype=np.float32)
    found = scores(information, net(weight), x)
    assert found[0] == pytest.approx(math.log(3)) and found[1] == pytest.approx(0, abs=1e-12)
    counts = np.array([[3, 1, 0], [2, 2, 4]])
    share = counts / counts.sum()
    plain = sum(p * math.log(p / (share[i].sum() * share[:, j].sum())) for (i, j), p in np.ndenumerate(share) if p > 0)
    assert mutual(counts) == pytest.approx(plain) and entropy(np.array([5, 0])) == 0


@pytest.mark.rows("R070")
def test_what_is_the_same_within_classes_has_a_correlation_of_one() -> None:
    x = normal(96, 4, seed=5)
    x[:, 0] = LABELS + 1
    weight = np.eye(6, 4, dtype=np.float32)
    found = scores(class_correlations, net(weight, np.full(6, 5, np.float32)), x)
    assert found[0] == pytest.approx(1) and abs(found[1]) < 0.1 and abs(found[2]) < 0.1


@pytest.mark.rows("R064")
def test_of_two_channels_that_are_multiples_one_goes_and_is_made_good() -> None:
    weight = normal(6, 4, seed=2)
    weight[4] = 2 * weight[1]
    given = net(weight)
    found = scores(apartness, given)
    assert found.argmin() == 1 and found[1] < 1e-6 and found[4] > 0.01
    small = shrunk(given, X, criterion="correlation", macs=0.9)
    assert small.constants["a"].shape == (5, 4)
    whole, made = outputs_of(given, [X])[0], outputs_of(small, [X])[0]
    assert np.linalg.norm(made - whole) < 2e-2 * np.linalg.norm(whole)


def test_a_channel_that_holds_nothing_goes_before_all() -> None:
    weight = normal(6, 4, seed=2)
    weight[4], weight[0] = 2 * weight[1], 0
    assert scores(apartness, net(weight)).argsort()[:2].tolist() == [0, 1]


@pytest.mark.rows("R067")
def test_ablation_is_the_divergence_without_a_channel() -> None:
    reads = normal(3, 6, seed=3)
    reads[:, 2] = 0
    given = net(reads=reads)
    found = scores(divergences, given)

    def probabilities(of: FloatNet) -> Array:
        made = np.exp(outputs_of(of, [X])[0].astype(np.float64))
        return np.asarray(made / made.sum(axis=1, keepdims=True))

    whole = probabilities(given)
    for channel in range(6):
        closed = reads.copy()
        closed[:, channel] = 0
        plain = (whole * np.log(whole / probabilities(net(reads=closed)))).sum(axis=1).mean()
        assert found[channel] == pytest.approx(max(plain, 0), rel=1e-4, abs=1e-6)
    assert found[2] == 0


@pytest.mark.rows("R062")
def test_channels_that_tell_classes_apart_are_taken_first() -> None:
    """Two channels hold the class, four noise: the two are worth most, and each that is taken lessens the loss."""
    x = np.abs(normal(240, 4, seed=6))
    labels = np.arange(240) % 3
    x[:, 1], x[:, 2] = labels == 0, labels == 1
    weight = np.zeros((6, 4), np.float32)
    weight[[0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 0, 3]] = [1, 1, 1, 1, 0.5, 0.5]
    found = scores(discrimination, net(weight), x, labels)
    assert set(found.argsort()[::-1][:2]) == {1, 2} and sorted(found) == [1, 2, 3, 4, 5, 6]
    values = held(net(weight), x)[:, found.argsort()[::-1]]
    wanted = (labels[:, None] == np.arange(3)).astype(float)
    left = [
        np.linalg.norm(wanted - (parts := np.c_[values[:, :k], np.ones(240)]) @ np.linalg.lstsq(parts, wanted)[0])
        for k in range(7)
    ]
    assert all(after <= before + 1e-9 for before, after in pairwise(left)) and left[2] < 1e-6


@pytest.mark.rows("R071")
def test_draws_from_a_coreset_are_without_bias_and_ever_better() -> None:
    given = net()
    share = scores(coreset, given)
    assert share.sum() == pytest.approx(1) and share.min() > 0
    parts = held(given)[:, :, None] * given.constants["w"].T
    whole, rng = parts.sum(axis=1), np.random.default_rng(0)

    def error(draws: int) -> tuple[float, float]:
        counts = rng.multinomial(draws, share, 2000)
        made = np.einsum("tc,nco->tno", counts / (draws * share), parts) - whole
        return float(np.abs(made.mean(axis=0)).max()), float(np.sqrt((made**2).mean()))

    (bias, few), (_, many) = error(20), error(320)
    assert bias < 0.15 * np.abs(whole).max() and few / many == pytest.approx(4, rel=0.1)


@pytest.mark.rows("R072")
def test_what_goes_changes_no_output_by_more_than_its_shares() -> None:
    for seed in range(20):
        given = net(reads=np.abs(normal(3, 6, seed=seed)))
        share = scores(sensitivities, given)
        assert (share >= 0).all() and (share <= 1).all()
        gone = share.argsort()[:3]
        values = held(given)
        lost, whole = (values[:, at] @ given.constants["w"].T[at] for at in (gone, slice(None)))
        assert (lost <= share[gone].sum() * whole + 1e-6).all()


@pytest.mark.rows("R057")
def test_a_depthwise_filter_goes_with_its_column() -> None:
    """An inverted residual: the expanded channels alone can go, with their filters and columns."""
    constants = {"e": normal(6, 3, 1, 1), "d": normal(6, 1, 3, 3, seed=1), "p": normal(3, 6, 1, 1, seed=2)}
    nodes = [
        node("Conv", "x e", "h"), node("Relu", "h", "r"), node("Conv", "r d", "i", group=6, pads=[1] * 4),
        node("Relu", "i", "s"), node("Conv", "s p", "o"), node("Add", "o x", "y"),
    ]  # fmt: skip
    given = float_net(graph(nodes, constants, sample=[3, 4, 4]))
    (group,) = [group for group in given.groups if not group.fixed]
    found = joint_norms(Facts(given), group)
    parts = [(constants[name] ** 2).sum(axis=(1, 2, 3)) for name in "ed"]
    read = (constants["p"] ** 2).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(found, np.sqrt(sum(parts) * read), rtol=1e-5)
    small = shrunk(given, criterion="joint", macs=0.7)
    stays = np.isin(constants["e"][:, 0, 0, 0], small.constants["e"][:, 0, 0, 0])
    assert set(np.flatnonzero(~stays)) == set(found.argsort()[: (~stays).sum()])
    assert small.constants["d"].shape[0] == small.constants["p"].shape[1] == stays.sum() < 6
    masked = given.replace(p=constants["p"] * stays[:, None, None])
    x = normal(5, 3, 4, 4, seed=3)
    np.testing.assert_allclose(outputs_of(small, [x])[0], outputs_of(masked, [x])[0], atol=1e-5)


@pytest.mark.rows("R065")
def test_lookahead_is_what_the_product_of_three_layers_loses() -> None:
    constants = {"a": normal(5, 4), "b": normal(6, 5, seed=1), "c": normal(3, 6, seed=2)}
    nodes = [node("Gemm", "x a", "h", transB=1), node("Gemm", "h b", "i", transB=1), node("Gemm", "i c", "y", transB=1)]
    given = float_net(graph(nodes, constants, sample=[4]))
    (view,) = [view for view in views(given).values() if view.layer.weight == "b"]
    grain = Grain(np.arange(30)[None, :, None])
    found = lookahead(Evidence(view, constants["b"], "layer", net=given), grain).reshape(6, 5)
    whole = constants["c"] @ constants["b"] @ constants["a"]
    for at in np.ndindex(6, 5):
        without_it = constants["b"].copy()
        without_it[at] = 0
        lost = np.linalg.norm(whole - constants["c"] @ without_it @ constants["a"])
        assert found[at] == pytest.approx(lost, rel=1e-4)


def test_features_of_a_channel_are_places() -> None:
    rows = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    made = by_channel(rows, np.array([0, 0, 2, 2, -1, 2]), 3)
    assert made.shape == (1, 4, 3)
    np.testing.assert_array_equal(made[0, :, 0], [0, 1, 6, 7])
    np.testing.assert_array_equal(made[0, :, 2], [2, 3, 8, 9])
    assert not made[0, :, 1].any()


@pytest.mark.parametrize("criterion", sorted(CHANNELS.keys() - {"gates", "slimming"}))
def test_each_criterion_makes_a_smaller_network(criterion: str) -> None:
    small = shrunk(net(), X, labels=LABELS, criterion=criterion, macs=0.7)
    assert small.constants["a"].shape[0] == small.constants["w"].shape[1] < 6
