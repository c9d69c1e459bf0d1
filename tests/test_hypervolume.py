# SPDX-License-Identifier: Apache-2.0
"""The volume that a front dominates."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from bitwright.explore.hypervolume import history, hypervolume
from bitwright.explore.objectives import OBJECTIVES
from tests.synthetic import ASKED, Synthetic


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_number_of_cells_that_a_point_dominates(dimensions: int, seed: int) -> None:
    """Points with whole coordinates, some alike, some beyond the reference."""
    size = 6
    points = np.random.default_rng(seed).integers(0, size + 2, (9, dimensions)).tolist()
    cells = product(range(size), repeat=dimensions)
    dominated = sum(any(all(a <= b for a, b in zip(each, cell, strict=True)) for each in points) for cell in cells)
    assert hypervolume(points, (size,) * dimensions) == dominated


def test_no_point_dominates_nothing() -> None:
    assert hypervolume([], (1.0, 1.0, 1.0)) == hypervolume([(1.0, 0.0)], (1.0, 1.0)) == 0.0


def test_a_history_rises_and_ends_with_the_front_of_all() -> None:
    made = Synthetic()
    records = [made.record(each) for each in made.space.uniforms()]
    found = history(records, ASKED)
    assert len(found) == len(records)
    assert found == sorted(found)
    assert 0.5 < found[-1] < 1.0
    assert history(records[::-1], ASKED)[-1] == found[-1]
    assert history([], ASKED) == []


def test_where_all_have_the_same_of_an_objective_the_history_is_that_of_the_others() -> None:
    made = Synthetic()
    records = [made.record(each) for each in made.space.uniforms()]
    alike = [replace(each, figures={**each.figures, "cycles": 7.0}) for each in records]
    found = history(alike, (*ASKED, OBJECTIVES["cycles"]))
    assert found == pytest.approx(history(records, ASKED))
    assert found[0] > 0.0
