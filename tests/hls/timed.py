# SPDX-License-Identifier: Apache-2.0
"""The C++ kernels in time: one iteration per clock, every stream as deep as it is, whoever waits stops as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field

from bitwright.hardware.kernels.base import Kernel, KernelGraph

STAGES = 8
"""Clocks from an iteration to the words that it writes."""


@dataclass
class Queue:
    """When each word of a stream came and went."""

    depth: int
    came: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def wait_to_read(self, clock: int) -> int | None:
        """The first clock, not before `clock`, at which the next word is there; None while nobody knows."""
        position = len(self.left)
        return max(clock, self.came[position]) if position < len(self.came) else None

    def wait_to_write(self, clock: int) -> int | None:
        """The first clock, not before `clock`, from which the next word finds room when it comes."""
        position = len(self.came) - self.depth
        if position < 0:
            return clock
        return max(clock, self.left[position] + 1 - STAGES) if position < len(self.left) else None


class Loop:
    """A loop on its way through the frames."""

    def __init__(self, reads: list[list[Queue]], writes: list[list[Queue]]) -> None:
        self.reads, self.writes = reads, writes  # queues of each iteration since a frame began; some are in the next
        self.iteration, self.clock = 0, 0

    def end(self, frames: int) -> int:
        """The iterations of so many frames."""
        return (frames - 1) * len(self.reads) + len(self.writes)

    def _at(self, index: int, frames: int) -> tuple[list[Queue], list[Queue]]:
        """What iteration `index` reads and writes."""
        frame, place = divmod(index, len(self.reads))
        reads = self.reads[place] if frame < frames else []
        before = [f for f in (frame - 1, frame) if 0 <= f < frames]
        late = [self.writes[at] for f in before if (at := index - f * len(self.reads)) < len(self.writes)]
        return reads, [queue for queues in late for queue in queues]

    def go_on(self, frames: int) -> bool:
        """As many iterations as the queues allow; whether there was one."""
        first = self.iteration
        while self.iteration < self.end(frames):
            reads, writes = self._at(self.iteration, frames)
            clock: int | None = self.clock + 1
            for queue in reads:
                clock = None if clock is None else queue.wait_to_read(clock)
            for queue in writes:
                clock = None if clock is None else queue.wait_to_write(clock)
            if clock is None:
                break
            for queue in reads:
                queue.left.append(clock)
            for queue in writes:
                queue.came.append(clock + STAGES)
            self.iteration, self.clock = self.iteration + 1, clock
        return self.iteration > first


def intervals(graph: KernelGraph, frames: int = 5) -> list[int]:
    """Clocks between the ends of the last two frames, one number for each output; the source is always ready."""
    queues = {stream.name: Queue(max(2, stream.depth)) for stream in graph.streams}
    for name in graph.inputs:
        queues[name].came = [0] * (graph.stream(name).beats * frames)
    for name in graph.outputs:
        queues[name].depth = 1 << 60
    running = [loop for kernel in graph.kernels for loop in _loops(kernel, queues)]
    while any([loop.go_on(frames) for loop in running]):
        pass
    stuck = [index for index, loop in enumerate(running) if loop.iteration < loop.end(frames)]
    assert not stuck, f"deadlock of loops {stuck}"
    ends = [queues[name].came[:: -graph.stream(name).beats] for name in graph.outputs]
    return [last - before for last, before, *_ in ends]


def _loops(kernel: Kernel, queues: dict[str, Queue]) -> list[Loop]:
    """The loops of a kernel; two frame buffers lie between those that have one between them."""
    stages = kernel.loops()
    buffers = [Queue(2) for _ in stages[1:]]
    found = []
    for index, stage in enumerate(stages):
        sources = [buffers[index - 1]] if index else [queues[name] for name in kernel.inputs]
        targets = [buffers[index]] if index < len(buffers) else [queues[name] for name in kernel.outputs]
        reads: list[list[Queue]] = [[] for _ in range(stage.iterations)]
        writes: list[list[Queue]] = [[] for _ in range(max(stage.iterations, int(stage.writes[-1]) + 1))]
        for queue, when in zip(sources, stage.reads, strict=True):
            for iteration in when.tolist():
                reads[iteration].append(queue)
        for iteration in stage.writes.tolist():
            writes[iteration] += targets
        found.append(Loop(reads, writes))
    return found
