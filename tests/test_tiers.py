# SPDX-License-Identifier: Apache-2.0
"""The tiers: a test is in the most demanding that it is marked with, and what lacks its program fails only under CI."""

from __future__ import annotations

import re

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.tiers import Tiers

def pytest_configure(config):
    for name in ("slow", "tools", "long"):
        config.addinivalue_line("markers", name)
    config.pluginmanager.register(Tiers())
"""
TESTS = """
import pytest

def test_quick(): sum(range(10**6))
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.tools("")
@pytest.mark.slow
def test_of_a_tool_that_is_there(): pass
@pytest.mark.tools("no such program")
def test_of_a_tool_that_is_not(): assert False
@pytest.mark.long
@pytest.mark.tools("")
def test_long(): pass
"""


def lines(pytester: pytest.Pytester, *options: str) -> str:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    return str(pytester.runpytest_inprocess("-rs", *options).stdout)


@pytest.mark.parametrize("options", [(), pytest.param(("-n", "2"), marks=pytest.mark.slow)])
def test_processor_time_is_added_up_by_tier(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.delenv("CI", raising=False)
    said = lines(pytester, *options)
    counts = dict(re.findall(r"^(\w+) +[\d.]+ s +(\d+) tests$", said, re.MULTILINE))
    assert counts == {"quick": "1", "slow": "1", "tools": "2", "long": "1", "all": "5"}
    seconds = dict(re.findall(r"^(quick|start and collection|all) +([\d.]+) s", said, re.MULTILINE))
    assert float(seconds["all"]) >= float(seconds["start and collection"]) > 0
    assert re.search(r"^SKIPPED \[1\] .*: no such program$", said, re.MULTILINE)


def test_under_ci_what_is_missing_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "1 failed, 4 passed" in lines(pytester)


def test_what_needs_nothing_is_what_is_not_marked(pytester: pytest.Pytester) -> None:
    assert "1 passed, 4 deselected" in lines(pytester, "-m", "not (slow or tools or long)")
