# SPDX-License-Identifier: Apache-2.0
"""A generated project as the rules see it: Clang's cursors of its own files, and their text without comments."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from clang.cindex import Cursor, CursorKind, Diagnostic, Index

from bitwright.sim import tools
from tests.hls.programs import TEMPLATES, write

FUNCTIONS = {CursorKind.FUNCTION_DECL, CursorKind.FUNCTION_TEMPLATE, CursorKind.CXX_METHOD}
STREAM = """
#pragma once
namespace hls {
template <typename T>
class stream {
 public:
  explicit stream(const char *name);
  T read();
  void write(const T &word);
  bool empty();
};
}  // namespace hls
"""
"""What the kernels use of a stream: the walk needs no standard library."""


@dataclass(frozen=True, order=True)
class Finding:
    """A place that breaks a rule."""

    path: str
    line: int
    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.what}"


@dataclass(frozen=True)
class Project:
    """Cursors of the project's files, their text with comments blanked, and what the compiler itself says."""

    cursors: list[Cursor]
    texts: Mapping[str, str]
    diagnostics: list[Finding]

    def text(self, cursor: Cursor) -> str:
        """The source of a cursor, without comments."""
        return self.texts[path_of(cursor)][cursor.extent.start.offset : cursor.extent.end.offset]

    @cached_property
    def functions(self) -> list[Cursor]:
        """Every function with a body, methods too, whatever it is for."""
        return [c for c in self.cursors if c.kind in FUNCTIONS and body(c) is not None]

    @cached_property
    def hardware(self) -> list[Cursor]:
        """The functions that become hardware: all but the constexpr ones."""
        return [c for c in self.functions if not is_constexpr(self, c)]

    @cached_property
    def evaluated(self) -> list[Cursor]:
        """The constexpr functions."""
        return [c for c in self.functions if is_constexpr(self, c)]

    @cached_property
    def by_name(self) -> Mapping[str, list[Cursor]]:
        """The overloads of every function."""
        found: dict[str, list[Cursor]] = {}
        for function in self.functions:
            found.setdefault(function.spelling, []).append(function)
        return found

    def finding(self, cursor: Cursor, rule: str, what: str) -> Finding:
        return Finding(path_of(cursor), cursor.location.line, rule, what)


def path_of(cursor: Cursor) -> str:
    return str(cursor.location.file.name).removeprefix("./")


def body(cursor: Cursor) -> Cursor | None:
    """The block of a function or a loop."""
    blocks = [child for child in cursor.get_children() if child.kind == CursorKind.COMPOUND_STMT]
    return blocks[-1] if blocks else None


def is_constexpr(project: Project, function: Cursor) -> bool:
    head = project.text(function).partition("{")[0]
    return re.search(r"\bconstexpr\b", head) is not None


def under(cursor: Cursor) -> Iterator[Cursor]:
    """All cursors below, depth first; not into the elements of tables."""
    for child in cursor.get_children():
        yield child
        if child.kind != CursorKind.INIT_LIST_EXPR:
            yield from under(child)


@cache
def system_headers() -> str:
    """The compiler's own C headers, which the wheel of libclang lacks."""
    command = [str(tools.cxx().path), "-print-file-name=include"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def parse(files: Mapping[str, str]) -> Iterator[Project]:
    """The project around the source that its vendor configuration names."""
    own = {path: text for path, text in files.items() if path.endswith((".cpp", ".hpp")) and not _is_host(path)}
    main = next(line.partition("=")[2] for line in files["hls_config.cfg"].splitlines() if line.startswith("syn.file"))
    with tempfile.TemporaryDirectory(prefix="bitwright-lint-") as folder:
        write(Path(folder), own | {"stub/hls_stream.h": STREAM})
        includes = ("-Istub", f"-I{TEMPLATES / 'host'}", "-isystem", system_headers())
        flags = [
            "-x",
            "c++",
            "-std=c++14",
            "-pedantic",
            "-Wall",
            "-Wno-unknown-pragmas",
            "-Wno-unused",
            "-Wno-missing-braces",
            *includes,
        ]
        unit = Index.create().parse(main, args=[f"-working-directory={folder}", *flags])
        tops = [c for c in unit.cursor.get_children() if c.location.file and _is_own(c, own)]
        cursors = [cursor for top in tops for cursor in (top, *under(top))]
        said = [d for d in unit.diagnostics if d.severity >= Diagnostic.Warning and d.location.file]
        found = [Finding(_relative(d.location.file.name, folder), d.location.line, "C++14", d.spelling) for d in said]
        yield Project(cursors, {path: blanked(text) for path, text in own.items()}, found)


def _is_host(path: str) -> bool:
    return path.startswith(("host/", "tb/"))


def _is_own(cursor: Cursor, own: Mapping[str, str]) -> bool:
    return path_of(cursor) in own


def _relative(path: str, folder: str) -> str:
    return path.removeprefix(folder).removeprefix("/").removeprefix("./")


def blanked(text: str) -> str:
    """`text` with comments turned to blanks: every other character keeps its place."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.DOTALL)
