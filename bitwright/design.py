# SPDX-License-Identifier: Apache-2.0
"""A design: a graph, its plan, the proved requantisers and the kernels they become."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from html import escape
from typing import Any, Literal

import numpy as np

from bitwright._version import __version__
from bitwright.backends import BACKENDS, generate
from bitwright.backends.project import Project
from bitwright.exact.certificate import certify
from bitwright.exact.forms import Factors, Form
from bitwright.exact.ranges import Ranges
from bitwright.hardware.clocks.interval import latency
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.weighted import Weighted
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.columns import aligned, tail
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Matrix
from bitwright.ir.stages import begins
from bitwright.ir.weights import Ints, Weights
from bitwright.planning.devices import ultra_rams
from bitwright.planning.planner import GIVEN, PlanRecord
from bitwright.planning.price import Price, price
from bitwright.report.record import RESOURCES, VERSION, HostNode, LayerRecord, Report, Total, Uses
from bitwright.sim import reference

VECTORS = 4
Backend = Literal["hls", "verilog"]


@dataclass(frozen=True, eq=False)
class Design:
    """Everything that is decided about an accelerator, its `name` an identifier; `files` prints it."""

    graph: Graph
    plan: Plan
    forms: Mapping[str, Form]
    ranges: Mapping[str, Ranges]
    kernels: KernelGraph
    name: str
    clock_ns: float = 10.0
    part: str | None = None
    note: str = ""
    sums: Mapping[str, Factors] = field(default_factory=dict)
    planned: PlanRecord = GIVEN

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits that name graph, plan, clock and part."""
        head = f"{self.plan.to_json()}{self.clock_ns}{self.part or ''}".encode()
        return sha256(to_bytes(self.graph) + head).hexdigest()[:12]

    @cached_property
    def certificate(self) -> list[dict[str, Any]]:
        """One proof line per integer layer."""
        return certify(self.graph, self.forms, self.ranges, self.sums)

    def project(self, inputs: list[Ints] | None = None) -> Project:
        """The project that backends print, with test vectors of `inputs` (integers), or of seeded random ones."""
        codes, wanted = self._vectors if inputs is None else _answered(self.graph, inputs)
        return Project(
            name=self.name,
            version=__version__,
            model=self.graph.source.file,
            digest=self.digest,
            graph=self.graph,
            kernels=self.kernels,
            clock_ns=self.clock_ns,
            part=self.part,
            inputs=codes,
            outputs=wanted,
        )

    @cached_property
    def _vectors(self) -> tuple[tuple[Weights, ...], tuple[Weights, ...]]:
        """A few seeded random inputs, and what the reference makes of them: the same in every project."""
        return _answered(self.graph, random_codes(self.graph, VECTORS))

    def files(
        self, backend: Backend, inputs: list[Ints] | None = None, *, hls_vendor: str = "vitis"
    ) -> Mapping[str, str]:
        """Every file of the backend's project, path -> text; the C++ as the vendor's tool takes it."""
        if backend not in BACKENDS:
            raise BitwrightError(
                f"there is no backend '{backend}'", where="backend", hint="known backends: " + ", ".join(BACKENDS)
            )
        return generate(backend, replace(self.project(inputs), hls_vendor=hls_vendor))

    @cached_property
    def price(self) -> Price:
        """What it takes, by the estimates, and what that is of its part."""
        return price(self.kernels, (layer.name for layer in self.graph.layers), self.part)

    @cached_property
    def record(self) -> Report:
        """What was decided, with its clocks and its estimates."""
        interval = self.kernels.interval
        return Report(
            version=VERSION,
            model=self.graph.source.file,
            name=self.name,
            design=self.digest,
            part=self.part,
            note=self.note,
            plan=self.planned,
            interval_cycles=interval,
            bottleneck=self._bottleneck(),
            latency_cycles=latency(self.kernels),
            clock_ns=self.clock_ns,
            fps=round(1e9 / (self.clock_ns * interval), 3),
            host=tuple(HostNode(**step) for step in self.graph.host),
            removed=self.graph.source.removed,
            layers=tuple(self._layer(layer) for layer in self.graph.layers),
            boundary=Uses(
                **{name: getattr(self.price.boundary, name) for name in RESOURCES},
                uram=self.price.boundary.uram if ultra_rams(self.part) else None,
            ),
            total=self._total(),
        )

    def report(self) -> dict[str, Any]:
        """The contents of `report.json`: `record` in plain values."""
        return self.record.to_dict()

    def _total(self) -> Total:
        """What all of it takes; the shares only of a part that limits it."""
        shares = {name: round(share, 4) for name, share in self.price.shares.items()}
        return Total(**asdict(self.price.total), share=shares if self.price.scale.part else None)

    def _bottleneck(self) -> tuple[str, ...]:
        """The layers that take the interval, and the inputs and outputs whose beats do."""
        slow = {kernel.layer for kernel in self.kernels.kernels if kernel.cycles == self.kernels.interval}
        ends = (("input", self.kernels.inputs), ("output", self.kernels.outputs))
        found = [layer.name for layer in self.graph.layers if layer.name in slow]
        for side, names in ends:
            beats = [self.kernels.stream(name).beats for name in names]
            found += [f"{side} {name}" for name, n in zip(names, beats, strict=True) if n == self.kernels.interval]
        return tuple(found)

    def _layer(self, layer: Layer) -> LayerRecord:
        kernels = [kernel for kernel in self.kernels.kernels if kernel.layer == layer.name]
        edges = [self.kernels.stream(name) for kernel in kernels for name in kernel.inputs]
        used = self.price.layers[layer.name]
        chosen = self.plan.layers.get(layer.name, LayerPlan())
        lanes = self._lanes(chosen, kernels)
        weights = layer.weights if isinstance(layer, Matrix) else None
        form = self.forms.get(layer.name)
        return LayerRecord(
            name=layer.name,
            op=layer.op,
            shape=layer.shape,
            bits=layer.type.bits,
            sparsity=round(weights.zeros / weights.array.size, 4) if weights else None,
            zeros=chosen.zeros if weights else None,
            dense_share=_dense_share(kernels),
            pe=lanes[0],
            simd=lanes[1],
            style=chosen.style or None,
            cycles=max((kernel.cycles for kernel in kernels), default=0),
            lut=used.lut,
            ff=used.ff,
            dsp=used.dsp,
            bram=used.bram,
            uram=used.uram if ultra_rams(self.part) else None,
            requantiser=form.kind if form else None,
            fifo_depth=max((edge.depth for edge in edges), default=0),
        )

    def _lanes(self, chosen: LayerPlan, kernels: Sequence[Kernel]) -> tuple[int, int]:
        """(PE, SIMD) of a layer; without lanes of its own those of its streams."""
        if not kernels or (chosen.pe, chosen.simd) != (1, 1):
            return chosen.pe, chosen.simd
        return self.kernels.stream(kernels[-1].output).lanes, self.kernels.stream(kernels[-1].input).lanes

    def __str__(self) -> str:
        """A line a layer, short enough to read; `record` has everything."""
        made = self.record
        names = made.resources
        heads = ("layer", "op", "PE", "SIMD", "style", "clocks", *(name.upper() for name in names), "FIFO")
        rows = [
            (
                tail(row.name),
                row.op,
                *map(str, (row.pe, row.simd)),
                row.style or "",
                *map(str, (row.cycles, *(getattr(row, name) for name in names), row.fifo_depth)),
            )
            for row in made.layers
        ]
        rows += [(name, *[""] * 5, *(str(used[key]) for key in names), "") for name, used in made.totals().items()]
        head = f"{made.model or 'network'}, design {made.design}: a frame every {made.interval_cycles} clocks"
        numbers = (2, 3, *range(5, len(heads)))
        return f"{head}, latency {made.latency_cycles}\n" + aligned([heads, *rows], numbers=numbers)

    def _repr_html_(self) -> str:
        columns = {"op": "op", "pe": "PE", "simd": "SIMD", "cycles": "cycles", "lut": "LUT"}
        rows = "".join(
            f'<tr><td title="{escape(row.name)}">{escape(tail(row.name))}</td>'
            + "".join(f"<td>{escape(str(getattr(row, key)))}</td>" for key in columns)
            + "</tr>"
            for row in self.record.layers
        )
        for name, used in self.record.totals().items():
            rows += f"<tr><td>{escape(name)}</td><td></td><td></td><td></td><td></td><td>{used['lut']}</td></tr>"
        head = "".join(f"<th>{title}</th>" for title in ("layer", *columns.values()))
        return f"<table><tr>{head}</tr>{rows}</table>"


def _dense_share(kernels: Sequence[Kernel]) -> float | None:
    """The clocks of a unit as a share of those of one that multiplies all zeros; None without weights."""
    return next((round(kernel.dense_share, 4) for kernel in kernels if isinstance(kernel, Weighted)), None)


def _answered(graph: Graph, codes: list[Ints]) -> tuple[tuple[Weights, ...], tuple[Weights, ...]]:
    """Inputs and outputs of `graph`, by the reference."""
    begins("computing test vectors")
    return tuple(map(Weights, codes)), tuple(map(Weights, reference.run(graph, codes)))


def random_codes(graph: Graph, count: int, seed: int = 0) -> list[Ints]:
    """`count` samples of random integers for every input of `graph`."""
    rng = np.random.default_rng(seed)
    return [
        layer.type.lo + layer.type.step * rng.integers(0, layer.type.count, (count, *layer.shape))
        for layer in graph.inputs
    ]


def to_json(value: object) -> str:
    """JSON as every file of a design holds it: indented, sorted as built, one final newline."""
    return json.dumps(value, indent=2) + "\n"
