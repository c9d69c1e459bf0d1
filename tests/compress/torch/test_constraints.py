# SPDX-License-Identifier: Apache-2.0
"""What draws gates to a budget: its closed form, what it counts against what there is, and that the budget is met."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from bitwright.compress import FloatNet, float_net, outputs_of, shrunk
from bitwright.compress.prune.work import Work, macs
from bitwright.compress.prune.worth import Worth, compared
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.gates import Gates
from bitwright.recipe.morph import Morph
from bitwright.recipe.step import Material
from tests.compress.nets import graph, node, normal
from tests.compress.torch.test_gates import X, Y, signal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.constraints import MARGIN, TOLERANCE, barrier, height, slid, tolerance  # noqa: E402
from bitwright.compress.torch.gated import CONSTRAINTS, Gated, learnt  # noqa: E402
from bitwright.compress.torch.learners import HardConcrete  # noqa: E402
from bitwright.compress.torch.multiplied import Multiplied  # noqa: E402
from bitwright.compress.torch.transformable import Transformable, interpolated  # noqa: E402

pytestmark = needs_package("torch")


def residual() -> FloatNet:
    """A network with all that channels meet: a sum, a depthwise layer, a join, and features of many places each."""
    nodes = [
        node("Conv", "x a", "p", pads=[1, 1, 1, 1]),
        node("Relu", "p", "q"),
        node("Conv", "q d", "r", pads=[1, 1, 1, 1], group=6),
        node("Conv", "r b", "s"),
        node("Add", "s q", "t"),
        node("Conv", "t c", "u"),
        node("Concat", "t u", "v", axis=1),
        node("Flatten", "v", "f"),
        node("Gemm", "f w", "y", transB=1),
    ]
    shapes = {"a": (6, 2, 3, 3), "d": (6, 1, 3, 3), "b": (6, 6, 1, 1), "c": (5, 6, 1, 1), "w": (3, 11 * 16)}
    return float_net(graph(nodes, {n: normal(*s, seed=k) for k, (n, s) in enumerate(shapes.items())}, sample=[2, 4, 4]))


def drawn(net: FloatNet, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [np.ones(group.size, bool) if group.fixed else rng.random(group.size) < 0.6 for group in net.groups]


def as_tensors(kept: list[Any]) -> list[Any]:
    return [torch.tensor(held.astype(np.float32)) for held in kept]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_multiplied_is_what_work_counts(seed: int) -> None:
    net = residual()
    kept = drawn(net, seed)
    assert float(Multiplied(net).macs(as_tensors(kept))) == Work(net).macs(kept)
    assert Multiplied(net).whole == macs(net)


def test_what_is_expected_is_the_mean_over_what_is_drawn() -> None:
    net = residual()
    counted, rng = Multiplied(net), np.random.default_rng(0)
    odds = [np.ones(group.size) if group.fixed else np.full(group.size, 0.7) for group in net.groups]
    some = [Work(net).macs([rng.random(len(each)) < each for each in odds]) for _ in range(1000)]
    expected = float(counted.macs([torch.tensor(each, dtype=torch.float32) for each in odds]))
    assert abs(float(np.mean(some)) - expected) < 4 * np.std(some) / math.sqrt(len(some))


@pytest.mark.rows("R114")
def test_the_barrier_is_nothing_then_ever_more_then_infinite() -> None:
    limit = 0.5
    free = MARGIN * limit
    assert [height(left, free, limit) for left in (0.0, 0.2, free)] == [0.0] * 3
    inside = [height(left, free, limit) for left in np.linspace(free, limit, 50, endpoint=False)]
    assert all(one < other for one, other in pairwise(inside))
    assert height(0.48, free, limit) == pytest.approx(1 / 0.02 - 1 / 0.05)
    assert height(math.nextafter(limit, 0), free, limit) > 1e9
    assert height(limit, free, limit) == height(1.0, free, limit) == math.inf


@pytest.mark.rows("R114")
def test_the_limit_slides_from_the_whole_to_the_budget() -> None:
    """At first nothing is said, for all is free; the middle is in the middle; the budget holds before the end."""
    at = [slid(1 / MARGIN, 0.4, t) for t in np.linspace(0, 1, 41)]
    assert at[0] == pytest.approx(1 / MARGIN) and at[-1] == at[32] == pytest.approx(0.4)
    assert at[16] == pytest.approx((1 / MARGIN + 0.4) / 2)
    assert all(one >= other for one, other in pairwise(at))
    module = Gated(signal(), HardConcrete)
    assert float(barrier(module, 0.4, 0.0).detach()) == 0.0


@pytest.mark.rows("R114")
@pytest.mark.parametrize("budget, right", [(0.25, 0.4), (0.5, 0.75), (0.75, 0.8)])
def test_what_is_open_behind_a_barrier_is_within_the_budget(budget: float, right: float) -> None:
    module = learnt(signal(), ([X], Y), HardConcrete, budget, 25, barrier)
    assert 0 < float(module.macs(module.stays())) <= budget
    small = Gates(constraint="barrier", macs=budget, epochs=25).run(signal(), Material([X], [X], Y), None)
    assert macs(small) <= budget * macs(signal())
    assert float((outputs_of(small, [X])[0].argmax(axis=1) == Y).mean()) > right


@pytest.mark.rows("R124")
def test_channels_of_equal_number_are_interpolated_as_they_are() -> None:
    torch.testing.assert_close(interpolated(4, 4, 4), torch.eye(4))
    torch.testing.assert_close(interpolated(3, 3, 5), torch.diag(torch.tensor([1.0, 1, 1, 0, 0])))
    halved = interpolated(2, 4, 4)
    assert halved.tolist() == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]]
    assert interpolated(3, 2, 4).tolist() == [[0.5, 0.5, 0, 0], [0, 0.5, 0.5, 0]] + [[0] * 4] * 2


@pytest.mark.rows("R124")
@pytest.mark.parametrize("width", [2, 5, 6])
def test_a_network_reads_the_interpolated_channels(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mixture in the weights is the same as in the tensors: of every group of six, what its readers see."""
    net, x = residual(), torch.tensor(normal(3, 2, 4, 4, seed=9))
    module = Gated(net, Transformable).eval()
    matrix = interpolated(width, 6, 6)
    place = next(place for place, group in enumerate(module.groups) if group.size == 6)
    for other in range(len(module.groups)):
        monkeypatch.setattr(module.gate(other), "opened", lambda t, draw: torch.ones(5))
    monkeypatch.setattr(module.gate(place), "opened", lambda t, draw: matrix)
    found = module.tensors(x)
    read = torch.einsum("kc,ncij->nkij", matrix, found["t"])
    torch.testing.assert_close(found["u"], torch.nn.functional.conv2d(read, module.tensor("c")))
    wanted = torch.cat([read, found["u"]], dim=1).flatten(1) @ module.tensor("w").T
    torch.testing.assert_close(found["y"], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.rows("R124")
def test_the_expected_work_is_that_of_the_choices_by_their_odds() -> None:
    module = Gated(signal(), Transformable)
    gate = module.gate(0)
    assert isinstance(gate, Transformable) and gate.choices.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    with torch.no_grad():
        gate.place.copy_(torch.linspace(-1, 2, 8))
    odds = gate.place.softmax(0).detach().numpy()
    whole = macs(signal())
    wanted = sum(odd * width * whole / 8 for odd, width in zip(odds, range(1, 9), strict=True)) / whole
    assert float(module.macs(module.opens()).detach()) == pytest.approx(wanted, rel=1e-5)
    drawn = gate.opened(0.5, torch.Generator().manual_seed(0)).detach()
    assert drawn.shape == (8, 8)
    rows = drawn.sum(dim=1)
    assert set(rows.round(decimals=5).tolist()) <= {0.0, 1.0}, "a mixture of means is one"


@pytest.mark.rows("R124")
@pytest.mark.parametrize("budget", [0.5, 0.75])
def test_numbers_of_channels_come_to_the_budget(budget: float) -> None:
    module = learnt(signal(), ([X], Y), Transformable, budget, 40, tolerance)
    assert float(module.macs(module.opens()).detach()) == pytest.approx(budget, rel=2 * TOLERANCE)
    step = Gates(learner="transformable", constraint="tolerance", macs=budget, epochs=40)
    small = step.run(signal(), Material([X], [X], Y), None)
    assert macs(small) <= budget * macs(signal())
    assert float((outputs_of(small, [X])[0].argmax(axis=1) == Y).mean()) > 0.8


def test_an_unknown_constraint_is_refused() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Gates(constraint="barier")
    assert (
        str(refusal.value)
        == "gates: 'barier' cannot be used for constraint\n  hint: the nearest are 'barrier', 'square'"
    )


@pytest.mark.parametrize("name", ["square", "barrier", "tolerance", "operations"])
def test_the_step_draws_gates_by_the_constraint_that_it_names(name: str) -> None:
    """What is left is that of gates which this constraint drew to the same budget."""
    module = learnt(signal(), ([X], Y), HardConcrete, 0.5, 2, CONSTRAINTS[name])
    scores = module.scores()
    criterion = Worth(lambda facts, group: scores.get(group.first, np.full(group.size, np.inf)), compared)
    wanted = shrunk(module.float_net(), [X], criterion=criterion, macs=0.5)
    assert Gates(constraint=name, macs=0.5, epochs=2).run(signal(), Material([X], [X], Y), None) == wanted


@pytest.mark.parametrize("step", [Gates(), Morph()])
def test_a_network_without_channels_that_can_go_is_refused(step: Gates | Morph) -> None:
    net = float_net(graph([node("Gemm", "x w", "y", transB=1)], {"w": normal(4, 6, seed=1)}, sample=[6]))
    with pytest.raises(BitwrightError) as refusal:
        step.run(net, Material([X], [X], Y), None)
    hint = "gates stand between two layers with weights"
    assert str(refusal.value) == f"model: has no channels that can go\n  hint: {hint}"
