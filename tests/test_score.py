# SPDX-License-Identifier: Apache-2.0
"""Metrics, their intervals, and the bound by which designs are ruled out: against what they are defined by."""

from __future__ import annotations

from math import comb, inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet
from bitwright.compress.network import float_net
from bitwright.explore.metrics import METRICS, Metric, accuracy
from bitwright.explore.objectives import Objective
from bitwright.explore.racing import CHANCE, FEWEST, at_most, best_left, most_right, stages
from bitwright.explore.score import drawn_again, interval, scoring, student, wilson
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
DIGITS = Path(__file__).parents[1] / "examples" / "digits"


@pytest.fixture(scope="module")
def net() -> FloatNet:
    return float_net(DIGITS / "digits_float.onnx")


@pytest.fixture(scope="module")
def data() -> dict[str, Array]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return {name: file[name] for name in file.files}


def test_what_metrics_are() -> None:
    scores = np.array([[0.1, 0.5, 0.5, 0.2, 0.3, 0.2, 0.0]])
    for label, among in ((0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 0)):
        assert METRICS["top5"].rows(scores, np.array([label]), 1)[0, 0] == among
        assert METRICS["accuracy"].rows(scores, np.array([label]), 1)[0, 0] == (label == 1)
    assert accuracy(scores, np.array([1])) == 1.0 and accuracy(scores, np.array([2])) == 0.0
    assert METRICS["agreement"].rows(scores, np.array([[0, 9, 3, 3, 3, 3, 3]]), 1)[0, 0] == 1
    made, wanted = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 3.0]])
    assert METRICS["mse"].rows(made, wanted, 2).tolist() == [[2.0], [0.5]]
    assert METRICS["snr"].rows(made, wanted, 2).tolist() == [[0.5, 2.0], [9.0, 0.5]]
    assert METRICS["snr"].value(np.array([10.0, 0.1])) == pytest.approx(20.0)
    assert METRICS["snr"].value(np.array([10.0, 0.0])) == pytest.approx(300.0)
    both = METRICS["mse"].rows([made, made[:, :1]], [wanted, wanted[:, :1] + 1], 2)
    assert both.tolist() == [[3.0], [1.5]]


def one(outputs: Array, wanted: Array) -> float:
    return 1.0


def undefined(outputs: Array, wanted: Array) -> Array:
    return np.full(len(wanted), nan)


def halves(outputs: Array, wanted: Array) -> Array:
    return np.full(len(wanted), 0.5)


@pytest.mark.parametrize(
    ("metric", "error"),
    [
        (
            Metric(Objective("one", ""), one),
            "metric 'one': makes an array of shape () of 2 samples\n  hint: return one number for each sample",
        ),
        (
            Metric(Objective("nan", ""), undefined),
            "metric 'nan': makes numbers that are not finite\n  hint: return finite numbers, whatever the answers are",
        ),
        (
            Metric(Objective("half", ""), halves, binary=True),
            "metric 'half': makes other numbers than 0 and 1"
            "\n  hint: give it bounds; a binary metric makes 0 or 1 of each sample",
        ),
        (
            Metric(Objective("half", ""), halves, bounds=(0.6, 1.0)),
            "metric 'half': makes numbers from 0.5 to 0.5\n  hint: its bounds are 0.6 and 1.0",
        ),
    ],
)
def test_a_function_that_is_no_metric(metric: Metric, error: str) -> None:
    with pytest.raises(BitwrightError) as caught:
        metric.rows(np.zeros((2, 3)), np.zeros((2, 3)), 2)
    assert str(caught.value) == error


def test_wilson_by_its_definition() -> None:
    for right, seen in ((0, 10), (3, 10), (81, 263), (50, 50)):
        for bound in wilson(right, seen):
            if 0 < bound < 1:  # where the share that was seen is 1.96 deviations away
                deviations = abs(right / seen - bound) / (bound * (1 - bound) / seen) ** 0.5
                assert deviations == pytest.approx(1.959963984540054)
    assert wilson(0, 10)[0] == 0.0 and wilson(50, 50)[1] == 1.0


@pytest.mark.parametrize("name", ["accuracy", "mse", "snr"])
def test_intervals_hold_the_value_as_often_as_they_say(name: str) -> None:
    """Of many sets of samples about 95 percent: fewer than 88 percent, or nearly all, would be chance once in 1,000."""
    sets = 100 if name == "snr" else 400
    random, metric = np.random.default_rng(0), METRICS[name]
    columns = 2 if name == "snr" else 1
    truth = {"accuracy": 0.8, "mse": 2.0, "snr": 10 * np.log10(2.0)}[name]
    held = 0
    for _ in range(sets):
        if metric.binary:
            rows = (random.random((100, 1)) < truth).astype(np.float64)
        else:
            rows = random.gamma(4.0, 0.5, (100, columns)) * ([1.0, 0.5] if columns == 2 else [1.0])
        low, high = interval(rows, metric)
        assert low <= metric.value(rows.mean(axis=0)) <= high
        held += low <= truth <= high
    assert 0.88 * sets <= held < sets - sets // 100


def test_intervals_do_not_depend_on_chance() -> None:
    rows = np.random.default_rng(1).random((50, 2))
    assert drawn_again(rows, METRICS["snr"].value) == drawn_again(rows, METRICS["snr"].value)
    low, high = student(np.array([1.0, 2.0, 3.0]))
    assert (low + high) / 2 == pytest.approx(2.0) and high - 2 == pytest.approx(4.302652729911275 / 3**0.5)
    with pytest.raises(BitwrightError, match="metric 'mse': one sample says nothing of others"):
        interval(np.ones((1, 1)), METRICS["mse"])


def test_the_chance_of_few_right_answers_is_exact() -> None:
    for total, of, seen, right in ((20, 11, 7, 3), (20, 3, 7, 3), (12, 12, 5, 4), (9, 0, 4, 0)):
        ways = sum(comb(of, k) * comb(total - of, seen - k) for k in range(right + 1))
        assert at_most(right, of, seen, total) == pytest.approx(ways / comb(total, seen), abs=1e-12)
    for chance in (0.3, 1e-3):
        most = most_right(12, 62, 1000, chance)
        assert at_most(12, most, 62, 1000) > chance >= at_most(12, most + 1, 62, 1000)
    assert most_right(5, 10, 10, 1e-3) == 5


def test_looks_are_few_and_the_last_sees_all() -> None:
    assert stages(1000) == (63, 125, 250, 500, 1000)
    assert stages(100) == (50, 100) and stages(20) == (20,) and stages(10_000) == (625, 1250, 2500, 5000, 10_000)
    assert all(look >= FEWEST for look in stages(77)[:-1])


@pytest.mark.parametrize("better", [True, False])
@pytest.mark.parametrize("bounds", [None, (0.0, 2.0)])
def test_no_look_of_a_design_promises_too_little(bounds: tuple[float, float] | None, better: bool) -> None:
    """The bound holds at every look, but for one in a thousand orders: of 2,000 more than 8 are chance once in 1,000.

    Exact for right and wrong answers, it is not much wider than it must be: at the last look three deviations or so.
    """
    random, total = np.random.default_rng(2), 320
    metric = Metric(Objective("m", "", "", better), halves, binary=bounds is None, bounds=bounds)
    values = (np.arange(total) < 200) * (1.0 if bounds is None else 1.5)
    wrong = 0
    for _ in range(2000):
        rows = random.permutation(values)[:, None]
        left = [best_left(rows[:look], total, metric) for look in stages(total)]
        short = [m < values.mean() - 1e-9 if better else m > values.mean() + 1e-9 for m in left]
        wrong += any(short)
        assert left[-1] == pytest.approx(values.mean()) or bounds is not None
    assert wrong <= 2000 * CHANCE * 4
    assert bounds is not None or abs(left[-2] - rows[:160].mean()) < 0.1


def test_what_has_no_bounds_rules_nothing_out() -> None:
    rows = np.ones((50, 2))
    assert best_left(rows[:, :1], 100, METRICS["mse"]) == -inf and best_left(rows, 100, METRICS["snr"]) == inf


def test_samples_are_in_an_order_that_the_seed_draws(net: FloatNet, data: dict[str, Array]) -> None:
    x, y = data["x"][:40], data["y"][:40]
    first, again, other = (scoring(net, x, y, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.arrays[0], again.arrays[0]) and not np.array_equal(first.arrays[0], other.arrays[0])
    assert first.metric is METRICS["accuracy"]
    assert first.float_score(net) == other.float_score(net)
    assert scoring(net, x, None).metric is METRICS["agreement"]
    assert scoring(net, x, None).float_score(net).value == 1.0
    assert scoring(net, x, None, "snr").float_score(net).value > 100  # dB, its own answers


@pytest.mark.parametrize(
    ("change", "metric", "error"),
    [
        ({"y": None}, "accuracy", "data: has no array 'y'\n  hint: give a labelled set: x=images, y=labels"),
        ({"y": np.zeros(3, np.int64)}, "accuracy", "data: 'y' is int64 of shape (3,), where 'x' holds 4 samples"),
        ({"y": np.zeros(4)}, "accuracy", "data: 'y' is float64 of shape (4,), where 'x' holds 4 samples"),
        (
            {"y": np.full(4, 10)},
            "",
            "data: 'y' holds labels from 10 to 10, where the network has 10 scores",
        ),
        (
            {"y": np.full(4, -1)},
            "",
            "data: 'y' holds labels from -1 to -1, where the network has 10 scores",
        ),
        (
            {"y": np.full(4, 2.0)},
            "",
            "data: 'y' is float64 of shape (4,), where the network makes 10 numbers\n"
            "  hint: give as many for each sample, or integers, one per sample, for the accuracy",
        ),
        (
            {"y": np.full(4, 2)},
            "mse",
            "data: 'y' is int64 of shape (4,), where the network makes 10 numbers\n",
        ),
        (
            {"y": np.full(4, nan)},
            "",
            "data 'y': holds numbers that are not finite",
        ),
        (
            {"x": nan},
            "",
            "data 'x': holds numbers that are not finite\n  hint: leave out samples that are NaN or infinite",
        ),
        ({}, "accurac", "explore: no metric 'accurac'\n  hint: there are accuracy, top5, agreement, mse, snr, and any"),
    ],
)
def test_what_does_not_fit(
    change: dict[str, Any], metric: str, error: str, net: FloatNet, data: dict[str, Array]
) -> None:
    x = data["x"][:4].copy()
    x += change.get("x", 0)
    with pytest.raises(BitwrightError) as caught:
        scoring(net, x, change.get("y", data["y"][:4]), metric)
    assert str(caught.value).startswith(error)
