# SPDX-License-Identifier: Apache-2.0
"""How many shipped files know a kind of layer: what one who adds another must touch, so that it may only fall.

A file counts if its code has, as an identifier, the class of the layer or of a kernel of its own, either of these in
lower case with underscores (a function, a module `bw_...`, a row of the fitted data), or as a string the layer's `op`;
a file of the two libraries also if it is one of the kind's. Not counted: comments and docstrings; strings in capitals
("Concat"), which are operators of ONNX; host steps, which have classes of their own (`ir.host_ops.ArgMax`); methods of
NumPy.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

import bitwright
from bitwright.ir.layers import LAYERS

ROOT = Path(bitwright.__file__).parent
HOST = ROOT / "ir" / "host_ops.py"
FILES = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", ".sv", ".hpp", ".json") and path != HOST)
KINDS = sorted(kind.__name__ for kind in LAYERS.values() if kind.__name__ != "Input")
KERNELS: Mapping[str, tuple[str, ...]] = {
    "ArgMax": ("ArgMaxReduce",),
    "MaxPool": ("MaxReduce",),
    "SumPool": ("SumReduce",),
    "Sum": ("Adder",),
    "Multiply": ("Multiplier",),
    "Concat": ("Interleave",),
    "Gather": ("Reorder",),
    "Dense": ("MatrixVector", "SelectMatrixVector", "SparseMatrixVector"),
    "Conv": ("Depthwise", "ParallelWindow"),
    "Requantise": ("Requantiser",),
}
"""The kernels that a kind has for itself, or before all others."""
LIBRARY: Mapping[str, str] = {
    "ArgMax": "argmax_reduce argmax_tree bw_argmax bw_argmax_reduce bw_argmax_tree",
    "MaxPool": "bw_pool bw_max_reduce",
    "SumPool": "bw_pool bw_sum_reduce",
    "Sum": "bw_adder bw_join",
    "Multiply": "multiply multiplier bw_multiplier bw_join",
    "Concat": "bw_interleave bw_join",
    "Gather": "bw_reorder",
    "Dense": "bw_mvu bw_select bw_sparse mvu_flow select_flow sparse_flow",
    "Conv": "bw_depthwise bw_window_line",
    "Requantise": "bw_requant bw_mas bw_thresholds mas thresholds",
    "Table": "bw_lookup lookup",
}
"""What the libraries and the fitted data call them."""
ORDINARY = frozenset("sum adder multiply multiplier dense table gather reorder reshape conv requantise".split())
"""Words that mean other things too in Python: there only the classes of these kinds count."""
MOST = 14
"""The most files for a kind: these, and every kind added from now on. The engine fast brought one file to each."""
CEILINGS = {"Conv": 38, "Dense": 34, "Gather": 26, "Requantise": 44, "Reshape": 16, "Sum": 20, "Table": 28}
"""Older kinds that are known in more places; lower a number when it falls."""


def snake(name: str) -> str:
    """`arg_max` of `ArgMax`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def names(path: Path, text: str, kind: str) -> bool:
    """Whether the code of a file names a kind."""
    classes = {kind, *KERNELS.get(kind, ())}
    if path.suffix != ".py":
        own = {snake(name) for name in KERNELS.get(kind, ())} | set(LIBRARY.get(kind, "").split())
        return path.stem in own or not own.isdisjoint(re.findall(r"\w+", re.sub(r"//.*", "", text)))
    identifiers, strings = python(text)
    lower = {snake(name) for name in classes} - ORDINARY
    op = {kind.lower()} - ORDINARY
    return not (classes | lower).isdisjoint(identifiers) or not op.isdisjoint(strings)


@cache
def python(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """The identifiers and the strings of Python code, but for attributes of NumPy."""
    identifiers, strings, before = set[str](), set[str](), ["", ""]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME and before not in (["np", "."], ["host_ops", "."]):
            identifiers.add(token.string)
        if token.type == tokenize.STRING:
            strings.add(token.string.strip("\"'"))
        before = [before[1], token.string]
    return frozenset(identifiers - host_steps(text)), frozenset(strings)


def host_steps(text: str) -> set[str]:
    """The names that mean host steps in Python code: those that it takes from there."""
    found = set[str]()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "bitwright.ir.host_ops":
            found |= {alias.name for alias in node.names if alias.asname is None}
    return found


@cache
def touched(kind: str) -> list[str]:
    """The shipped files that name a kind."""
    return [str(path.relative_to(ROOT)) for path in FILES if names(path, path.read_text(encoding="utf-8"), kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_few_files_know_a_kind(kind: str) -> None:
    assert len(touched(kind)) <= CEILINGS.get(kind, MOST), "\n".join(touched(kind))


@pytest.mark.parametrize("kind", CEILINGS)
def test_a_ceiling_is_no_higher_than_it_must_be(kind: str) -> None:
    assert len(touched(kind)) == CEILINGS[kind]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", "from bitwright.ir.layers import ArgMax", True),
        ("a.py", "match layer:\n    case ArgMaxReduce():\n        pass", True),
        ("a.py", "def arg_max(x): return x", True),
        ("a.py", 'RULES = {"argmax": 1}', True),
        ("a.py", "# ArgMax\n'''ArgMax'''\nx = np.argmax(y)", False),
        ("a.py", 'OPERATORS = {"ArgMax": 1}', False),
        ("a.py", 'HOST = {"arg_max": host_ops.ArgMax}', False),
        ("a.py", "from bitwright.ir.host_ops import ArgMax\nArgMax()", False),
        ("bw_argmax.hpp", "", True),
        ("bw_other.sv", "  bw_argmax_tree #(.N(2)) u_tree ();", True),
        ("bw_other.sv", "// like bw_argmax_tree", False),
        ("resources.json", '{"argmax_reduce": {}}', True),
    ],
)
def test_what_counts(name: str, text: str, expected: bool) -> None:
    assert names(Path(name), text, "ArgMax") == expected
