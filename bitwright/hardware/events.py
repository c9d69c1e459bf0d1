# SPDX-License-Identifier: Apache-2.0
"""Clocks of events that wait for each other, frame after frame, with no event earlier or later than it must be.

A sequence holds the events of one frame in order, each some clocks after the one before at least; between sequences a
`Wait` says which events come at least `lag` clocks after which. The earliest clocks that satisfy all of this are the
least fixed point of these inequalities, found by going over the sequences until nothing moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.hardware.indices import WIDE, Indices, by_frame, mirrored, shifted, values, where
from bitwright.ir.weights import Ints

ROUNDS = 20_000
"""Times to go over all sequences; events that still move then wait for each other in a circle."""
NARROW = 1 << 29
"""Steps and lags below this, and clocks below twice this, are told in 32 bits."""

Clocks = dict[str, NDArray[Any]]
"""For each sequence the clocks of its events."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Event `after[i]` of the sequence that holds this comes at least `lag` clocks after event `of[i]` of `source`.

    Events are counted from the first of the frame; `of` may lie in a frame before or after. Both ascend; where an event
    stands in `after` more than once, the last one counts.
    """

    after: Indices
    source: str
    of: Indices
    lag: int | Ints

    def part(self, among: slice, of: Indices, later: int = 0) -> Wait:
        """Some of this, with other `of` and `later` clocks more."""
        lag = self.lag if isinstance(self.lag, int) else self.lag[among]
        return Wait(self.after[among], self.source, of, lag + later)


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one frame: event i at least `steps[i]` clocks after the first, the next frame's `span` after it.

    No event comes before its `ready`, where that is given.
    """

    steps: Indices
    span: int
    waits: list[Wait] = field(default_factory=list)
    ready: NDArray[Any] | None = None


def digest(sequences: Mapping[str, Events]) -> str:
    """What tells these from others: equal ones have equal clocks."""
    found = sha256()
    for name, events in sequences.items():
        found.update(f"{name} {events.span} {_said(events.steps)} {_said(events.ready)}".encode())
        for wait in events.waits:
            found.update(f"{wait.source} {_said(wait.after)} {_said(wait.of)} {_said(wait.lag)}".encode())
    return found.hexdigest()


def _said(numbers: Indices | NDArray[Any] | int | None) -> str:
    """Numbers, or of many what tells them from others."""
    if not isinstance(numbers, np.ndarray):
        return str(numbers)
    return f"{numbers.dtype} {numbers.shape} {sha256(numbers.tobytes()).hexdigest()}"


def patience(sequences: Mapping[str, Events]) -> int:
    """Rounds within which sequences settle whose FIFOs cost no clocks: many more than they take, which is some ten."""
    return 200 + 4 * len(sequences)


def unrolled(sequences: Mapping[str, Events], frames: int) -> dict[str, Events]:
    """`frames` frames as one, nothing before or after them."""
    found = {}
    for name, events in sequences.items():
        waits = []
        for wait in events.waits:
            size = len(sequences[wait.source].steps)
            for earlier, among, of in by_frame(wait.of, size):
                part = wait.part(among, of)
                for frame in range(max(0, -earlier), min(frames, frames - earlier)):
                    after = shifted(part.after, frame * len(events.steps))
                    waits.append(replace(part, after=after, of=shifted(of, (frame + earlier) * size)))
        found[name] = Events(_repeated(events, frames), 0, waits)
    return found


def _repeated(events: Events, frames: int) -> Indices:
    """The steps of so many frames."""
    steps = events.steps
    if isinstance(steps, range) and (frames == 1 or events.span == len(steps) * steps.step):
        return range(steps.start, steps.start + frames * len(steps) * steps.step, steps.step)
    return np.asarray((values(steps) + np.arange(frames)[:, None] * events.span).reshape(-1))


def periodic(sequences: Mapping[str, Events], interval: int) -> dict[str, Events]:
    """One frame of endless ones that follow each other at `interval` clocks."""
    found = {}
    for name, events in sequences.items():
        last = len(events.steps) - 1
        waits = [Wait(range(1), name, range(last, last + 1), events.span - int(events.steps[last]) - interval)]
        for wait in events.waits:
            for earlier, among, of in by_frame(wait.of, len(sequences[wait.source].steps)):
                waits.append(wait.part(among, of, earlier * interval))
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
    if all(_is_narrow(events) for events in sequences.values()):
        try:
            return _settled(sequences, rounds, start, np.dtype(np.int32))
        except OverflowError:
            pass
    return _settled(sequences, rounds, start, WIDE)


def _is_narrow(events: Events) -> bool:
    """Whether what these events add to a clock is told in 32 bits."""
    lags = (int(np.max(np.abs(wait.lag))) for wait in events.waits)
    return max(int(events.steps[-1]), events.span, *lags) < NARROW


def _settled(sequences: Mapping[str, Events], rounds: int, start: Clocks | None, kind: np.dtype[Any]) -> Clocks | None:
    """`earliest`, in numbers of this kind; OverflowError where they are too narrow."""
    never, most = np.iinfo(kind).min // 4, np.iinfo(kind).max // 2
    first = start or {name: np.full(len(e.steps), never, kind) for name, e in sequences.items()}
    clocks = {name: found.astype(kind, copy=False) for name, found in first.items()}
    readers = _readers(sequences)
    stale = set(sequences)
    for names in _sweeps(list(sequences), rounds):
        for name in names:
            if name in stale:
                stale.discard(name)
                moved = _after(sequences[name], clocks, kind)
                if not np.array_equal(moved, clocks[name]):
                    if moved[-1] > most:
                        raise OverflowError
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
            mirrored(events.steps, int(events.steps[-1])),
            0,
            ready=horizon - found[name][::-1] if name in fixed else None,
        )
        for name, events in reversed(list(sequences.items()))
    }
    for name, events in sequences.items():
        for wait in events.waits:
            after = mirrored(wait.of, len(sequences[wait.source].steps) - 1)
            of = mirrored(wait.after, len(events.steps) - 1)
            lag = wait.lag if isinstance(wait.lag, int) else wait.lag[::-1]
            backwards[wait.source].waits.append(Wait(after, name, of, lag))
    turned = earliest(backwards, patience(backwards))
    return None if turned is None else {name: horizon - turned[name][::-1] for name in sequences}


def _sweeps(order: Sequence[str], rounds: int) -> Iterator[Sequence[str]]:
    """Forwards, so that data moves on, and backwards, so that what blocks is seen."""
    for turn in range(rounds):
        yield order if turn % 2 == 0 else order[::-1]


def _after(events: Events, clocks: Clocks, kind: np.dtype[Any]) -> NDArray[Any]:
    """The clocks of a sequence, given those of the others."""
    steps = values(events.steps, kind)
    lower = np.zeros_like(steps) if events.ready is None else events.ready.astype(kind)
    for wait in events.waits:
        after, of = where(wait.after), where(wait.of)
        lower[after] = np.maximum(lower[after], clocks[wait.source][of] + wait.lag)
    lower -= steps
    np.maximum.accumulate(lower, out=lower)
    lower += steps
    return lower


class Made(NamedTuple):
    """Where the beats of a stream come from: events that decide them, clocks until they are valid, beats on the way."""

    sequence: str
    at: Indices
    latency: int
    credits: int


class Taken(NamedTuple):
    """Where they go: the event that needs each beat, and the one with which it leaves the stream."""

    sequence: str
    needs: Indices
    takes: Indices


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a kernel does in one frame: its sequences of events, and those with which its streams begin and end.

    `wires` are streams within the kernel that hold no beat: one of its sequences makes them, another one takes them.
    """

    sequences: Mapping[str, Events]
    taken: Mapping[str, Taken]
    made: Mapping[str, Made]
    wires: tuple[str, ...] = ()
