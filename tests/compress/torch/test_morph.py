# SPDX-License-Identifier: Apache-2.0
"""Widths in proportion: what operations count, copies that change nothing, and the largest multiple within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.compress import FloatNet, calibrate, fit, float_net, outputs_of, quantised, shrunk, trainable
from bitwright.compress.prune.work import Work, macs
from bitwright.explore.pricing import price_of, priced
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from bitwright.recipe.morph import COPIES, Morph, doubled, levelled
from bitwright.recipe.step import Material
from tests.compress.torch.test_constraints import as_tensors, drawn, residual
from tests.compress.torch.test_gates import X, Y, signal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.multiplied import Multiplied  # noqa: E402

pytestmark = needs_package("torch")
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@pytest.fixture(scope="module")
def digits() -> tuple[FloatNet, Any, Any]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return float_net(DIGITS / "digits_float.onnx"), file["x"], file["y"].astype(np.int64)


@pytest.mark.rows("R115")
@pytest.mark.parametrize("seed", range(4))
def test_operations_of_what_stays_are_those_there_are(seed: int) -> None:
    """A multiplication and an addition each; linear in the sizes of channels, by how many others stay."""
    net = residual()
    kept = drawn(net, seed)
    counted, stays = Multiplied(net), as_tensors(kept)
    assert float(counted.operations(stays, stays)) == 2 * Work(net).macs(kept)
    sizes = [held * 0.25 for held in stays]
    assert float(counted.operations(sizes, stays)) < 2 * Work(net).macs(kept)
    place = next(place for place, group in enumerate(net.groups) if not group.fixed and kept[place].any())
    slopes = []
    for by in (0.5, 1.0, 2.0):
        moved = [held + (by if other == place else 0.0) * held for other, held in enumerate(stays)]
        slopes.append((float(counted.operations(moved, stays)) - 2 * Work(net).macs(kept)) / by)
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-5)


@pytest.mark.rows("R115")
def test_copies_change_nothing(digits: tuple[FloatNet, Any, Any]) -> None:
    net, x, _ = digits
    wide, times = doubled(net)
    assert times and all(wide.groups[place].size == COPIES * net.groups[place].size for place in times)
    np.testing.assert_allclose(outputs_of(wide, [x[:32]])[0], outputs_of(net, [x[:32]])[0], rtol=1e-4, atol=1e-4)


@pytest.mark.rows("R115")
@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
def test_the_multiple_of_widths_is_the_largest_within_the_budget(
    digits: tuple[FloatNet, Any, Any], share: float
) -> None:
    """Against all multiples one by one: widths are its products with what groups need, up to what copies there are."""
    net = digits[0]
    rng = np.random.default_rng(0)
    opened = [rng.random(group.size) for group in net.groups]
    sizes = [group.size for group in net.groups]
    needed = [
        size if group.fixed else max(size // (k + 1), 1)
        for k, (group, size) in enumerate(zip(net.groups, sizes, strict=True))
    ]
    wide, _ = doubled(net)
    work, most = Work(wide), share * macs(net)

    def at(omega: float) -> list[int]:
        return [
            group.size if group.fixed else min(max(int(omega * need + 1e-9), 1), group.size)
            for group, need in zip(wide.groups, needed, strict=True)
        ]

    def cost(widths: list[int]) -> int:
        return work.macs([np.arange(g.size) < width for g, width in zip(wide.groups, widths, strict=True)])

    steps = sorted({n / need for need, g in zip(needed, wide.groups, strict=True) for n in range(1, g.size + 1)})
    last = max(place for place, omega in enumerate(steps) if cost(at(omega)) <= most)
    copied, levels = levelled(net, needed, opened)
    made = shrunk(copied, criterion=levels, macs=most)
    found, beyond = [group.size for group in made.groups], at(steps[min(last + 1, len(steps) - 1)])
    ends = zip(at(steps[last]), found, beyond, strict=True)
    assert all(low <= size <= high for low, size, high in ends)
    assert cost(at(steps[last])) <= macs(made) <= most


@pytest.mark.rows("R115")
def test_channels_that_tell_are_left_and_the_budget_is_met() -> None:
    small = Morph(macs=0.5, epochs=25).run(signal(), Material([X], [X], Y), None)
    assert small.constants["a"].shape == (4, 6)
    assert float((outputs_of(small, [X])[0].argmax(axis=1) == Y).mean()) > 0.8


@pytest.mark.rows("R115")
def test_on_digits_half_of_the_work_is_enough(digits: tuple[FloatNet, Any, Any]) -> None:
    net, x, y = digits
    morphed = Morph(macs=0.5, epochs=30).run(net, Material([x], [x[:240]], y[:240]), None)
    assert 0.42 * macs(net) < macs(morphed) <= 0.5 * macs(net)
    module = trainable(morphed)
    fit(module, (x[:240], y[:240]), epochs=20, batch=16)
    left = float((outputs_of(module.float_net(), [x[240:]])[0].argmax(axis=1) == y[240:]).mean())
    whole = float((outputs_of(net, [x[240:]])[0].argmax(axis=1) == y[240:]).mean())
    assert left > whole - 0.03


@pytest.mark.rows("R115")
def test_the_budget_may_be_that_of_the_design(digits: tuple[FloatNet, Any, Any]) -> None:
    """As compiled; not far below it, for widths go on to grow until no more fit."""
    net, x, y = digits
    limit = {"lut": 4000, "cycles": 1000}
    made = Morph(epochs=2, budget=limit, multiple=4).run(net, Material([x[:64]], [x[:64]], y[:64]), None)
    graph = quantised(calibrate(made, [x[:64]]), rounding="nearest", correct="none").graph()
    assert 2500 < priced(price_of(graph, Target(cycles=1000)))["lut"] <= 4000


def test_what_no_morph_can_be_is_refused() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Morph(rounds=0)
    assert str(refusal.value) == "morph: 0 cannot be used for rounds\n  hint: give one or more"
    with pytest.raises(BitwrightError) as refusal:
        Morph(budget={"cycles": 100})
    assert str(refusal.value).startswith("budget: limits nothing that fewer channels save")
