# SPDX-License-Identifier: Apache-2.0
"""The engines by name: each takes integers and gives integers, and all give the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitwright.design import Design
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.sim import cpp, reference, rtl

ENGINES = ("reference", "hls", "rtl")


@dataclass(frozen=True)
class Outcome:
    """What an engine gave: outputs, wall seconds to run and to build, and its counts (`cycles_per_frame`, ...)."""

    outputs: list[Ints]
    seconds: float
    build_seconds: float = 0.0
    counts: Mapping[str, Any] = field(default_factory=dict)


def needs_design(engine: str) -> bool:
    """True if `engine` runs a design; the reference runs the graph."""
    return engine != "reference"


def simulate(engine: str, net: Graph, codes: Sequence[Ints], *, design: Design | None) -> Outcome:
    """`codes` through `engine`; the compiled engines need a design."""
    start = time.perf_counter()
    match engine:
        case "reference":
            return Outcome(reference.run(net, codes), time.perf_counter() - start)
        case "hls":
            assert design is not None
            return _hls(design, codes)
        case "rtl":
            assert design is not None
            return _rtl(design, codes)
        case _:
            known = ", ".join(ENGINES)
            raise BitwrightError(f"there is no engine '{engine}'", where="engine", hint=f"known engines: {known}")


def _hls(design: Design, codes: Sequence[Ints]) -> Outcome:
    start = time.perf_counter()
    graph = design.graph
    shapes = [layer.shape for layer in graph.inputs], [graph.by_name[name].shape for name in graph.outputs]
    model = cpp.build(design.files("hls"), inputs=shapes[0], outputs=shapes[1])
    built = time.perf_counter()
    outputs = model.run(codes)
    return Outcome(outputs, time.perf_counter() - built, built - start)


def _rtl(design: Design, codes: Sequence[Ints]) -> Outcome:
    start = time.perf_counter()
    model = rtl.build(design.files("verilog"))
    built = time.perf_counter()
    result = model.run(codes)
    counts = {"cycles_per_frame": result.cycles_per_frame, "latency_cycles": result.latency_cycles}
    return Outcome(result.outputs, time.perf_counter() - built, built - start, counts)
