# SPDX-License-Identifier: Apache-2.0
"""Calibration keeps of each tensor what stands for all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import RANGES, SCALES, calibrate
from bitwright.compress.ranges import SAMPLE, Values
from bitwright.ir.types import IntType, integer
from tests.compress.nets import graph, node, normal

COLUMNS = graph([node("Conv", "x w", "y")], {"w": normal(2, 8, 1, 1)}, sample=[8, 16, 16])


def striped(axis: int, seed: int) -> NDArray[np.float32]:
    """Maps whose channels, rows or columns grow: 128 times 8 channels of 16 by 16."""
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    sides = [128, 8, 16, 16]
    return normal(*sides, seed=seed) * np.linspace(0.1, 2, sides[axis], dtype=np.float32).reshape(shape)


def squared_error(values: NDArray[Any], scale: NDArray[np.float32], codes: IntType) -> float:
    """The mean of it over all values, in plain arithmetic."""
    quantised = np.clip(np.rint(values / scale), codes.lo, codes.hi).astype(np.float64) * scale
    return float(((quantised - values) ** 2).mean())


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_what_is_kept_of_a_tensor_has_the_extremes_and_moments_of_all_of_it(axis: int) -> None:
    x = striped(axis, seed=axis)
    kept = calibrate(COLUMNS, [x]).values["x"]
    assert SAMPLE / 2 < kept.sample.size < 2 * SAMPLE < x.size
    assert kept.weight.sum() == pytest.approx(x.size)
    assert (kept.low.item(), kept.high.item()) == (x.min(), x.max())
    for power in (1, 2, 4):
        whole, part = (np.abs(values.astype(np.float64)) ** power for values in (x, kept.sample))
        assert np.average(part, weights=kept.weight) == pytest.approx(whole.mean(), rel=0.05)


def heavy(axis: int) -> NDArray[np.float32]:
    """Stripes with far values: of `t` with three degrees of freedom."""
    rng = np.random.default_rng(axis)
    return (striped(axis, seed=10 + axis) / np.sqrt(rng.chisquare(3, size=(128, 8, 16, 16)) / 3)).astype(np.float32)


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mse_from_what_is_kept_is_as_good_as_from_all(bits: int, axis: int) -> None:
    x = heavy(axis)
    codes = integer(bits, signed=True)
    held = calibrate(COLUMNS, [x]).values["x"]
    scales = [RANGES["mse"](values, codes, SCALES["free"]) for values in (held, Values.of(x.reshape(1, -1)))]
    sampled, best = (squared_error(x, scale, codes) for scale in scales)
    assert sampled <= 1.01 * best


def test_the_same_data_gives_the_same_values() -> None:
    x = striped(3, seed=0)
    one, two = (calibrate(COLUMNS, [x]).values["x"] for _ in range(2))
    np.testing.assert_array_equal(one.sample, two.sample)
