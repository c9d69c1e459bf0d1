# SPDX-License-Identifier: Apache-2.0
"""digits_cnn with four of five weights zero, on three seeds: accuracy beside the float network, clocks beside dense.

    python -m benchmarks.prune [--data FOLDER]

Zeros come by the optimal brain surgeon on 256 unlabelled images, over the whole network; then the float network is
trained on `train` and its labels with the zeros as they are, and is quantised to 4 bits. The clocks are those of
designs with the lanes below, of which the sparse one skips zeros; the LUTs are those of designs for equal clocks.
Exits 1 if a row does not reach what it must.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FloatNet, State, distil, fit, float_net, outputs_of, pruned, trainable
from bitwright.compress.prune import zeros
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros

SEEDS = range(3)
DATA = Path(__file__).with_name("data")
SPARSITY, EPOCHS, RATE = 0.8, 15, 5e-3
LANES = ((4, 1), (4, 8), (4, 8), (2, 4))
"""PE and SIMD of the three convolutions and of the dense layer."""
CYCLES = 1000
"""Of the designs whose LUTs are compared, with the lanes that the planner chooses."""
SLOWER = 0.35
"""The most clocks that the sparse design may take, in parts of the dense one's."""


@dataclass(frozen=True)
class Row:
    """What goes together, and how many points below the float network are allowed."""

    name: str
    in_blocks: bool
    below: float


ROWS = (Row("single weights", False, 1.0), Row("blocks of the plan", True, 2.0))


@dataclass(frozen=True)
class Images:
    """The images of the digits, of a folder with networks of three seeds."""

    folder: Path

    def part(self, name: str) -> NDArray[np.float32]:
        """Some of them, from 0 to 1."""
        with np.load(self.folder / "digits.npz") as held:
            return np.asarray(held[name] / 16, dtype=np.float32)

    def labels(self, name: str) -> NDArray[Any]:
        """Theirs."""
        with np.load(self.folder / "digits.npz") as held:
            return np.asarray(held[name])

    def accuracy(self, scores: NDArray[Any]) -> float:
        """Of the scores of the test images, in percent."""
        return 100 * float((scores.reshape(len(scores), -1).argmax(1) == self.labels("y")).mean())


def plan(net: FloatNet, kinds: Mapping[str, Zeros]) -> Plan:
    """The lanes, and what becomes of each layer's zeros; "multiply" if nothing is said."""
    names = [node.name for node in net.nodes if node.op in ("Conv", "Gemm")]
    lanes = dict(zip(names, LANES, strict=True))
    return Plan({n: LayerPlan(pe=pe, simd=s, zeros=kinds.get(n, "multiply")) for n, (pe, s) in lanes.items()})


def measured(net: FloatNet, images: Images, row: Row) -> Iterator[float]:
    """Accuracy in float, pruned, trained, and in 4 bits; the share of zeros; clocks and LUTs, dense and sparse."""
    calibration, x = images.part("calibration"), images.part("x")
    whole = bw.quantize(net, calibration, weights=4, activations=4).graph()
    dense = bw.compile(whole, plan=plan(net, {}))
    block = dense.plan.blocks() if row.in_blocks else None
    sparse = pruned(net, calibration, criterion="obs", sparsity=SPARSITY, block=block, scope="network")
    module = trainable(sparse)
    module.keep_zeros()
    fit(module, (images.part("train"), images.labels("y_train")), epochs=EPOCHS, lr=RATE, aids=[distil("kd")])
    state = module.quantize(calibration, weights=4, activations=4)
    trained = module.float_net()
    for made in (net, sparse, trained):
        yield images.accuracy(outputs_of(made, [x])[0])
    yield images.accuracy(bw.run(state.graph(), x))
    sizes = {layer.weight: trained.constants[layer.weight].size for layer in trained.layers}
    yield 100 * sum(share * sizes[name] for name, share in zeros(trained).items()) / sum(sizes.values())
    yield dense.kernels.interval
    yield skipping(net, state, row).kernels.interval
    for graph in (whole, state.graph()):
        yield bw.compile(graph, cycles=CYCLES).price.total.lut


def skipping(net: FloatNet, state: State, row: Row) -> bw.Design:
    """The design that skips zeros where half of a layer's weights are."""
    graph = state.graph()
    layers = {node.name: graph.by_name[node.name] for node in net.nodes if node.op in ("Conv", "Gemm")}
    share = {name: layer.weights.zeros / layer.weights.array.size for name, layer in layers.items()}  # type: ignore[union-attr]
    kind: Zeros = "skip-blocks" if row.in_blocks else "skip-rows"
    return bw.compile(graph, plan=plan(net, {name: kind for name in share if share[name] > 0.5}))


def main() -> None:
    """Print both rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    images = Images(parser.parse_args().data)
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}")
    missed = []
    for row in ROWS:
        nets = [float_net(images.folder / f"digits_cnn_{seed}.onnx") for seed in SEEDS]
        found = np.array([list(measured(net, images, row)) for net in nets])
        mean, error = found.mean(axis=0), found.std(axis=0, ddof=1) / len(SEEDS) ** 0.5
        heads = ("float", "pruned", "trained", "W4A4")
        points = ", ".join(f"{head} {mean[i]:.2f} +- {error[i]:.2f}" for i, head in enumerate(heads))
        ratio = (found[:, 6] / found[:, 5]).max()
        clocks = f"{found[:, 6].max():.0f} of {mean[5]:.0f} clocks ({ratio:.2f})"
        luts = f"{mean[8]:,.0f} of {mean[7]:,.0f} LUTs for {CYCLES:,} clocks"
        print(f"{row.name}: {points}; {mean[4]:.1f} % zeros; {clocks}; {luts}")
        if mean[0] - mean[3] > row.below or (row.in_blocks and ratio > SLOWER):
            missed.append(row.name)
    if missed:
        sys.exit(f"not reached: {', '.join(missed)}")


if __name__ == "__main__":
    main()
