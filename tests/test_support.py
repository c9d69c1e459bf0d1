# SPDX-License-Identifier: Apache-2.0
"""`docs/support.md` says what the code does: it is made by trying, and no operator is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitwright.frontend.lowering import HANDLERS
from bitwright.frontend.operators.selections import MASKED
from tests.support import PROBES, QUANTISERS, table, tried

PAGE = Path(__file__).parents[1] / "docs/support.md"


def test_every_operator_with_a_handler_is_tried() -> None:
    own = {name for name in HANDLERS if name.startswith("QLinear") or name == "QGemm"}
    assert set(PROBES) == set(HANDLERS) - own - set(QUANTISERS) | set(MASKED) | {"Einsum"}


@pytest.mark.slow
def test_the_table_is_current(request: pytest.FixtureRequest) -> None:
    page = table()
    if request.config.getoption("--update-golden"):
        PAGE.write_text(page, encoding="utf-8")
    assert page == PAGE.read_text(encoding="utf-8"), "pytest --update-golden, then review the difference"


def test_a_refusal_is_seen() -> None:
    assert tried("Conv", "QDQ") is not None
    assert tried("Sqrt", "codes") is None
