# SPDX-License-Identifier: Apache-2.0
"""Every quantised network of a collection on the compiled engines and through the linters; one line for each check.

python -m benchmarks.corpus [--checks hls,rtl,lint,slang,synthesis,judge,threads,sanitize,vendor] [--only 'brevitas/*']
                            [--samples 3] [--models DIR]

hls and rtl: no integer may differ from the reference engine's; rtl: the clocks are those of the plan, the interval
exactly, the latency within 1 %; lint: Verilator's -Wall and Yosys are silent on the SystemVerilog; slang: so is it, on
all that tests/rtl/slang does not allow; synthesis: the C++ keeps the rules of tests/hls/lint; judge: in its
IR nothing but streams enters a process, and no array is carried at no stated distance; threads: no stream of the
C++ is so short that its kernels wait for each other; sanitize: its test bench passes with the address and undefined
behaviour sanitizers; vendor: it passes with the vendor's open headers, as the package hls4ml carries them, and they
warn of no stream. DIR holds FAMILY/NAME/{model.onnx,golden.npz,meta.json}, `../shared/models` unless given; networks
that their meta.json expects to be refused are left out. Exits 1 if any check fails.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bitwright
from bitwright.design import Design, random_codes
from bitwright.ir.graph import Graph
from bitwright.sim import tools
from bitwright.sim.lint import project_sources, verilator_lint, yosys_check

MODELS = Path(__file__).parents[1].parent / "shared/models"
CHECKS = ("hls", "rtl", "lint", "slang", "synthesis", "judge", "threads", "sanitize", "vendor")
BENCH = ["tb/{name}_tb.cpp", "{name}.cpp"]
PROGRAMS = {
    "threads": (["host/threads.cpp"], ["-O1", "-DBW_FRAMES=3", "-pthread", "-Ihost/threads"]),
    "vendor": (BENCH, ["-O1"]),
    "sanitize": (BENCH, ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover"]),
}
"""Programs of a C++ project: their sources, and flags beside those of its Makefile."""
LATENCY_ERROR = 0.01


def networks(models: Path, pattern: str = "*") -> list[Path]:
    """The folders of the networks that can be taken, whose FAMILY/NAME matches."""
    folders = [path.parent for path in sorted(models.glob("*/*/meta.json"))]
    return [folder for folder in folders if fnmatch(title(folder), pattern) and _is_exact(folder)]


def _is_exact(folder: Path) -> bool:
    meta = json.loads((folder / "meta.json").read_text())
    return bool(meta.get("expected", "refused" if meta["format"] == "float" else "exact") == "exact")


def title(folder: Path) -> str:
    """FAMILY/NAME."""
    return f"{folder.parent.name}/{folder.name}"


def load(folder: Path) -> Graph:
    """The graph of the network in `folder`, real-valued inputs typed as its meta.json says."""
    meta = json.loads((folder / "meta.json").read_text())
    return bitwright.load(folder / "model.onnx", inputs=meta.get("input_types", {}))


def feeds(folder: Path, samples: int) -> list[NDArray[Any]]:
    """The first golden inputs, one array for each input of the model."""
    with np.load(folder / "golden.npz") as data:
        names = sorted((name for name in data.files if name.startswith("inputs")), key=lambda name: (len(name), name))
        return [data[name][:samples] for name in names]


def check_hls(net: Graph, design: Design, inputs: Sequence[NDArray[Any]]) -> tuple[bool, str]:
    """Whether the compiled C++ gives the integers of the reference, and the figures."""
    row = bitwright.verify(net, inputs, engines=("hls",), design=design)["engines"]["hls"]
    said = f"{row['mismatches']} of {row['elements']} differ; built in {row['build_seconds']:.1f} s"
    return row["mismatches"] == 0, said


def check_rtl(net: Graph, design: Design, inputs: Sequence[NDArray[Any]]) -> tuple[bool, str]:
    """Whether the Verilated RTL gives the integers of the reference in the clocks of the plan, and the figures."""
    row = bitwright.verify(net, inputs, engines=("rtl",), design=design)["engines"]["rtl"]
    report = design.report()
    interval, latency = report["interval_cycles"], report["latency_cycles"]
    error = abs(row["latency_cycles"] - latency) / row["latency_cycles"]
    said = (
        f"{row['mismatches']} of {row['elements']} differ; interval {row['cycles_per_frame']} (plan {interval}), "
        f"latency {row['latency_cycles']} (plan {latency}); built in {row['build_seconds']:.1f} s, "
        f"ran {row['seconds']:.1f} s"
    )
    on_time = row["cycles_per_frame"] in (interval, None) and error <= LATENCY_ERROR
    return row["mismatches"] == 0 and on_time, said


def check_lint(design: Design) -> tuple[bool, str]:
    """Whether both linters are silent, and their seconds."""
    files = design.files("verilog")
    sources, top = project_sources(files), f"{design.name}_top"
    start = perf_counter()
    verilator_lint(files, sources, top)
    middle = perf_counter()
    yosys_check(files, sources, [top])
    return True, f"clean; Verilator {middle - start:.1f} s, Yosys {perf_counter() - middle:.1f} s"


def check_slang(design: Design) -> tuple[bool, str]:
    """Whether slang is silent, what it says, and its seconds."""
    from tests.rtl.slang import slang  # it needs pyslang, and the repository's folder on the path

    files, start = design.files("verilog"), perf_counter()
    said = slang(files, project_sources(files), [f"{design.name}_top"])
    return not said, said or f"clean; {perf_counter() - start:.1f} s"


def check_synthesis(design: Design) -> tuple[bool, str]:
    """Whether the lint of HLS C++ is silent, its findings, and its seconds."""
    from tests.hls.lint import lint  # it needs libclang, and the repository's folder on the path

    start = perf_counter()
    found = lint(design.files("hls"))
    return not found, "\n".join(map(str, found)) or f"clean; {perf_counter() - start:.1f} s"


def check_judge(design: Design) -> tuple[bool, str]:
    """Whether the judge of the IR is silent, its findings, and its seconds."""
    from tests.hls.judge import judge  # it needs LLVM, and the repository's folder on the path

    start = perf_counter()
    found = judge(design.files("hls"))
    return not found, "\n".join(found) or f"clean; {perf_counter() - start:.1f} s"


def _vendor(folder: Path) -> tuple[str, ...]:
    from tests.hls.programs import vendor  # it needs the repository's folder on the path

    return vendor(folder)


def check_program(name: str, files: Mapping[str, str], project: str) -> tuple[bool, str]:
    """Whether a program of the C++ project finds all outputs of its test vectors equal, and its seconds."""
    sources, flags = PROGRAMS[name]
    with tempfile.TemporaryDirectory(prefix="bitwright-") as folder:
        for path, text in files.items():
            target = Path(folder, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        includes = _vendor(Path(folder)) if name == "vendor" else ("-Ihost",)
        command = [tools.cxx().path, "-std=c++14", "-w", *flags, *includes, "-o", "program"]
        start = perf_counter()
        tools.run([*command, *(s.format(name=project) for s in sources)], what="compiling", cwd=Path(folder))
        built = perf_counter()
        said = tools.run([Path(folder, "program")], what=f"running the program {name}", cwd=Path(folder)).strip()
    passed = re.fullmatch(rf"{project}: \d+ compared, 0 different", said) is not None
    return passed, f"{said}; built in {built - start:.1f} s, ran {perf_counter() - built:.1f} s"


def check(name: str, folder: Path, samples: int) -> tuple[bool, str]:
    """The verdict of one check on one network; a BitwrightError is a failure."""
    try:
        net = load(folder)
        design = bitwright.compile(net)
        match name:
            case "hls":
                return check_hls(net, design, feeds(folder, samples))
            case "rtl":
                return check_rtl(net, design, feeds(folder, samples))
            case "lint":
                return check_lint(design)
            case "slang":
                return check_slang(design)
            case "synthesis":
                return check_synthesis(design)
            case "judge":
                return check_judge(design)
            case _:
                files = design.files("hls", random_codes(net, samples))
                return check_program(name, files, design.name)
    except bitwright.BitwrightError as error:
        return False, str(error)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checks", default=",".join(CHECKS))
    parser.add_argument("--only", default="*")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args(arguments)
    checks = options.checks.split(",")
    if unknown := set(checks) - set(CHECKS):
        parser.error(f"unknown checks {', '.join(sorted(unknown))}; known: {', '.join(CHECKS)}")
    failures = 0
    for folder in networks(options.models, options.only):
        for name in checks:
            passed, said = check(name, folder, options.samples)
            failures += not passed
            print(f"{'ok  ' if passed else 'FAIL'} {title(folder):40} {name:9} {said}", flush=True)
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
