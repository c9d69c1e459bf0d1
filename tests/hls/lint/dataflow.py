# SPDX-License-Identifier: Apache-2.0
"""Rules on functions with DATAFLOW: streams, buffers and calls with them; every stream as deep as said, with two ends.

Nothing else enters a process: an object that refers to a table is a pointer to a pointer to the vendor's tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from clang.cindex import Cursor, CursorKind, TypeKind

from tests.hls.lint.functions import called, parameters
from tests.hls.lint.source import Finding, Project, body

REFERENCES = (TypeKind.LVALUEREFERENCE, TypeKind.RVALUEREFERENCE, TypeKind.POINTER, TypeKind.MEMBERPOINTER)
WORD = re.compile(
    r"hls::stream<(?:bw::Vec<(?:bw::Bipolar|ap_int_base<\d+, (?:true|false)(?:, false)?>), \d+>|ap_axiu<.*>)>"
)


def dataflow_rules(project: Project) -> Iterator[Finding]:
    """Every function whose body begins with DATAFLOW."""
    for function in project.hardware:
        block = body(function)
        if block is None or not re.match(
            r"\{(?:\s*#pragma HLS[^\n]*\n)*?\s*#pragma HLS DATAFLOW\b", project.text(block)
        ):
            continue
        local = []
        for statement in block.get_children():
            if statement.kind == CursorKind.DECL_STMT:
                local += [c for c in statement.get_children() if c.kind == CursorKind.VAR_DECL]
            elif statement.kind not in (CursorKind.CALL_EXPR, CursorKind.UNEXPOSED_EXPR):
                yield project.finding(statement, "top", "more than declarations and calls")
        streams = [variable for variable in local if "stream<" in variable.type.spelling]
        yield from _given(project, function, {variable.spelling for variable in local})
        for stream in streams:
            yield from _declaration(project, stream, project.text(block))
        inner = [stream.spelling for stream in streams]
        outer = [p.spelling for p in parameters(function) if "stream<" in p.type.spelling]
        yield from _ends(project, function, inner, outer)


def _given(project: Project, function: Cursor, local: set[str]) -> Iterator[Finding]:
    """Arguments of processes that are neither a stream nor a buffer of the region; and what their types hold."""
    known = local | {p.spelling for p in parameters(function) if "stream<" in p.type.spelling}
    for callee, text in called(project, function):
        for argument in arguments_of(text):
            if argument.removesuffix("...") not in known and f'{argument}("' not in text and callee not in local:
                yield project.finding(function, "process arguments", f"'{callee}' is given '{argument}'")


def member_rules(project: Project) -> Iterator[Finding]:
    """No type of the hardware refers to anything: what crosses from process to process is a value."""
    for cursor in project.cursors:
        if cursor.kind == CursorKind.FIELD_DECL and cursor.type.get_canonical().kind in REFERENCES:
            yield project.finding(cursor, "process arguments", f"'{cursor.spelling}' is a reference or a pointer")


def _declaration(project: Project, stream: Cursor, text: str) -> Iterator[Finding]:
    name = stream.spelling
    if not WORD.fullmatch(stream.type.get_canonical().spelling):
        yield project.finding(stream, "integer width", f"'{name}' carries {stream.type.spelling}")
    if f'{name}("{name}")' not in "".join(project.text(stream).split()):
        yield project.finding(stream, "stream name", f"'{name}' is not called so")
    depth = re.search(rf"\b{name}\([^;]*;\n#pragma HLS STREAM variable={name} depth=(\d+)\n", text)
    if depth is None or int(depth[1]) < 2:
        yield project.finding(stream, "stream depth", f"'{name}' has no depth of 2 or more below it")


def _ends(project: Project, function: Cursor, inner: list[str], outer: list[str]) -> Iterator[Finding]:
    """Each stream has one writer and one reader; the function's own ports have one end inside."""
    ends: dict[str, list[str]] = {name: [] for name in inner + outer}
    for callee, text in called(project, function):
        for position, argument in enumerate(arguments_of(text)):
            if argument in ends:
                ends[argument].append(direction(project, callee, position, ()))
    for name, found in ends.items():
        if sorted(found) != ["read", "write"] and (name in inner or found not in (["read"], ["write"])):
            said = ", ".join(sorted(found)) or "nothing"
            yield project.finding(function, "stream ends", f"'{name}' meets {said}")


def direction(project: Project, callee: str, position: int, seen: tuple[tuple[str, int], ...]) -> str:
    """`read`, `write` or both: what the functions called `callee` do to the stream at `position`."""
    if (callee, position) in seen:
        return ""
    found = set()
    for function in project.by_name.get(callee, []):
        named = parameters(function)
        if not named or (position >= len(named) and "..." not in project.text(named[-1])):
            continue
        name, block = named[min(position, len(named) - 1)].spelling, body(function)
        text = project.text(block) if block else ""
        found |= {verb for verb in ("read", "write") if re.search(rf"\b{name}\.{verb}\(", text)}
        for other, arguments in called(project, function):
            for place, argument in enumerate(arguments_of(arguments)):
                if argument.removesuffix("...") == name:
                    found |= set(direction(project, other, place, (*seen, (callee, position))).split(" and ")) - {""}
    return " and ".join(sorted(found))


def arguments_of(text: str) -> list[str]:
    """The arguments of a call, split at the commas that no bracket encloses."""
    parts, depth = [""], 0
    for char in text:
        depth += {"(": 1, "{": 1, "<": 1, ")": -1, "}": -1, ">": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts]
