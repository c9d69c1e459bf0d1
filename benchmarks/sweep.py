# SPDX-License-Identifier: Apache-2.0
"""Times the sweep of 49 designs of the digits network and prints its Pareto front.

python benchmarks/sweep.py [jobs]
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from bitwright.explore import sweep

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


def main(jobs: int) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = dict(file)
    with TemporaryDirectory() as folder:
        start = perf_counter()
        found = sweep(DIGITS / "digits_float.onnx", data, Path(folder, "swept"), score_on="test", jobs=jobs)
        seconds = perf_counter() - start
        print(f"{len(found.records)} designs in {seconds:.1f} s with {jobs} jobs; target: 120 s with 2")
        print(found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
