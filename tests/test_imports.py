# SPDX-License-Identifier: Apache-2.0
"""Who may import whom: the parts of the package form layers, and each knows only those below it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "bitwright"
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
PARTS = {
    "ir": "ir",
    "exact": "exact ir",
    "reading": "reading ir",
    "frontend": "frontend reading ir exact",
    "sim": "sim ir exact",
    "plan": "plan ir exact",
    "backends": "backends ir exact plan",
    "audit": "audit ir sim",
    "compress": "compress ir exact sim",
    "explore": "explore ir exact frontend sim plan backends audit compress",
    "check": "check",
}
"""Our own parts that each part may import; the modules beside them (cli, api, design, ...) may import everything."""
PACKAGES = {
    "ir": "numpy",
    "exact": "numpy mpmath",
    "reading": "numpy onnx google",
    "frontend": "numpy onnx",
    "sim": "numpy",
    "plan": "numpy scipy",
    "backends": "numpy jinja2",
    "audit": "numpy onnx",
    "compress": "numpy onnx google",
    "explore": "numpy onnx jinja2 scipy plotly distributed",
    "check": "numpy",
    "": "numpy onnx jinja2 typer rich",
}
"""Packages of others that each part may import at its top; `google` is protobuf, which is part of onnx."""
EXCHANGE = "backends/onnx"
"""The files of the one backend that writes ONNX begin like this; they may import it."""
ON_CALL = {"sim": "torch", "compress": "torch", "": "torch"}
"""Packages that may only be imported inside a function."""


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """(absolute module, whether inside a function) of every import in `source`, a module of `package`."""
    tree = ast.parse(source)
    local = {
        id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef) for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in local) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "bitwright" else [module]
            yield from ((name, id(node) in local) for name in names)


def forbidden(file: str, source: str) -> list[str]:
    """The imports of `file` (relative to the package) that its part may not have."""
    part = file.split("/")[0] if file.split("/")[0] in PARTS else ""
    package = ".".join(["bitwright", *file.split("/")[:-1]])
    found = []
    for module, local in imports(source, package):
        top, *rest = module.split(".")
        if top == "bitwright":
            fine = not part or (bool(rest) and rest[0] in PARTS[part].split())
        elif top in sys.stdlib_module_names:
            fine = True
        else:
            exchanged = file.startswith(EXCHANGE) and top == "onnx"
            fine = exchanged or top in PACKAGES[part].split() or (local and top in ON_CALL.get(part, "").split())
        if not fine:
            found.append(module)
    return found


@pytest.mark.parametrize("file", FILES)
def test_every_import_points_downwards(file: str) -> None:
    assert forbidden(file, (ROOT / file).read_text()) == []


def test_every_part_is_there_and_no_other() -> None:
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert folders == set(PARTS)


def test_templates_hold_no_python() -> None:
    assert list((ROOT / "hls_templates").rglob("*.py")) == []


@pytest.mark.parametrize(
    ("file", "source", "expected"),
    [
        ("ir/a.py", "import numpy as np\nfrom bitwright.ir import b", []),
        ("ir/a.py", "from bitwright.exact.steps import steps", ["bitwright.exact.steps"]),
        ("ir/passes/a.py", "from ...exact import steps", ["bitwright.exact"]),
        ("ir/passes/a.py", "from .. import types", []),
        ("ir/a.py", "from bitwright import api", ["bitwright.api"]),
        ("ir/a.py", "def f():\n    import onnx", ["onnx"]),
        ("check/a.py", "from bitwright.check.saved import Layer", []),
        ("check/a.py", "import bitwright.ir.types", ["bitwright.ir.types"]),
        ("sim/a.py", "import torch", ["torch"]),
        ("sim/a.py", "def f():\n    import torch", []),
        ("backends/a.py", "import onnx", ["onnx"]),
        ("backends/onnx_a.py", "import onnx\nimport jinja2", []),
        ("backends/onnx_a.py", "import torch", ["torch"]),
        ("cli.py", "from bitwright.explore import sweep\nimport typer", []),
        ("cli.py", "import torch", ["torch"]),
    ],
)
def test_the_rule_catches_what_it_should(file: str, source: str, expected: list[str]) -> None:
    assert forbidden(file, source) == expected
