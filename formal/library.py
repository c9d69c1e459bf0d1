# SPDX-License-Identifier: Apache-2.0
"""The module library as a proof reads it: each module with its properties before its `endmodule`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "bitwright/hls_templates/verilog"
PROPERTIES = Path(__file__).parent / "properties"
SCOREBOARD = "f_scoreboard.sv"


def source(module: str) -> str:
    """The text of a library module."""
    return LIBRARY.joinpath(f"{module}.sv").read_text(encoding="utf-8")


def parts(module: str) -> list[str]:
    """The library modules that `module` is made of, itself first."""
    found = [module]
    for name in found:
        used: list[str] = re.findall(r"^ +(bw_\w+) #\(", source(name), flags=re.MULTILINE)
        found += [part for part in dict.fromkeys(used) if part not in found]
    return found


def mutated(module: str, old: str, new: str) -> str:
    """The text of `module` with `new` in the one place where it has `old`."""
    text = source(module)
    if text.count(old) != 1:
        raise ValueError(f"{module}.sv has {old!r} {text.count(old)} times, a mutant changes one place")
    return text.replace(old, new)


def sources(module: str, text: str) -> dict[str, str]:
    """Every file of a proof of `module`, whose text is `text`, in the order in which Yosys reads them.

    The properties of a part are spliced in too: they help the induction. What the module itself needs of its
    surroundings is assumed; what a part needs must be shown, so there `needs` is an assertion. What a part can reach is
    the matter of its own proof, so there covers are left out.
    """
    files = {"bw_pkg.sv": source("bw_pkg"), SCOREBOARD: PROPERTIES.joinpath(SCOREBOARD).read_text(encoding="utf-8")}
    for name in reversed(parts(module)):
        properties = PROPERTIES / f"{name}.svh"
        files[f"{name}.sv"] = source(name) if name != module else text
        if properties.is_file():
            stated = properties.read_text(encoding="utf-8")
            if name != module:
                stated = re.sub(r"^ +cover \(.*\);\n", "", stated, flags=re.MULTILINE)
            needs = "assume" if name == module else "assert"
            splice = f"`define needs {needs}\n{stated}`undef needs\nendmodule\n"
            files[f"{name}.sv"] = splice.join(files[f"{name}.sv"].rsplit("endmodule\n", 1))
    return files
