# SPDX-License-Identifier: Apache-2.0
"""What is added to a loss, and gradients of few levels: each against its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, fit, float_net, trainable
from bitwright.compress.prune.rewind import REWINDS, distance, settled
from bitwright.recipe.lottery import Lottery
from bitwright.recipe.step import Material
from bitwright.recipe.train import Train
from tests.compress.nets import graph, node, normal
from tests.compress.torch.test_fit import NET, X, Y
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch import aids  # noqa: E402
from bitwright.compress.torch.fit import labelled  # noqa: E402
from bitwright.compress.torch.gradients import dorefa, int8, ternary, turned  # noqa: E402
from bitwright.compress.torch.projections import to_zeros  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]


def given(module: Any) -> tuple[Any, Any, Any]:
    """Outputs, labels and tensors of a batch."""
    outputs, taps = module.tapped(torch.from_numpy(X))
    return outputs, torch.from_numpy(np.asarray(Y)), taps


def added(module: Any, aid: Any) -> Any:
    outputs, y, taps = given(module)
    return aid(outputs, outputs, y, taps)


@pytest.mark.rows("R088")
def test_norms_of_channels_are_a_fifth_of_the_loss_at_first_and_fall() -> None:
    module = trainable(NET)
    outputs, y, _ = given(module)
    loss, more = float(labelled(outputs, y).detach()), float(added(module, aids.group_lasso(module)).detach())
    assert more / (more + loss) == pytest.approx(0.2)
    a, b = (module.tensor(name).detach().numpy() for name in "ab")
    wanted = np.sqrt((a**2).sum(axis=1) + (b**2).sum(axis=0))
    np.testing.assert_allclose(aids.channel_norms(module).detach(), wanted, rtol=1e-5)
    fit(module, (X, Y), epochs=30, lr=2e-2, aids=[aids.group_lasso(module, 0.6)])
    after = aids.channel_norms(module).detach().numpy()
    assert np.sort(after)[:3].mean() < 0.5 * np.sort(wanted)[:3].mean()


@pytest.mark.rows("R081")
def test_the_nearest_sparse_weight_is_that_of_all_and_multipliers_lead_there() -> None:
    for seed in range(5):
        x = torch.from_numpy(normal(6, seed=seed))
        made = to_zeros(x, 0.5)
        assert torch.equal(to_zeros(made, 0.5), made)
        every = [x * torch.tensor([float(mask >> i & 1) for i in range(6)]) for mask in range(64)
                 if bin(mask).count("1") == 3]  # fmt: skip
        assert float((made - x).norm()) == pytest.approx(min(float((each - x).norm()) for each in every))
    module = trainable(NET)
    aid = aids.multipliers(module, 0.5, rho=1.0)
    for weights in (module.tensor("a"), module.tensor("b")):
        weights.data.copy_(torch.from_numpy(normal(*weights.shape, seed=4)))
    aim = {name: module.tensor(name).detach().clone() for name in "ab"}
    for _ in range(3000):
        loss = added(module, aid) + sum((module.tensor(name) - aim[name]).square().sum() / 2 for name in "ab")
        slopes = torch.autograd.grad(loss, [module.tensor(name) for name in "ab"])
        for name, slope in zip("ab", slopes, strict=True):
            module.tensor(name).data -= 0.1 * slope
    for name in "ab":
        held = module.tensor(name).detach()
        assert float((held - to_zeros(held, 0.5)).norm()) < 0.02 * float(held.norm())
        lost, least = (float((to_zeros(each, 0.5) - aim[name]).norm()) for each in (held, aim[name]))
        assert lost < 1.1 * least


@pytest.mark.rows("R149")
def test_the_best_weight_of_an_error_is_its_inverse_and_weights_gather() -> None:
    module = trainable(NET)
    before = float(aids.quantising_error(module).detach())
    grid = np.linspace(0.2 / before, 3 / before, 4001)
    best = grid[np.argmin(grid * before - np.log(grid))]
    assert best == pytest.approx(1 / before, rel=1e-3)
    assert float(added(module, aids.msqe(module, 1.0)).detach()) == pytest.approx(math.log(before), abs=1e-4)
    fit(module, (X, Y), epochs=40, lr=2e-2, aids=[aids.msqe(module, 0.3)])
    assert float(aids.quantising_error(module).detach()) < 0.1 * before
    small = trainable(NET)
    loss = added(small, aids.partial_decay(small, 0.5, 1.0))
    (slope,) = torch.autograd.grad(loss, [small.tensor("a")])
    held = small.tensor("a").detach()
    kept = held.abs() > held.abs().median()
    assert not slope[kept].any() and torch.equal(slope[~kept], 2 * held[~kept])


@pytest.mark.rows("R148")
def test_the_auxiliary_loss_is_that_of_the_float_weights_and_leaves_no_trace() -> None:
    module = trainable(NET, weights="lsq:2", activations="lsq:2", calibration=X)
    plain = trainable(NET)
    outputs, y, _ = given(plain.eval())
    aid = aids.auxiliary(module, 1.0)
    assert float(added(module, aid).detach()) == pytest.approx(float(labelled(outputs, y).detach()), rel=1e-5)
    ops = [layer.name for layer in module.graph().layers]
    losses = []
    for seed in range(3):
        one, other = (trainable(NET, weights="lsq:2", activations="lsq:2", calibration=X) for _ in range(2))
        fit(one, (X, Y), epochs=10, lr=1e-2, seed=seed)
        fit(other, (X, Y), epochs=10, lr=1e-2, seed=seed, aids=[aids.auxiliary(other)])
        losses.append([float(labelled(*given(each.eval())[:2]).detach()) for each in (one, other)])
    assert [layer.name for layer in other.graph().layers] == ops
    assert np.mean(losses, axis=0)[1] < 1.1 * np.mean(losses, axis=0)[0]


@pytest.mark.rows("R152", "R097")
def test_an_attack_stays_in_its_ball_and_what_is_learnt_moves_less() -> None:
    module = trainable(NET)
    x, y = torch.from_numpy(X), torch.from_numpy(np.asarray(Y))
    (moved,) = aids.attacked(module, (x,), y)
    most = aids.EPSILON * float(x.abs().max())
    assert float((moved - x).abs().max()) <= most * 1.0001
    assert float(labelled(module.logits(moved), y).detach()) > float(labelled(module.logits(x), y).detach())

    def apart(of: Any) -> float:
        (held,) = aids.attacked(of, (x,), y)
        one, other = of.tapped(x)[1]["h"], of.tapped(held)[1]["h"]
        return float(((one - other).abs().mean() / one.abs().mean()).detach())

    pruned = REWINDS["rate"](module.float_net(), module.float_net(), np.random.default_rng(0))
    ticket = trainable(pruned)  # a mask that was found cheaply is trained against attacks
    ticket.masks["a"] = torch.nn.Parameter((ticket.tensor("a").abs() > 0.5).float().detach(), requires_grad=False)
    plain = trainable(pruned)
    fit(plain, (X, Y), epochs=20, lr=2e-2)
    fit(ticket, (X, Y), epochs=20, lr=2e-2, aids=[aids.adversarial(ticket, 2.0)])
    assert apart(ticket) < apart(plain)
    assert not ticket.weight("a")[ticket.masks["a"] == 0].any()


@pytest.mark.rows("R154")
def test_the_teacher_is_the_module_of_some_steps_ago() -> None:
    module = trainable(NET)
    aid = aids.snapshot(module, 1.0)
    for call in range(1, 2 * aids.EVERY + 1):
        module.tensor("b").data[0] += 0.05
        away = float(added(module, aid).detach())
        assert (away < 1e-6) == (call % aids.EVERY == 0)


@pytest.mark.rows("R155", "R156")
def test_any_generator_makes_what_is_learnt_from() -> None:
    """A student of a teacher's answers to inputs of a mixture is nearer to it than one of few samples alone."""
    rng = np.random.default_rng(0)
    teacher = trainable(NET)

    def mixture(taps: Any) -> tuple[Any, ...]:
        return (torch.from_numpy(rng.normal(size=(128, 6)).astype(np.float32)),)

    away = []
    for generator in (None, mixture):
        student = trainable(NET)
        made = [aids.generated(student, generator)] if generator else []
        student.tensor("a").data.copy_(torch.from_numpy(normal(12, 6, seed=8)))
        fit(student, (X[:16], Y[:16]), epochs=150, lr=2e-2, aids=made)
        fresh = torch.from_numpy(normal(400, 6, seed=77))
        found = (student.eval().logits(fresh).argmax(1) == teacher.eval().logits(fresh).argmax(1)).float().mean()
        away.append(float(found))
    assert away[1] > away[0]


@pytest.mark.rows("R045")
def test_a_narrow_soft_histogram_has_the_entropy_of_the_histogram() -> None:
    values = torch.from_numpy(np.random.default_rng(1).normal(size=4000).astype(np.float32))
    place = ((values - values.min()) / (values.max() - values.min())).numpy()
    counts = np.bincount(np.minimum((place * aids.BINS).astype(int), aids.BINS - 1))
    share = counts[counts > 0] / counts.sum()
    assert float(aids.soft_entropy(values, 1e-3)) == pytest.approx(float(-(share * np.log(share)).sum()), rel=2e-3)
    module = trainable(NET)
    before = float(added(module, aids.entropy(module, 1.0)).detach())
    fit(module, (X, Y), epochs=60, lr=2e-2, aids=[aids.entropy(module, 0.3)])
    assert float(added(module, aids.entropy(module, 1.0)).detach()) < before
    assert float((module.eval().logits(torch.from_numpy(X)).argmax(1).numpy() == Y).mean()) > 0.85


@pytest.mark.rows("R153")
def test_ternary_gradients_are_right_in_the_mean_and_sum_over_workers() -> None:
    draws = torch.Generator().manual_seed(0)
    gradient = torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, 50).astype(np.float32))
    drawn = torch.stack([ternary(gradient, draws) for _ in range(20_000)])
    size = gradient.abs().max()
    assert set(torch.unique(drawn / size).tolist()) <= {-1.0, 0.0, 1.0}
    error = drawn.std(dim=0) / math.sqrt(len(drawn))
    assert ((drawn.mean(dim=0) - gradient).abs() < 5 * error + 1e-6).all()
    assert (drawn[:4].sum(dim=0) / size).abs().max() <= 4  # of four workers: 2 * 4 + 1 values


@pytest.mark.rows("R150")
def test_eight_bits_of_a_gradient_turn_it_least() -> None:
    gradient = torch.from_numpy(np.random.default_rng(3).standard_t(2, 2000).astype(np.float32))
    most = float(gradient.abs().max())
    grid = [turned(gradient, most * share) for share in np.linspace(0.05, 1, 200)]
    tried = min(turned(gradient, most * 0.8**power) for power in range(12))
    assert tried < 1.3 * min(grid) + 1e-6
    draws = torch.Generator().manual_seed(0)
    even = torch.linspace(-1, 1, 101)
    drawn = torch.stack([int8(even, draws) for _ in range(4000)]).mean(dim=0)
    np.testing.assert_allclose(drawn, even, atol=6e-3)


@pytest.mark.parametrize("name", ["ternary", "int8", "dorefa"])
def test_a_network_learns_by_gradients_of_few_levels(name: str) -> None:
    module = trainable(NET)
    fit(module, (X, Y), epochs=40, lr=5e-2, batch=32, gradient=name)
    assert float((module.eval().logits(torch.from_numpy(X)).argmax(1).numpy() == Y).mean()) > 0.85


def test_levels_with_noise_are_right_in_the_mean() -> None:
    draws = torch.Generator().manual_seed(0)
    gradient = torch.from_numpy(normal(3, 20, seed=5))
    drawn = torch.stack([dorefa(gradient, draws, bits=3) for _ in range(30_000)]).mean(dim=0)
    inside = gradient.abs() < 0.85 * gradient.abs().amax(dim=1, keepdim=True)
    np.testing.assert_allclose(drawn[inside], gradient[inside], atol=0.02)


@pytest.mark.rows("R089")
def test_survivors_are_bit_by_bit_what_they_were_and_as_many_as_asked() -> None:
    start, rng = float_net(NET), np.random.default_rng(0)
    now = start
    for number in range(1, 4):
        trained = now.replace(**{name: now.constants[name] * np.float32(1.1) for name in "ab"})
        share = 1 - 0.2 ** (number / 3)
        gone = {name: np.abs(trained.constants[name]) <= np.quantile(np.abs(trained.constants[name]), share)
                for name in "ab"}  # fmt: skip
        left = trained.replace(**{name: trained.constants[name] * ~gone[name] for name in "ab"})
        now = REWINDS["weights"](start, left, rng)
        for name in "ab":
            kept = left.constants[name] != 0
            np.testing.assert_array_equal(now.constants[name][kept], start.constants[name][kept])
            assert not now.constants[name][~kept].any() and kept.mean() == pytest.approx(1 - share, abs=0.05)


@pytest.mark.rows("R090", "R091")
def test_what_goes_on_is_kept_or_drawn_anew() -> None:
    start = float_net(NET)
    left = start.replace(a=start.constants["a"] * (np.abs(start.constants["a"]) > 0.5))
    assert REWINDS["rate"](start, left, np.random.default_rng(0)) is left
    drawn = REWINDS["scratch"](start, left, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn.constants["a"] != 0, left.constants["a"] != 0)
    assert not np.isin(drawn.constants["a"][left.constants["a"] != 0], start.constants["a"]).any()
    assert drawn == REWINDS["scratch"](start, left, np.random.default_rng(0))


@pytest.mark.rows("R091")
def test_scratch_takes_as_much_work_as_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ratio of epochs is that of multiplications."""
    start, asked = float_net(NET), []
    monkeypatch.setattr("bitwright.recipe.lottery._trained", lambda net, data, epochs: (asked.append(epochs), net)[1])
    step = Lottery(rewind="scratch", sparsity=0.75, rounds=1, epochs=5, warm=0, budget=True)
    made = step.run(start, Material([X], [X], np.asarray(Y)), None)
    weights = [(start.constants[name], made.constants[name]) for name in "ab"]
    ratio = sum(one.size for one, _ in weights) / sum(int((other != 0).sum()) for _, other in weights)
    assert asked == [5, round(5 * ratio)] and ratio == pytest.approx(4, rel=0.02)


@pytest.mark.rows("R098")
def test_masks_at_rest_end_a_round() -> None:
    one = np.arange(20) < 10
    near, far = one.copy(), ~one
    near[0] = False
    assert distance(one, one) == 0 and distance(one, near) == 0.05 and distance(one, far) == 1
    assert settled([far, one, one, near, one, one]) and not settled([one, one, far, one, one])
    assert not settled([one] * 4)


@pytest.mark.parametrize("early", [False, True])
def test_a_ticket_has_its_zeros_and_learns(early: bool) -> None:
    net = float_net(NET)
    made = Lottery(sparsity=0.5, rounds=2, epochs=12, early=early).run(net, Material([X], [X], np.asarray(Y)), None)
    assert all(np.mean(made.constants[name] == 0) == pytest.approx(0.5, abs=0.03) for name in "ab")
    module = trainable(made)
    assert float((module.eval().logits(torch.from_numpy(X)).argmax(1).numpy() == Y).mean()) > 0.4


def test_a_map_has_unit_norm() -> None:
    nodes = [node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Conv", "r b", "y")]
    module = trainable(graph(nodes, {"a": normal(4, 2, 3, 3), "b": normal(3, 4, 3, 3)}, sample=[2, 7, 7]))
    x = torch.from_numpy(normal(3, 2, 7, 7))
    outputs, taps = module.tapped(x)
    aid = aids.attention(module, 1.0)
    assert float(aid(outputs, outputs, None, taps).detach()) == pytest.approx(0, abs=1e-6)
    module.tensor("a").data[0] *= 5
    outputs, taps = module.tapped(x)
    assert 0 < float(aid(outputs, outputs, None, taps).detach()) < 4


@pytest.mark.rows("R097")
def test_a_ticket_of_plain_training_is_trained_to_hold_against_attacks() -> None:
    """The mask is that of the lottery, whose training is plain."""
    material = Material([X], [X], np.asarray(Y))
    ticket = Lottery(sparsity=0.5, rounds=1, epochs=2).run(float_net(NET), material, None)
    made = Train(epochs=3, aids=("adversarial",)).run(ticket, material, None)
    assert isinstance(made, FloatNet)
    for name in "ab":
        zeros = ticket.constants[name] == 0
        assert zeros.mean() == pytest.approx(0.5, abs=0.02)
        np.testing.assert_array_equal(made.constants[name] == 0, zeros)
        assert (made.constants[name] != ticket.constants[name]).any()
