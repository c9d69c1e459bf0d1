# SPDX-License-Identifier: Apache-2.0
"""Times loading, compiling and running, and prints each figure beside its target.

python benchmarks/run.py [MODELS]

MODELS is a folder of third-party networks (qonnx_zoo/NAME/model.onnx, golden.npz, meta.json), `../shared/models` unless
given; what needs it is left out where it is absent. `cpu-s` counts the processes that were started, too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import bitwright
from bitwright.api import to_codes
from bitwright.ir.graph import Graph
from bitwright.sim.engines import ENGINES, REFERENCE

ROOT = Path(__file__).parents[1]
BATCH = 200_000


def cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def timed(clock: Callable[[], float], work: Callable[[], Any]) -> tuple[float, Any]:
    start = clock()
    result = work()
    return clock() - start, result


def report(what: str, measured: float, unit: str, target: str) -> None:
    print(f"{what:<52} {measured:>12,.2f} {unit:<16} target {target}")


def load(folder: Path) -> Graph:
    meta = json.loads((folder / "meta.json").read_text())
    return bitwright.load(folder / "model.onnx", inputs=meta.get("input_types", {}))


def compile_both(folder: Path) -> None:
    design = bitwright.compile(load(folder))
    design.files("hls")
    design.files("verilog")


def engines(folder: Path) -> None:
    """Builds the C++ engine, then runs it and the reference engine on a large batch, which must agree."""
    net = load(folder)
    with np.load(folder / "golden.npz") as data:
        inputs = data["inputs"]
    codes = to_codes(net, np.resize(inputs, (BATCH, *inputs.shape[1:])))
    design = bitwright.compile(net)
    built, hls = timed(cpu_seconds, lambda: ENGINES["hls"].build(net, design))
    report(f"{folder.name}: build the HLS C++ engine", built, "cpu-s", "below 5")
    ran, theirs = timed(cpu_seconds, lambda: hls.run(codes).outputs)
    report(f"{folder.name}: run the HLS C++ engine", BATCH / ran, "samples/cpu-s", "170,000 or more")
    reference = ENGINES[REFERENCE].build(net, None)
    ran, wanted = timed(cpu_seconds, lambda: reference.run(codes).outputs)
    report(f"{folder.name}: run the reference engine", BATCH / ran, "samples/cpu-s", "100,000 or more")
    for got, want in zip(theirs, wanted, strict=True):
        np.testing.assert_array_equal(got, want)


def main(models: Path) -> None:
    if (zoo := models / "qonnx_zoo").is_dir():
        seconds, _ = timed(perf_counter, lambda: compile_both(zoo / "kwsmlp_w3a3"))
        report("kwsmlp_w3a3: load and compile, both backends", seconds, "s", "below 10")
        engines(zoo / "jettagging_qkeras")
    else:
        print(f"{zoo} is absent: its networks are left out")
    subprocess.run([sys.executable, ROOT / "benchmarks/sweep.py"], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/models")
