# SPDX-License-Identifier: Apache-2.0
"""What a whole network is said to take, against Yosys' count of the design."""

from __future__ import annotations

import pytest

from benchmarks.estimates import DIGITS, NETWORKS, error, graph_of, known, measured
from tests.collection import needs_collection
from tests.needs import needs_yosys

MOST = 0.05


@needs_yosys
@pytest.mark.parametrize(
    "name",
    [DIGITS, *(pytest.param(name, marks=[needs_collection, pytest.mark.long]) for name in NETWORKS if name != DIGITS)],
)
def test_the_total_is_what_yosys_counts(name: str) -> None:
    """Look-up tables within 5 %, slices and block RAMs exactly."""
    _, estimate, counted = measured(graph_of(name))
    assert abs(error(estimate, counted)) <= MOST, (estimate, counted)
    assert (estimate["dsp"], estimate["bram"]) == (counted["dsp"], counted["bram"])


def test_the_page_is_within_the_error() -> None:
    """Every row that stands there: a network is measured for long."""
    rows = known()
    assert list(rows) == [name for name in NETWORKS if name in rows] and DIGITS in rows
    assert max(abs(float(row.split(" | ")[4].rstrip("%"))) for row in rows.values()) <= 100 * MOST
