# SPDX-License-Identifier: Apache-2.0
"""Weights that are put where they shall be every so many steps: how often, and that they are there in the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import fit, float_net, trainable
from bitwright.ir.errors import BitwrightError
from tests.compress.torch import test_fit
from tests.compress.torch.test_fit import X, Y
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch import projections  # noqa: E402
from bitwright.compress.torch.projections import PROJECTIONS, projection  # noqa: E402

pytestmark = needs_package("torch")
NET = float_net(test_fit.NET)
ASKED = ("zeros:0.6", "rank:0.5", "codes:3")
STEPS = -(-len(X) // 16) * 3


def rows(module: Any) -> list[NDArray[Any]]:
    return [
        np.moveaxis(module.tensor(layer.weight).numpy(force=True), layer.axis, 0).reshape(-1, layer_size(module, layer))
        for layer in module.net.layers
    ]


def layer_size(module: Any, layer: Any) -> int:
    weight = module.net.constants[layer.weight]
    return int(weight.size // weight.shape[layer.axis])


@pytest.mark.rows("R093")
@pytest.mark.parametrize("every", [1, 2, 5, STEPS - 1, STEPS])
def test_weights_are_put_there_as_often_as_there_are_whole_periods(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(projections, "projection", lambda asked: lambda x: (calls.append(asked), x)[1])
    fit(trainable(NET), (X, Y), epochs=3, batch=16, project="zeros:0.5", every=every)
    assert len(calls) == len(NET.layers) * (STEPS // every)


@pytest.mark.rows("R093")
@pytest.mark.parametrize("asked", ASKED)
def test_after_every_step_it_is_projected_descent(asked: str) -> None:
    mine, theirs = trainable(NET), trainable(NET)
    fit(mine, (X, Y), epochs=2, batch=16, project=asked)
    nearest = projection(asked)

    def after(done: int, steps: int, loss: float) -> None:
        for layer in NET.layers:
            held = theirs.tensor(layer.weight).detach()
            moved = held.movedim(layer.axis, 0)
            held.copy_(nearest(moved.flatten(1)).reshape(moved.shape).movedim(0, layer.axis))

    fit(theirs, (X, Y), epochs=2, batch=16, progress=after)
    for one, other in zip(rows(mine), rows(theirs), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.rows("R093")
@pytest.mark.parametrize("every", [1, 4])
def test_weights_are_there_in_the_end_and_free_between(every: int) -> None:
    for asked in ASKED:
        module = trainable(NET)
        between: list[int] = []
        fit(
            module,
            (X, Y),
            epochs=3,
            batch=16,
            project="zeros:0.6",
            every=every,
            progress=lambda done, steps, loss, m=module, b=between: b.append((rows(m)[0] == 0).mean() > 0.5),  # type: ignore[misc]
        )
        assert sum(between) == STEPS // every
        module = trainable(NET)
        fit(module, (X, Y), epochs=3, batch=16, project=asked, every=every)
        for weight in rows(module):
            match asked.split(":")[0]:
                case "zeros":
                    assert (weight == 0).sum() == round(0.6 * weight.size)
                case "rank":
                    assert np.linalg.matrix_rank(weight, tol=1e-5) <= max(1, round(0.5 * min(weight.shape)))
                case _:
                    assert max(len(np.unique(np.abs(row).round(5))) for row in weight) <= 4


@pytest.mark.parametrize("asked", ASKED)
def test_what_a_projection_gives_it_gives_again_and_nothing_is_nearer(asked: str) -> None:
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32))
    made = projection(asked)(x)
    torch.testing.assert_close(projection(asked)(made), made)
    if asked.startswith("zeros"):
        assert float((made - x).square().sum()) == pytest.approx(float(x.square().flatten().sort().values[:29].sum()))
    if asked.startswith("rank"):
        left = np.linalg.svd(x.numpy(), compute_uv=False)[3:]
        assert float((made - x).square().sum()) == pytest.approx(float((left**2).sum()), rel=1e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"project": "zero:0.5"},
            "fit: there is no projection 'zero:0.5'\n"
            "  hint: write a number behind it, as zeros:0.8; the nearest are 'zeros'",
        ),
        (
            {"project": "codes:1"},
            "fit: 'codes:1' cannot be used for project\n  hint: give codes: and a whole number from 2 to 16",
        ),
        (
            {"project": "codes:2.5"},
            "fit: 'codes:2.5' cannot be used for project\n  hint: give codes: and a whole number from 2 to 16",
        ),
        (
            {"project": "rank"},
            "fit: 'rank' cannot be used for project\n  hint: give rank: and a number from 0 to 1",
        ),
        (
            {"project": "rank:0.5", "every": 1000},
            f"fit: every 1000 cannot be used\n  hint: give at most {STEPS}, the steps of this training",
        ),
        (
            {"every": 2},
            "fit: every 2 without project cannot be used\n"
            "  hint: give a project too, as zeros:0.8; without one nothing is put anywhere",
        ),
        ({"every": 0}, "fit: every 0 cannot be used\n  hint: give a whole number, at least 1"),
    ],
)
def test_what_cannot_be_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        fit(trainable(NET), (X, Y), epochs=3, batch=16, **options)
    assert str(refusal.value) == message


def test_every_projection_is_tried() -> None:
    assert {asked.split(":")[0] for asked in ASKED} == set(PROJECTIONS)
