# SPDX-License-Identifier: Apache-2.0
"""What is measured of networks beside accuracy and size, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.compress.measures import BINS, calibration_drift, effective_rank, instability, mask_distance
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import normal


@pytest.mark.rows("R177")
def test_instability_is_a_share_of_the_accuracy() -> None:
    assert instability(0.8, 0.6) == pytest.approx(0.25) and instability(0.8, 0.8) == 0 and instability(0.8, 0.88) < 0
    with pytest.raises(BitwrightError) as refusal:
        instability(0.0, 0.5)
    assert str(refusal.value) == "instability: an accuracy of 0.0 has no shares\n  hint: give one above 0"


@pytest.mark.rows("R178")
def test_the_distance_of_masks_is_jaccards() -> None:
    one, other = np.array([[1, 1, 0, 0]]), np.array([[0, 2, 3, 0]])
    assert mask_distance(one, other) == pytest.approx(2 / 3) == mask_distance(other, one)
    assert mask_distance(one, 5 * one) == 0 == mask_distance(0 * one, 0 * one)
    assert mask_distance(one, 1 - one) == 1
    with pytest.raises(BitwrightError) as refusal:
        mask_distance(one, one.T)
    assert str(refusal.value) == "mask-distance: masks of (1, 4) and (4, 1)\n  hint: give the masks of one weight"


@pytest.mark.rows("R182")
@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_effective_rank_of_equal_directions_is_their_number(rank: int) -> None:
    """And never more than the rank, whatever the weight's own shape."""
    left, right = (np.linalg.qr(normal(count, count, seed=count))[0] for count in (8, 36))
    weight = left[:, :rank] @ right[:rank]
    assert effective_rank(weight.reshape(8, 4, 3, 3)) == pytest.approx(rank)
    scaled = left[:, :rank] * np.arange(1, rank + 1) @ right[:rank]
    assert 1 <= effective_rank(scaled) <= rank + 1e-9
    assert effective_rank(np.zeros((4, 5))) == 0


@pytest.mark.rows("R184")
def test_the_shift_grows_with_what_is_unlike_the_calibration() -> None:
    values = normal(4000, seed=1)
    shifts = [calibration_drift(values, normal(4000, seed=2) + by) for by in (0.0, 0.5, 1.0, 2.0)]
    assert calibration_drift(values, values) == 0 and shifts == sorted(shifts) and 0 < shifts[0] < 0.05 < shifts[1]
    equal = calibration_drift([0.0] * 10, [1.0] * 10)
    p, q = 11 / (10 + BINS), 1 / (10 + BINS)
    assert equal == pytest.approx((p - q) * np.log(p / q))
    with pytest.raises(BitwrightError) as refusal:
        calibration_drift([], [1.0])
    assert (
        str(refusal.value) == "calibration-drift: values that are none, or not finite\n  hint: give samples of a tensor"
    )
