# SPDX-License-Identifier: Apache-2.0
"""Traces of the Hessian against closed forms, and what widths bring by them against what they are measured to bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import Calibration, FloatNet, Options, calibrate, float_net
from bitwright.compress.allocate.error import judge
from bitwright.compress.allocate.hessian import hessian_trace, traces
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.choices import choose
from bitwright.explore.tabling import error_of
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
torch = pytest.importorskip("torch")


def linear() -> tuple[FloatNet, Array, Array]:
    """One layer: its network, its weight, and samples."""
    weight, data = normal(4, 6, seed=1), normal(40, 6, seed=2)
    return float_net(graph([node("Gemm", "x w", "y", transB=1)], {"w": weight}, sample=(6,))), weight, data


def sensing(calibration: Calibration, data: Array, offered: Mapping[str, tuple[int, ...]], kind: str) -> Sensing:
    options = Options(weights=8, activations=8)
    measure = judge(calibration.net, [data])
    return Sensing(
        calibration=calibration,
        choices=choose(calibration.net, calibration.unsigned, options),
        options=options,
        offered=offered,
        kind=kind,
        arrays=[data],
        errs=lambda state: error_of(state, measure),
    )


def test_the_trace_of_a_divergence_is_fishers() -> None:
    """Of one layer before a soft maximum: the mean of the sum of p (1 - p) times that of the squares of x."""
    net, weight, data = linear()
    scores = (data @ weight.T).astype(np.float64)
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    wanted = np.mean((p * (1 - p)).sum(1) * np.square(data).sum(1))
    assert traces(net, [data], "kl")["w"] == pytest.approx(wanted, rel=0.1)


def test_the_trace_of_noise_is_that_of_least_squares() -> None:
    """Its Hessian is twice the inputs' products for each output: the estimate's spread is that of the signs."""
    net, weight, data = linear()
    scores = data @ weight.T
    wanted = 2 * 4 * np.square(data).sum() / np.square(scores - scores.mean(0)).sum()
    assert traces(net, [data], "noise")["w"] == pytest.approx(wanted, rel=0.2)


def test_widths_bring_half_the_trace_over_the_mean_square_of_the_change() -> None:
    net, weight, data = linear()
    calibration = calibrate(net, [data])
    choices = choose(net, calibration.unsigned, Options(weights=8))
    asked = sensing(calibration, data, {"w": (2, 4, 8), "x": (4, 8)}, "kl")
    terms = list(hessian_trace(asked))
    assert [term.names for term in terms] == [("w",)], "of tensors nothing is said"
    found = [terms[0].at({"w": bits})["kl"] for bits in (2, 4, 8)]
    assert found[0] > 5 * found[1] > 25 * found[2] > 0
    step = calibration.weight_scale(net.layers[0], choices.at({"w": 2}).weights["w"])
    error = np.rint(weight / step).clip(-1, 1) * step - weight
    assert found[0] == pytest.approx(0.5 * traces(net, [data], "kl")["w"] * np.square(error).mean())


def test_a_loss_has_no_bend_at_the_float_weights() -> None:
    net, _, data = linear()
    calibration = calibrate(net, [data])
    with pytest.raises(BitwrightError) as refusal:
        list(hessian_trace(sensing(calibration, data, {"w": (2, 8)}, "loss")))
    assert str(refusal.value) == (
        "allocate: the bend of 'loss' at the float weights is not known\n  hint: choose kl or noise, or measure"
    )
