# SPDX-License-Identifier: Apache-2.0
"""Marks for tests that need a program: skipped with the reason where it is missing, run and failing where CI is set."""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from pathlib import Path

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


def program(name: str) -> tools.Tool:
    """A program that only tests use: of this interpreter's environment, or on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise BitwrightError("not found on PATH", where=name, hint=f"apt-get install -y {name}")
    return tools.Tool(name, Path(found), ())


needs_cxx = needs(tools.cxx)
needs_rtl = needs(tools.verilator)
needs_yosys = needs(tools.yosys)
needs_nextpnr = needs(tools.nextpnr_ecp5)
