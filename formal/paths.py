# SPDX-License-Identifier: Apache-2.0
"""Which inputs of a module reach which outputs in the same clock: the paths that its contract says it cuts."""

from __future__ import annotations

import shutil
from pathlib import Path

from bitwright.sim import tools
from formal.library import parts, source
from formal.proofs import Proof

FLIP_FLOPS = "$dff,$dffe,$sdff,$sdffe,$sdffce"


def found_paths(proof: Proof, text: str, folder: Path) -> dict[str, list[str]]:
    """For each output of the module, as `text` has it, at its first size: the inputs from which logic leads there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = ["bw_pkg", *reversed(parts(proof.module))]
    for name in names:
        folder.joinpath(f"{name}.sv").write_text(text if name == proof.module else source(name), encoding="utf-8")
    size = "".join(f" -chparam {name} {value}" for name, value in proof.sizes[0].items())
    script = [
        f"read_verilog -sv {' '.join(f'{name}.sv' for name in names)}",
        f"hierarchy -top {proof.module}{size}",
        "prep -flatten; memory_map; opt_clean",
        "tee -q -o outputs.txt select -list o:*",
        *(f"tee -q -o {out}.txt select -list o:{out} %ci*:-{FLIP_FLOPS} i:* %i" for out in proof.paths),
    ]
    tools.run([tools.yosys().path, "-q", "-p", "; ".join(script)], what=f"tracing {proof.module}", cwd=folder)
    return {
        out: _ports(folder / f"{out}.txt") if out in proof.paths else ["?"] for out in _ports(folder / "outputs.txt")
    }


def _ports(listed: Path) -> list[str]:
    """The ports of a list of `module/port` lines, by name."""
    return sorted(line.rpartition("/")[2] for line in listed.read_text(encoding="utf-8").split())
