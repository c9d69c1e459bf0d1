# SPDX-License-Identifier: Apache-2.0
"""The verdict on golden outputs: what counts as equal, and what cannot be compared."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.audit.golden import compare
from bitwright.ir.errors import BitwrightError

REAL = np.array([[0.0, 1.0, -100.0], [0.5, 2.0, 64.0]], np.float32)


def verdict(equal: int, unexplained: int) -> dict[str, object]:
    return {
        "elements": equal + unexplained,
        "equal": equal,
        "boundary": 0,
        "wide": 0,
        "unexplained": unexplained,
        "max_steps": None,
    }


def test_float32_noise_is_equal_and_a_thousandth_is_not() -> None:
    noise = REAL * np.float32(1 + 1e-6) + np.float32(1e-5)
    assert compare([REAL], [noise]) == verdict(6, 0)
    assert compare([REAL], [REAL + np.array([[0, 0.001, 0], [0, 0, 0]])]) == verdict(5, 1)


def test_integers_are_equal_or_not() -> None:
    codes = np.arange(5, dtype=np.int64) * 10**6
    assert compare([codes], [codes + np.array([0, 1, 0, 0, 0])]) == verdict(4, 1)


def test_several_outputs_are_added_up() -> None:
    assert compare([REAL, REAL], [REAL, REAL + 1]) == verdict(6, 6)


def test_numbers_that_are_none_are_never_equal() -> None:
    assert compare([np.array([np.nan, 1.0])], [np.array([np.nan, 1.0])])["unexplained"] == 1


def test_outputs_of_all_zeros() -> None:
    assert compare([np.zeros(3)], [np.zeros(3)]) == verdict(3, 0)
    assert compare([np.zeros(3)], [np.full(3, 1e-3)]) == verdict(0, 3)


def test_a_flat_file_of_the_same_samples_is_compared_as_it_is() -> None:
    assert compare([REAL.reshape(2, 1, 3)], [REAL]) == verdict(6, 0)


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
def test_outputs_that_cannot_be_compared(theirs: list[np.ndarray], message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        compare([REAL], theirs)
    assert str(error.value) == message
