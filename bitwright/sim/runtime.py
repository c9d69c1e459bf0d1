# SPDX-License-Identifier: Apache-2.0
"""Verilator's own runtime, the same in every model and most of what a small one compiles: kept in the user's cache.

Its objects are put beside a model before make runs, newer than what they come from, and those that make had to compile
are kept for the next one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from bitwright.sim import tools

MAKEFILE = "Vtop.mk"
"""What Verilator writes beside a model, with its options; the list of the model's own files is another one."""
SWITCH = re.compile(r"^VM_\w+ = \d+$", re.MULTILINE)
ROOT = re.compile(r"^VERILATOR_ROOT = (.*)$", re.MULTILINE)


def compile_model(objects: Path, options: Sequence[str], env: Mapping[str, str]) -> None:
    """The model that Verilator wrote to `objects`, compiled and linked by its makefile."""
    kept = _folder(objects, options, env)
    held: list[Path] = []
    with suppress(PermissionError):  # nor is one that cannot be read
        held = sorted(path for path in kept.glob("*.o") if os.access(path, os.R_OK))
    for path in held:
        shutil.copyfile(path, objects / path.name)  # newer than the makefile
    command: list[str | Path] = [tools.make().path, "-C", objects, "-f", MAKEFILE, "-j", "2", *options]
    tools.run(command, what="compiling the Verilog engine", cwd=objects.parent, env=env)
    new = {path.name for path in objects.glob("verilated*.o")} - {path.name for path in held}
    with suppress(OSError):  # a cache that cannot be written is none
        _keep([objects / name for name in sorted(new)], kept)


def _keep(objects: Sequence[Path], folder: Path) -> None:
    """Put `objects` in the cache, each whole: other processes may do the same at the same time."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=folder) as scratch:
        for path in objects:
            Path(shutil.copy(path, scratch)).replace(folder / path.name)


def _folder(objects: Path, options: Sequence[str], env: Mapping[str, str]) -> Path:
    """Where the runtime lies for this Verilator, compiler and these options."""
    makefile = (objects / MAKEFILE).read_text(encoding="utf-8")
    root = ROOT.search(makefile)
    include = Path(root[1] if root else os.sep, "include")
    switches = SWITCH.findall((objects / MAKEFILE.replace(".mk", "_classes.mk")).read_text(encoding="utf-8"))
    facts = [tools.verilator().version_text, str(tools.cxx().path), tools.cxx().version_text]
    given = [flag for flag in env.get("MAKEFLAGS", "").split() if not flag.startswith(("CXX=", "LINK="))]
    facts += [*options, *switches, *given, ROOT.sub("", makefile), env.get("OBJCACHE", "")]
    content = sha256("\0".join(facts).encode())
    for source in sorted(include.glob("verilated*.*")):
        content.update(f"\0{source.name}\0".encode() + source.read_bytes())
    return tools.cache_folder() / f"verilator-{content.hexdigest()[:32]}"
