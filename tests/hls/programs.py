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
AXI = "ap_axi_sdata.h"
needs_vendor = needs_package("hls4ml")  # which carries the vendor's open headers of integers and streams
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label")


def vendor(folder: Path) -> tuple[str, ...]:
    """Include paths of the vendor's open headers; ours only adds the AXI transfer, which they lack, from `folder`."""
    found = find_spec("hls4ml")
    assert found is not None and found.origin is not None
    headers = Path(found.origin).parent / "templates/vivado/ap_types"
    assert (headers / "ap_int.h").is_file() and (headers / "hls_stream.h").is_file()
    assert not (headers / AXI).exists()
    write(folder / "axi", {AXI: (TEMPLATES / "host" / AXI).read_text(encoding="utf-8")})
    return (f"-I{headers}", f"-I{folder / 'axi'}")


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


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], cwd=program.parent, capture_output=True, text=True, check=False)
