# SPDX-License-Identifier: Apache-2.0
"""FIFO depths by calculation: what a schedule needs in which every frame takes the interval.

It is found in two steps. First every event as early as it can be, the source paced at the interval, the FIFOs in
question endless. Then, the readers of those FIFOs held at their clocks, everything else as late as it can be: what
registers, rings and other FIFOs can hold back does not wait there. With FIFOs as deep as they fill then, that schedule
is feasible frame after frame; a run, in which each beat moves as soon as it can, is never behind a feasible schedule.
So no throughput is lost, and nothing waits for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np

from bitwright.hardware.clocks.net import Net, leaving
from bitwright.hardware.events import Clocks, digest, earliest, latest, patience, periodic
from bitwright.hardware.indices import where
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.fifos import stream_latency
from bitwright.ir.errors import BitwrightError
from bitwright.ir.kept import Kept
from bitwright.ir.stages import begins
from bitwright.ir.weights import Ints

REGISTER_DEPTH = 2
"""Words of an elastic register, the least that is behind a kernel."""

Sizing = Literal["exact", "fast"]
"""As the module says, or as full as FIFOs get in the first of its two schedules: at once, safe, and often too deep."""
Sized = Callable[[KernelGraph], KernelGraph]
"""The kernels with other FIFOs."""
Depths = dict[str, int]
"""Stream -> words of its FIFO."""
MANY = 1 << 9
DEPTHS: Kept[Depths] = Kept(MANY)
SUSTAINED: Kept[bool] = Kept(MANY)
"""What was found, by the events that it depends on: designs that differ in widths alone have the same."""


def size_fifos(kernels: KernelGraph, chosen: Mapping[str, int], sizing: Sizing = "exact") -> KernelGraph:
    """`kernels` with FIFOs that lose no throughput; `chosen` sets the depth in front of a layer's first kernel instead.

    Deep ones are where branches meet and where a vector gathers while the one before is replayed, and elsewhere only if
    those do not suffice. BitwrightError if the chosen depths lose throughput.
    """
    begins("sizing FIFOs")
    bare = with_depths(kernels, dict.fromkeys((stream.name for stream in kernels.streams), REGISTER_DEPTH))
    found = _as_built(bare, _depths(bare, sizing), sizing)
    first = {kernel.layer: kernel.input for kernel in reversed(kernels.kernels)}
    given = {first[layer]: depth for layer, depth in chosen.items() if layer in first}
    sized = with_depths(bare, found | given)
    if given and not sustained(sized):
        depths = {layer: found.get(first[layer], REGISTER_DEPTH) for layer in chosen if layer in first}
        raise BitwrightError(
            f"with these FIFO depths a frame takes more than {kernels.interval} clocks, or never ends",
            where="plan: " + ", ".join(f"layer '{layer}'" for layer in depths),
            hint="0 is the computed depth: " + ", ".join(map(str, depths.values())),
        )
    return sized


def with_depths(kernels: KernelGraph, depths: Mapping[str, int]) -> KernelGraph:
    """`kernels` with other FIFOs."""
    streams = tuple(replace(stream, depth=depths.get(stream.name, stream.depth)) for stream in kernels.streams)
    return replace(kernels, streams=streams)


@dataclass(frozen=True)
class Alike:
    """FIFOs as deep as those of other designs: as many words where lanes are as many, else as many elements.

    That is near enough for a price, and nothing is asked of clocks; such a design need not run.
    """

    known: dict[tuple[str, int], int] = field(default_factory=dict)

    def learn(self, kernels: KernelGraph) -> None:
        """The depths of a design whose FIFOs were sized."""
        for stream in kernels.streams:
            self.known.setdefault((stream.name, stream.lanes), stream.depth)

    def __call__(self, kernels: KernelGraph) -> KernelGraph:
        """A design with FIFOs as those that are known."""
        return with_depths(kernels, {each.name: self._depth(each.name, each.lanes) for each in kernels.streams})

    def _depth(self, name: str, lanes: int) -> int:
        if (name, lanes) in self.known:
            return self.known[name, lanes]
        elements = max((depth * n for (other, n), depth in self.known.items() if other == name), default=0)
        return max(REGISTER_DEPTH, -(-elements // lanes))


def sustained(kernels: KernelGraph) -> bool:
    """True if frames can follow each other at the interval with the FIFOs as they are."""
    sequences = periodic(Net(kernels).sequences, kernels.interval)
    return SUSTAINED.get(digest(sequences), lambda: earliest(sequences, patience(sequences)) is not None)


def _as_built(bare: KernelGraph, found: Depths, sizing: Sizing) -> Depths:
    """`found`, deeper where that does not suffice because a FIFO in block RAM takes a clock more than a register."""
    sized = with_depths(bare, found)
    if max(map(stream_latency, sized.streams)) <= 1 or sustained(sized):
        return found
    every = frozenset(stream.name for stream in bare.streams)
    needed = _needed(sized, frozenset(found), sizing) or _needed(sized, every, sizing)
    assert needed is not None, "no FIFO sustains the interval"
    deeper = found | {name: depth for name, depth in needed.depths.items() if depth > found.get(name, REGISTER_DEPTH)}
    assert deeper != found, "FIFOs as deep as they fill sustain the interval"
    return _as_built(bare, deeper, sizing)


def _depths(bare: KernelGraph, sizing: Sizing) -> Depths:
    """The depths of FIFOs deeper than those of `bare`."""
    shown = {kernel.output for kernel in bare.kernels if kernel.is_ring}
    meeting = {name for kernel in bare.kernels if len(kernel.inputs) > 1 for name in kernel.inputs}
    replayed = {kernel.input for kernel in bare.kernels if kernel.replays}
    waiting = frozenset(meeting | replayed - shown)
    key = digest(Net(bare).sequences), bare.interval, waiting, sizing
    return DEPTHS.get(key, lambda: _found(bare, waiting, sizing))


def _found(bare: KernelGraph, waiting: frozenset[str], sizing: Sizing) -> Depths:
    """The same; `waiting` are the FIFOs that must be deep, where those suffice."""
    found = _needed(bare, waiting, sizing)
    if found is None:
        found = _needed(bare, frozenset(stream.name for stream in bare.streams), sizing)
    assert found is not None, "no FIFO sustains the interval"
    deep = {name: depth for name, depth in found.depths.items() if depth > REGISTER_DEPTH}
    if len(deep) == len(found.depths) or sizing == "fast":
        return deep
    fewer = _needed(bare, frozenset(deep), sizing, found.soon)  # readers of the others need not be held
    return fewer.depths if fewer else deep


class _Needed(NamedTuple):
    """Depths, and the earliest clocks at which they were found."""

    depths: Depths
    soon: Clocks


def _needed(kernels: KernelGraph, sized: frozenset[str], sizing: Sizing, start: Clocks | None = None) -> _Needed | None:
    """The depths of the FIFOs `sized` at the interval, the others as they are; None if those are too shallow for it.

    `start` are the earliest clocks with more FIFOs sized.
    """
    interval = kernels.interval
    beats = {name: kernels.stream(name).beats for name in kernels.inputs}
    net = Net(kernels, {name: np.arange(count) * interval // count for name, count in beats.items()}, sized)
    sequences = periodic(net.sequences, interval)
    soon = earliest(sequences, patience(sequences), start)
    if soon is None:
        return None
    if sizing == "fast":
        return _Needed(_filled(net, soon, sized, interval), soon)
    held = frozenset(net.taken[name].sequence for name in sized) | {leaving(name) for name in kernels.outputs}
    late = latest(sequences, soon, held)
    return None if late is None else _Needed(_filled(net, late, sized, interval), soon)


def _filled(net: Net, clocks: Clocks, sized: frozenset[str], interval: int) -> Depths:
    """How far the FIFOs `sized` fill in this schedule."""
    left = {name: clocks[net.taken[name].sequence][where(net.taken[name].takes)] for name in sized}
    return {name: max(REGISTER_DEPTH, _most_held(clocks[name], left[name], interval)) for name in sized}


def _most_held(entering: Ints, leaving: Ints, interval: int) -> int:
    """The most beats in a FIFO whose beats of one frame enter and leave at these clocks, in frames at `interval`."""
    earlier = 1 + max(int(leaving[-1] - entering[0]), 0) // interval  # frames of which beats may still be there
    left = (leaving + np.arange(-earlier, 1)[:, None] * interval).reshape(-1)
    here = earlier * len(entering) + np.arange(1, len(entering) + 1) - np.searchsorted(left, entering)
    return int(here.max())
