# SPDX-License-Identifier: Apache-2.0
"""The house rules that a tool does not check: how long a file is, what its first line says, who prints."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bitwright"
SOURCES = sorted(PACKAGE.rglob("*.py"))
SUFFIXES = {".py", ".sv", ".svh", ".j2", ".h", ".hpp", ".cpp"}
TEXTS = sorted(path for path in PACKAGE.rglob("*") if path.suffix in SUFFIXES)


def test_every_file_fits_in_the_head() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in TEXTS}
    assert len(lengths) > 50
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_every_source_names_its_licence() -> None:
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in SOURCES}
    assert [
        n for n, text in texts.items() if text and not text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
    ] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints(path: Path) -> None:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    prints = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
    assert bool(prints) == (path in (PACKAGE / "cli/commands.py", PACKAGE / "cli/shown.py"))


CLOCK = re.compile(r"perf_counter|process_time|monotonic|getrusage|^(import|from) time\b", re.MULTILINE)
CLOCKED = ("speed/", "fuzz/", "tiers.py", "test_style.py")
"""A watchdog and a summary look at the clock; tests count, and what they cannot count is in `tests/speed`."""


def test_no_test_looks_at_the_clock() -> None:
    tests = Path(__file__).parent
    texts = {path.relative_to(tests).as_posix(): path.read_text() for path in tests.rglob("*.py")}
    assert len(texts) > 150
    assert [name for name, text in texts.items() if not name.startswith(CLOCKED) and CLOCK.search(text)] == []
