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
    "ir/passes": "ir ir/passes",
    "exact": "exact ir",
    "reading": "reading reading/tflite ir",
    "reading/tflite": "reading reading/tflite ir",
    "frontend": "frontend frontend/operators frontend/dialects reading ir ir/passes exact",
    "frontend/operators": "frontend frontend/operators reading ir",
    "frontend/dialects": "frontend frontend/operators frontend/dialects reading ir exact",
    "sim": "sim sim/fast ir exact",
    "sim/fast": "sim sim/fast ir exact",
    "hardware": "hardware hardware/kernels ir exact",
    "hardware/modules": "hardware hardware/modules ir",
    "hardware/kernels": "hardware hardware/modules hardware/kernels ir exact",
    "hardware/clocks": "hardware hardware/kernels hardware/clocks ir",
    "hardware/area": "hardware hardware/kernels hardware/modules hardware/area ir",
    "hardware/lowering": "hardware hardware/kernels hardware/clocks hardware/lowering ir exact",
    "planning": "planning hardware hardware/kernels hardware/modules hardware/area hardware/lowering ir exact",
    "backends": "backends backends/hls backends/onnx backends/verilog hardware/kernels ir",
    "backends/hls": "backends backends/hls hardware hardware/kernels ir exact",
    "backends/onnx": "backends/onnx ir exact",
    "backends/verilog": "backends backends/verilog hardware hardware/kernels ir exact",
    "audit": "audit reading ir sim",
    "compress": "compress compress/codes compress/factor compress/prune compress/ranges compress/round"
    " compress/transforms compress/allocate compress/torch reading reading/tflite frontend frontend/dialects"
    " backends/onnx audit ir",
    "compress/allocate": "compress compress/allocate compress/torch planning reading ir",
    "compress/codes": "compress/codes compress.family ir",
    "compress/factor": "compress compress/factor compress/prune reading ir",
    "compress/prune": "compress compress/prune compress/round compress/torch hardware audit frontend reading ir",
    "compress/torch": "compress compress/allocate compress/prune compress/ranges compress/torch audit reading ir",
    "compress/transforms": "compress compress/transforms reading",
    "compress/ranges": "compress compress/ranges ir",
    "compress/round": "compress/round compress.family ir",
    "report": "report hardware planning ir exact",
    "explore": "planning explore explore/executors explore/strategies compiling design folder output report"
    " backends/onnx compress compress/allocate compress/prune hardware/clocks sim ir exact _version",
    "explore/executors": "explore explore/executors ir",
    "explore/strategies": "explore explore/strategies compress compress/allocate ir",
    "rewriting": "rewriting compress.family frontend ir ir/passes",
    "recipe": "recipe compress compress/allocate compress/codes compress/factor compress/prune compress/torch"
    " compress/transforms compiling explore planning ir _version",
    "check": "check",
}
"""Our own parts, and modules at the top, that each part may import; `cli` and the modules at the top may import all."""
ABOVE = {"", "cli"}
"""The parts that may import every other."""
PACKAGES = {
    "ir": "numpy",
    "exact": "numpy mpmath",
    "reading": "numpy onnx google",
    "frontend": "numpy onnx",
    "sim": "numpy",
    "hardware": "numpy",
    "planning": "numpy scipy",
    "backends": "numpy jinja2",
    "backends/onnx": "numpy onnx",
    "audit": "numpy",
    "compress": "numpy onnx yaml",
    "compress/allocate": "numpy scipy",
    "compress/torch": "numpy onnx torch",
    "report": "numpy jinja2 rich",
    "explore": "planning numpy onnx jinja2 scipy plotly",
    "rewriting": "numpy",
    "recipe": "numpy",
    "check": "numpy",
    "cli": "numpy onnx typer rich",
    "": "numpy onnx jinja2 typer rich",
}
"""Packages of others that each part may import at its top, or else those of the folder around it; `google` is protobuf,
which is part of onnx."""
CIRCLES = 0
"""Circles of imports that are still there; they may only become fewer."""
ON_CALL = {
    "sim": "torch",
    "reading": "torch",
    "compress": "torch",
    "explore": "distributed optuna pyarrow pymoo",
    "": "onnxruntime",
}
"""Packages that may only be imported inside a function."""
TORCH = "compress/torch"
"""The part that imports PyTorch at its top; others import it inside a function alone."""


def imports(source: str, package: str) -> Iterator[tuple[str, bool]]:
    """(absolute module, whether it is not run at once) of every import in `source`, a module of `package`."""
    tree = ast.parse(source)
    local = {id(inner) for node in ast.walk(tree) if is_run_later(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in local) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{module}.{alias.name}" for alias in node.names] if module == "bitwright" else [module]
            yield from ((name, id(node) in local) for name in names)


def is_run_later(node: ast.AST) -> bool:
    """True for a function, and for what only type checkers read."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def part_of(file: str) -> str:
    """The folder of `file`, relative to the package."""
    return file.rpartition("/")[0]


def home(module: str) -> str:
    """The part that a module of ours lies in: the deepest folder that its name begins with."""
    names = module.split(".")[1:]
    folders = ("/".join(names[:n]) for n in range(len(names), 0, -1))
    return next((folder for folder in folders if folder in PARTS), "")


def packages_of(table: dict[str, str], part: str) -> list[str]:
    """The entry of `part`, or of the nearest folder around it."""
    while part and part not in table:
        part = part.rpartition("/")[0]
    return table.get(part, "").split()


def forbidden(file: str, source: str) -> list[str]:
    """The imports of `file` (relative to the package) that its part may not have."""
    part = part_of(file)
    package = ".".join(["bitwright", *file.split("/")[:-1]])
    found = []
    for module, local in imports(source, package):
        top = module.split(".")[0]
        if top == "bitwright" and home(module) == TORCH != part:
            fine = local and TORCH in PARTS.get(part, TORCH).split()
        elif top == "bitwright":
            fine = part in ABOVE or not {home(module), module.partition(".")[2]}.isdisjoint(PARTS[part].split())
        elif top in sys.stdlib_module_names:
            fine = True
        else:
            fine = top in packages_of(PACKAGES, part) or (local and top in packages_of(ON_CALL, part))
        if not fine:
            found.append(module)
    return found


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """The groups of two or more modules that reach each other."""
    reached = {module: {module} for module in arrows}
    for module in arrows:
        left = [module]
        while left:
            fresh = arrows.get(left.pop(), set()) - reached[module]
            reached[module] |= fresh
            left += fresh
    found = [frozenset(n for n in reached[m] if m in reached.get(n, ())) for m in arrows]
    return [set(group) for group in dict.fromkeys(found) if len(group) > 1]


def own_imports() -> dict[str, set[str]]:
    """For each module of the package those that it imports, wherever in its file it does."""
    modules = {"bitwright." + file[:-3].replace("/", ".").removesuffix(".__init__"): file for file in FILES}
    modules = {name.removesuffix("."): file for name, file in modules.items()}
    arrows: dict[str, set[str]] = {}
    for module, file in modules.items():
        arrows[module] = set()
        for node in ast.walk(ast.parse((ROOT / file).read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("bitwright"):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                arrows[module] |= {name if name in modules else node.module for name in names}
    return arrows


@pytest.mark.parametrize("file", FILES)
def test_every_import_points_downwards(file: str) -> None:
    assert forbidden(file, (ROOT / file).read_text()) == []


def test_every_part_is_there_and_no_other() -> None:
    assert {part_of(file) for file in FILES} == set(PARTS) | ABOVE


def test_nothing_imports_itself_by_a_detour() -> None:
    assert len(circles(own_imports())) <= CIRCLES


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]
    assert circles({"a": {"b"}, "b": set()}) == []


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
        ("backends/onnx/a.py", "import onnx", []),
        ("backends/hls/a.py", "import jinja2", []),
        ("hardware/kernels/a.py", "from bitwright.hardware.area import parts", ["bitwright.hardware.area"]),
        ("hardware/clocks/a.py", "from bitwright.planning.rule import fold", ["bitwright.planning.rule"]),
        ("backends/onnx/a.py", "import torch", ["torch"]),
        ("cli/a.py", "from bitwright.explore import sweep\nimport typer", []),
        ("cli/a.py", "import torch", ["torch"]),
        ("compress/torch/a.py", "import torch\nfrom bitwright.compress.torch.ste import round_ste", []),
        ("compress/a.py", "from bitwright.compress.torch.fit import fit", ["bitwright.compress.torch.fit"]),
        ("compress/a.py", "def f():\n    from bitwright.compress.torch.fit import fit", []),
        ("compress/a.py", "if TYPE_CHECKING:\n    from bitwright.compress.torch.fit import fit", []),
        (
            "compress/a.py",
            "if True:\n    from bitwright.compress.torch.fit import fit",
            ["bitwright.compress.torch.fit"],
        ),
        ("cli/a.py", "from bitwright.compress.torch import QUANTISERS", ["bitwright.compress.torch"]),
        ("ir/a.py", "def f():\n    from bitwright.compress.torch import QUANTISERS", ["bitwright.compress.torch"]),
        ("explore/a.py", "from bitwright.compiling import compile_graph", []),
        ("explore/a.py", "from bitwright.api import compile", ["bitwright.api"]),
    ],
)
def test_the_rule_catches_what_it_should(file: str, source: str, expected: list[str]) -> None:
    assert forbidden(file, source) == expected
