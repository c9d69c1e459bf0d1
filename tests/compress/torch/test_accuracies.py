# SPDX-License-Identifier: Apache-2.0
"""What trainings come to on scikit-learn's digits: means of three seeds, against the network of real numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from bitwright.compress import FloatNet, fit, trainable
from tests.compress.torch.digits import accuracy, dense, digits
from tests.needs import needs_package

torch = pytest.importorskip("torch")
pytestmark = [needs_package("torch"), pytest.mark.long]
SEEDS = range(3)


@cache
def real(seed: int) -> FloatNet:
    """A network of real numbers that knows the digits."""
    x, y, *_ = digits()
    module = trainable(dense(64, 32, seed=seed))
    fit(module, (x, y), epochs=30, lr=1e-2, seed=seed)
    return module.float_net()


def trained(seed: int, **asked: Any) -> Any:
    """It, trained on with quantisers."""
    x, y, *_ = digits()
    module = trainable(real(seed), calibration=x, **asked)
    fit(module, (x, y), epochs=30, lr=5e-3, seed=seed)
    return module


def lost(**asked: Any) -> float:
    """By how much the accuracy falls, in the mean."""
    return float(np.mean([accuracy(real(seed)) - accuracy(trained(seed, **asked)) for seed in SEEDS]))


@pytest.mark.rows("R020")
def test_dorefa_at_two_bits_loses_less_than_three_points() -> None:
    """By 1.8."""
    assert lost(weights="dorefa:2", activations="dorefa:2") < 0.03


@pytest.mark.rows("R025")
def test_pact_and_sawb_at_two_bits_lose_less_than_two_points() -> None:
    """The first and the last layer have eight bits, as in the paper; by 0.7."""
    ends = {f"Gemm_{name}": {"weights": 8, "activations": 8} for name in ("h0", "y")}
    assert lost(weights="sawb:2", activations="pact:2", config=ends) < 0.02


@pytest.mark.rows("R028")
def test_four_bits_of_the_weights_that_are_not_thinned_out_lose_less_than_two_points() -> None:
    """At about seven zeros of ten; by 0.4 points."""
    modules = [trained(seed, weights="thinned:4", activations="lsq:4") for seed in SEEDS]
    zeros = [1 - float(q.kept(module.tensor(name)).mean()) for module in modules for name, q in named(module)]
    assert np.mean(zeros) > 0.65
    assert (
        np.mean([accuracy(real(seed)) - accuracy(module) for seed, module in zip(SEEDS, modules, strict=True)]) < 0.02
    )


def named(module: Any) -> list[tuple[str, Any]]:
    return [(layer.weight, module.quantiser(layer.weight)) for layer in module.net.layers]
