# SPDX-License-Identifier: Apache-2.0
"""Networks through a library of the engine fast whose path is given; a program, for sanitizers are preloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.sim import reference
from bitwright.sim.fast import engine, native, prepare
from tests import collection
from tests.ir.graphs import random_codes, random_graph
from tests.layers.cases import CASES


def main(path: Path) -> None:
    library = native.opened(path)

    def same(graph: Graph, seed: int) -> None:
        codes = random_codes(graph, seed, 3)
        ours = engine.of(prepare.prepare(graph, library), graph)(codes)
        for got, want in zip(ours, reference.run(graph, codes), strict=True):
            np.testing.assert_array_equal(got, want)

    for graph in CASES.values():
        same(graph, 7)
    for seed in range(100):
        same(random_graph(seed, bits=max(2, 1 + seed % 16), joins=bool(seed % 3)), seed)
    names = collection.taken() if collection.MODELS.exists() else []
    for name in names:
        same(collection.load(name), 1)
    sys.stdout.write(f"clean: {len(CASES)} layers, 100 random networks, {len(names)} of the collection\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
