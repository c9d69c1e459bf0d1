# SPDX-License-Identifier: Apache-2.0
"""The house rules that a tool does not check: who imports whom, how long a file is, what a header says."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bitwright"
SOURCES = sorted(PACKAGE.rglob("*.py"))
TEXTS = sorted(
    path for path in PACKAGE.rglob("*") if path.suffix in {".py", ".sv", ".svh", ".j2", ".h", ".hpp", ".cpp"}
)

OURS = {
    "ir": set(),
    "exact": {"ir"},
    "frontend": {"ir", "exact"},
    "sim": {"ir", "exact"},
    "plan": {"ir", "exact"},
    "backends": {"ir", "exact", "plan"},
    "audit": {"ir", "sim"},
    "compress": {"ir", "exact", "sim"},
    "explore": {"ir", "exact", "frontend", "sim", "plan", "backends", "audit", "compress"},
    "check": set(),
}
"""Package of ours -> the packages of ours that it may import, besides itself; modules not named here may import all."""

THEIRS = {
    "ir": {"numpy"},
    "exact": {"numpy", "mpmath"},
    "frontend": {"numpy", "onnx", "google"},
    "sim": {"numpy"},
    "plan": {"numpy"},
    "backends": {"numpy", "jinja2"},
    "audit": {"numpy", "onnx", "google"},
    "compress": {"numpy", "onnx", "google", "torch"},
    "explore": {"numpy", "jinja2"},
    "check": {"numpy"},
}
"""Package of ours -> the packages of others that it may import, besides the standard library (google is protobuf)."""


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of everything that a source imports, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "bitwright" else [module]
            yield from ((node.lineno, name) for name in names)


def wrong_imports(home: str, source: str) -> list[str]:
    """What a module of the package `home` imports and may not."""
    wrong = []
    for line, module in imports(source):
        parts = module.split(".")
        if parts[0] == "bitwright":
            allowed = len(parts) > 1 and parts[1] in OURS[home] | {home}
        else:
            allowed = parts[0] in THEIRS[home] | sys.stdlib_module_names
        if not allowed:
            wrong.append(f"line {line}: {home} may not import {module}")
    return wrong


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    home = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if home in OURS:
        assert wrong_imports(home, path.read_text()) == []


def test_a_wrong_import_is_found_wherever_it_stands() -> None:
    source = (
        "import os\nfrom bitwright.ir.types import IntType\ndef f():\n    from bitwright import sim\n    import torch\n"
    )
    assert wrong_imports("plan", source) == [
        "line 4: plan may not import bitwright.sim",
        "line 5: plan may not import torch",
    ]


def test_every_package_has_its_rule() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert packages <= OURS.keys()
    assert list((PACKAGE / "hls_templates").rglob("*.py")) == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_source_names_its_licence(path: Path) -> None:
    text = path.read_text()
    assert not text or text.startswith("# SPDX-License-Identifier: Apache-2.0\n")
