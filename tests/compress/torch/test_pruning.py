# SPDX-License-Identifier: Apache-2.0
"""Pruning while a network trains: as many zeros as the schedule says, in the float network and in its integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import CRITERIA, FloatNet, calibrate, cubic, fit, float_net, trainable
from bitwright.compress.prune import zeros
from bitwright.compress.prune.chances import MIDDLE, MOST, added
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.masks import RULES, operate
from bitwright.compress.prune.schedules import Iterative, OneShot
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

torch = pytest.importorskip("torch")
X = normal(96, 2, 6, 6)
Y = np.random.default_rng(1).integers(0, 5, len(X))
TRAINED = tuple(name for name, criterion in CRITERIA.items() if criterion.needs != "inputs")


def net() -> FloatNet:
    weights = {
        "w0": normal(8, 2, 3, 3, seed=2) / np.float32(4), "b0": normal(8, seed=3), "w1": normal(128, 5, seed=4),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w0 b0", "a"),
        node("Relu", "a", "b"),
        node("Flatten", "b", "c"),
        node("MatMul", "c w1", "y"),
    ]
    return float_net(graph(nodes, weights, sample=(2, 6, 6)))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("criterion", TRAINED)
def test_a_training_ends_with_the_zeros_of_its_schedule(criterion: str, rule: str) -> None:
    for scope, block in (("layer", None), ("network", (2, 2))):
        module = trainable(net()).prune(criterion, cubic(0.7, steps=3), rule=rule, scope=scope, block=block)
        fit(module, (X, Y), epochs=2, batch=24)
        made = module.float_net()
        found = zeros(made)
        if scope == "layer":
            assert found == pytest.approx({"w0": 0.7, "w1": 0.7}, abs=0.005)
        assert (found["w0"] * 144 + found["w1"] * 640) / 784 == pytest.approx(0.7, abs=0.004)
        with torch.no_grad():
            mine = module(torch.from_numpy(X[:4])).numpy()
        np.testing.assert_allclose(mine, bw.compress.outputs_of(made, [X[:4]])[0], rtol=1e-4, atol=1e-4)
        state = module.quantize(X, weights=4, activations=4)
        for layer in made.layers:
            assert not state.weights[layer.weight][0].codes[made.constants[layer.weight] == 0].any()


@pytest.mark.parametrize("quantiser", ["lsq:3", "ternary"])
def test_zeros_of_a_trained_integer_network_are_its_own(quantiser: str) -> None:
    calibration = calibrate(net(), [X])
    module = trainable(calibration.net, weights=quantiser, activations="lsq:4", scale="po2", calibration=calibration)
    module.prune("magnitude", OneShot(0.5), block="2:4")
    fit(module, (X, Y), epochs=1)
    state = module.state()
    codes = state.weights["w1"][0].codes
    assert (module.masks["w1"].numpy(force=True) == 0).mean() == 0.5
    assert not codes[module.masks["w1"].numpy(force=True) == 0].any()
    with torch.no_grad():
        np.testing.assert_array_equal(module(torch.from_numpy(X)).numpy(), bw.run(state.graph(), X))


@pytest.mark.rows("R080")
def test_what_is_gone_has_no_gradient_unless_it_may_come_back() -> None:
    for rule, held in RULES.items():
        module = trainable(net()).prune("magnitude", OneShot(0.5), rule=rule)
        module.advance(0.0)
        torch.nn.functional.cross_entropy(module.logits(torch.from_numpy(X)), torch.from_numpy(Y)).backward()
        gone = module.masks["w1"] == 0
        gradient = module.tensor("w1").grad
        assert gone.float().mean() == 0.5 and gradient is not None
        assert bool(gradient[gone].any()) == held.dense and gradient[~gone].any()


@pytest.mark.rows("R077")
def test_surgery_cuts_below_splices_above_and_leaves_what_is_between() -> None:
    """R077, with the threshold 1.0 at a share of a half."""
    scores = np.array([[0.5, 0.5, 0.95, 1.0, 1.05, 1.05, 1.2, 1.2]])
    kept = np.array([[True, False, True, False, True, False, True, False]])
    wanted = [[False, False, True, False, True, False, True, True]]
    np.testing.assert_array_equal(operate(Grain(np.arange(8)[None, :, None]), scores, kept, 0.5), wanted)


@pytest.mark.parametrize("rule", ["feedback", "surgery"])
def test_what_has_grown_comes_back(rule: str) -> None:
    module = trainable(net()).prune("magnitude", Iterative(0.5, end=0.5, steps=3), rule=rule)
    module.advance(0.0)
    gone = (module.masks["w1"] == 0).nonzero()[0]
    with torch.no_grad():
        module.tensor("w1")[tuple(gone)] = 9.0
    module.advance(0.25)
    assert module.masks["w1"][tuple(gone)] == 1
    module = trainable(net()).prune("magnitude", Iterative(0.5, end=0.5, steps=3))
    module.advance(0.0)
    with torch.no_grad():
        module.tensor("w1")[tuple(gone)] = 9.0
    module.advance(0.25)
    assert module.masks["w1"][tuple(gone)] == 0


def test_what_was_pruned_before_stays_so() -> None:
    sparse = net().replace(w1=net().constants["w1"] * (np.arange(640).reshape(128, 5) % 3 > 0))
    module = trainable(sparse).prune("magnitude", OneShot(0.5), block=(2, 2))
    module.keep_zeros()
    fit(module, (X, Y), epochs=1)
    assert not module.float_net().constants["w1"][sparse.constants["w1"] == 0].any()


@pytest.mark.parametrize("rule", RULES)
def test_a_training_that_was_stopped_prunes_the_same(rule: str, tmp_path: Path) -> None:
    def made(**options: Any) -> FloatNet:
        module = trainable(net()).prune("obd", cubic(0.6, steps=5), rule=rule)
        fit(module, (X, Y), epochs=3, batch=32, **options)
        return module.float_net()

    class Stop(Exception):
        pass

    def stop(done: int, total: int, loss: float) -> None:
        if done == 5:
            raise Stop

    with pytest.raises(Stop):
        made(checkpoint=tmp_path / "c", progress=stop)
    assert made(checkpoint=tmp_path / "c") == made()


def test_another_pruning_is_another_training(tmp_path: Path) -> None:
    fit(trainable(net()).prune("obd", cubic(0.6)), (X, Y), epochs=1, checkpoint=tmp_path / "c")
    with pytest.raises(BitwrightError, match="is of another training"):
        fit(trainable(net()).prune("obd", cubic(0.7)), (X, Y), epochs=1, checkpoint=tmp_path / "c")


REFUSED = {
    "prune: there is no criterion 'odb'\n  hint: the nearest are 'obs', 'obd'": ("odb", {}),
    "prune: there is no rule 'dns'\n  hint: there are 'feedback', 'permanent', 'probabilistic', 'surgery'": (
        "obd",
        {"rule": "dns"},
    ),
    "prune: 'obs' solves for weights, not while they train\n"
    "  hint: use pruned(net, data), and train what it gives; or another criterion": ("obs", {}),
    "prune: there is no scope 'all'\n  hint: choose layer or network": ("obd", {"scope": "all"}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused(message: str) -> None:
    criterion, options = REFUSED[message]
    with pytest.raises(BitwrightError) as refusal:
        trainable(net()).prune(criterion, cubic(0.5), **options)  # type: ignore[arg-type]
    assert str(refusal.value) == message


@pytest.mark.rows("R082")
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_what_is_added_to_a_chance_is_most_at_first_and_nothing_at_the_share(share: float) -> None:
    assert added(np.array([0.0, share]), share) == pytest.approx([MOST, 0])
    assert (np.diff(added(np.linspace(0, 1, 101), share)) < 0).all()
    centre = -share * np.log(MIDDLE) / np.log(2 / MIDDLE)
    apart = np.linspace(0, min(centre, 1 - centre), 20)
    np.testing.assert_allclose(added(centre - apart, share) + added(centre + apart, share), 2 * MOST * MIDDLE)
    below = np.linspace(0, centre, 20)
    np.testing.assert_allclose(np.diff(np.log(added(below, share)), 2), 0, atol=1e-9)  # exponential


@pytest.mark.rows("R082")
def test_masks_are_drawn_by_chances_that_stay_between_nothing_and_certain() -> None:
    module = trainable(net()).prune("magnitude", cubic(0.6, steps=8), rule="probabilistic", block=(1, 4))
    assert module.pruning is not None
    chances, grain = module.pruning.get_buffer("chances_0"), module.pruning._grains["w0"]
    certain, seen, drawn = np.zeros(chances.shape, bool), [], []
    for step in range(70):
        before = chances.numpy().copy()
        module.advance(step / 100)
        assert 0 <= float(chances.min()) <= float(chances.max()) <= 1
        assert (chances.numpy()[certain] == 1).all()
        certain |= chances.numpy() == 1
        mask = module.masks["w0"].numpy(force=True).reshape(-1)[grain.places].any(axis=2)
        assert not mask[certain].any()
        if (chances.numpy() == before).all() and step < 60:
            seen.append(1 - before)
            drawn.append(mask)
        module.pruning.steps += 1
    assert certain.any() and np.mean(drawn) == pytest.approx(np.mean(seen), abs=0.03)
    module.advance(1.0)
    left = module.masks["w0"].numpy(force=True).reshape(-1)[grain.places].any(axis=2)
    assert (~left).sum() == round(0.6 * left.size)
    assert chances.numpy()[~left].min() >= chances.numpy()[left].max()
