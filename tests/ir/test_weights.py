# SPDX-License-Identifier: Apache-2.0
"""Weights: read-only, equal by content, with the sparsity that is in them."""

import numpy as np
import pytest

from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.weights import Blocks, Channels, DenseWeights, NofM, Scattered, Sparsity, Weights


def test_weights_compare_by_content_and_shape() -> None:
    a = Weights(np.arange(6).reshape(2, 3))
    assert a == Weights(np.arange(6, dtype=np.int8).reshape(2, 3)) and hash(a) == hash(Weights(a.array))
    assert a != Weights(np.arange(6).reshape(3, 2)) and a != Weights(a.array + 1)
    assert repr(a).startswith("Weights(2x3 u3[0..5] #")


def test_weights_cannot_be_written_and_do_not_follow_their_source() -> None:
    source = np.ones((2, 2), dtype=np.int64)
    weights = Weights(source)
    source[0, 0] = 5
    assert weights.array.tolist() == [[1, 1], [1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        weights.array[0, 0] = 2


@pytest.mark.parametrize(
    ("values", "kind"), [([[-1, 1]], BIPOLAR), ([[-1, 0, 1]], IntType(-1, 1)), ([[1, 1]], IntType(1, 1))]
)
def test_the_type_is_the_narrowest(values: list[list[int]], kind: IntType) -> None:
    assert Weights(np.array(values)).type == kind


RNG = np.random.default_rng(11)
FULL = RNG.integers(1, 8, (16, 16))
TILES = np.kron(np.eye(2, dtype=np.int64), np.ones((8, 8), dtype=np.int64))
TWO_OF_FOUR = np.tile([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0], [0, 0, 1, 1]], (4, 4))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (FULL, DenseWeights()),
        (np.where(np.arange(256).reshape(16, 16) == 3, 0, FULL), DenseWeights()),
        (np.where(np.arange(16)[:, None] < 3, 0, FULL), Channels(13, 16)),
        (np.where(np.arange(16)[None] == 5, 0, FULL), Channels(16, 15)),
        (FULL * TILES, Blocks(8, 8, 0.5)),
        (FULL * TWO_OF_FOUR, NofM(2, 4)),
    ],
)
def test_sparsity_is_found(array: np.ndarray, expected: Sparsity) -> None:
    weights = Weights(array)
    assert weights.sparsity == expected
    assert weights.zeros == int((array == 0).sum())


def test_zeros_without_a_pattern_are_scattered() -> None:
    array = FULL * (RNG.random((16, 16)) < 0.6)
    assert Weights(array).sparsity == Scattered(float((array != 0).mean()))
