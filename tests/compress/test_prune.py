# SPDX-License-Identifier: Apache-2.0
"""Pruning: how many weights go and which, what the others make good, when, and what the hardware then skips."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import CRITERIA, FloatNet, float_net, outputs_of, pruned
from bitwright.compress.columns import views
from bitwright.compress.prune import SCHEDULES, cubic, zeros
from bitwright.compress.prune.curvature import obs
from bitwright.compress.prune.evidence import Evidence
from bitwright.compress.prune.granularity import Grain, grains
from bitwright.compress.prune.pruner import shares
from bitwright.compress.prune.schedules import Iterative, OneShot, Schedule
from bitwright.compress.round import Problem
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import nonzero_blocks
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from tests.compress.nets import graph, node, normal
from tests.compress.test_round import problem

DATA = normal(48, 2, 6, 6, seed=20)
LABELS = np.random.default_rng(21).integers(0, 10, len(DATA))
LANES = {"Conv_a": (2, 2), "Conv_c": (4, 4), "MatMul_y": (2, 4)}


@cache
def net() -> FloatNet:
    """Two convolutions and a dense layer behind a Flatten, whose columns the hardware has in another order."""
    weights = {
        "w0": normal(8, 2, 3, 3, seed=1), "b0": normal(8, seed=2), "w1": normal(12, 8, 3, 3, seed=3),
        "b1": normal(12, seed=4), "w2": normal(108, 10, seed=5),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w0 b0", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b w1 b1", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "d"),
        node("MaxPool", "d", "e", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "e", "f"),
        node("MatMul", "f w2", "y"),
    ]
    return float_net(graph(nodes, weights, sample=(2, 6, 6)))


def mask_of(given: FloatNet, name: str) -> np.ndarray:
    return np.asarray(given.constants[name] != 0)


@pytest.mark.rows("R048", "R052", "R069")
def test_the_smallest_of_each_layer_go_and_no_more() -> None:
    for sparsity in (0.0, 0.3, 0.8):
        sparse = pruned(net(), criterion="magnitude", sparsity=sparsity)
        for layer in net().layers:
            before, kept = np.abs(net().constants[layer.weight]), mask_of(sparse, layer.weight)
            assert (~kept).sum() == round(sparsity * before.size)
            assert before[~kept].max(initial=0) <= before[kept].min()
            np.testing.assert_array_equal(sparse.constants[layer.weight][kept], net().constants[layer.weight][kept])
    assert zeros(sparse) == pytest.approx({"w0": 0.8, "w1": 0.8, "w2": 0.8}, abs=0.003)


@pytest.mark.parametrize("scope", ["layer", "network"])
@pytest.mark.parametrize("criterion", CRITERIA)
def test_what_is_gone_stays_gone_at_the_next_round(criterion: str, scope: str) -> None:
    half = pruned(net(), DATA, criterion=criterion, sparsity=0.5, scope=scope, labels=LABELS)
    more = pruned(half, DATA, criterion=criterion, sparsity=0.7, scope=scope, labels=LABELS)
    sizes = {layer.weight: net().constants[layer.weight].size for layer in net().layers}
    for name in sizes:
        assert not (mask_of(more, name) & ~mask_of(half, name)).any()
    found = zeros(more)
    if scope == "layer":
        assert found == pytest.approx({"w0": 0.7, "w1": 0.7, "w2": 0.7}, abs=0.004)
    assert sum(found[name] * sizes[name] for name in sizes) / sum(sizes.values()) == pytest.approx(0.7, abs=0.002)


def test_n_of_m_neighbours_are_those_that_the_hardware_reads_side_by_side() -> None:
    sparse = pruned(net(), criterion="magnitude", block="2:4")
    assert zeros(sparse) == {"w0": 0.0, "w1": 0.5, "w2": 0.5}  # 18 columns are no sets of four
    state = bw.quantize(sparse, DATA, weights=6, activations=6)
    _, conv, dense = (layer for layer in state.graph().layers if isinstance(layer, Conv | Dense))
    for layer in (conv, dense):
        counts = (layer.weights.array.reshape(-1, 4) != 0).sum(axis=1)
        assert counts.max() == 2 and counts.mean() > 1.9  # but for what is rounded to zero


def planned(zeros: str = "multiply") -> Plan:
    return Plan({name: LayerPlan(pe=pe, simd=simd, zeros=zeros) for name, (pe, simd) in LANES.items()})  # type: ignore[arg-type]


@pytest.mark.rows("R058")
def test_blocks_of_a_plan_are_what_its_units_skip() -> None:
    dense = bw.compile(bw.quantize(net(), DATA, weights=6, activations=6).graph(), plan=planned())
    blocks = dense.plan.blocks()
    assert {name: blocks[name] for name in LANES} == LANES
    sparse = pruned(net(), criterion="magnitude", sparsity=0.75, block=blocks)
    state = bw.quantize(sparse, DATA, weights=6, activations=6, per_channel=False)
    for layer in (layer for layer in state.graph().layers if isinstance(layer, Conv | Dense)):
        pe, simd = LANES[layer.name]
        used = nonzero_blocks(layer.weights.array.reshape(len(layer.weights.array), -1), simd)
        folds = used.reshape(-1, pe, used.shape[1]).any(axis=1)
        assert folds.sum() == folds.size - round(0.75 * folds.size)
    skipping = bw.compile(state.graph(), plan=planned("skip-blocks"))
    assert skipping.kernels.interval < 0.35 * dense.kernels.interval
    x = DATA[:3]
    np.testing.assert_array_equal(bw.run(state.graph(), x), bw.run(bw.load(state.onnx()), x))


def test_no_channel_dies_in_blocks() -> None:
    """A row of blocks keeps one, and so do the blocks of a channel that a window reads."""
    first, second = ({name: (4, 4) for name in ("Conv_c", "MatMul_y")} | {"Conv_a": (4, lanes)} for lanes in (1, 2))
    for block in (first | {"MatMul_y": (5, 4)}, second | {"MatMul_y": (5, 4)}):
        sparse = pruned(net(), criterion="magnitude", sparsity=0.8, block=block)
        for name in ("w0", "w1"):
            kept = mask_of(sparse, name)
            assert kept.any(axis=(1, 2, 3)).all() and kept.any(axis=(0, 2, 3)).all()
        assert mask_of(sparse, "w2").any(axis=0).all()
    grain = grains(net(), second | {"MatMul_y": (5, 4)})["w0"]
    scores = np.zeros((1, 18))  # two rows of nine blocks
    scores[0, 9:] = np.arange(1, 10)
    kept = grain.smallest(scores, 0.5)
    assert kept.sum() == 9 and kept[0, :9].sum() == 1 and kept[0, -8:].all()


def test_a_parallel_window_reads_whole_kernels() -> None:
    blocks = {"Conv_a": (4, 9), "Conv_c": (4, 18), "MatMul_y": (5, 1)}
    sparse = pruned(net(), criterion="magnitude", sparsity=0.5, block=blocks)
    kernels = mask_of(sparse, "w0").reshape(2, 4, 2, 9)
    assert (kernels.all(axis=(1, 3)) | ~kernels.any(axis=(1, 3))).all() and kernels.mean() == 0.5
    pairs = mask_of(sparse, "w1").reshape(3, 4, 4, 18)
    assert (pairs.all(axis=(1, 3)) | ~pairs.any(axis=(1, 3))).all()


def test_blocks_for_all_layers_end_where_a_layer_does() -> None:
    sparse = pruned(net(), criterion="magnitude", sparsity=0.5, block=(4, 4))
    held = mask_of(sparse, "w0").transpose(0, 2, 3, 1).reshape(2, 4, 9, 2)
    assert (held.all(axis=(1, 3)) | ~held.any(axis=(1, 3))).all() and held.mean() == 0.5
    rows = (
        mask_of(sparse, "w2").T.reshape(5, 2, 12, 9).transpose(0, 1, 3, 2).reshape(5, 2, 27, 4)
    )  # (c, h w) -> (h w, c)
    assert (rows.all(axis=(1, 3)) | ~rows.any(axis=(1, 3))).all()


def quadratic(terms: int, seed: int, *, groups: int = 1, outputs: int = 1) -> tuple[Evidence, Problem]:
    """A dense layer whose loss is a quadratic of its weights, and its least squares."""
    given = problem(groups=groups, outputs=outputs, terms=terms, seed=seed)
    plain = float_net(graph([node("MatMul", "x w", "y")], {"w": given.weight[0].T.copy()}, sample=(terms,)))
    (view,) = views(plain).values()
    given = replace(given, scale=np.float32(1), low=np.float32(-np.inf), high=np.float32(np.inf))
    return Evidence(view, view.weight, "layer", given), given


def energy(given: Problem) -> float:
    return float((given.outputs.astype(np.float64) ** 2).sum())


def lost(given: Problem, kept: np.ndarray) -> float:
    """The damped error of the best weights (outputs, terms) that are zero where `kept` is not, by NumPy."""
    total = 0.0
    damping = np.sqrt(given.squares.damping[0, 0, 0])
    for output in range(len(kept)):
        left = np.concatenate([given.inputs[0].T, damping * np.eye(kept.shape[1])]).astype(np.float64)
        right = np.concatenate([given.outputs[0, output], damping * given.weight[0, output]])
        chosen = np.flatnonzero(kept[output])
        found = np.linalg.lstsq(left[:, chosen], right)[0] if len(chosen) else np.zeros(0)
        total += float(((left[:, chosen] @ found - right) ** 2).sum())
    return total


@pytest.mark.rows("R049")
@pytest.mark.parametrize("seed", range(3))
def test_the_surgeon_knows_what_each_weight_costs(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a quadratic the saliency of a weight is the exact rise of the loss, all others solved again."""
    evidence, given = quadratic(7, seed)
    monkeypatch.setattr("bitwright.compress.prune.curvature.GREEDY", 0)
    scores = obs(evidence, Grain(np.arange(7)[None, :, None]))[0] * energy(given)
    whole = lost(given, np.ones((1, 7), np.bool_))
    rises = [lost(given, ~np.eye(7, dtype=np.bool_)[[k]]) - whole for k in range(7)]
    np.testing.assert_allclose(scores, rises, rtol=1e-3, atol=1e-4)


@pytest.mark.rows("R051")
def test_the_surgeon_takes_one_after_the_other() -> None:
    """Each score is the rise at its turn, and what is left of the loss comes near to that of the best choice."""
    ratios = []
    for seed in range(6):
        evidence, given = quadratic(8, seed)
        order = np.argsort(obs(evidence, Grain(np.arange(8)[None, :, None]))[0])
        kept = np.ones((1, 8), np.bool_)
        for k in order[:4]:
            before = {j: lost(given, kept & (np.arange(8) != j)) for j in np.flatnonzero(kept[0])}
            assert before[k] <= min(before.values()) * 1.001
            kept[0, k] = False
        choices = (np.isin(np.arange(8), chosen)[None] for chosen in combinations(range(8), 4))
        ratios.append(lost(given, kept) / min(lost(given, choice) for choice in choices))
    assert np.median(ratios) < 1.2


def test_the_surgeon_takes_blocks_of_several_outputs() -> None:
    evidence, given = quadratic(6, 3, outputs=4)
    at = np.arange(24).reshape(6, 4)  # the weight is (terms, outputs)
    units = np.stack([at[2 * j : 2 * j + 2, 2 * i : 2 * i + 2].reshape(-1) for i in range(2) for j in range(3)])
    scores = obs(evidence, Grain(units[None]))[0] * energy(given)
    whole = lost(given, np.ones((4, 6), np.bool_))
    for fold in range(2):
        rises = []
        for j in range(3):
            kept = np.ones((4, 6), np.bool_)
            kept[2 * fold : 2 * fold + 2, 2 * j : 2 * j + 2] = False
            rises.append(lost(given, kept) - whole)
        mine = scores[3 * fold : 3 * fold + 3]
        assert np.argmin(mine) == np.argmin(rises) and mine.min() == pytest.approx(min(rises), rel=1e-3)


def test_what_is_left_makes_good_what_is_missing() -> None:
    wanted = outputs_of(net(), [DATA])[0]
    errors = {}
    for name, arrays in (("magnitude", None), ("magnitude", DATA), ("obs", DATA)):
        made = outputs_of(pruned(net(), arrays, criterion=name, sparsity=0.6), [DATA])[0]
        errors[name, arrays is None] = ((made - wanted) ** 2).mean()
        if arrays is not None:
            np.testing.assert_allclose(made.mean(axis=0), wanted.mean(axis=0), rtol=1e-3, atol=1e-3)
    assert errors["obs", False] < 0.8 * errors["magnitude", False] < 0.4 * errors["magnitude", True]


@pytest.mark.rows("R075")
def test_schedules_are_their_formulas() -> None:
    gradual = cubic(0.8, initial=0.2, start=0.1, end=0.5, steps=4)
    assert gradual(0.1) == 0.2 and gradual(0.5) == gradual(1) == 0.8 and gradual(0) == 0.2
    assert gradual(0.3) == pytest.approx(0.8 - 0.6 * 0.5**3)
    assert gradual.times == pytest.approx((0.2, 0.3, 0.4, 0.5))
    assert OneShot(0.8, 0.25)(0.2) == 0 and OneShot(0.8, 0.25)(0.25) == 0.8
    again = Iterative(0.8, start=0.0, end=0.8, steps=5)
    assert [1 - again(time) for time in again.times] == pytest.approx([0.2 ** (n / 5) for n in range(1, 6)])


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_never_fall_and_end_with_what_was_asked(name: str) -> None:
    schedule: Schedule = SCHEDULES[name](0.75)
    found = [schedule(time) for time in np.linspace(0, 1, 101)]
    assert found == sorted(found) and found[-1] == schedule(schedule.times[-1]) == pytest.approx(0.75)
    assert all(0 <= time <= 1 for time in schedule.times) and list(schedule.times) == sorted(schedule.times)


def test_rounds_end_with_the_last_sparsity() -> None:
    sparse = pruned(net(), DATA, criterion="magnitude", schedule=cubic(0.6, steps=3))
    assert zeros(sparse) == pytest.approx({"w0": 0.6, "w1": 0.6, "w2": 0.6}, abs=0.004)


def test_over_the_network_the_smallest_scores_by_the_number_go() -> None:
    scores = {"a": np.array([[3.0, 1.0, 2.0, 40.0]]), "b": np.array([[8.0, 2.0, 36.0]])}
    assert shares(scores, {"a": 1, "b": 4}, 0.5) == {"a": 0.5, "b": 1 / 3}
    assert shares(scores, {"a": 4, "b": 1}, 0.5) == {"a": 0.5, "b": 0.0}
    assert shares(scores, {"a": 4, "b": 1}, 0.0) == {"a": 0.0, "b": 0.0}


def learnt(given: FloatNet, data: Any) -> Any:
    """What gradients say of a network; skips where there is nothing that computes them."""
    pytest.importorskip("torch")
    from bitwright.compress.torch.losses import Losses

    return Losses(given, data)


def losses(given: FloatNet, count: int = len(DATA)) -> Any:
    return learnt(given, ([DATA[:count]], LABELS[:count]))


def cross_entropy(given: FloatNet, count: int = len(DATA)) -> float:
    made = outputs_of(given, [DATA[:count]])[0].astype(np.float64)
    made -= made.max(axis=1, keepdims=True)
    each = np.log(np.exp(made).sum(axis=1)) - made[np.arange(count), LABELS[:count]]
    return float(each.mean())


@pytest.mark.rows("R054", "R066")
def test_taylor_is_what_the_loss_does_to_first_order() -> None:
    (calm,) = [net().replace(w2=net().constants["w2"] / 50)]
    slopes = losses(calm).of("w1").gradient
    for place in np.argsort(-np.abs(slopes), axis=None)[:3]:
        at = np.unravel_index(place, slopes.shape)
        moved = []
        for step in (1e-2, -1e-2):
            array = calm.constants["w1"].copy()
            array[at] += step
            moved.append(cross_entropy(calm.replace(w1=array)))
        assert (moved[0] - moved[1]) / 2e-2 == pytest.approx(slopes[at], rel=0.02)
    (view,) = (view for view in views(calm).values() if view.layer.weight == "w1")
    evidence = Evidence(view, view.weight, "layer", learnt=losses(calm).of("w1"))
    score = CRITERIA["snip"].score(evidence, Grain(np.arange(slopes.size)[None, :, None]))
    np.testing.assert_allclose(score[0], np.abs(slopes * view.weight).reshape(-1), rtol=1e-6)


@pytest.mark.rows("R059")
def test_fisher_squares_the_slopes_of_each_sample() -> None:
    whole = losses(net(), 5).of("w2").squares
    one_by_one = [learnt(net(), ([DATA[i : i + 1]], LABELS[i : i + 1])).of("w2").gradient ** 2 for i in range(5)]
    np.testing.assert_allclose(whole, np.mean(one_by_one, axis=0), rtol=1e-4, atol=1e-9)


@pytest.mark.rows("R068")
def test_slopes_on_the_way_to_zero_are_the_loss_of_what_is_a_sum_over_weights() -> None:
    """Of half the square of each weight times an input the loss without a weight is known."""
    x = np.eye(4, dtype=np.float32) * [1, 2, 3, 4]
    weight = normal(4, 1, seed=3)
    small = float_net(graph([node("MatMul", "x w", "y")], {"w": weight}, sample=(4,)))
    found = learnt(small, ([x], np.zeros((4, 1), np.float32))).of("w")
    gained = found.path.reshape(-1) * weight.reshape(-1)
    np.testing.assert_allclose(gained, (np.diag(x) * weight.reshape(-1)) ** 2 / 4, rtol=1e-5)
    np.testing.assert_array_equal(found.losses._module.tensor("w").detach().numpy(), weight)


@pytest.mark.rows("R073")
def test_the_stretch_is_the_slope_of_what_all_inputs_move_together() -> None:
    weights = {"w0": normal(4, 6, seed=1), "w1": normal(6, 3, seed=2)}
    nodes = [node("MatMul", "x w0", "a"), node("Sigmoid", "a", "d"), node("MatMul", "d w1", "y")]
    small = float_net(graph(nodes, weights, sample=(4,)))
    x = normal(20, 4, seed=4)
    found = learnt(small, ([x], np.arange(20) % 3)).of("w0").stretch

    def response(given: dict[str, np.ndarray]) -> float:
        hidden = 1 / (1 + np.exp(-(x.astype(np.float64) @ given["w0"])))
        made = (hidden * (1 - hidden) * given["w0"].sum(axis=0)) @ given["w1"]
        return float((made**2).sum() / len(x))

    for at in ((0, 0), (1, 3), (3, 5)):
        moved = []
        for step in (1e-4, -1e-4):
            array = weights["w0"].astype(np.float64)
            array[at] += step
            moved.append(response({**weights, "w0": array}))
        assert found[at] == pytest.approx((moved[0] - moved[1]) / 2e-4, rel=1e-3)


@pytest.mark.rows("R053")
@pytest.mark.slow
def test_random_signs_find_the_diagonal_of_the_hessian(monkeypatch: pytest.MonkeyPatch) -> None:
    """R053: of a perceptron of 50 weights, within five percent."""
    weights = {"w0": normal(4, 6, seed=1), "w1": normal(6, 4, seed=2), "b": normal(6, seed=3)}
    nodes = [node("MatMul", "x w0", "a"), node("Add", "a b", "c"), node("Sigmoid", "c", "d")]
    nodes.append(node("MatMul", "d w1", "y"))
    small = float_net(graph(nodes, weights, sample=(4,)))
    x, y = normal(40, 4, seed=4), np.random.default_rng(5).integers(0, 4, 40)
    monkeypatch.setattr("bitwright.compress.torch.losses.PROBES", 6000)
    found = learnt(small, ([x], y))

    def gradients(name: str, place: int, step: float) -> float:
        array = small.constants[name].copy()
        array.reshape(-1)[place] += step
        return float(learnt(small.replace(**{name: array}), ([x], y)).gradient[name].reshape(-1)[place])

    for name in ("w0", "w1"):
        size = small.constants[name].size
        exact = [(gradients(name, k, 1e-2) - gradients(name, k, -1e-2)) / 2e-2 for k in range(size)]
        made = found.curvature[name].reshape(-1)
        assert np.linalg.norm(made - exact) < 0.05 * np.linalg.norm(exact)


def test_depthwise_layers_stay_whole_in_blocks() -> None:
    weights = {"w0": normal(4, 1, 3, 3), "w1": normal(4, 4, 1, 1, seed=1)}
    nodes = [node("Conv", "x w0", "a", group=4), node("Conv", "a w1", "y")]
    made = float_net(graph(nodes, weights, sample=(4, 6, 6)))
    assert set(grains(made, (2, 2))) == {"w1"}
    assert set(grains(made, None)) == {"w0", "w1"}


REFUSED = {
    "prune: there is no criterion 'mag'\n  hint: the nearest are 'magnitude'": {"criterion": "mag", "sparsity": 0.5},
    "prune: neither a sparsity nor a schedule\n"
    "  hint: give the share of weights that is removed, or a schedule that ends with it": {},
    "prune: both a sparsity and a schedule\n"
    "  hint: give the share of weights that is removed, or a schedule that ends with it": {
        "sparsity": 0.5,
        "schedule": cubic(0.5),
    },
    "schedule 'one-shot': sparsity 1.0\n  hint: give the share of the weights that is removed, from 0 to below 1": {
        "sparsity": 1.0
    },
    "block: is '4:2'\n  hint: give two numbers as \"2:4\", n of m neighbours, or rows and columns": {"block": "4:2"},
    "model: layer 'Conv_a': has no block\n"
    "  hint: give one, or the blocks of this network's plan; the nearest are 'Conv_b'": {
        "sparsity": 0.5,
        "block": {"Conv_b": (1, 1)},
    },
    "model: layer 'Conv_a': is of shape (8, 3, 3, 2), which no unit of 3 x 1 lanes computes\n"
    "  hint: give a block that divides its outputs and its channels, as those of this network's plan do": {
        "sparsity": 0.5,
        "block": {"Conv_a": (3, 1)},
    },
    "prune: there is no scope 'all'\n  hint: choose layer or network": {"sparsity": 0.5, "scope": "all"},
    "prune: scope 'network' beside block '2:4'\n"
    "  hint: n of m neighbours are as many in every layer: leave scope out": {"block": "2:4", "scope": "network"},
    "model: layer 'a': the criterion looks at the loss, but there are no labels\n"
    "  hint: give data with labels, or a criterion that needs none: magnitude, obs": {
        "criterion": "taylor",
        "sparsity": 0.5,
        "data": DATA,
    },
    "model: layer 'a': the criterion looks at what the layers read, but there are no data\n"
    "  hint: give calibration data, samples of the network's inputs": {"criterion": "obs", "sparsity": 0.5},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_is_refused(message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        pruned(net(), **{"criterion": "magnitude"} | REFUSED[message])  # type: ignore[arg-type]
    assert str(refusal.value) == message
