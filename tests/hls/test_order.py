# SPDX-License-Identifier: Apache-2.0
"""What the FIFO depths rest on: the C++ kernels read and write in the order that `Kernel.loops` says."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from bitwright.backends.hls.project import generate
from bitwright.backends.project import Project
from bitwright.hardware.kernels.base import Kernel
from bitwright.hardware.kernels.joins import Interleave
from bitwright.hardware.kernels.moves import Reorder
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import Window
from bitwright.hardware.loops import Loop
from tests.hls.programs import OURS, compiled, run, write
from tests.hls.test_kernels import (
    depthwises,
    matrices,
    others,
    parallel_windows,
    requantisers,
    selects,
    sparses,
    windows,
)
from tests.needs import needs_cxx
from tests.rtl.graphs import project, side_by_side

pytestmark = needs_cxx

TRACING = """
#pragma once
#include <cstdio>
#include <deque>
namespace hls {
template <typename T>
class stream {
 public:
  explicit stream(const char *name) : name_(name) {}
  bool empty() { return words_.empty(); }
  void write(const T &word) {
    std::fprintf(stderr, "write %s\\n", name_);
    words_.push_back(word);
  }
  T read() {
    std::fprintf(stderr, "read %s\\n", name_);
    const T word = words_.front();
    words_.pop_front();
    return word;
  }

 private:
  const char *name_;
  std::deque<T> words_;
};
}  // namespace hls
"""


def predicted(kernel: Kernel) -> list[str]:
    """The reads and writes of one frame."""
    first, *others = kernel.loops()
    if others:
        return [f"{verb} {kernel.input if verb == 'read' else kernel.output}" for verb in in_turns(first, *others)]
    writes_first = isinstance(kernel, Window)
    events: list[tuple[int, bool, str]] = []
    for name, reads in zip(kernel.inputs, first.reads, strict=True):
        events += [(i, writes_first, f"read {name}") for i in reads.tolist()]
    for name in kernel.outputs:
        events += [(i, not writes_first, f"write {name}") for i in first.writes.tolist()]
    return [event[-1] for event in sorted(events, key=lambda event: event[:2])]


def in_turns(fill: Loop, use: Loop) -> list[str]:
    """What two loops do that are one: a buffer is filled while the other one, if it is full, is used."""
    ends, starts = fill.writes, np.append(use.reads[0], use.iterations)
    entered, left, found = 0, 0, []
    while left < use.iterations:
        filled, used = int((ends < entered).sum()), int((starts <= left).sum()) - 1
        uses, fills = used < filled, entered < fill.iterations and filled - used < 2
        found += ["write"] * int(uses and (use.writes == left).any()) + ["read"] * fills
        left, entered = left + uses, entered + fills
    return found


@cache
def every_kind() -> Project:
    """Every window and join, and a few of the kernels that are one loop without a turn, unconnected."""
    alike = [matrices()[2], *sparses()[:7], *selects()[:4], *depthwises()[:3], requantisers()[1]]
    graphs = [*windows(), *parallel_windows(), *others(), *alike]
    return project(side_by_side(graphs), np.random.default_rng(6), 1, "order")


def test_a_kernel_reads_and_writes_in_the_order_that_is_predicted(tmp_path: Path) -> None:
    write(tmp_path, generate(every_kind()) | {"tracing/hls_stream.h": TRACING})
    flags = ["-w", "-Itracing", *OURS]
    trace = run(compiled(tmp_path, ["tb/order_tb.cpp", "order.cpp"], flags)).stderr.splitlines()
    for kernel in every_kind().kernels.kernels:
        own = {f"read {name}" for name in kernel.inputs} | {f"write {name}" for name in kernel.outputs}
        assert [event for event in trace if event in own] == predicted(kernel), kernel.name


def test_a_loop_has_the_iterations_that_are_predicted(tmp_path: Path) -> None:
    """Against the constants that the loops go by; buffers are filled and emptied word by word."""
    lines = ['#include "order_params.hpp"']
    for kernel in every_kind().kernels.kernels:
        iterations = [loop.iterations for loop in kernel.loops()]
        bounds = (
            ["Beats"]
            if len(iterations) == 1
            else ["InBeats", "OutBeats"]
            if isinstance(kernel, Reorder)
            else ["Beats", "Beats"]
        )
        if isinstance(kernel, SparseMatrixVector):
            bounds = ["ColFold", "Words"]
            iterations = [count // kernel.vectors for count in iterations]
        for bound, count in zip(bounds, iterations, strict=True):
            lines.append(f'static_assert(order::{kernel.name}::Shape::{bound} == {count}, "{kernel.name}");')
    write(tmp_path, generate(every_kind()) | {"check.cpp": "\n".join(lines) + "\n"})
    compiled(tmp_path, ["check.cpp"], [*OURS, "-w", "-fsyntax-only"])


def test_operands_that_take_turns_are_read_in_turn() -> None:
    kernel = next(k for k in every_kind().kernels.kernels if isinstance(k, Interleave) and k.parts == (2, 1, 1))
    first, second, third = kernel.inputs
    pixel = [first, first, second, third]
    assert [event for event in predicted(kernel) if "read" in event][:8] == [f"read {name}" for name in pixel * 2]
