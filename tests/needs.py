# SPDX-License-Identifier: Apache-2.0
"""Marks for tests that need a program or a package: of the tier `tools`, skipped with the reason where it is missing.

Where CI is set they run and fail.
"""

from __future__ import annotations

import shutil
import sysconfig
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools


def needs(find: Callable[[], object]) -> pytest.MarkDecorator:
    """A mark that skips the test where `find` finds nothing, except under CI."""
    reason = ""
    try:
        find()
    except BitwrightError as error:
        reason = str(error)
    return pytest.mark.tools(reason)


def program(name: str) -> tools.Tool:
    """A program that only tests use: of this interpreter's environment, or on PATH."""
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise BitwrightError("not found on PATH", where=name, hint=f"apt-get install -y {name}")
    return tools.Tool(name, Path(found), ())


def needs_package(name: str) -> pytest.MarkDecorator:
    """A mark for tests that import a package beyond those of `make quick`."""
    return needs(lambda: _package(name))


def _package(name: str) -> None:
    if find_spec(name) is None:
        raise BitwrightError("not installed", where=name, hint="pip install 'bitwright[dev,torch]'")


needs_browser = needs(lambda: (_package("playwright"), program("chromium")))
needs_cxx = needs(tools.cxx)
needs_rtl = needs(tools.verilator)
needs_yosys = needs(tools.yosys)
needs_nextpnr = needs(tools.nextpnr_ecp5)
