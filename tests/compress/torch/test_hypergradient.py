# SPDX-License-Identifier: Apache-2.0
"""Slopes along strengths against differences, of ridge and of lasso; and what following them leads to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.compress import float_net, outputs_of, pruned
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.regularise import Regularise
from bitwright.recipe.step import Material
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.hypergradient import ROUND, conjugate, hypergradient, rounded  # noqa: E402

pytestmark = needs_package("torch")
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


def toy(seed: int) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(seed)
    x, held = rng.standard_normal((30, 8)), rng.standard_normal((20, 8))
    wanted = np.array([2.0, -1, 0.5, 0, 0, 0, 0, 0])
    y, answers = x @ wanted + rng.standard_normal(30), held @ wanted + rng.standard_normal(20)
    return tuple(torch.tensor(each) for each in (x, y, held, answers))


def penalty(kind: str, w: Any, strengths: Any) -> Any:
    """Of the first half of the weights and the second, each with its strength."""
    size = w.square() / 2 if kind == "ridge" else rounded(w)
    return (strengths.exp().repeat_interleave(4) * size).sum()


def solved(kind: str, seed: int, strengths: Any) -> Any:
    """The least of the inner loss, by steps of weighted ridge."""
    x, y, *_ = toy(seed)
    strong, w = strengths.exp().repeat_interleave(4), torch.linalg.lstsq(x, y[:, None]).solution[:, 0]
    for _ in range(1000):
        length = (w.square() + ROUND**2).sqrt()
        slope = w if kind == "ridge" else w / length
        bend = torch.ones(8, dtype=w.dtype) if kind == "ridge" else 1 / length  # from above, so that no step is too far
        left = x.T @ (x @ w - y) / len(x) + strong * slope
        if float(left.abs().max()) < 1e-12:
            break
        w = w - torch.linalg.solve(x.T @ x / len(x) + (strong * bend).diag(), left)
    assert float(left.abs().max()) < 1e-10
    return w


def outer_at(kind: str, seed: int, strengths: Any) -> float:
    *_, held, answers = toy(seed)
    return float((held @ solved(kind, seed, strengths) - answers).square().mean())


def slopes_at(kind: str, seed: int, strengths: Any) -> Any:
    x, y, held, answers = toy(seed)
    w, free = solved(kind, seed, strengths).requires_grad_(), strengths.clone().requires_grad_()
    with torch.enable_grad():
        inner = (x @ w - y).square().mean() / 2 + penalty(kind, w, free)
        outer = (held @ w - answers).square().mean()
        return hypergradient(inner, outer, [w], [free], iterations=16, damping=0.0)[0]


@pytest.mark.rows("R135")
@pytest.mark.parametrize("kind", ["ridge", "lasso"])
@pytest.mark.parametrize("seed", range(3))
def test_slopes_along_strengths_are_what_differences_say(kind: str, seed: int) -> None:
    strengths = torch.tensor([-2.0, -1.5], dtype=torch.float64)
    found = slopes_at(kind, seed, strengths)
    for place in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[place] = 1e-4
        wanted = (outer_at(kind, seed, strengths + step) - outer_at(kind, seed, strengths - step)) / 2e-4
        assert float(found[place]) == pytest.approx(wanted, rel=1e-3, abs=1e-6)


@pytest.mark.rows("R135")
def test_slopes_of_ridge_are_the_closed_form() -> None:
    """Of one strength: -2 r' Xv (X'X / n + s)^-1 s w, r being what is missed on what is held out."""
    x, y, held, answers = toy(0)
    strengths = torch.full((2,), -1.0, dtype=torch.float64)
    s = float(strengths[0].exp())
    bend = x.T @ x / len(x) + s * torch.eye(8)
    w = torch.linalg.solve(bend, x.T @ y / len(x))
    wanted = -2 * (held @ w - answers) @ held @ torch.linalg.solve(bend, s * w) / len(held)
    assert float(slopes_at("ridge", 0, strengths).sum()) == pytest.approx(float(wanted), rel=1e-6)


@pytest.mark.rows("R135")
def test_following_them_comes_to_the_best_strengths_of_a_grid() -> None:
    at = torch.tensor([0.0, -3.0], dtype=torch.float64)
    for _ in range(80):
        at = at - 2.0 * slopes_at("ridge", 2, at)
    grid = [
        outer_at("ridge", 2, torch.tensor(pair, dtype=torch.float64))
        for pair in product(np.linspace(-6, 3, 10), repeat=2)
    ]
    assert outer_at("ridge", 2, at) < min(grid) * 1.001


def test_conjugate_steps_solve_and_stop_where_nothing_bends_upwards() -> None:
    rng = np.random.default_rng(0)
    half = torch.tensor(rng.standard_normal((6, 6)))
    matrix, wanted = half @ half.T + torch.eye(6), torch.tensor(rng.standard_normal(6))
    (found,) = conjugate(lambda along: [matrix @ along[0]], [wanted], 30)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, wanted))
    assert not conjugate(lambda along: [-along[0]], [wanted], 30)[0].any()


def test_sizes_are_round_at_zero() -> None:
    x = torch.linspace(-3, 3, 61)
    made = rounded(x)
    assert float((made - x.abs()).abs().max()) <= ROUND
    assert float(rounded(torch.zeros(1))) == 0


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Sums in another order are others in the last bit, and a strength that ran away took the network with it."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.rows("R135")
@pytest.mark.usefixtures("threads")
def test_on_digits_a_share_of_the_weights_is_zero_and_little_is_lost() -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y = file["x"], file["y"].astype(np.int64)
    net = float_net(DIGITS / "digits_float.onnx")
    made = Regularise(sparsity=0.7, epochs=5).run(net, Material([x], [x[:240]], y[:240]), None)
    weights = np.concatenate([made.constants[layer.weight].ravel() for layer in made.layers])
    assert np.mean(weights == 0) == pytest.approx(0.7, abs=0.01)
    plain = pruned(net, criterion="magnitude", sparsity=0.7, scope="network")
    left, least, whole = (
        float((outputs_of(each, [x[240:]])[0].argmax(axis=1) == y[240:]).mean()) for each in (made, plain, net)
    )
    assert left > whole - 0.05 and left > least + 0.1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(BitwrightError) as refusal:
        Regularise(sparsity=1.0)
    message = "regularise: 1.0 cannot be used for sparsity\n  hint: give the share of the weights that go, as 0.8"
    assert str(refusal.value) == message
    x, net = np.zeros((3, 1, 8, 8), np.float32), float_net(DIGITS / "digits_float.onnx")
    with pytest.raises(BitwrightError) as refusal:
        Regularise().run(net, Material([x], [x], np.zeros(3, np.int64)), None)
    wanted = "regularise: learns from 3 samples\n  hint: give 4 or more: one in 4 is held out"
    assert str(refusal.value) == wanted
