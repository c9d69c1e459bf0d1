# SPDX-License-Identifier: Apache-2.0
"""Channels by what can be made of the others: greedy against every choice, factors and weights in closed form."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of
from bitwright.compress.acts import float_side
from bitwright.compress.columns import views
from bitwright.compress.groups import Group
from bitwright.compress.prune.channels import Kept, without
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.least import least_squares
from bitwright.compress.prune.mend import by_samples, mended
from bitwright.compress.prune.reconstruct import by_lasso, by_removal, lasso
from bitwright.compress.round.gptq import matched
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.compress.test_channels import CASES, drawn, net_of, unread
from tests.needs import needs_package

Array = NDArray[Any]


def chain(channels: int, *, seed: int = 0, **changed: Array) -> FloatNet:
    """A convolution that makes channels, and one that reads them, a Relu between."""
    constants = {"a": normal(channels, 2, 3, 3, seed=seed), "b": normal(channels, seed=seed + 1),
                 "w": normal(4, channels, 3, 3, seed=seed + 2), "v": normal(4, seed=seed + 3)} | changed  # fmt: skip
    nodes = [node("Conv", "x a b", "h"), node("Relu", "h", "r"), node("Conv", "r w v", "y")]
    return float_net(graph(nodes, constants, sample=[2, 7, 7]))


X = normal(200, 2, 7, 7, seed=9)


def group_of(net: FloatNet) -> Group:
    (group,) = [group for group in net.groups if not group.fixed]
    return group


def kept_of(net: FloatNet, gone: Any) -> Kept:
    """All channels but these of the one group that is free."""
    kept = [np.ones(group.size, bool) for group in net.groups]
    kept[net.groups.index(group_of(net))][list(gone)] = False
    return kept


def loss(net: FloatNet, made: FloatNet) -> float:
    """What of the outputs is lost, but for their means, in parts of what is there."""
    one, other = (outputs_of(each, [X])[0] for each in (net, made))
    error = (one - other) - (one - other).mean(axis=(0, 2, 3), keepdims=True)
    whole = one - one.mean(axis=(0, 2, 3), keepdims=True)
    return float((error**2).sum() / (whole**2).sum())


def test_products_are_what_channels_add_to_the_outputs() -> None:
    net = chain(5)
    products = Facts(net, [X]).products(group_of(net))
    assert products.sum() == pytest.approx(1)
    for gone in ([0], [1, 3], [0, 2, 4]):
        held = np.isin(np.arange(5), gone).astype(float)
        assert held @ products @ held == pytest.approx(loss(net, unread(net, kept_of(net, gone))), rel=1e-3)


@pytest.mark.rows("R055")
@pytest.mark.parametrize("seed", range(6))
def test_the_greedy_choice_is_near_the_best_of_all(seed: int) -> None:
    net = chain(7, seed=10 * seed)
    facts, group = Facts(net, [X]), group_of(net)
    products, scores = facts.products(group), by_removal(facts, group)
    order = np.argsort(scores)
    for count in range(1, 7):
        sums = {gone: float(products[np.ix_(gone, gone)].sum()) for gone in combinations(range(7), count)}
        found = sums[tuple(sorted(order[:count]))]
        assert found <= 1.6 * min(sums.values()) + 1e-9
        assert count > 1 or found == min(sums.values())
    assert (np.diff(scores[order]) > 0).all()


def test_a_channel_that_nothing_reads_goes_first() -> None:
    weight = normal(4, 6, 3, 3, seed=2)
    weight[:, 4] = 0
    net = chain(6, w=weight)
    for criterion in (by_removal, by_lasso):
        assert np.argmin(criterion(Facts(net, [X]), group_of(net))) == 4


def test_of_two_channels_that_are_one_the_factors_leave_the_smaller() -> None:
    """What both add is made by either; the penalty is least on the one of which less is needed."""
    make, read, shift = normal(5, 2, 3, 3), normal(4, 5, 3, 3, seed=2), normal(5, seed=1)
    make[3], shift[3], read[:, 3] = make[1], shift[1], read[:, 1] / 4
    net = chain(5, a=make, b=shift, w=read)
    scores = by_lasso(Facts(net, [X]), group_of(net))
    assert scores[3] == 0 and (np.delete(scores, 3) > 0).all()


@pytest.mark.rows("R056")
@needs_package("sklearn")
@pytest.mark.parametrize("penalty", [0.01, 0.1, 0.5])
def test_factors_are_those_of_another_solver(penalty: float) -> None:
    from sklearn.linear_model import Lasso

    a, b = normal(60, 8).astype(np.float64), normal(60, seed=1).astype(np.float64)
    found = lasso(a.T @ a / 60, a.T @ b / 60, penalty, np.zeros(8))
    other = Lasso(alpha=penalty, fit_intercept=False, tol=1e-10).fit(a, b).coef_
    np.testing.assert_allclose(found, other, atol=1e-5)


def test_factors_of_products_that_are_apart_are_in_closed_form() -> None:
    aim = np.array([3.0, -2.0, 0.5, 0.0])
    np.testing.assert_allclose(lasso(2 * np.eye(4), aim, 1.0, np.zeros(4)), [1, -0.5, 0, 0])


def test_weights_are_mended_by_least_squares() -> None:
    net = chain(6)
    kept = kept_of(net, [2, 5])
    small = without(mended(net, kept, [X]), kept)
    h = np.maximum(outputs_of(float_net(graph([node("Conv", "x a b", "y")], {"a": net.constants["a"], "b":
        net.constants["b"]}, sample=[2, 7, 7])), [X])[0], 0)  # fmt: skip
    fields = np.lib.stride_tricks.sliding_window_view(h[:, [0, 1, 3, 4]], (3, 3), axis=(2, 3))
    columns = fields.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 36)
    aim = outputs_of(net, [X])[0].transpose(0, 2, 3, 1).reshape(-1, 4)
    best = np.linalg.lstsq(np.column_stack([columns, np.ones(len(columns))]), aim, rcond=None)[0]
    error = ((np.column_stack([columns, np.ones(len(columns))]) @ best - aim) ** 2).sum()
    found = outputs_of(small, [X])[0].transpose(0, 2, 3, 1).reshape(-1, 4)
    plain = outputs_of(without(net, kept), [X])[0].transpose(0, 2, 3, 1).reshape(-1, 4)
    assert error <= ((found - aim) ** 2).sum() < 1.05 * error < 0.5 * ((plain - aim) ** 2).sum()


def test_a_channel_that_others_make_is_made_good() -> None:
    make, shift = normal(5, 2, 3, 3), normal(5, seed=1)
    make[3], shift[3] = 2 * make[1], 2 * shift[1]
    net = chain(5, a=make, b=shift)
    kept = kept_of(net, [3])
    assert loss(net, without(net, kept)) > 0.05
    assert loss(net, without(mended(net, kept, [X]), kept)) < 0.02


@pytest.mark.parametrize("name", CASES)
def test_what_is_mended_is_cut_as_before(name: str) -> None:
    net = net_of(name)
    kept = drawn(net, 1)
    x = normal(20, *CASES[name][2], seed=4)
    whole = mended(net, kept, [x])
    small = without(whole, kept)
    for one, other in zip(outputs_of(small, [x]), outputs_of(unread(whole, kept), [x]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_a_layer_of_more_terms_than_samples_is_solved_by_these() -> None:
    """As by its terms, and of ten thousand at once."""
    constants = {"a": normal(12, 8), "w": normal(3, 12, seed=1)}
    nodes = [node("Gemm", "x a", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r w", "y", transB=1)]
    net = float_net(graph(nodes, constants, sample=[8]))
    x = normal(11, 8, seed=2)
    side = float_side(net, [x])
    (_, view) = views(net).values()
    hidden = np.maximum(x @ net.constants["a"].T, 0)
    problem = least_squares(net, side, view, [hidden])
    problem = replace(problem, mask=problem.mask & np.isin(np.arange(12), [1, 4, 6], invert=True))
    np.testing.assert_allclose(by_samples(problem), matched(problem), rtol=1e-3, atol=1e-4)
    wide = replace(problem, weight=normal(1, 3, 10000), inputs=normal(1, 10000, 11), mask=np.ones((1, 3, 10000), bool))
    assert by_samples(wide).shape == (1, 3, 10000)


def test_what_comes_before_the_first_cut_stays_as_it_is() -> None:
    net = chain(5)
    made = mended(net, kept_of(net, [1]), [X])
    assert all(np.array_equal(made.constants[name], net.constants[name]) for name in "ab")
    assert not np.array_equal(made.constants["w"], net.constants["w"])


def test_without_data_there_is_one_message() -> None:
    net = chain(5)
    with pytest.raises(BitwrightError) as error:
        by_removal(Facts(net), group_of(net))
    assert str(error.value) == (
        "model: the criterion looks at what the layers read, and there is no data\n"
        "  hint: give samples of the network's inputs"
    )
