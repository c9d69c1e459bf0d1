# SPDX-License-Identifier: Apache-2.0
"""Golden outputs beside ours: what counts as equal, and what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.audit.golden import golden, rows
from bitwright.ir.errors import BitwrightError

REAL = np.array([[0.0, 1.0, -100.0], [0.5, 2.0, 64.0]], np.float32)


def unequal(ours: list[Any], theirs: list[Any]) -> list[int]:
    """How many elements of each sample differ."""
    differ = golden(ours, theirs, len(ours[0])).unequal(rows(ours, len(ours[0])), slice(None))
    return [int(row.sum()) for row in differ]


def test_float32_noise_is_equal_and_a_thousandth_is_not() -> None:
    noise = REAL * np.float32(1 + 1e-6) + np.float32(1e-5)
    assert unequal([REAL], [noise]) == [0, 0]
    assert unequal([REAL], [REAL + np.array([[0, 0.001, 0], [0, 0, 0]])]) == [1, 0]


def test_integers_are_equal_or_not() -> None:
    codes = np.arange(5, dtype=np.int64) * 10**6
    assert unequal([codes], [codes + np.array([0, 1, 0, 0, 0])]) == [0, 1, 0, 0, 0]


def test_several_outputs_stand_side_by_side() -> None:
    assert unequal([REAL, REAL], [REAL, REAL + 1]) == [3, 3]


def test_numbers_that_are_none_are_never_equal() -> None:
    odd = np.array([[np.nan], [1.0]])
    assert unequal([odd], [odd])[0] == 1


def test_outputs_of_all_zeros() -> None:
    assert unequal([np.zeros((1, 3))], [np.zeros((1, 3))]) == [0]
    assert unequal([np.zeros((1, 3))], [np.full((1, 3), 1e-3)]) == [3]


def test_a_flat_file_of_the_same_samples_is_compared_as_it_is() -> None:
    assert unequal([REAL.reshape(2, 1, 3)], [REAL]) == [0, 0]


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (
            [REAL, REAL],
            "outputs: holds 2 outputs, the model has 1\n  hint: save outputs, outputs_1, ... in the model's order",
        ),
        ([REAL[:1]], "outputs: have shape (1, 3), the model gives (2, 3)\n  hint: stack the samples on axis 0"),
        ([REAL.T], "outputs: have shape (3, 2), the model gives (2, 3)\n  hint: stack the samples on axis 0"),
    ],
)
def test_outputs_that_cannot_be_compared(theirs: list[Any], message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        golden([REAL], theirs, len(REAL))
    assert str(error.value) == message
