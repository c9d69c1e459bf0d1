# SPDX-License-Identifier: Apache-2.0
"""Why the golden outputs of a sample are not ours: every element with a verdict, and the parts that explain it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.follow import Case, Codes, Part, State, follow
from bitwright.audit.own import settle
from bitwright.audit.search import search

EQUAL, BOUNDARY, WIDE, UNEXPLAINED = range(4)
"""Verdicts on one element of the outputs, from good to bad."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """A verdict for every output element of a sample, and the parts behind those that are not equal."""

    verdicts: NDArray[np.int8]
    parts: tuple[Part, ...]

    @property
    def open(self) -> NDArray[np.bool_]:
        """The elements that nothing explains."""
        return np.asarray(self.verdicts == UNEXPLAINED)


def explain(case: Case, replayed: Codes | None, *, trials: int) -> Outcome:
    """The verdicts on a sample: by its last quantisers, by the float32 replay, by a search of at most `trials` runs.

    A run explains elements if it gives them and spoils none that another run gave; first all runs with what the last
    quantisers are likely to do, then with what they can do. The rest is unexplained.
    """
    plain = follow(case, {}, certain=False)
    wrong = case.unequal(case.outputs(plain.values))[0]
    best = _outcome(case, plain, wrong, certain=False)
    states = [plain]
    further = _further(case, plain, replayed, trials)
    while best.open.any() and (state := next(further, None)) is not None:
        states.append(state)
        best = _better(best, _outcome(case, state, wrong, certain=False))
    for state in states if best.open.any() else []:
        best = _better(best, _outcome(case, state, wrong, certain=True))
    return best


def _further(case: Case, plain: State, replayed: Codes | None, trials: int) -> Iterator[State]:
    """Runs that may have led to the golden outputs, the likeliest first."""
    starts = [plain]
    for certain in (False, True) if replayed is not None else ():
        assert replayed is not None
        state = follow(case, replayed, certain=certain)
        if state.parts != starts[-1].parts:
            starts.append(state)
            yield state
    for start in reversed(starts):
        yield search(case, start, trials=trials)


def _better(best: Outcome, found: Outcome) -> Outcome:
    """`found` if it explains more than `best` and all that `best` explains."""
    return found if (found.open < best.open).any() and not (found.open > best.open).any() else best


def _outcome(case: Case, state: State, wrong: NDArray[np.bool_], *, certain: bool) -> Outcome:
    """The verdicts if the other run had the codes of `state`; `wrong` are the elements where ours differ."""
    settled = settle(case, state, certain=certain)
    upstream = WIDE if any(part.verdict == "wide" for part in state.parts) else BOUNDARY
    verdicts = np.where(wrong, upstream if state.parts else UNEXPLAINED, EQUAL).astype(np.int8)
    for element, part in settled.parts.items():
        own = WIDE if part.verdict == "wide" else BOUNDARY
        verdicts[element] = max(own, upstream) if state.parts else own
    verdicts[settled.wrong] = UNEXPLAINED
    return Outcome(verdicts, (*state.parts, *settled.parts.values()))
