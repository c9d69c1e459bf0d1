# SPDX-License-Identifier: Apache-2.0
"""The engines by name: each takes integers and gives integers, and all give the same.

`ENGINES` is the one place that lists them: the command line, its help, the demo, `doctor` and the Python functions read
it. An engine is made ready for a network once, by `build`, and then runs as often as there are samples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.sim import cpp, reference, rtl, tools
from bitwright.sim.fast import engine as fast
from bitwright.sim.fast import native
from bitwright.sim.fast.tails import Unruled
from bitwright.sim.latest import Latest

KEPT = 8
"""Networks that each compiled engine holds ready."""
WORTH_BUILDING = 10**9
"""Multiplications, about two seconds of the reference, for which an engine is built that nobody asked for by name."""

Compute = Callable[[Sequence[Ints]], tuple[list[Ints], Mapping[str, Any]]]


class Printed(Protocol):
    """A design, as far as an engine asks it: the project that a backend prints of it, path -> text."""

    def files(self, backend: Literal["hls", "verilog"]) -> Mapping[str, str]:
        """Every file of the backend's project."""


@dataclass(frozen=True)
class Outcome:
    """What an engine gave: outputs of any integer type, wall seconds to run and to build, and its counts.

    Those are `cycles_per_frame` and others, by name.
    """

    outputs: list[Ints]
    seconds: float
    build_seconds: float = 0.0
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Built:
    """An engine that is ready for one network: how long that took, and what gives outputs and counts for codes."""

    seconds: float
    compute: Compute
    in_threads: bool = False
    """Whether several threads may run it at once, each on a few samples."""
    stands_in: str = ""
    """Why the reference computes in place of the engine that was asked for; empty if it does not."""

    def run(self, codes: Sequence[Ints]) -> Outcome:
        """The outputs for `codes`: one array for each input, samples on axis 0, channels last, whole numbers."""
        start = time.perf_counter()
        outputs, counts = self.compute(
            [array if array.dtype.kind in "iu" else array.astype(np.int64) for array in codes]
        )
        return Outcome(outputs, time.perf_counter() - start, self.seconds, counts)


class Engine(Protocol):
    """One row of `ENGINES`."""

    @property
    def needs_design(self) -> bool:
        """True if it runs what a backend printed of a design, false if it runs the graph itself."""

    @property
    def programs(self) -> tuple[Callable[[], tools.Tool], ...]:
        """What finds each program that it cannot do without."""

    def is_there(self) -> bool:
        """True if nothing has to be built before it takes its first network."""

    def build(self, net: Graph, design: Printed | None) -> Built:
        """The engine, ready for `net`; one that needs a design is given that of `net`."""


class Reference:
    """The definition, in NumPy."""

    needs_design = False
    programs: tuple[Callable[[], tools.Tool], ...] = ()

    def is_there(self) -> bool:
        """It is Python."""
        return True

    def build(self, net: Graph, design: Printed | None) -> Built:
        """Ready when the steps of the requantisers are found."""
        start = time.perf_counter()
        reference.requantisers(net)
        return Built(time.perf_counter() - start, lambda codes: (reference.run(net, codes), {}))


class Fast:
    """Kernels that were compiled once for this machine; the reference, which says so, where they cannot be.

    It also stands in for a network with a requantiser that is no line and has more codes than are listed.
    """

    needs_design = False
    programs = (tools.any_cxx,)

    def __init__(self) -> None:
        self._programs: Latest[Callable[[Sequence[Ints]], list[Ints]]] = Latest(KEPT)

    def is_there(self) -> bool:
        """The library lies in the user's cache."""
        return native.is_built()

    def build(self, net: Graph, design: Printed | None) -> Built:
        """Ready when the library is, and the network's weights and constants lie as it reads them."""
        start = time.perf_counter()
        if why := missing(self) or native.failure():
            return _stands_in(net, why)
        try:
            compute = self._programs.get({"graph": net.digest}, lambda _: fast.ready(net))
        except Unruled as error:
            return _stands_in(net, f"{error.where} {error.what}")
        return Built(time.perf_counter() - start, lambda codes: (compute(codes), {}), in_threads=True)


def _stands_in(net: Graph, why: str) -> Built:
    counts = {"computed_by": f"{REFERENCE}, {why}"}
    return Built(0.0, lambda codes: (reference.run(net, codes), counts), stands_in=why)


class Hls:
    """The HLS C++ project, compiled for the host."""

    needs_design = True
    programs = (tools.cxx,)

    def __init__(self) -> None:
        self._models: Latest[cpp.CppModel] = Latest(KEPT)

    def is_there(self) -> bool:
        """Every network is a project of its own."""
        return False

    def build(self, net: Graph, design: Printed | None) -> Built:
        """Ready when g++ is."""
        assert design is not None, "the engine hls needs a design"
        start = time.perf_counter()
        inputs = [layer.shape for layer in net.inputs]
        outputs = [net.by_name[name].shape for name in net.outputs]
        model = self._models.get(design.files("hls"), lambda files: cpp.build(files, inputs=inputs, outputs=outputs))
        return Built(time.perf_counter() - start, lambda codes: (model.run(codes), {}))


class Rtl:
    """The SystemVerilog project in Verilator, which counts the clocks too."""

    needs_design = True
    programs = (tools.cxx, tools.make, tools.perl, tools.verilator)

    def __init__(self) -> None:
        self._models: Latest[rtl.RtlModel] = Latest(KEPT)

    def is_there(self) -> bool:
        """Every network is a project of its own."""
        return False

    def build(self, net: Graph, design: Printed | None) -> Built:
        """Ready when Verilator is, and g++ after it."""
        assert design is not None, "the engine rtl needs a design"
        start = time.perf_counter()
        model = self._models.get(design.files("verilog"), rtl.build)

        def compute(codes: Sequence[Ints]) -> tuple[list[Ints], Mapping[str, Any]]:
            found = model.run(codes)
            counts = {"cycles_per_frame": found.cycles_per_frame, "latency_cycles": found.latency_cycles}
            return found.outputs, counts

        return Built(time.perf_counter() - start, compute)


REFERENCE = "reference"
"""The engine that the others are compared with."""
FAST = "fast"
"""The engine that the machine itself is."""
ENGINES: Mapping[str, Engine] = {REFERENCE: Reference(), FAST: Fast(), "hls": Hls(), "rtl": Rtl()}
"""Every engine by its name; of those that run the graph itself a later one is a faster one."""


def find(name: str, where: str = "engine") -> Engine:
    """The engine `name`; `where` says who asked if there is none."""
    if name not in ENGINES:
        known = ", ".join(ENGINES)
        raise BitwrightError(f"there is no engine '{name}'", where=where, hint=f"known engines: {known}")
    return ENGINES[name]


def missing(engine: Engine) -> str:
    """Why an engine cannot run here: the first of its programs that is not there; empty if it can."""
    for program in engine.programs:
        try:
            program()
        except BitwrightError as error:
            return f"{error.where}: {error.what}; {error.hint}"
    return ""


def best(work: int = 0) -> str:
    """The name of the fastest engine that is here and runs the graph itself.

    One that has to be built first is taken if the multiplications to come, `work`, are worth the wait.
    """
    rows = [(name, engine) for name, engine in ENGINES.items() if not engine.needs_design and not missing(engine)]
    return [name for name, engine in rows if work > WORTH_BUILDING or engine.is_there()][-1]
