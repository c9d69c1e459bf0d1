# SPDX-License-Identifier: Apache-2.0
"""The search for codes near a step that, taken over, lead to the golden outputs.

It is kept small on purpose: among enough codes and enough combinations of them, some lead to any outputs by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.border import shown
from bitwright.audit.follow import Case, Codes, Part, State, evaluate, follow
from bitwright.audit.own import settle
from bitwright.audit.reach import Reach
from bitwright.ir.layers import Input, Layer, Requantise, Table
from bitwright.ir.weights import Ints

Array = NDArray[Any]
NEAR = 0.125
"""How near a step is, as a share of the likely error: the largest error ever measured is 0.14 of it."""
SINGLES, EACH, PAIRED = 256, 64, 8
"""Candidates that are tried alone, in all and of each layer, and those of them that are tried in pairs."""
BATCH = 32
"""Runs at a time."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A code of a layer that float32 may give in place of ours; `ratio` is the step's distance by the likely error."""

    layer: str
    index: int
    code: int
    ratio: float


def search(case: Case, start: State, *, trials: int) -> State:
    """`start` with flips that mend wrong outputs and spoil none, one by one or a pair, found in about `trials` runs.

    A pair is taken only if it mends everything. The caller judges the result.
    """
    state, left = start, trials
    wrong = settle(case, state, certain=False).wrong
    while wrong.any() and left > 0:
        flips = candidates(case, state)[: min(SINGLES, left)]
        left -= len(flips)
        nearest = sorted(flips, key=lambda flip: flip.ratio)[:PAIRED]
        chosen = _singles(case, state, flips, wrong) or _pair(case, state, nearest, wrong)
        if not chosen:
            break
        found = follow(case, _merged(state.codes, chosen), certain=True)
        still = settle(case, found, certain=False).wrong
        if still.sum() >= wrong.sum():
            break
        state, wrong = found, still
    return state


def candidates(case: Case, state: State) -> list[Flip]:
    """Codes beyond a near step, the last layer's first, of every layer but those that outputs show.

    Codes that `state` took over can be ours again.
    """
    reach = case.reaches(state.values)
    shows = {place[0] for place in shown(case.graph) if place is not None}
    found = [_back(state, part) for part in reversed(state.parts)][: SINGLES // 2]
    for layer in reversed((*case.graph.inputs, *case.graph.layers)):
        final = layer.name in shows and not case.graph.readers[layer.name]
        if not final and isinstance(layer, Input | Requantise | Table) and (near := reach(layer.name)) is not None:
            found += _near(layer, state.values[layer.name].reshape(-1), near)
    return found


def _back(state: State, part: Part) -> Flip:
    """The flip that undoes a part."""
    index = int(np.ravel_multi_index(part.element, state.values[part.layer].shape[1:]))
    return Flip(part.layer, index, int(part.ours), 0.0)


def _near(layer: Layer, ours: Ints, near: Reach) -> list[Flip]:
    """The flips of a layer, the nearest step first."""
    found = []
    error = near.error.reshape(-1)
    for end, distance, sign in ((near.high, near.up, 1), (near.low, near.down, -1)):
        ratio = np.where(error > 0, distance.reshape(-1) / np.where(error > 0, error, 1.0), np.inf)
        places = np.flatnonzero(((end.reshape(-1) - ours) * sign > 0) & (ratio <= NEAR))
        codes = ours[places] + sign * layer.type.step
        found += list(zip(ratio[places].tolist(), places.tolist(), codes.tolist(), strict=True))
    return [Flip(layer.name, place, code, ratio) for ratio, place, code in sorted(found)[:EACH]]


def _singles(case: Case, state: State, flips: list[Flip], wrong: NDArray[np.bool_]) -> list[Flip]:
    """The flips that mend elements and spoil none, each mending others than the rest."""
    mended, clean = _tried(case, state, [(flip,) for flip in flips], wrong)
    return [flips[i] for i in _apart(mended, np.flatnonzero(clean))]


def _pair(case: Case, state: State, flips: list[Flip], wrong: NDArray[np.bool_]) -> list[Flip]:
    """The first pair of flips that mends everything."""
    pairs = list(combinations(flips, 2))
    mended, clean = _tried(case, state, pairs, wrong)
    whole = np.flatnonzero(clean & (mended.sum(axis=1) == wrong.sum()))
    return list(pairs[whole[0]]) if whole.size else []


def _apart(mended: NDArray[np.bool_], flips: Iterable[int]) -> list[int]:
    """Flips that mend different elements, those that mend most first."""
    done = np.zeros(mended.shape[1], dtype=bool)
    taken = []
    for i in sorted(flips, key=lambda i: (-int(mended[i].sum()), i)):
        if not (mended[i] & done).any():
            taken.append(i)
            done |= mended[i]
    return taken


def _tried(
    case: Case, state: State, groups: Sequence[tuple[Flip, ...]], wrong: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(the wrong elements that each group of flips mends, whether it mends some and spoils none)."""
    mended = np.zeros((len(groups), wrong.size), dtype=bool)
    clean = np.zeros(len(groups), dtype=bool)
    before = case.unequal(case.outputs(state.values))[0]
    order = {layer.name: i for i, layer in enumerate((*case.graph.inputs, *case.graph.layers))}
    places = sorted(range(len(groups)), key=lambda i: min(order[flip.layer] for flip in groups[i]))
    for first in range(0, len(places), BATCH):
        some = places[first : first + BATCH]
        unequal = case.unequal(case.outputs(evaluate(case.graph, state.values, _flips([groups[i] for i in some]))))
        mended[some] = wrong & ~unequal
        clean[some] = (wrong & ~unequal).any(axis=1) & ~(unequal & ~before).any(axis=1)
    return mended, clean


def _flips(groups: list[tuple[Flip, ...]]) -> dict[str, tuple[Any, Any, Any]]:
    """Row r of the batch has the flips of group r."""
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for row, group in enumerate(groups):
        for flip in group:
            rows.setdefault(flip.layer, []).append((row, flip.index, flip.code))
    columns = {name: np.array(found).T for name, found in rows.items()}
    return {name: (row, index, code) for name, (row, index, code) in columns.items()}


def _merged(codes: Codes, flips: list[Flip]) -> Codes:
    found = {name: dict(zip(places.tolist(), values.tolist(), strict=True)) for name, (places, values) in codes.items()}
    for flip in flips:
        found.setdefault(flip.layer, {})[flip.index] = flip.code
    return {name: (np.array(list(places)), np.array(list(places.values()))) for name, places in found.items()}
