# SPDX-License-Identifier: Apache-2.0
"""Marks for tests that need a program: skipped with the reason where it is missing, run and failing where CI is set."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools


def needs(find: Callable[[], tools.Tool]) -> pytest.MarkDecorator:
    """A mark that skips the test where `find` finds no program, except under CI."""
    reason = ""
    try:
        find()
    except BitwrightError as error:
        reason = str(error)
    return pytest.mark.skipif(bool(reason) and "CI" not in tools.environment(), reason=reason)


needs_cxx = needs(tools.cxx)
needs_rtl = needs(tools.verilator)
needs_yosys = needs(tools.yosys)
