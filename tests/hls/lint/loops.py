# SPDX-License-Identifier: Apache-2.0
"""Rules on loops: constant bounds, and a pragma that says what becomes of each."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind

from tests.hls.lint.functions import called, enclosed
from tests.hls.lint.source import Finding, Project, body, under

FRAMES = "int frame = 0; frame < Frames; ++frame"


def loop_rules(project: Project) -> Iterator[Finding]:
    """Loops of the functions that become hardware; and no call of a constexpr function that has one."""
    unbounded = {f.spelling for f in project.evaluated if _has_loop(f)}
    for function in project.hardware:
        for name, _ in called(project, function):
            if name in unbounded:
                yield project.finding(function, "loop bounds", f"'{name}' is for the compiler to evaluate")
        yield from _frames(project, function)
        for cursor in under(function):
            if cursor.kind == CursorKind.FOR_STMT:
                yield from _bounds(project, cursor)
                yield from _pragmas(project, cursor)
            elif cursor.kind == CursorKind.CXX_FOR_RANGE_STMT:
                yield project.finding(cursor, "loop bounds", "a loop over a range")
            if cursor.kind != CursorKind.LABEL_STMT:
                yield from _labels(project, cursor)


def _has_loop(function: Cursor) -> bool:
    return any(cursor.kind == CursorKind.FOR_STMT for cursor in under(function)) or any(
        cursor.spelling == function.spelling for cursor in under(function)
    )


def _bounds(project: Project, loop: Cursor) -> Iterator[Finding]:
    """for (int i = CONSTANT; i COMPARED WITH CONSTANT; i STEPS BY A CONSTANT), and i is not set in the body."""
    text = project.text(loop)
    head = enclosed(text, text.index("(") + 1)
    start, *others = head.split(";")
    declared = re.match(r"\s*int\s+(\w+)\s*=", start)
    if declared is None or len(others) != 2:
        yield project.finding(loop, "loop bounds", f"'for ({head})' has no counter of its own")
        return
    counter, (condition, step) = declared[1], others
    if not re.fullmatch(rf"\s*(?:\+\+{counter}|--{counter}|{counter} [+-]= [\w:]+)\s*", step):
        yield project.finding(loop, "loop bounds", f"'{counter}' does not step by a constant: '{step.strip()}'")
    if not re.search(rf"\b{counter}\b.*(?:<|>)", condition):
        yield project.finding(loop, "loop bounds", f"'{counter}' is compared with nothing: '{condition.strip()}'")
    for name in sorted(_variables(loop) - {counter}):
        yield project.finding(loop, "loop bounds", f"'{name}' in 'for ({head})' is no constant")
    inside = text[text.index("(") + 1 + len(head) :]
    if re.search(rf"(?:\+\+|--){counter}\b|\b{counter}\s*(?:\+\+|--|[-+*/]?=(?!=))", inside):
        yield project.finding(loop, "loop bounds", f"'{counter}' is set in the body of its loop")


def _variables(loop: Cursor) -> set[str]:
    """Names in a loop's head that are neither constants nor template parameters."""
    heads = [child for child in loop.get_children()][:-1]
    found = set()
    for cursor in (c for head in heads for c in (head, *under(head))):
        meant = cursor.referenced if cursor.kind in (CursorKind.DECL_REF_EXPR, CursorKind.MEMBER_REF_EXPR) else None
        variable = meant is not None and meant.kind in (
            CursorKind.VAR_DECL,
            CursorKind.PARM_DECL,
            CursorKind.FIELD_DECL,
        )
        if variable and not _is_constant(meant):
            found.add(cursor.spelling)
        if cursor.kind == CursorKind.CALL_EXPR and cursor.spelling and not cursor.spelling.startswith("operator"):
            found.add(cursor.spelling)
    return found


def _is_constant(variable: Cursor) -> bool:
    return any(token.spelling == "constexpr" for token in variable.get_tokens())


def _pragma(project: Project, loop: Cursor, name: str) -> bool:
    block = body(loop)
    return (
        block is not None
        and re.match(rf"\{{(?:\s*#pragma HLS[^\n]*\n)*?\s*#pragma HLS {name}\b", project.text(block)) is not None
    )


def _pragmas(project: Project, loop: Cursor) -> Iterator[Finding]:
    """A loop is pipelined, unrolled, or nothing but a nest around one."""
    if _pragma(project, loop, "PIPELINE"):
        if not _pragma(project, loop, "PIPELINE II=1 style=flp"):
            yield project.finding(loop, "loop pragma", "a pipeline that does not flush")
        return
    if _pragma(project, loop, "UNROLL"):
        return
    block = body(loop)
    inner = list(block.get_children()) if block else []
    if len(inner) != 1 or not _loop_of(inner[0]):
        yield project.finding(loop, "loop pragma", "neither PIPELINE nor UNROLL")


def _frames(project: Project, function: Cursor) -> Iterator[Finding]:
    """A pipelined loop passes all frames: they are the outermost loop of its nest, or it counts them and ends."""
    block = body(function)
    for statement in block.get_children() if block else ():
        for loop in (c for c in (statement, *statement.get_children()) if c.kind == CursorKind.FOR_STMT):
            text = project.text(loop)
            ends = _pragma(project, loop, "PIPELINE") and re.search(r"\bbreak;", text)
            if "#pragma HLS PIPELINE" in text and enclosed(text, text.index("(") + 1) != FRAMES and not ends:
                yield project.finding(loop, "loop over frames", "a pipeline that drains behind a frame")


def _loop_of(statement: Cursor) -> bool:
    if statement.kind == CursorKind.LABEL_STMT:
        return any(child.kind == CursorKind.FOR_STMT for child in statement.get_children())
    return statement.kind == CursorKind.FOR_STMT


def _labels(project: Project, parent: Cursor) -> Iterator[Finding]:
    for child in parent.get_children():
        if child.kind == CursorKind.FOR_STMT and _pragma(project, child, "PIPELINE"):
            yield project.finding(child, "loop label", "a pipelined loop without a label")
