# SPDX-License-Identifier: Apache-2.0
"""How much of the package is hard to read: functions that branch more than ten times, and lines that stand twice."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.test_style import PACKAGE, SOURCES

MOST_BRANCHES = 10
COMPLEX = 0.01
"""The share of functions that may have more; it may only fall."""
RUN = 6
REPEATED = 0.006
"""The share of lines that may stand in runs of at least `RUN` equal lines; it may only fall."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def branches(node: ast.AST) -> int:
    """By how many ways a node adds to those through its function: the cyclomatic complexity, counted as radon does."""
    match node:
        case ast.If() | ast.IfExp() | ast.Assert():
            return 1
        case ast.For() | ast.AsyncFor() | ast.While():
            return 1 + bool(node.orelse)
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.Try():
            return len(node.handlers) + bool(node.orelse)
        case ast.match_case(pattern=ast.MatchAs(pattern=None, name=None), guard=None):
            return 0
        case ast.match_case():
            return 1
        case _:
            return 0


def complexity(function: Function) -> int:
    """Of a function without those inside of it, which count for themselves."""
    total, waiting = 1, list[ast.AST](function.body)
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Function):
            total += branches(node)
            waiting += ast.iter_child_nodes(node)
    return total


def functions(sources: Iterable[Path]) -> dict[str, int]:
    """The complexity of every function by its place."""
    found = {}
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                found[f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"] = complexity(node)
    return found


def lines(text: str) -> list[str]:
    """What counts of a file: no blank lines, comments or imports."""
    nodes = ast.walk(ast.parse(text))
    spans = (
        range(n.lineno, (n.end_lineno or n.lineno) + 1) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)
    )
    imports = {number for span in spans for number in span}
    rows = [line.strip() for number, line in enumerate(text.splitlines(), 1) if number not in imports]
    return [row for row in rows if row and not row.startswith("#")]


def repeated(files: Mapping[str, list[str]]) -> dict[str, set[int]]:
    """The places, among the lines that count, of those that stand in a run of `RUN` that is there more than once."""
    runs = defaultdict(list)
    for name, rows in files.items():
        for start in range(len(rows) - RUN + 1):
            runs[tuple(rows[start : start + RUN])].append((name, start))
    found: dict[str, set[int]] = {name: set() for name in files}
    for places in runs.values():
        for name, start in places if len(places) > 1 else ():
            found[name].update(range(start, start + RUN))
    return found


def test_what_counts_as_a_branch() -> None:
    text = """
def outer(x, *rest):
    assert x
    if x and rest or not rest:
        return [a for a in rest if a]
    elif x:
        return 1 if x else 2
    for a in rest:
        while a:
            try:
                a -= 1
            except ValueError:
                pass
    match x:
        case 1 | 2:
            return 0
        case _:
            def inner(y):
                return y or 0
            return inner
"""
    outer, inner = (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))
    assert (complexity(outer), complexity(inner)) == (13, 2)


def test_what_counts_as_repeated() -> None:
    rows = [f"line {i}" for i in range(RUN)]
    assert lines("# note\nimport os\nfrom a import (\n    b,\n)\n\n  \nx = 1\n") == ["x = 1"]
    assert repeated({"a": ["first", *rows], "b": rows}) == {"a": set(range(1, RUN + 1)), "b": set(range(RUN))}
    assert repeated({"a": rows[1:], "b": rows[1:]}) == {"a": set(), "b": set()}


def test_few_functions_branch_more_than_ten_times() -> None:
    found = functions(SOURCES)
    over = {place: count for place, count in found.items() if count > MOST_BRANCHES}
    assert len(found) > 1500
    assert len(over) <= COMPLEX * len(found), over


def test_few_lines_stand_twice() -> None:
    files = {str(path.relative_to(PACKAGE)): lines(path.read_text()) for path in SOURCES}
    found = repeated(files)
    total, twice = sum(map(len, files.values())), sum(map(len, found.values()))
    assert total > 15000
    assert twice <= REPEATED * total, {name: len(places) for name, places in found.items() if places}
