# SPDX-License-Identifier: Apache-2.0
"""The audit of a data file: a verdict on every golden output, and where a float32 replay parts from the integers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.border import input_reaches
from bitwright.audit.explain import EQUAL, UNEXPLAINED, Outcome, explain
from bitwright.audit.follow import Case, Codes, Part, follow
from bitwright.audit.golden import NO_CODES, Golden, golden, rows
from bitwright.audit.replay import Replay, ReplayError
from bitwright.audit.terms import coded
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Move
from bitwright.ir.trace import Place, Trace
from bitwright.ir.weights import Ints
from bitwright.reading.model import Model
from bitwright.sim import reference

Array = NDArray[Any]
TRIAL_MACS = 1 << 31
"""Multiply-accumulates that the search may spend on one sample, within the next two numbers of runs."""
MIN_TRIALS, MAX_TRIALS = 32, 1024
GIVE_UP = 8
"""Samples that stay unexplained after a search before the search stops: then it is a bug, and the rest looks alike."""


@dataclass(frozen=True, eq=False)
class Source:
    """The model that a graph was made of, the graph with all the model's channels, and where the tensors are in it."""

    model: Model
    graph: Graph
    trace: Trace


@dataclass(frozen=True, eq=False)
class Run:
    """What went through a graph: the model's inputs by name, the integers that entered, the outputs as they left."""

    graph: Graph
    feeds: Mapping[str, Array]
    codes: Sequence[Ints]
    outputs: Sequence[Array]

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.codes[0])


@dataclass(frozen=True, eq=False)
class Audit:
    """Counts over the elements of the golden outputs, and the parts behind those that are not equal."""

    counts: Mapping[str, int | None]
    parts: tuple[Part, ...]


def compare(run: Run, theirs: Sequence[Array], find: Callable[[], Source | None]) -> Audit:
    """The verdict on every element of `theirs`; `find` gives the source model, without which nothing is explained."""
    places = any(run.graph.by_name[name].counts for name in run.graph.outputs)
    coded = not places and all(step.op not in NO_CODES for step in run.graph.after.steps)
    wanted = golden(run.outputs, theirs, run.samples, coded)
    ours = rows(run.outputs, run.samples)
    wrong = wanted.unequal(ours, slice(None))
    verdicts = np.where(wrong, UNEXPLAINED, EQUAL)
    parts: list[Part] = []
    if wrong.any() and (source := find()) is not None:
        for sample, outcome in _explained(run, wanted, source, np.flatnonzero(wrong.any(axis=1)).tolist()):
            verdicts[sample] = outcome.verdicts
            parts += outcome.parts
    found = Counter(verdicts.reshape(-1).tolist())
    names = ("equal", "boundary", "wide", "unexplained")
    counts = {"elements": verdicts.size} | {name: found[verdict] for verdict, name in enumerate(names)}
    return Audit(counts | {"max_steps": wanted.max_steps(ours)}, tuple(parts))


def _explained(run: Run, wanted: Golden, source: Source, samples: list[int]) -> Iterator[tuple[int, Outcome]]:
    run = _whole(run, source)
    replayed = _replayed(run, source)
    macs = max(run.graph.macs, 1)
    trials = min(max(TRIAL_MACS // macs, MIN_TRIALS), MAX_TRIALS)
    failed = 0
    for sample in samples:
        case = _case(run, wanted, source, sample)
        codes = None
        if replayed is not None:
            with suppress(ReplayError):
                codes = replayed.codes(sample)
        outcome = explain(case, codes, trials=trials if failed < GIVE_UP else 0)
        failed += bool(outcome.open.any())
        yield sample, outcome


def _replayed(run: Run, source: Source) -> _Replayed | None:
    """The source model ready to run, or nothing if it cannot be run."""
    try:
        return _Replayed(run, source)
    except ReplayError:
        return None


def first_parts(run: Run, source: Source) -> list[Part | None]:
    """The first integer of each sample at which the float32 replay parts from ours; None where it never does."""
    run = _whole(run, source)
    nothing = golden(run.outputs, run.outputs, run.samples)
    replayed = None
    found: list[Part | None] = []
    for sample in range(run.samples):
        try:
            replayed = replayed or _Replayed(run, source)
            codes = replayed.codes(sample)
        except ReplayError as error:
            raise BitwrightError(
                f"cannot be replayed in float32: {error}",
                where=run.graph.source.file,
                hint="leave out --trace; verify itself works without it",
            ) from error
        parts = follow(_case(run, nothing, source, sample), codes, certain=True, keep=True).parts
        found.append(parts[0] if parts else None)
    return found


def _whole(run: Run, source: Source) -> Run:
    """`run` on the graph with all channels of the model, where the trace's places are."""
    if not run.graph.source.removed:
        return run
    pairs = zip(*(reference.run(graph, run.codes) for graph in (run.graph, source.graph)), strict=True)
    assert all(np.array_equal(ours, whole) for ours, whole in pairs), "the channels that left change an output"
    return replace(run, graph=source.graph)


def _case(run: Run, wanted: Golden, source: Source, sample: int) -> Case:
    here = slice(sample, sample + 1)
    codes = [array[here].astype(np.int64) for array in run.codes]
    inputs = {layer.name: array for layer, array in zip(run.graph.inputs, codes, strict=True)}
    feeds = {name: array[here] for name, array in run.feeds.items()}
    reaches = input_reaches(run.graph, feeds, codes)
    return Case(run.graph, source.trace.arithmetic, inputs, reaches, wanted, sample)


class _Replayed:
    """The codes that the source model gives in float32, sample by sample."""

    def __init__(self, run: Run, source: Source) -> None:
        self._run = run
        self._places = _quantised(run.graph, source.trace)
        self._replay = Replay(
            source.model, [name for name, _ in self._places], reciprocal=run.graph.source.rounding == "torch"
        )

    def codes(self, sample: int) -> Codes:
        """The codes of every layer that has a tensor in the model; ReplayError if it cannot run."""
        tensors = self._replay.run([array[sample] for array in self._run.feeds.values()])
        found = {}
        for name, place in self._places:
            if name in tensors:
                where = place.where.reshape(-1)
                tensor = tensors[name] if place.of is None else tensors[name][place.of]
                found[place.layer] = where, _codes(place, where, tensor, self._run.graph)
        return found


def _quantised(graph: Graph, trace: Trace) -> list[tuple[str, Place]]:
    """The first tensor of every layer that holds codes of its own, or pools or joins of codes."""
    first: dict[str, tuple[str, Place]] = {}
    codes = coded(graph)
    for name, place in ((name, place) for name, places in trace.places.items() for place in places):
        layer = graph.by_name[place.layer]
        if layer.name in codes and not layer.counts and not isinstance(layer, Move):
            first.setdefault(place.layer, (name, place))
    return list(first.values())


def _codes(place: Place, where: Ints, tensor: Array, graph: Graph) -> Ints:
    """The integers behind the real values of a tensor."""
    channels = graph.by_name[place.layer].channels
    scale, offset = (
        np.array(list(map(float, row.each(channels))))[where % channels] for row in (place.scale, place.offset)
    )
    return np.asarray(np.rint((tensor.astype(np.float64) - offset) / scale)).astype(np.int64)
