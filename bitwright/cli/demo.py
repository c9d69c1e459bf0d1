# SPDX-License-Identifier: Apache-2.0
"""The bundled network end to end: `bitwright demo`, step by step, each step giving what there is to see."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray
from rich.console import RenderableType
from rich.syntax import Syntax
from rich.text import Text

from bitwright import api
from bitwright.design import Design
from bitwright.folder import design_folder
from bitwright.ir.graph import Graph
from bitwright.output import new_folder
from bitwright.report import show
from bitwright.report.inspection import inspection
from bitwright.sim import rtl_bench, tools
from bitwright.sim.engines import ENGINES
from bitwright.sim.places import scratch

CYCLES = 1000
STEPS = {
    "network": "From ONNX to exact integers",
    "hardware": "From integers to HLS C++ and SystemVerilog",
    "engines": "The same digits on every engine",
    "bench": "The bench of the SystemVerilog project",
    "verdict": "Verdict",
}
"""Step -> its title."""

NETWORK = """\
A network for 8x8 digits, trained in PyTorch with fake quantisation: 8-bit pixels, weights of 4, 3 and 2 bits, one layer
half pruned. Scales are exact rationals; 'reached' is what the weights allow, and sizes every wire."""
HARDWARE = """\
A plan of lanes for at most 1000 clocks per frame, and for each requantiser the cheapest form that is proved equal."""
BENCH = """\
The project stands alone: its own Makefile builds it, and cocotb plays source and sink, at full rate and with stalls."""


@dataclass(frozen=True)
class Step:
    """What a step found, as `--json` prints it and as a terminal shows it."""

    name: str
    result: dict[str, Any]
    drawn: tuple[RenderableType, ...]


@dataclass(frozen=True)
class Digits:
    """The bundled network, 64 digits, and what the PyTorch module that it was exported from answers."""

    model: Path
    net: Graph
    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of the digits that the exact network gets right."""
        return float((api.run(self.net, self.inputs).argmax(axis=1) == self.labels).mean())


def digits() -> Digits:
    """The network and the data in the package; `x`, `y` begin with the 64 digits of `inputs`."""
    folder = Path(str(package_files("bitwright") / "demo"))
    with np.load(folder / "digits.npz", allow_pickle=False) as data:
        inputs, outputs, labels = data["inputs"], data["outputs"], data["y"][: len(data["inputs"])]
    return Digits(folder / "digits.onnx", api.load(folder / "digits.onnx"), inputs, outputs, labels)


def bench(design: Design, inputs: NDArray[np.float32]) -> dict[str, Any]:
    """Runs the cocotb bench of the generated SystemVerilog project on `inputs`, with stalls on both sides.

    Gives `tests`, `failed`, the `frames` and output `elements` that each test compares, and `seconds`, build included.
    """
    codes = api.to_codes(design.graph, inputs)
    with scratch("bitwright-demo-") as folder:
        with new_folder(folder / "digits") as write:
            write(design_folder(design, ["verilog"], codes))
        start = time.perf_counter()
        where = folder / "digits/rtl/bench"
        rtl_bench.make(where)
        cases = list(ElementTree.parse(where / "results.xml").getroot().iter("testcase"))
    return {
        "tests": len(cases),
        "failed": sum(case.find("failure") is not None or case.find("error") is not None for case in cases),
        "frames": len(inputs),
        "elements": len(inputs) * sum(int(np.prod(design.graph.by_name[o].shape)) for o in design.graph.outputs),
        "seconds": round(time.perf_counter() - start, 1),
    }


def steps() -> Iterator[Step]:
    """The demo, a step at a time, in the order of `STEPS`; a tool that is missing is said before the first."""
    tools.verilator()
    given = digits()
    found = api.inspect(given.net)
    yield Step("network", found, (Text(NETWORK), inspection(found)))
    design = api.compile(given.net, cycles=CYCLES)
    report = design.report()
    yield Step("hardware", report, (Text(HARDWARE), show.design(design.record, border=False), *_excerpts(design)))
    result = api.verify(given.net, given.inputs, given.outputs, engines=tuple(ENGINES), design=design)
    yield Step("engines", result, (show.verification(result, border=False),))
    ran = bench(design, given.inputs)
    yield Step("bench", ran, (Text(BENCH), show.table("cocotb", list(ran), [list(ran.values())])))
    verdict = _verdict(given, report, result, ran)
    yield Step("verdict", verdict, tuple(Text(line) for line in verdict["says"]))


def _excerpts(design: Design) -> Iterator[RenderableType]:
    """A few lines of both projects: what a layer looks like in each language."""
    hls, rtl = design.files("hls"), design.files("verilog")
    calls = excerpt(hls[f"{design.name}.cpp"], r"^  bw::window", r"conv2")
    unit = excerpt(rtl[f"{design.name}_top.sv"], r"^  bw_mvu", r"^$")
    yield Syntax(
        f"// hls/{design.name}.cpp, one of {len(hls)} files\n{calls}\n  // ...", "cpp", background_color="default"
    )
    text = f"// rtl/{design.name}_top.sv, one of {len(rtl)} files\n{unit}\n  // ..."
    yield Syntax(text, "systemverilog", background_color="default")


def _verdict(given: Digits, report: dict[str, Any], result: dict[str, Any], ran: dict[str, Any]) -> dict[str, Any]:
    """`same`: whether every output integer agrees everywhere; `says`: the sentences that tell it."""
    golden, engines = result["golden"], result["engines"]
    counted, predicted = engines["rtl"]["cycles_per_frame"], report["interval_cycles"]
    same = api.passed(result) and golden["equal"] == golden["elements"] and not ran["failed"] and counted == predicted
    right = f"{given.accuracy:.1%}"
    every = f"{engines['reference']['elements']} output integers of {result['samples']} digits"
    if same:
        tests = f"in {ran['tests']} tests with and without stalls"
        says = [
            f"All {every} are the same in NumPy, in the compiled HLS C++, in the Verilated",
            f"SystemVerilog, under cocotb {tests}, and in the outputs that the PyTorch",
            f"module gave (stored beside the ONNX). A frame takes {counted} clocks, as predicted, and {right} of the",
            "digits are recognised.",
            "",
            f"To keep both projects: bitwright compile {shlex.quote(str(given.model))} -o digits --cycles {CYCLES}",
        ]
    else:
        says = [f"The {every} are NOT the same everywhere: see the tables above."]
    return {"same": same, "accuracy": given.accuracy, "says": says}


def excerpt(text: str, first: str, last: str) -> str:
    """The lines of `text` from the first that matches `first` up to the next that matches `last`, that one excluded."""
    lines = text.splitlines()
    start = next(index for index, line in enumerate(lines) if re.search(first, line))
    end = next(index for index, line in enumerate(lines[start:], start) if re.search(last, line))
    return "\n".join(lines[start:end])
