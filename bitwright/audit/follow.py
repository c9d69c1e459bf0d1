# SPDX-License-Identifier: Apache-2.0
"""The integers of one sample where some codes are another's: which of them float32 explains, and what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.golden import Golden, rows
from bitwright.audit.reach import Reach, Reaches, reaches
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, run_host
from bitwright.ir.layers import Input, Layer, Requantise
from bitwright.ir.trace import Arithmetic
from bitwright.ir.weights import Ints
from bitwright.sim.reference import compute

Array = NDArray[Any]
Verdict = Literal["boundary", "wide", "unexplained"]
Codes = Mapping[str, tuple[Ints, Ints]]
"""Codes of layers, by name: flat indices into one sample, and the codes there."""


@dataclass(frozen=True, slots=True)
class Part:
    """One integer at which another run parts from ours, with equal integers before it.

    `value` is the exact value before rounding, `distance` how far it is from the step between the two codes, both in
    steps of the layer's output; they are None for a difference on the host.
    """

    sample: int
    layer: str
    nodes: tuple[str, ...]
    element: tuple[int, ...]
    ours: float
    theirs: float
    value: float | None
    distance: float | None
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """The part as JSON holds it."""
        return asdict(self) | {"nodes": list(self.nodes), "element": list(self.element)}


@dataclass(frozen=True, eq=False)
class Case:
    """One sample to explain: the graph, the integers that enter it, and the golden outputs it should have."""

    graph: Graph
    arithmetic: Mapping[str, Arithmetic]
    inputs: Mapping[str, Ints]
    input_reaches: Mapping[str, Reach]
    golden: Golden
    sample: int

    def outputs(self, values: Mapping[str, Ints], after: HostGraph | None = None) -> Array:
        """The model's outputs for the integers of its layers, one row for each sample that is there."""
        after = after or self.graph.after
        count = max(len(values[name]) for name in after.inputs)
        feeds = {name: np.broadcast_to(values[name], (count, *values[name].shape[1:])) for name in after.inputs}
        return rows(run_host(after, feeds), count)

    def unequal(self, outputs: Array) -> NDArray[np.bool_]:
        """Where rows of outputs differ from the golden row."""
        return self.golden.unequal(outputs, slice(self.sample, self.sample + 1))

    def reaches(self, values: Mapping[str, Ints]) -> Reaches:
        """The reach of every layer for the integers `values`."""
        return reaches(self.graph, values, self.arithmetic, self.input_reaches)


@dataclass(frozen=True, eq=False)
class State:
    """The integers of every layer with some codes taken over, and the part that each of them is."""

    values: Mapping[str, Ints]
    parts: tuple[Part, ...] = ()

    @property
    def codes(self) -> Codes:
        """The codes that were taken over."""
        found: dict[str, tuple[list[int], list[int]]] = {}
        for part in self.parts:
            indices, codes = found.setdefault(part.layer, ([], []))
            indices.append(int(np.ravel_multi_index(part.element, self.values[part.layer].shape[1:])))
            codes.append(int(part.theirs))
        return {name: (np.array(indices), np.array(codes)) for name, (indices, codes) in found.items()}


def follow(case: Case, theirs: Codes, *, certain: bool, keep: bool = False) -> State:
    """The integers of the sample with those of `theirs` that float32 explains, each seen from equal integers before it.

    Only codes within the likely bound are taken over, with `certain` those within the certain one too. With `keep` the
    parts also tell of what is not explained.
    """
    values: dict[str, Ints] = dict(case.inputs)
    reach = case.reaches(values)
    parts: list[Part] = []
    for layer in (*case.graph.inputs, *case.graph.layers):
        if not isinstance(layer, Input):
            operands = (values[name] for name in layer.inputs)
            values[layer.name] = compute(case.graph, layer, *operands)
        if layer.name in theirs:
            found = _parts(case, layer, values[layer.name], theirs[layer.name], reach, certain=certain)
            taken = [part for part in found if part.verdict != "unexplained"]
            parts += found if keep else taken
            values[layer.name] = _taken(values[layer.name], taken)
    return State(values, tuple(parts))


def _parts(
    case: Case, layer: Layer, ours: Ints, theirs: tuple[Ints, Ints], reach: Reaches, *, certain: bool
) -> list[Part]:
    indices, codes = theirs
    mine = ours.reshape(-1)[indices]
    codes = _limited(layer, indices, codes)
    (differ,) = np.nonzero(mine != codes)
    if not differ.size:
        return []
    near = reach(layer.name)
    found = zip(indices[differ].tolist(), mine[differ].tolist(), codes[differ].tolist(), strict=True)
    return [part_of(case, layer, index, own, other, near, certain=certain) for index, own, other in found]


def part_of(
    case: Case, layer: Layer, index: int, ours: int, theirs: int, reach: Reach | None, *, certain: bool
) -> Part:
    """What the difference of two codes of a layer is."""
    element = tuple(int(i) for i in np.unravel_index(index, layer.shape))
    place = (case.sample, layer.name, layer.source, element, ours, theirs)
    if reach is None:
        return Part(*place, None, None, "unexplained")

    def at(array: Array) -> float:
        return float(array.reshape(-1)[index])

    verdict: Verdict = "unexplained"
    if at(reach.low) <= theirs <= at(reach.high):
        verdict = "boundary"
    elif certain and at(reach.lowest) <= theirs <= at(reach.highest):
        verdict = "wide"
    return Part(*place, at(reach.value), at(reach.up if theirs > ours else reach.down), verdict)


def _limited(layer: Layer, indices: Ints, codes: Ints) -> Ints:
    """Codes within the layer's limits: a clip behind the source's quantiser is part of the layer."""
    low, high = np.array(layer.type.lo), np.array(layer.type.hi)
    if isinstance(layer, Requantise):
        channel = indices % layer.channels
        low, high = (
            np.broadcast_to(np.array(bounds) + layer.shift, layer.channels)[channel]
            for bounds in (layer.low, layer.high)
        )
    return np.asarray(np.clip(codes, low, high))


def _taken(ours: Ints, parts: Sequence[Part]) -> Ints:
    if not parts:
        return ours
    made = ours.copy()
    for part in parts:
        made[0][part.element] = part.theirs
    return made


def evaluate(graph: Graph, known: Mapping[str, Ints], flips: Mapping[str, tuple[Ints, Ints, Ints]]) -> dict[str, Ints]:
    """The integers of every layer for a batch of runs that each have some codes flipped; `known` are the sample's own.

    The flips of a layer are (row of the batch, flat index, code); layers that no flip reaches keep one row.
    """
    count = 1 + max(int(rows.max()) for rows, _, _ in flips.values())
    values = dict(known)
    touched: set[str] = set()
    for layer in (*graph.inputs, *graph.layers):
        if not isinstance(layer, Input) and touched.intersection(layer.inputs):
            operands = (np.broadcast_to(v, (count, *v.shape[1:])) for v in (values[name] for name in layer.inputs))
            values[layer.name] = compute(graph, layer, *operands)
            touched.add(layer.name)
        if layer.name in flips:
            batch = np.broadcast_to(values[layer.name], (count, *layer.shape)).copy()
            row, index, code = flips[layer.name]
            batch.reshape(count, -1)[row, index] = code
            values[layer.name] = batch
            touched.add(layer.name)
    return values
