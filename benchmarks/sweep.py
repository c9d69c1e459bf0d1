# SPDX-License-Identifier: Apache-2.0
"""Times the 49-point sweep of the digits network and prints its Pareto front.

python benchmarks/sweep.py [jobs]
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from bitwright.explore import sweep

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


def main(jobs: int) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = dict(file)
    start = perf_counter()
    results = sweep(DIGITS / "digits_float.onnx", data, lambda files: None, jobs=jobs)
    seconds = perf_counter() - start
    print(f"{len(results)} points in {seconds:.1f} s with {jobs} jobs; target: 120 s with 2")
    for result in sorted(results, key=lambda result: result.cost):
        if result.on_front:
            bits = f"{result.weight_memory_bits:6,} bits of weights"
            print(f"{result.point.label}  {100 * result.accuracy:5.1f} %  cost {result.cost:6.2f} %  {bits}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
