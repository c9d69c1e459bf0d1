# SPDX-License-Identifier: Apache-2.0
"""Gates against their closed forms, and what training makes of them: noise goes, signal stays, the share is met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from bitwright.compress import FloatNet, float_net, outputs_of
from bitwright.recipe.gates import Gates
from bitwright.recipe.step import Material
from tests.compress.nets import graph, node, normal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.gated import CONSTRAINTS, LEARNERS, Gated, learnt  # noqa: E402
from bitwright.compress.torch.learners import (  # noqa: E402
    BETA,
    STRETCH,
    Dropped,
    Frozen,
    Gaussian,
    Gumbel,
    HardConcrete,
    HardSigmoid,
    Sharpened,
    Stepped,
    Threshold,
    shrink,
)

pytestmark = needs_package("torch")
Array = NDArray[Any]
NORMS = torch.tensor([0.2, 0.6, 1.0, 1.4, 1.8])


def signal() -> FloatNet:
    """Eight channels, of which those that see the first two inputs alone can tell the classes."""
    weight = np.zeros((8, 6), np.float32)
    weight[[0, 1, 2, 3], [0, 0, 1, 1]] = [1, -1, 1, -1]
    weight[4:, 2:] = normal(4, 4, seed=1) / 2
    reads = normal(4, 8, seed=2) / 10
    reads[:, :4] += [[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]]
    nodes = [node("Gemm", "x a b", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r w", "y", transB=1)]
    return float_net(graph(nodes, {"a": weight, "b": np.zeros(8, np.float32), "w": reads}, sample=[6]))


X = normal(256, 6, seed=3)
Y = (2 * (X[:, 0] < 0) + (X[:, 1] < 0)).astype(np.int64)


@pytest.mark.rows("R079")
def test_hard_concrete_gates_are_open_as_often_as_they_say() -> None:
    gate, draw = HardConcrete(NORMS), torch.Generator().manual_seed(0)
    drawn = torch.stack([gate.opened(0.5, draw) for _ in range(20_000)]).detach()
    np.testing.assert_allclose((drawn > 0).float().mean(dim=0), gate.open(0.5).detach(), atol=1e-2)
    low, high = STRETCH
    shut = torch.sigmoid(BETA * torch.log(torch.tensor(-low / high)) - gate.place)
    full = torch.sigmoid(gate.place - BETA * torch.log(torch.tensor((1 - low) / (high - 1))))
    np.testing.assert_allclose((drawn == 0).float().mean(dim=0), shut.detach(), atol=1e-2)
    np.testing.assert_allclose((drawn == 1).float().mean(dim=0), full.detach(), atol=1e-2)


@pytest.mark.rows("R083")
def test_sharpened_gates_end_as_codes() -> None:
    gate = Sharpened(NORMS)
    assert ((gate.opened(1.0, None) < 1e-3) | (gate.opened(1.0, None) > 0.9)).all()
    assert gate.opened(0.0, None).detach().numpy().std() < 0.2


@pytest.mark.rows("R084")
def test_a_threshold_ends_as_one_and_has_its_gradient() -> None:
    gate = Threshold(NORMS)
    gate.place.data.fill_(0.9)
    np.testing.assert_allclose(gate.opened(1.0, None).detach(), (NORMS > 0.9).float(), atol=1e-3)
    assert torch.autograd.gradcheck(lambda t: torch.sigmoid((NORMS.double() - t) * 5), gate.place.double())
    gate.opened(0.0, None).sum().backward()
    assert gate.place.grad is not None and float(gate.place.grad) < 0


@pytest.mark.rows("R085")
def test_a_step_comes_back_when_its_gradient_says_so() -> None:
    gate = Stepped(NORMS)
    before = gate.opened(0.0, None).detach()
    assert before.tolist() == [0, 1, 1, 1, 1]
    for wanted in (0.0, 1.0):
        for _ in range(100):
            loss = (gate.opened(0.0, None)[0] - wanted).square() + (gate.opened(0.0, None)[4] - 1 + wanted).square()
            (slope,) = torch.autograd.grad(loss, [gate.place])
            gate.place.data -= 0.2 * slope
        assert gate.opened(0.0, None)[[0, 4]].tolist() == [wanted, 1 - wanted]
    assert gate.opened(0.0, None)[1:4].tolist() == [1, 1, 1]


@pytest.mark.rows("R086")
def test_cut_gates_are_exactly_open_or_closed_and_part() -> None:
    gate = HardSigmoid(NORMS)
    gate.place.data.copy_(torch.tensor([-0.5, 0.0, 0.5, 1.0, 2.0]))
    assert gate.opened(0.0, None).tolist() == [0, 0, 0.5, 1, 1]
    apart, alike = HardSigmoid(NORMS), HardSigmoid(NORMS)
    apart.place.data.copy_(torch.tensor([0.0, 0, 0.5, 1, 1]))
    alike.place.data.fill_(0.5)
    assert apart.penalty() < alike.penalty() == 0


@pytest.mark.rows("R087")
def test_the_divergence_of_a_normal_factor_is_in_closed_form_and_its_gradient_without_bias() -> None:
    gate = Gaussian(NORMS)
    q = torch.distributions.Normal(gate.place, gate.spread.exp())
    closed = torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros(5), torch.ones(5)))
    torch.testing.assert_close(gate.divergence(), closed)
    draw = torch.Generator().manual_seed(0)
    drawn = torch.stack([gate.opened(0.0, draw) for _ in range(4000)])
    (slope,) = torch.autograd.grad(drawn.square().mean(dim=0).sum(), [gate.place])
    np.testing.assert_allclose(slope, 2 * gate.place.detach(), rtol=0.02)


@pytest.mark.rows("R094")
def test_the_divergence_of_noise_is_that_of_an_integral() -> None:
    gate = Dropped(torch.zeros(1))
    differences = []
    for log_alpha in (-4.0, -2.0, 0.0, 2.0, 4.0):
        gate.place.data.fill_(log_alpha)
        size = np.exp(log_alpha / 2)
        logs, _ = integrate.quad(
            lambda e, size=size: stats.norm.pdf(e) * np.log(abs(1 + size * e) + 1e-300), -12, 12, limit=400,
            points=[-1 / size] if size > 1 / 12 else None,
        )  # fmt: skip
        differences.append(float(gate.divergence().detach()) - (logs - np.log(size)))
    assert np.ptp(differences) < 0.03


@pytest.mark.rows("R096")
def test_all_gates_open_are_the_network_itself() -> None:
    net = signal()
    module = Gated(net, Gumbel)
    assert set(module.gate(0).opened(0.0, torch.Generator().manual_seed(0)).tolist()) <= {0.0, 1.0}
    with torch.no_grad():
        module.gate(0).place.fill_(50.0)
    np.testing.assert_allclose(outputs_of(module.float_net(), [X])[0], outputs_of(net, [X])[0], rtol=1e-6)


@pytest.mark.rows("R078")
def test_shrinking_is_the_nearest_beside_the_size() -> None:
    x, by = torch.linspace(-2, 2, 41), 0.7
    grid = torch.linspace(-3, 3, 6001)
    plain = torch.stack([grid[((grid - each) ** 2 / 2 + by * grid.abs()).argmin()] for each in x])
    torch.testing.assert_close(shrink(x, by), plain, atol=2e-3, rtol=0)
    gate = LEARNERS["ista"](NORMS)
    for _ in range(2000):
        gate.settle(0.05)
    assert not gate.place.any()


@pytest.mark.rows("R092")
def test_frozen_weights_stay_while_widths_are_learnt() -> None:
    net = signal()
    module = learnt(net, ([X], Y), Frozen, 0.25, 10)
    for name in ("a", "w"):
        np.testing.assert_array_equal(module.tensor(name).detach().numpy(), net.constants[name])
    assert float(module.share().detach()) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("learner", LEARNERS)
def test_channels_that_tell_stay_and_noise_goes(learner: str) -> None:
    step = Gates(learner=learner, macs=0.5, epochs=25)
    small = step.run(signal(), Material([X], [X], Y), None)
    assert small.constants["a"].shape == (4, 6)
    seen = np.abs(small.constants["a"])
    assert (seen[:, :2].max(axis=1) > seen[:, 2:].max(axis=1)).sum() >= 3
    assert float((outputs_of(small, [X])[0].argmax(axis=1) == Y).mean()) > 0.8


def test_a_step_draws_gates_by_the_constraint_that_it_names() -> None:
    """It was checked, and never used."""
    steps = [Gates(constraint=name, macs=0.5, epochs=4) for name in CONSTRAINTS]
    assert len({step.run(signal(), Material([X], [X], Y), None).digest for step in steps}) == len(CONSTRAINTS)
