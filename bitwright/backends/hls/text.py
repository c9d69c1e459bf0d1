# SPDX-License-Identifier: Apache-2.0
"""C++ spellings: types, constants, array initialisers, comments and calls; each returns text that fits 120 columns."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from bitwright.ir.columns import ELLIPSIS, tail
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

COLUMNS = 120


def element_type(kind: IntType) -> str:
    """The type of an element on a stream or in a weight array; bipolar is one bit."""
    return "bw::Bipolar" if kind.is_bipolar else number_type(kind)


def number_type(kind: IntType) -> str:
    """The type that holds the numbers of `kind`; bipolar takes two bits."""
    if kind.is_bipolar:
        return "ap_int<2>"
    return f"ap_{'int' if kind.signed else 'uint'}<{kind.bits}>"


def word_type(lanes: int, kind: IntType) -> str:
    """The type of one beat of a stream."""
    return f"bw::Vec<{element_type(kind)}, {lanes}>"


def constants(values: Mapping[str, int]) -> str:
    """`int A = 1, B = 2`, or `long long` where a value needs it."""
    width = "int" if all(-(2**31) < value < 2**31 for value in values.values()) else "long long"
    return f"{width} " + ", ".join(f"{name} = {value}" for name, value in values.items())


def initialiser(array: Ints) -> list[str]:
    """The elements of an array between its outer braces, as lines of at most `COLUMNS`, in order."""
    words = list(map(str, array.reshape(-1).tolist()))
    for size in array.shape[:0:-1]:
        words = ["{" + ", ".join(words[i : i + size]) + "}" for i in range(0, len(words), size)]
    return fold(", ".join(words))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as `[folds][lanes]` initialisers: one list of items per fold."""
    return fold(", ".join("{" + ", ".join(row) + "}" for row in rows))


def fold(text: str) -> list[str]:
    """`text` broken at spaces into lines that are indented by four."""
    lines, start, width = [], 0, COLUMNS - 4
    while len(text) - start > width:
        end = text.rindex(" ", start, start + width + 1)
        lines.append("    " + text[start:end])
        start = end + 1
    lines.append("    " + text[start:])
    return lines


def call(function: str, arguments: Iterable[str], types: Sequence[str] = ()) -> str:
    """The statement `function<types>(arguments);`, indented by two; what needs it stands below each other."""
    parts, head = list(arguments), f"{function}<{', '.join(types)}>" if types else function
    line = f"  {head}({', '.join(parts)});"
    if len(line) <= COLUMNS - 2:  # so that it may stand two further in
        return line
    if len(head) > COLUMNS - 5:
        head = f"{function}<\n      " + ",\n      ".join(types) + ">"
    return f"  {head}(\n      " + ",\n      ".join(parts) + ");"


def signature(name: str, ports: Sequence[tuple[str, str]]) -> str:
    """`void name(type &port, ...)`, each port on a line of its own, its name below its type where they need it."""
    head = f"void {name}("
    lines = [f"{kind} &{port}" for kind, port in ports]
    if max(map(len, lines)) + len(head) < COLUMNS:
        return head + (",\n" + " " * len(head)).join(lines) + ")"
    lines = [
        line if len(line) < COLUMNS - 5 else f"{kind}\n        &{port}"
        for line, (kind, port) in zip(lines, ports, strict=True)
    ]
    return head + "\n    " + ",\n    ".join(lines) + ")"


def declaration(type: str, name: str, arguments: str) -> str:
    """`  type name(arguments);`, broken behind the parenthesis, and before the name, where that is needed."""
    line = f"  {type} {name}({arguments});"
    if len(line) <= COLUMNS - 2:
        return line
    head = f"  {type} {name}("
    head = head if len(head) <= COLUMNS - 2 else f"  {type}\n      {name}("
    return f"{head}\n          {arguments});"


def columns(rows: Sequence[Sequence[str]], right: frozenset[int]) -> list[str]:
    """The rows as aligned columns, those in `right` aligned to the right; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    sides = [str.rjust if i in right else str.ljust for i in range(len(widths))]
    return ["  ".join(f(c, w) for f, c, w in zip(sides, row, widths, strict=True)).rstrip() for row in rows]


def comment(text: str, limit: int = 60) -> str:
    """The last `limit` characters of `text` from a model for a `//` comment: ASCII, nothing that continues a line."""
    plain = re.sub(r"[^A-Za-z0-9 _.,:;()\[\]{}<>=+*/@#%&|~^-]", "_", text)
    return plain if len(plain) <= limit else "..." + plain[3 - limit :]


def layer_name(text: str) -> str:
    """The name of a layer in the model for a comment: of a long one the end, as tables show it."""
    return tail(comment(text, len(text))).replace(ELLIPSIS, "...")


def counted(number: int, noun: str) -> str:
    """`1 word`, `2 words`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def wrap_comment(text: str) -> list[str]:
    """`text` as comment lines without their `//`, which may stand two characters in."""
    return textwrap.wrap(text, COLUMNS - 5)
