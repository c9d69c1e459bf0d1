# SPDX-License-Identifier: Apache-2.0
"""Channels of all layers in one order, each layer compensated: plain order, planted factors, budgets, digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of, shrunk
from bitwright.compress.prune.channels import without
from bitwright.compress.prune.choose import Kept
from bitwright.compress.prune.compensated import evolved, levels
from bitwright.compress.prune.geometry import filter_norms
from bitwright.compress.prune.shrink import Order
from bitwright.compress.prune.work import Work
from bitwright.compress.prune.worth import Worth, compared
from bitwright.explore.metrics import accuracy
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
DATA = Path(__file__).parents[2] / "benchmarks" / "data"
PLAIN = Worth(filter_norms, compared)
X = normal(64, 3, 5, 5, seed=9)


def stack(factors: tuple[float, ...] = (1.0, 1.0, 1.0)) -> FloatNet:
    """Three convolutions of channels that fade, and one that reads them; factors that the next layer undoes."""
    fading, before = np.geomspace(1, 0.02, 12).astype(np.float32), 1.0
    sizes, constants, nodes, last = (3, 12, 12, 12), {}, [], "x"
    for place, factor in enumerate((*factors, 1.0)):
        wide, reads = (12 if place < 3 else 4), sizes[place]
        weight = normal(wide, reads, 1, 1, seed=place) * (fading[:wide, None, None, None] if place < 3 else 1)
        constants[f"w{place}"] = np.asarray(weight * factor / before, np.float32)
        nodes.append(node("Conv", f"{last} w{place}", f"h{place}" if place < 3 else "y"))
        if place < 3:
            nodes.append(node("Relu", f"h{place}", f"r{place}"))
        last, before = f"r{place}", factor
    return float_net(graph(nodes, constants, sample=[3, 5, 5]))


def most(net: FloatNet, criterion: str | Worth, share: float) -> Kept:
    work = Work(net)
    whole = work.macs([np.ones(group.size, bool) for group in net.groups])
    kept = Order(net, [X], criterion=criterion).most(1, lambda kept: work.macs(kept) <= share * whole)
    assert kept is not None and work.macs(kept) <= share * whole
    return kept


def error(net: FloatNet, kept: Kept) -> float:
    (made,), (wanted,) = outputs_of(without(net, kept), [X]), outputs_of(net, [X])
    return float(np.square(made - wanted).sum() / np.square(wanted).sum())


@pytest.mark.rows("R118")
def test_without_compensation_the_order_is_that_of_all_norms() -> None:
    net = stack()
    zero = Worth(lambda facts, group: levels(facts)[[*map(id, facts.net.groups)].index(id(group))], compared)
    for share in (0.8, 0.5, 0.3):
        for one, other in zip(most(net, zero, share), most(net, PLAIN, share), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.rows("R118")
def test_a_smaller_budget_is_met_by_fewer_of_the_same_channels() -> None:
    net, before = stack((1.0, 9.0, 0.2)), None
    for share in (0.9, 0.7, 0.5, 0.3, 0.15):
        kept = most(net, "compensated", share)
        assert before is None or all((one <= other).all() for one, other in zip(kept, before, strict=True))
        before = kept


@pytest.mark.rows("R118")
@pytest.mark.parametrize("factors", [(100.0, 1.0, 10_000.0), (0.01, 1.0, 30.0)])
def test_factors_of_layers_that_the_next_ones_undo_are_compensated(factors: tuple[float, float, float]) -> None:
    """The network is the same; the plain order takes all of the small layers, the compensated one as before."""
    plain, scaled = stack(), stack(factors)
    np.testing.assert_allclose(*(outputs_of(each, [X])[0] for each in (plain, scaled)), rtol=1e-3, atol=1e-5)
    assert error(scaled, most(scaled, PLAIN, 0.5)) > 10 * error(plain, most(plain, PLAIN, 0.5))
    before = error(plain, most(plain, "compensated", 0.5))
    assert error(scaled, most(scaled, "compensated", 0.5)) < 1.25 * before < error(plain, most(plain, PLAIN, 0.5))


@pytest.mark.rows("R118")
def test_the_fittest_of_a_dying_population_is_kept_and_planted_numbers_come_back() -> None:
    planted, seen = np.array([0.5, -1.5, 2.0]), list[float]()

    def fitness(added: Array) -> float:
        seen.append(-float(np.square(added - planted).sum()))
        return seen[-1]

    found = evolved(fitness, [np.zeros(3)], 4.0, np.ones(3, bool), 400)
    np.testing.assert_allclose(found, planted, atol=0.15)
    assert fitness(found) == max(seen) and len(seen) == 401


@pytest.mark.rows("R118")
def test_of_digits_the_compensated_order_is_right_more_often() -> None:
    """Half of the multiply-accumulates, nothing mended or trained: the plain order leaves chance."""
    with np.load(DATA / "digits.npz") as file:
        images, labels, samples = file["x"] / np.float32(16), file["y"], file["calibration"] / np.float32(16)
    net = float_net(DATA / "digits_cnn_0.onnx")
    work, right = Work(net), {}
    whole = work.macs([np.ones(group.size, bool) for group in net.groups])
    for criterion in ("compensated", PLAIN):
        kept = Order(net, [samples], criterion=criterion).most(1, lambda kept: work.macs(kept) <= 0.5 * whole)
        assert kept is not None
        right[str(criterion)] = accuracy(outputs_of(without(net, kept), [images])[0], labels)
    assert right["compensated"] > 0.5 > 0.2 > right[str(PLAIN)]
    mended = shrunk(net, samples, criterion="compensated", macs=0.5)
    assert accuracy(outputs_of(mended, [images])[0], labels) > 0.97
