# SPDX-License-Identifier: Apache-2.0
"""Rules on functions and data: no recursion at run time, integers as wide as their types."""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind, Type, TypeKind

from tests.hls.lint.source import Finding, Project, body, path_of, under

NATIVE = {
    *(TypeKind.CHAR_S, TypeKind.CHAR_U, TypeKind.SCHAR, TypeKind.UCHAR, TypeKind.SHORT, TypeKind.USHORT),
    *(TypeKind.UINT, TypeKind.LONG, TypeKind.ULONG, TypeKind.LONGLONG, TypeKind.ULONGLONG),
}
SIMULATED = "kernels/bw_rom.hpp"
SINGLE = "bw::Single<"
"""Where plain integers stand for the elements of a table, in a C simulation only."""
ARRAYS = {TypeKind.CONSTANTARRAY, TypeKind.DEPENDENTSIZEDARRAY, TypeKind.INCOMPLETEARRAY}


def function_rules(project: Project) -> Iterator[Finding]:
    """Recursion, and native integers where data travels: an `int` indexes within an iteration, nothing else."""
    yield from _recursion(project)
    hardware = project.hardware
    for cursor in (c for f in hardware for c in _carried(project, f)):
        yield project.finding(cursor, "integer width", f"'{cursor.spelling}' is an int that a loop carries")
    local = [c for f in hardware for c in under(f) if c.kind in (CursorKind.VAR_DECL, CursorKind.PARM_DECL)]
    for cursor in local:
        if _native(cursor.type) in NATIVE:
            yield project.finding(cursor, "integer width", f"'{cursor.spelling}' is {cursor.type.spelling}")
    arrays = [c for c in project.cursors if c.kind == CursorKind.VAR_DECL and _is_array(c.type)]
    fields = [c for c in project.cursors if c.kind == CursorKind.FIELD_DECL]
    for cursor in arrays + fields:
        simulated = path_of(cursor) == SIMULATED or cursor.type.spelling.startswith(SINGLE)
        if not simulated and _native(cursor.type) in NATIVE | {TypeKind.INT}:
            yield project.finding(cursor, "integer width", f"'{cursor.spelling}' holds native integers")


def _carried(project: Project, function: Cursor) -> Iterator[Cursor]:
    """Variables of type `int` outside of the pipelined loops of a function: registers of 32 bits."""
    block = body(function)
    if block is None or "#pragma HLS PIPELINE" not in project.text(block):
        return
    for statement in block.get_children():
        for variable in statement.get_children() if statement.kind == CursorKind.DECL_STMT else ():
            if variable.type.get_canonical().kind == TypeKind.INT and not variable.type.is_const_qualified():
                yield variable


def _is_array(kind: Type) -> bool:
    return kind.get_canonical().kind in ARRAYS


def _native(kind: Type) -> TypeKind:
    """The kind of a type, of its elements, or of what it refers to."""
    kind = kind.get_canonical()
    while kind.kind in ARRAYS or kind.kind in (TypeKind.LVALUEREFERENCE, TypeKind.POINTER):
        kind = (kind.get_array_element_type() if kind.kind in ARRAYS else kind.get_pointee()).get_canonical()
    return kind.kind


def _recursion(project: Project) -> Iterator[Finding]:
    """Circles of calls by name; a call that expands a parameter pack ends when the pack does."""
    functions = project.hardware
    names = {function.spelling for function in functions}
    calls: dict[str, set[str]] = {name: set() for name in names}
    for function in functions:
        for name, arguments in called(project, function):
            if name not in names or "..." in arguments:
                continue
            if name != function.spelling:
                calls[function.spelling].add(name)
            elif _same_overload(function, arguments):
                yield project.finding(function, "recursion", f"'{name}' calls itself")
    for function in functions:
        if function.spelling in _reached(calls, calls[function.spelling]):
            yield project.finding(function, "recursion", f"'{function.spelling}' calls itself through others")


def called(project: Project, function: Cursor) -> Iterator[tuple[str, str]]:
    """(name, arguments) of every call in the text of a function's body."""
    block = body(function)
    text = project.text(block) if block else ""
    for match in re.finditer(r"\b(\w+)\s*(?:<[^;(){}]*>)?\s*\(", text):
        yield match[1], enclosed(text, match.end())


def enclosed(text: str, start: int) -> str:
    """What stands between the parenthesis before `start` and the one that closes it."""
    depth, end = 1, start
    while depth and end < len(text):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1]


def _same_overload(function: Cursor, arguments: str) -> bool:
    """Whether a call of its own name can mean the function itself: parameters of other types mean another overload."""
    kinds = {parameter.spelling: parameter.type.spelling for parameter in parameters(function)}
    given = [kinds.get(argument.strip()) for argument in arguments.split(",")]
    return None in given or given == list(kinds.values())


def parameters(function: Cursor) -> list[Cursor]:
    return [child for child in function.get_children() if child.kind == CursorKind.PARM_DECL]


def _reached(calls: dict[str, set[str]], start: set[str]) -> set[str]:
    found, waiting = set(start), list(start)
    while waiting:
        for name in calls[waiting.pop()] - found:
            found.add(name)
            waiting.append(name)
    return found
