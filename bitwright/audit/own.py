# SPDX-License-Identifier: Apache-2.0
"""Differences that a model's last quantisers explain by themselves, element by element, on chip and on the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.border import nudged, shown
from bitwright.audit.follow import Case, Part, State, evaluate, part_of
from bitwright.ir.host_ops import Quantise
from bitwright.ir.layers import Layer
from bitwright.ir.weights import Ints

Array = NDArray[Any]
MAX_STEPS = 8
"""How many codes an output may differ by within the bounds of its own quantiser."""


@dataclass(frozen=True, eq=False)
class Settled:
    """A run after its last quantisers had their say: output elements still wrong, and the part of each that is not."""

    wrong: NDArray[np.bool_]
    parts: dict[int, Part]


def settle(case: Case, state: State, *, certain: bool) -> Settled:
    """The differences of `state` from the golden outputs without those that the last quantisers explain.

    These are within their likely bound, with `certain` within the certain one.
    """
    values, parts = dict(state.values), {}
    wrong = case.unequal(case.outputs(values))[0]
    reach = case.reaches(state.values)
    for place, output in zip(shown(case.graph), case.golden.outputs, strict=True):
        if not wrong[output].any() or place is None or (near := reach(place[0])) is None:
            continue
        layer = case.graph.by_name[place[0]]
        moves = _moves(case, values, layer, place[1], lambda codes: near.allows(codes, certain=certain), output)
        codes, deltas = moves
        changed = np.flatnonzero(codes != values[layer.name])
        if changed.size:
            row = np.zeros(changed.size, dtype=np.int64)
            flips = {layer.name: (row, changed, codes.reshape(-1)[changed])}
            values = evaluate(case.graph, values, flips)
        for element in np.flatnonzero(deltas):
            index = int(place[1].reshape(-1)[element])
            mine = int(state.values[layer.name].reshape(-1)[index])
            part = part_of(case, layer, index, mine, int(codes.reshape(-1)[index]), near, certain=True)
            parts[output.start + int(element)] = part
    outputs = case.outputs(values)[0]
    wrong = case.unequal(outputs[None])[0]
    wrong = _on_host(case, values, outputs, wrong, parts)
    return Settled(wrong, {element: part for element, part in parts.items() if not wrong[element]})


def _moves(
    case: Case,
    values: dict[str, Ints],
    layer: Layer,
    shows: Ints,
    allows: Callable[[Ints], NDArray[np.bool_]],
    output: slice,
) -> tuple[Ints, Ints]:
    """(allowed codes that give golden elements, by how much each output element's code moved)."""
    ours = values[layer.name]
    codes, shows = ours.copy(), shows.reshape(-1)
    wrong = case.unequal(case.outputs(values))[0][output]
    moved = np.zeros(wrong.size, dtype=np.int64)
    for size in range(1, MAX_STEPS + 1):
        if not wrong.any():
            break
        for delta in (size, -size):
            allowed = allows(ours + delta)
            trial = np.where(allowed, ours + delta, ours)
            still = case.unequal(case.outputs(values | {layer.name: trial}))[0][output]
            hit = wrong & ~still & allowed.reshape(-1)[shows]
            codes.reshape(-1)[shows[hit]] += delta
            moved[hit] = delta
            wrong = wrong & ~hit
    return codes, moved


def _on_host(
    case: Case, values: dict[str, Ints], ours: Array, wrong: NDArray[np.bool_], parts: dict[int, Part]
) -> NDArray[np.bool_]:
    """The elements that are still wrong after quantisers on the host; adds the parts of the others."""
    for other in nudged(case.graph.after) if wrong.any() else []:
        hit = wrong & ~case.unequal(case.outputs(values, other))[0]
        step = next(step for step in other.steps if isinstance(step.does, Quantise))
        for element in np.flatnonzero(hit):
            theirs = float(case.golden.values[case.sample, element])
            place = (case.sample, step.output, (step.node,), (int(element),), float(ours[element]), theirs)
            parts[int(element)] = Part(*place, None, None, "boundary")
        wrong = wrong & ~hit
    return wrong
