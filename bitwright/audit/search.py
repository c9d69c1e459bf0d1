# SPDX-License-Identifier: Apache-2.0
"""The search for codes near a step that, taken over, lead to the golden outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.border import shown
from bitwright.audit.follow import Case, Codes, State, evaluate, follow
from bitwright.audit.own import settle
from bitwright.ir.layers import Input, Requantise, Table

Array = NDArray[Any]
MAX_ROUNDS = 24
BATCH = 32
"""Runs at a time."""
ROUND = 256
"""Candidates that are tried before the best of them is taken."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A code of a layer that float32 may give in place of ours; `ratio` is the step's distance by the likely error."""

    layer: str
    index: int
    code: int
    ratio: float


@dataclass(frozen=True, eq=False)
class Trials:
    """What each flip alone leads to: the elements that are wrong, and how far off all outputs are."""

    wrong: NDArray[np.bool_]
    distance: Array


def search(case: Case, start: State, *, certain: bool, trials: int) -> State:
    """`start` with the flips that brought the outputs nearest to the golden ones, in at most `trials` runs.

    Flips that mend elements and spoil none are taken together; if there is none, the one that brings the outputs
    nearest. The caller judges the result.
    """
    state, left = start, trials
    for _ in range(MAX_ROUNDS):
        settled = settle(case, state)
        if not settled.wrong.any():
            break
        judged = np.ones(settled.wrong.size, dtype=bool)
        judged[list(settled.parts)] = False
        chosen: list[Flip] = []
        flips = candidates(case, state, certain=certain)
        for first in range(0, min(len(flips), left), ROUND):
            some = flips[first : min(first + ROUND, left)]
            left -= len(some)
            chosen = _chosen(case, state, some, judged)
            if chosen:
                break
        if not chosen:
            break
        state = follow(case, _merged(state.codes, chosen), certain=certain)
    return state


def candidates(case: Case, state: State, *, certain: bool) -> list[Flip]:
    """Codes next to ours within the bound, the nearest steps first, of every layer whose codes are not shown alone."""
    reach = case.reaches(state.values)
    alone = {place[0] for place in shown(case.graph) if place is not None}
    found: list[Flip] = []
    for layer in (*case.graph.inputs, *case.graph.layers):
        if not isinstance(layer, Input | Requantise | Table) or (
            layer.name in alone and not case.graph.readers[layer.name]
        ):
            continue
        near = reach(layer.name)
        if near is None:
            continue
        ours = state.values[layer.name].reshape(-1)
        ends = (near.highest, near.lowest) if certain else (near.high, near.low)
        for end, distance, sign in zip(ends, (near.up, near.down), (1, -1), strict=True):
            places = np.flatnonzero((end.reshape(-1) - ours) * sign > 0)
            ratios = distance.reshape(-1)[places] / near.error.reshape(-1)[places]
            codes = ours[places] + sign * layer.type.step
            found += [Flip(layer.name, int(i), int(c), float(r)) for i, c, r in zip(places, codes, ratios, strict=True)]
    return sorted(found, key=lambda flip: (flip.ratio, flip.layer, flip.index))


def _chosen(case: Case, state: State, flips: list[Flip], judged: NDArray[np.bool_]) -> list[Flip]:
    """The flips to take; none if every one leads away."""
    tried = _tried(case, state, flips, judged)
    ours = case.outputs(state.values)
    wrong = case.unequal(ours)[0] & judged
    mended = wrong & ~tried.wrong
    clean = mended.any(axis=1) & ~(tried.wrong & ~wrong).any(axis=1)
    if clean.any():
        return [flips[i] for i in _apart(mended, np.flatnonzero(clean))]
    best = int(tried.distance.argmin())
    return [flips[best]] if tried.distance[best] < _distance(case, ours, judged)[0] else []


def _apart(mended: NDArray[np.bool_], flips: Iterable[int]) -> list[int]:
    """Flips that mend different elements, those that mend most first."""
    done = np.zeros(mended.shape[1], dtype=bool)
    taken = []
    for i in sorted(flips, key=lambda i: (-int(mended[i].sum()), i)):
        if not (mended[i] & done).any():
            taken.append(i)
            done |= mended[i]
    return taken


def _tried(case: Case, state: State, flips: list[Flip], judged: NDArray[np.bool_]) -> Trials:
    wrong = np.zeros((len(flips), judged.size), dtype=bool)
    distance = np.zeros(len(flips))
    by_layer: dict[str, list[int]] = {}
    for i, flip in enumerate(flips):
        by_layer.setdefault(flip.layer, []).append(i)
    for name, places in by_layer.items():
        for first in range(0, len(places), BATCH):
            some = places[first : first + BATCH]
            index, code = (np.array([getattr(flips[i], key) for i in some]) for key in ("index", "code"))
            outputs = case.outputs(evaluate(case.graph, state.values, {name: (np.arange(len(some)), index, code)}))
            wrong[some] = case.unequal(outputs) & judged
            distance[some] = _distance(case, outputs, judged)
    return Trials(wrong, distance)


def _distance(case: Case, outputs: Array, judged: NDArray[np.bool_]) -> Array:
    return np.asarray(np.abs(outputs - case.golden.values[case.sample])[:, judged].sum(axis=1))


def _merged(codes: Codes, flips: list[Flip]) -> Codes:
    found = {name: dict(zip(places.tolist(), values.tolist(), strict=True)) for name, (places, values) in codes.items()}
    for flip in flips:
        found.setdefault(flip.layer, {})[flip.index] = flip.code
    return {name: (np.array(list(places)), np.array(list(places.values()))) for name, places in found.items()}
