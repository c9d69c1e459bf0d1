# SPDX-License-Identifier: Apache-2.0
"""The cycle model against Verilator over random points of every kernel: clocks per frame and of the first frame.

python -m benchmarks.cycles [--points 40] [--seed 0] [--only window]

Each point is a kernel between AXI4-Streams; its outputs are compared bit for bit, too. Exits 1 if an interval is not
the plan's, or a latency is off by more than 1 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from time import perf_counter

from tests.rtl.grid import GRID, Timing, measure, points

LATENCY_ERROR = 0.01


def row(kernel: str, timings: Sequence[Timing], seconds: float) -> str:
    intervals = sum(each.planned[0] == each.found[0] for each in timings)
    latencies = sum(each.planned[1] == each.found[1] for each in timings)
    worst = max(each.latency_error for each in timings)
    return f"{kernel:16} {len(timings):6} {intervals:15} {latencies:15} {worst:14.2%} {seconds:8.1f}"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=GRID)
    options = parser.parse_args(arguments)
    print("kernel           points interval exact  latency exact  worst latency  seconds")
    failures = []
    for kernel in [options.only] if options.only else GRID:
        start = perf_counter()
        timings = list(measure({kernel: points(kernel, options.points, options.seed)}))
        print(row(kernel, timings, perf_counter() - start), flush=True)
        failures += [t for t in timings if t.planned[0] != t.found[0] or t.latency_error > LATENCY_ERROR]
    for failure in failures:
        print(f"{failure.point}: planned {failure.planned}, found {failure.found}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
