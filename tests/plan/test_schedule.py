# SPDX-License-Identifier: Apache-2.0
"""Schedules that skip zeros: they compute W x, use every non-zero weight once, and last as long as they say."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bitwright.hardware.lanes import divisors
from bitwright.hardware.schedule import Schedule, Zeros, lanes_of, nonzero_blocks, schedule, vector_words
from bitwright.ir.weights import Ints

KINDS: tuple[Zeros, ...] = ("skip-blocks", "skip-rows")


def pruned(seed: int) -> tuple[Ints, int, int]:
    """A random matrix with zeros, some rows and columns of zeros too, and a PE and a SIMD that fit."""
    rng = np.random.default_rng(seed)
    rows, cols = rng.integers(1, 25, 2)
    matrix = rng.integers(-8, 8, (rows, cols)) * (rng.random((rows, cols)) > rng.choice([0, 0.5, 0.9, 1]))
    matrix[rng.random(rows) < 0.1] = 0
    return matrix, int(rng.choice(divisors(rows))), int(rng.choice(divisors(cols)))


def product(made: Schedule, vector: Ints) -> Ints:
    """What a unit computes that follows the schedule, by the row of the matrix."""
    _, pe, simd = made.weights.array.shape
    beats = vector.reshape(-1, simd)[made.beats].repeat(pe // made.beats.shape[1], axis=1)
    terms = (made.weights.array * beats).sum(axis=2)
    found = np.empty(len(made.rows), np.int64)
    found[made.rows] = np.add.reduceat(terms, np.append(0, made.ends[:-1] + 1)).reshape(-1)
    return found


@pytest.mark.parametrize("movable", [False, True])
@pytest.mark.parametrize("zeros", KINDS)
@pytest.mark.parametrize("seed", range(60))
def test_a_schedule_computes_the_product_from_each_weight_once(seed: int, zeros: Zeros, movable: bool) -> None:
    matrix, pe, simd = pruned(seed)
    made = schedule(matrix, pe, simd, zeros, movable=movable)
    vector = np.random.default_rng(seed).integers(-100, 100, matrix.shape[1])
    assert (product(made, vector) == matrix @ vector).all()
    assert sorted(made.rows) == list(range(len(matrix)))
    assert made.moved <= movable
    assert np.count_nonzero(made.weights.array) == np.count_nonzero(matrix)
    assert made.weights.array.shape == (made.words, pe, simd)
    assert made.ends[-1] == made.words - 1 and len(made.ends) == len(matrix) // pe
    assert (np.diff(made.ends, prepend=-1) >= 1).all()


@pytest.mark.parametrize("zeros", KINDS)
@pytest.mark.parametrize("seed", range(60))
def test_the_count_of_words_is_that_of_the_schedule(seed: int, zeros: Zeros) -> None:
    matrix, pe, simd = pruned(seed)
    blocks = nonzero_blocks(matrix, simd)
    in_place = schedule(matrix, pe, simd, zeros, movable=False).words
    moved = schedule(matrix, pe, simd, zeros, movable=True).words
    assert vector_words(blocks, pe, zeros, movable=False) == in_place
    assert vector_words(blocks, pe, zeros, movable=True) == moved <= in_place


@pytest.mark.parametrize("seed", range(10))
def test_no_order_of_rows_that_skip_alone_takes_fewer_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.random((6, 9)) < rng.random((6, 1))).astype(np.int64)
    orders = itertools.permutations(range(6))
    least = min(schedule(matrix[list(rows)], 2, 1, "skip-rows", movable=False).words for rows in orders)
    assert schedule(matrix, 2, 1, "skip-rows", movable=True).words == least


def test_rows_stay_in_place_where_moving_them_saves_nothing() -> None:
    made = schedule(np.array([[1, 0], [1, 1], [0, 0], [1, 0]]), 2, 1, "skip-rows", movable=True)
    assert (made.words, list(made.rows)) == (3, [0, 1, 2, 3])


@pytest.mark.parametrize("seed", range(60))
def test_rows_that_move_leave_no_port_idle_for_long(seed: int) -> None:
    """The folds are at most one row's blocks longer in sum than a perfect balance of all rows, empty folds aside."""
    matrix, pe, simd = pruned(seed)
    counts = nonzero_blocks(matrix, simd).sum(axis=1)
    made = schedule(matrix, pe, simd, "skip-rows", movable=True)
    assert made.words <= counts.sum() / pe + counts.max() + len(matrix) // pe


@pytest.mark.rows("R168")
@pytest.mark.parametrize("seed", range(20))
def test_rows_that_move_balance_the_lanes(seed: int) -> None:
    """Of rows of unequal length the longest port is nearer to the mean; the products are the same, row by row."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-8, 8, (16, 24)) * (rng.random((16, 24)) < rng.random((16, 1)))
    made = {movable: schedule(matrix, 4, 1, "skip-rows", movable=movable) for movable in (False, True)}
    for each in made.values():
        held = (each.weights.array != 0).sum(axis=(0, 2))  # of each lane
        counts = np.add.reduceat((each.weights.array != 0).any(axis=2), np.append(0, each.ends[:-1] + 1))
        wanted = counts.max(axis=1).clip(1).sum() * 4 / held.sum()
        assert each.imbalance == pytest.approx(wanted)
    vector = rng.integers(-100, 100, 24)
    np.testing.assert_array_equal(product(made[True], vector), product(made[False], vector))
    assert 1 <= made[True].imbalance < made[False].imbalance


def test_alike_rows_share_a_port() -> None:
    """Rows of two patterns, every other one: in place each block of two rows has both."""
    matrix = np.tile([[1, 1, 0, 0], [0, 0, 1, 1]], (4, 1))
    assert schedule(matrix, 2, 1, "skip-blocks", movable=False).words == 16
    made = schedule(matrix, 2, 1, "skip-blocks", movable=True)
    assert (made.words, list(made.rows)) == (8, [0, 2, 1, 3, 4, 6, 5, 7])


def test_lanes_of_a_port() -> None:
    assert (lanes_of("skip-blocks", 8), lanes_of("skip-rows", 8)) == (8, 1)
