# SPDX-License-Identifier: Apache-2.0
"""C++ programs in the tests: written to a folder, compiled against one set of headers or the other, run."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bitwright.sim import tools
from tests.needs import needs_package

TEMPLATES = Path(__file__).parents[2] / "bitwright/hls_templates/hls"
OURS = (f"-I{TEMPLATES / 'host'}",)
needs_vendor = needs_package("da4ml")  # which carries the vendor's open integer headers
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label")


def vendor() -> tuple[str, ...]:
    """Include paths with the vendor's open integer headers before ours, which then only add the stream."""
    found = find_spec("da4ml")
    assert found is not None and found.origin is not None
    headers = Path(found.origin).parent / "codegen/hls/source/ap_types/include"
    assert (headers / "ap_int.h").is_file()
    return (f"-I{headers}", *OURS)


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def compiled(folder: Path, sources: Sequence[str], flags: Sequence[str], name: str = "program") -> Path:
    """The program of `sources`, which are relative to `folder`."""
    command: list[str | Path] = [tools.cxx().path, "-std=c++14", *flags, "-o", name, *sources]
    tools.run(command, what="compiling", cwd=folder)
    return folder / name


def run(program: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program], cwd=program.parent, capture_output=True, text=True, check=False)
