# SPDX-License-Identifier: Apache-2.0
"""Clocks of events that wait for each other, frame after frame, with no event earlier or later than it must be.

A sequence holds the events of one frame in order, each some clocks after the one before at least; between sequences a
`Wait` says which events come at least `lag` clocks after which. The earliest clocks that satisfy all of this are the
least fixed point of these inequalities, found by going over the sequences until nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from bitwright.ir.weights import Ints

ROUNDS = 20_000
"""Times to go over all sequences; events that still move then wait for each other in a circle."""

Clocks = dict[str, Ints]
"""For each sequence the clocks of its events."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Event `after[i]` of the sequence that holds this comes at least `lag` clocks after event `of[i]` of `source`.

    Events are counted from the first of the frame; `of` may lie in a frame before or after. Where an event stands in
    `after` more than once, its `of` ascend: the last one counts.
    """

    after: Ints
    source: str
    of: Ints
    lag: int | Ints


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one frame: event i at least `steps[i]` clocks after the first, the next frame's `span` after it.

    No event comes before its `ready`, where that is given.
    """

    steps: Ints
    span: int
    waits: list[Wait] = field(default_factory=list)
    ready: Ints | None = None


def patience(sequences: Mapping[str, Events]) -> int:
    """Rounds within which sequences settle whose FIFOs cost no clocks: about half as many as there are sequences do."""
    return 200 + 4 * len(sequences)


def unrolled(sequences: Mapping[str, Events], frames: int) -> dict[str, Events]:
    """`frames` frames as one, nothing before or after them."""
    frame, found = np.arange(frames)[:, None], {}
    for name, events in sequences.items():
        waits = []
        for wait in events.waits:
            after = (wait.after + frame * len(events.steps)).reshape(-1)
            size = len(sequences[wait.source].steps)
            of = (wait.of + frame * size).reshape(-1)
            inside = (of >= 0) & (of < size * frames)
            lag = np.tile(np.broadcast_to(wait.lag, len(wait.of)), frames)
            waits.append(Wait(after[inside], wait.source, of[inside], lag[inside]))
        found[name] = Events((events.steps + frame * events.span).reshape(-1), 0, waits)
    return found


def periodic(sequences: Mapping[str, Events], interval: int) -> dict[str, Events]:
    """One frame of endless ones that follow each other at `interval` clocks."""
    found = {}
    for name, events in sequences.items():
        last = len(events.steps) - 1
        waits = [Wait(np.array([0]), name, np.array([last]), events.span - int(events.steps[last]) - interval)]
        for wait in events.waits:
            earlier, of = np.divmod(wait.of, len(sequences[wait.source].steps))
            waits.append(replace(wait, of=of, lag=wait.lag + earlier * interval))
        found[name] = replace(events, waits=waits)
    return found


def _readers(sequences: Mapping[str, Events]) -> dict[str, set[str]]:
    """Who waits for whom."""
    readers: dict[str, set[str]] = {name: set() for name in sequences}
    for name, events in sequences.items():
        for wait in events.waits:
            readers[wait.source].add(name)
    return readers


def earliest(sequences: Mapping[str, Events], rounds: int = ROUNDS, start: Clocks | None = None) -> Clocks | None:
    """The earliest clock of every event; None if they are not found in `rounds`, as they wait for each other.

    `start` are the earliest clocks under some of these waits, from which it is not far.
    """
    never = np.iinfo(np.int64).min // 4
    clocks = dict(start) if start else {name: np.full(len(e.steps), never) for name, e in sequences.items()}
    readers = _readers(sequences)
    stale = set(sequences)
    for names in _sweeps(list(sequences), rounds):
        for name in names:
            if name in stale:
                stale.discard(name)
                moved = _after(sequences[name], clocks)
                if not np.array_equal(moved, clocks[name]):
                    clocks[name] = moved
                    stale |= readers[name]
        if not stale:
            return clocks
    return None


def latest(sequences: Mapping[str, Events], found: Clocks, fixed: frozenset[str]) -> Clocks | None:
    """The latest clock of every event, where the sequences of `fixed` stay as they are `found`.

    It is the same question backwards, event i from the end and clocks before the last one found; None as there.
    """
    horizon = max(int(clocks[-1]) for clocks in found.values())
    backwards = {
        name: Events(
            events.steps[-1] - events.steps[::-1], 0, ready=horizon - found[name][::-1] if name in fixed else None
        )
        for name, events in reversed(list(sequences.items()))
    }
    for name, events in sequences.items():
        for wait in events.waits:
            after = (len(sequences[wait.source].steps) - 1 - wait.of)[::-1]
            of, lag = (len(events.steps) - 1 - wait.after)[::-1], np.broadcast_to(wait.lag, len(after))[::-1]
            backwards[wait.source].waits.append(Wait(after, name, of, lag))
    turned = earliest(backwards, patience(backwards))
    return None if turned is None else {name: horizon - turned[name][::-1] for name in sequences}


def _sweeps(order: Sequence[str], rounds: int) -> Iterator[Sequence[str]]:
    """Forwards, so that data moves on, and backwards, so that what blocks is seen."""
    for turn in range(rounds):
        yield order if turn % 2 == 0 else order[::-1]


def _after(events: Events, clocks: Clocks) -> Ints:
    """The clocks of a sequence, given those of the others."""
    lower = np.zeros_like(events.steps) if events.ready is None else events.ready.copy()
    for wait in events.waits:
        lower[wait.after] = np.maximum(lower[wait.after], clocks[wait.source][wait.of] + wait.lag)
    return np.asarray(np.maximum.accumulate(lower - events.steps) + events.steps)


class Made(NamedTuple):
    """Where the beats of a stream come from: events that decide them, clocks until they are valid, beats on the way."""

    sequence: str
    at: Ints
    latency: int
    credits: int


class Taken(NamedTuple):
    """Where they go: the event that needs each beat, and the one with which it leaves the stream."""

    sequence: str
    needs: Ints
    takes: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a kernel does in one frame: its sequences of events, and those with which its streams begin and end.

    `wires` are streams within the kernel that hold no beat: one of its sequences makes them, another one takes them.
    """

    sequences: Mapping[str, Events]
    taken: Mapping[str, Taken]
    made: Mapping[str, Made]
    wires: tuple[str, ...] = ()
