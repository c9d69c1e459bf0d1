# SPDX-License-Identifier: Apache-2.0
"""What CONTRIBUTING, the README and the workflow tell a person or a machine to run is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOW = ".github/workflows/tests.yml"
TARGETS = set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
PATH = re.compile(r"(?<![\w/])(?:tests|docs|benchmarks|examples|bitwright|\.ci)/[\w./-]*\w")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "README.md", WORKFLOW])
def test_every_target_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"(?:`|^\s+|run: )make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
    assert named and named <= TARGETS


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", WORKFLOW])
def test_every_path_that_is_named_exists(page: str) -> None:
    named = PATH.findall((ROOT / page).read_text())
    assert named and [path for path in named if not (ROOT / path).exists()] == []


def test_the_workflow_runs_every_supported_python() -> None:
    """From the oldest that the package takes on, and it says so to whoever installs it."""
    text, project = (ROOT / WORKFLOW).read_text(), tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tested = set(re.findall(r'"(3\.\d+)"', text))
    stated = {c.split(" :: ")[-1] for c in project["classifiers"] if re.search(r":: 3\.\d+$", c)}
    assert tested == stated and f">={min(stated)}" == project["requires-python"]
