# SPDX-License-Identifier: Apache-2.0
"""Widths by budget: how well the table predicts mixed designs, and what allocation saves over three bits everywhere.

    python -m benchmarks.allocate [--only NAME] [--seeds 0,1,2] [--resnet MODEL.onnx --images CIFAR.npz]

Of each network twelve designs of random widths are compiled and compared with their prediction; then the cheapest
design is sought that diverges no more from the float network than 3-bit weights with 3-bit activations do. ResNet-8 and
its images are not part of this repository.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.quantise import Network, networks
from bitwright.explore import Tabled, allocate, table

CYCLES = {"digits_cnn": 2_000, "digits_res": 2_000, "mnist5k_ds": 20_000, "resnet8": 200_000}
"""The target of each network."""
DESIGNS = 12
VALIDATION = 512
"""Images that divergences are measured on, of the training part and not calibrated on."""
KINDS = ("lut", "cost")


@dataclass(frozen=True)
class Measured:
    """A network of one seed: how far predictions are off, in percent of the design; uniform and allocated figures."""

    off: Mapping[str, Sequence[float]]
    uniform: Mapping[str, float]
    allocated: Mapping[str, float]
    seconds: Sequence[float]

    @property
    def saved(self) -> float:
        """How much less the allocated design costs, in percent."""
        return 100 * (1 - self.allocated["cost"] / self.uniform["cost"])


def measured(network: Network, seed: int) -> Measured:
    """Prediction and allocation for one network."""
    images, _, _ = network.data(seed)
    with np.load(network.images) as held:
        validation = (held["validation"][:VALIDATION] / network.divisor).astype(np.float32)
    start = perf_counter()
    found = table(network.files[seed], images, validation=validation, cycles=CYCLES[network.name])
    ready = perf_counter()
    off = prediction(found, seed)
    uniform = found.measured(found.table.uniform(3, 3))
    again = perf_counter()
    best = allocate(found, {found.error: uniform[found.error]})
    return Measured(off, uniform, best.best.measured, (ready - start, perf_counter() - again))


def prediction(found: Tabled, seed: int) -> dict[str, list[float]]:
    """How far predictions of random designs are from what these take, in percent."""
    rng = np.random.default_rng(seed)
    off: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(DESIGNS):
        widths = {name: int(rng.choice(offered)) for name, offered in found.table.widths.items()}
        predicted, real = found.table.predict(widths), found.measured(widths)
        for kind in KINDS:
            off[kind].append(100 * abs(predicted[kind] / real[kind] - 1))
    return off


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny as ONNX")
    parser.add_argument("--images", type=Path, help="CIFAR-10 images: calibration, validation")
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        "network     seed  cost off %, median (most)  LUT off %  w3a3: kl, cost  allocated: kl, cost  saved %  seconds"
    )
    for network in networks(given.resnet, given.images):
        if given.only in ("", network.name):
            rows = [shown(network.name, seed, measured(network, seed)) for seed in map(int, given.seeds.split(","))]
            saved = np.array([row.saved for row in rows])
            error = saved.std(ddof=1) / np.sqrt(len(saved)) if len(saved) > 1 else 0.0
            print(f"{network.name}: saved {np.median(saved):.1f} % (median), mean {saved.mean():.1f} ± {error:.1f}")


def shown(name: str, seed: int, row: Measured) -> Measured:
    """A line of a network."""
    cost, lut = row.off["cost"], row.off["lut"]
    print(
        f"{name:11} {seed:4}  {np.median(cost):17.2f} ({max(cost):.2f})  {np.median(lut):9.2f}"
        f"  {row.uniform['kl']:.5f} {row.uniform['cost']:.2f}  {row.allocated['kl']:.5f} {row.allocated['cost']:.2f}"
        f"  {row.saved:.1f}  {row.seconds[0]:.0f} + {row.seconds[1]:.0f}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    main()
