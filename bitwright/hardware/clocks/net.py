# SPDX-License-Identifier: Apache-2.0
"""The kernels of a graph as sequences of events that wait for each other, as in the modules of the RTL.

A kernel says which beats each of its events takes and decides (`Kernel.course`). A beat is valid its latency after it
is decided. What a kernel's pipeline may hold is bounded by credits, so an event that decides a beat also waits until an
older one has left (`bw_credit_pipe`, `bw_elastic_reg`).
"""

from __future__ import annotations

from collections.abc import Mapping

from bitwright.hardware.events import Events, Made, Taken, Wait
from bitwright.hardware.indices import Indices, before, shifted
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.fifos import fifo_words, stream_latency
from bitwright.ir.weights import Ints


class Net:
    """The events of a graph in one frame, and the ends of every stream; a stream's own events enter its FIFO."""

    def __init__(
        self, kernels: KernelGraph, offered: Mapping[str, Ints] = {}, unbounded: frozenset[str] = frozenset()
    ) -> None:
        self._found: dict[str, Events] = {}
        self.made: dict[str, Made] = {}
        self.taken: dict[str, Taken] = {}
        for name in kernels.inputs:
            self._source(name, kernels.stream(name).beats, offered.get(name))
        for kernel in kernels.kernels:
            self._add(kernel)
        for name in kernels.outputs:
            self._sink(name, kernels.stream(name).beats)
        for stream in kernels.streams:
            self._connect(stream.name, None if stream.name in unbounded else fifo_words(stream), stream_latency(stream))

    @property
    def sequences(self) -> dict[str, Events]:
        """All sequences, a stream's behind the one that makes its beats: what moves on reaches the end in one pass."""
        entering: dict[str, list[str]] = {}
        for name, made in self.made.items():
            entering.setdefault(made.sequence, []).append(name)
        makers = (name for name in self._found if name not in self.made)
        return {name: self._found[name] for maker in makers for name in (maker, *entering.get(maker, ()))}

    def _add(self, kernel: Kernel) -> None:
        course = kernel.course()
        self._found |= course.sequences
        self.taken |= course.taken
        self.made |= course.made
        for name in course.wires:
            self._connect(name, 0, 0)

    def _events(self, name: str, steps: Indices, span: int, *waits: Wait) -> None:
        self._found[name] = Events(steps, span, list(waits))

    def _connect(self, name: str, depth: int | None, latency: int) -> None:
        """The stream `name` between its ends: beats enter a FIFO of `depth` words, 0 a wire, None an endless one."""
        made, taken = self.made[name], self.taken[name]
        every = range(len(made.at))
        self._events(name, every, len(every), Wait(every, made.sequence, made.at, made.latency))
        self._wait(made.sequence, Wait(made.at, name, shifted(every, -made.credits), 1))
        if depth != 0:
            self._wait(taken.sequence, Wait(taken.needs, name, every, latency))
        else:
            self._wait(taken.sequence, Wait(taken.needs, made.sequence, made.at, made.latency))
        if depth is not None:
            of = before(taken.takes, depth, len(self._found[taken.sequence].steps))
            self._wait(name, Wait(every, taken.sequence, of, min(depth, 1)))

    def _wait(self, name: str, wait: Wait) -> None:
        self._found[name].waits.append(wait)

    def _source(self, name: str, beats: int, offered: Ints | None) -> None:
        """Beats from outside, each from the clock on at which it is offered, one after the other."""
        every = range(beats)
        self._found[f"{name} offered"] = Events(every, beats, ready=offered)
        self.made[name] = Made(f"{name} offered", every, 0, 1)

    def _sink(self, name: str, beats: int) -> None:
        """Beats that leave as soon as they can."""
        every = range(beats)
        self._events(leaving(name), every, beats)
        self.taken[name] = Taken(leaving(name), every, every)


def leaving(name: str) -> str:
    """The sequence of the beats that leave through the output `name`."""
    return f"{name} leaving"
