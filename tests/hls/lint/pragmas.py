# SPDX-License-Identifier: Apache-2.0
"""Where pragmas stand: first in the body that they govern, or right below the variable that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind

from tests.hls.lint.source import FUNCTIONS, Finding, Project, path_of

OF_LOOPS = ("PIPELINE", "UNROLL", "LOOP_FLATTEN", "DEPENDENCE")
OF_FUNCTIONS = ("DATAFLOW", "INTERFACE", "INLINE")
OF_VARIABLES = ("AGGREGATE", "ARRAY_PARTITION", "ARRAY_RESHAPE", "BIND_OP", "BIND_STORAGE", "STREAM")


def pragma_rules(project: Project) -> Iterator[Finding]:
    """Every `#pragma HLS` of the project."""
    blocks = _blocks(project)
    for path, text in project.texts.items():
        for match in re.finditer(r"^[ \t]*#pragma (?!once)(.*)$", text, re.M):
            what = _misplaced(text, match, blocks.get(path, []))
            if what:
                yield Finding(path, text.count("\n", 0, match.start()) + 1, "pragma place", what)


def _blocks(project: Project) -> dict[str, list[tuple[int, int, str]]]:
    """For each file (start, end, `loop`, `function` or `block`) of everything in braces that holds statements."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    for cursor in project.cursors:
        owner = "loop" if cursor.kind == CursorKind.FOR_STMT else "function" if cursor.kind in FUNCTIONS else "block"
        for child in cursor.get_children():
            if child.kind == CursorKind.COMPOUND_STMT:
                found.setdefault(path_of(child), []).append(_place(child, owner))
    return found


def _place(block: Cursor, owner: str) -> tuple[int, int, str]:
    return block.extent.start.offset, block.extent.end.offset, owner


def _misplaced(text: str, pragma: re.Match[str], blocks: list[tuple[int, int, str]]) -> str:
    """What is wrong with the place of a pragma, or nothing."""
    words = pragma[1].split()
    if words[0] != "HLS" or words[1] not in OF_LOOPS + OF_FUNCTIONS + OF_VARIABLES:
        return f"'{pragma[1]}' is no pragma that the kernels use"
    around = [block for block in blocks if block[0] < pragma.start() < block[1]]
    start, _, owner = max(around, default=(0, 0, "file"))
    wanted = {"loop": OF_LOOPS, "function": OF_FUNCTIONS}.get(owner, ())
    if words[1] not in (*wanted, *OF_VARIABLES):
        return f"{words[1]} in the body of a {owner}"
    before = re.sub(r"^[ \t]*#pragma [^\n]*$", "", text[start + 1 : pragma.start()], flags=re.M).strip()
    if not before and owner in ("loop", "function"):
        return ""
    variable = re.search(r"variable=(\w+)", pragma[1])
    declares = variable and re.search(rf"[\w>&*] {variable[1]}\b[^;]*;$", before)
    return "" if declares else f"{words[1]} is neither first in its body nor below its variable"
