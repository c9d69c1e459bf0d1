# SPDX-License-Identifier: Apache-2.0
"""The C++ kernels with a counter compiled in: iterations of each process, and in which of them it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.hls.programs import OURS, compiled, run, write

FRAMES = 3
PIPELINE = re.compile(r"(#pragma HLS PIPELINE\b[^\n]*\n(?:#pragma HLS [^\n]*\n)*)")
COUNTER = """
#pragma once
#include <cstdio>
#include <string>
#include <vector>

// Of one loop: in which iteration each word leaves.
class Count {
 public:
  explicit Count(const char *process) : process_(process) {}
  ~Count() {
    const std::size_t words = writes_.size() / FRAMES;
    std::printf("%lld %lld %s\\n", writes_[words * 2 - 1] - writes_[words - 1],
                writes_[words * 3 - 1] - writes_[words * 2 - 1], process_.c_str());
  }
  void step() { ++iterations_; }
  bool wrote() {
    writes_.push_back(iterations_);
    return true;
  }

 private:
  std::string process_;
  long long iterations_ = 0;
  std::vector<long long> writes_;
};
"""


def counted(files: Mapping[str, str]) -> dict[str, str]:
    """The project with a counter in each pipelined loop, a static of the function that is made of a template."""
    step = "static Count count_(__PRETTY_FUNCTION__);\ncount_.step();\n"
    found = dict(files)
    for path, text in files.items():
        if path.startswith("kernels/") and PIPELINE.search(text):
            head, pragma, loops = PIPELINE.sub(rf"\g<1>{step}", text).partition("#pragma HLS PIPELINE")
            loops = re.sub(r"\b(out\.write\(|write_all\((?=word, outs))", r"count_.wrote(), \1", loops)
            found[path] = head.replace("#pragma once\n", '#pragma once\n#include "../count.hpp"\n', 1) + pragma + loops
    return found | {"count.hpp": COUNTER.replace("FRAMES", str(FRAMES))}


def intervals(files: Mapping[str, str], name: str, folder: Path) -> dict[str, tuple[int, int]]:
    """For each process the iterations from the last word of one frame to that of the next, of three in one call."""
    write(folder, counted(files))
    flags = ["-O1", "-w", f"-DBW_FRAMES={FRAMES}", *OURS]
    done = run(compiled(folder, [f"tb/{name}_tb.cpp", f"{name}.cpp"], flags))
    assert done.returncode == 0, done.stdout
    lines = [line.split(" ", 2) for line in done.stdout.splitlines() if "::" in line]
    return {process: (int(first), int(second)) for first, second, process in lines}
