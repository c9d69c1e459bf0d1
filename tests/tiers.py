# SPDX-License-Identifier: Apache-2.0
"""The tiers of the tests: what a test may need, and the processor time that each tier took.

A test without a mark is `quick`. The other tiers are the marks of `[tool.pytest.ini_options]` in pyproject.toml.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools

TIERS = ("long", "tools", "slow")
"""The marks, from the most demanding: a test belongs to the first that it has."""
START = "start and collection"


def tier(item: pytest.Item) -> str:
    return next((name for name in TIERS if item.get_closest_marker(name)), "quick")


def spent() -> float:
    """Seconds of processor time of this process and of the children that it has waited for."""
    return sum(os.times()[:4])


class Tiers:
    """Skips what lacks its program, except under CI, and adds up the processor time of each tier over all workers."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.counted: Counter[str] = Counter()
        self.last = 0.0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        missing = [reason for mark in item.iter_markers("tools") for reason in mark.args if reason]
        if missing and "CI" not in tools.environment():
            pytest.skip(missing[0])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[object]:
        """What says itself that a package is missing is no failure either."""
        try:
            return (yield)
        except BitwrightError as error:
            if error.what.endswith(" is not installed") and "CI" not in tools.environment():
                pytest.skip(str(error))
            raise

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.last = self.seconds[START] = spent()
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[START] = self.last

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Iterator[pytest.TestReport | None]:
        """All that was spent since the last test ended is this one's; the report carries it from worker to terminal."""
        if call.when == "teardown":
            now = spent()
            item.user_properties += [("tier", tier(item)), ("processor_seconds", now - self.last)]
            self.last = now
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            said = dict(report.user_properties)
            self.seconds[str(said["tier"])] += float(str(said["processor_seconds"]))
            self.counted[str(said["tier"])] += 1

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """A worker of pytest-xdist has ended."""
        self.seconds[START] += getattr(node, "workeroutput", {}).get(START, 0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.counted:
            return
        terminalreporter.section("processor time by tier")
        for name in ("quick", *reversed(TIERS)):
            terminalreporter.line(f"{name:20} {self.seconds[name]:8.1f} s {self.counted[name]:6} tests")
        terminalreporter.line(f"{START:20} {self.seconds[START]:8.1f} s")
        terminalreporter.line(f"{'all':20} {sum(self.seconds.values()):8.1f} s {sum(self.counted.values()):6} tests")
