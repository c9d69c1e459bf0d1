# SPDX-License-Identifier: Apache-2.0
"""Accuracy of networks that were trained as the integers they are, on three seeds, each beside what it must reach.

    python -m benchmarks.train [ROW] [--data FOLDER] [--resnet MODEL.onnx --images CIFAR.npz] [--validation]

Of digits_cnn and mnist5k_ds each seed is another network; ResNet-8 is one, of which each seed has its own order and 128
calibration images. They are calibrated on `calibration`, trained on `train` and its labels from the float network on,
and the integers of the module are run on the test images; rows were chosen on `validation`, which --validation shows in
place of them. ResNet-8 and its images are not part of this repository. Exits 1 if a row does not reach what it must.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FloatNet, distil, fit, float_net, outputs_of, trainable

Array = NDArray[Any]
SEEDS = range(3)
DATA = Path(__file__).with_name("data")
RESNET, CALIBRATION = "resnet8", 128


@dataclass(frozen=True, kw_only=True)
class Row:
    """A network with its quantisers, how it is trained, and what it must reach: points below float, or a percentage.

    `soft` is the temperature at which nine tenths of the loss are the float network's outputs; without one half is, as
    they are. With `mirrored` the images are there from left to right as well, which halves what an epoch is.
    """

    network: str
    weights: str
    activations: str
    epochs: int
    lr: float
    below: float = 0.0
    least: float = 0.0
    soft: float = 0.0
    mirrored: bool = False


ROWS = {
    "digits_cnn W4A4": Row(
        network="digits_cnn", weights="lsq:4", activations="lsq:4", epochs=15, lr=2e-3, below=0.3
    ),
    "digits_cnn W3A3": Row(
        network="digits_cnn", weights="lsq:3", activations="lsq:3", epochs=15, lr=2e-3, below=0.6
    ),
    "digits_cnn ternary A4": Row(
        network="digits_cnn", weights="ternary", activations="lsq:4", epochs=40, lr=1e-2, soft=4, below=1.0
    ),
    "digits_cnn ternary A2": Row(
        network="digits_cnn", weights="ternary", activations="lsq:2", epochs=40, lr=1e-2, soft=4, below=2.5
    ),
    "mnist5k_ds W3A3": Row(
        network="mnist5k_ds", weights="lsq:3", activations="lsq:3", epochs=20, lr=2e-2, below=2.5
    ),
    "resnet8 W4A4": Row(
        network=RESNET, weights="lsq:4", activations="lsq:4", epochs=2, lr=8e-3, least=73.0, mirrored=True
    ),
}  # fmt: skip


class Parts(NamedTuple):
    """Images and labels of one network: for scales, to learn from, to be judged by."""

    calibration: Array
    train: Array
    y_train: Array
    x: Array
    y: Array


@dataclass(frozen=True)
class Source:
    """Where networks and images are."""

    folder: Path
    resnet: Path | None
    images: Path | None
    validation: bool

    def has(self, network: str) -> bool:
        return network != RESNET or None not in (self.resnet, self.images)

    def net(self, network: str, seed: int) -> FloatNet:
        path = self.resnet if network == RESNET else self.folder / f"{network}_{seed}.onnx"
        assert path is not None
        return float_net(path)

    def parts(self, network: str, seed: int) -> Parts:
        held = self.folder / ("digits.npz" if network.startswith("digits") else "mnist5k.npz")
        path, divisor = (self.images, 1) if network == RESNET else (held, 16 if network.startswith("digits") else 255)
        assert path is not None
        with np.load(path) as file:
            judged = ("validation", "y_validation") if self.validation else ("x", "y")
            names = ("calibration", "train", "y_train", *judged)
            calibration, train, y_train, x, y = (file[name] for name in names)
        if network == RESNET:
            calibration = calibration[np.random.default_rng(seed).choice(len(calibration), CALIBRATION, replace=False)]
        images = ((array / divisor).astype(np.float32) for array in (calibration, train, x))
        (calibration, train, x), labels = images, (y_train.reshape(-1).astype(np.int64), y.reshape(-1))
        return Parts(calibration, train, labels[0], x, labels[1])


def trained(row: Row, net: FloatNet, parts: Parts, seed: int) -> Any:
    """The module after training."""
    module = trainable(net, weights=row.weights, activations=row.activations, calibration=parts.calibration)
    x, y = parts.train, parts.y_train
    if row.mirrored:
        x, y = np.concatenate([x, x[:, :, ::-1]]), np.concatenate([y, y])  # (samples, height, width, channels)
    aid = distil("kd", weight=0.9, temperature=row.soft) if row.soft else distil("kd", weight=0.5)
    fit(module, (x, y), epochs=row.epochs, lr=row.lr, aids=[aid], seed=seed)
    return module


def right(scores: Array, y: Array) -> float:
    """Per cent of the labels."""
    return float(100 * (scores.reshape(len(y), -1).argmax(axis=1) == y).mean())


def measured(name: str, row: Row, source: Source) -> bool:
    """Prints a row of the table; True if it reaches what it must."""
    before, found, given = time.process_time(), [], []
    for seed in SEEDS:
        net, parts = source.net(row.network, seed), source.parts(row.network, seed)
        given.append(right(outputs_of(net, [parts.x])[0], parts.y))
        graph = trained(row, net, parts, seed).state().graph()
        found.append(right(bw.run(graph, parts.x), parts.y))
    least = row.least or float(np.mean(given)) - row.below
    mean, error = float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))
    seconds = (time.process_time() - before) / len(found)
    met = mean >= least
    print(
        f"| {name} | {np.mean(given):.2f} | {mean:.2f} ({error:.2f}) | {least:.2f} | {'yes' if met else 'NO'} | "
        f"{row.epochs} | {seconds:.0f} |",
        flush=True,
    )
    return met


def machine() -> str:
    """The processor, by the name it has on Linux, and what computes."""
    import torch

    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return (
        f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} of {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, PyTorch {torch.__version__}"
    )


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", nargs="?", default="", help="only the rows with this in their name")
    parser.add_argument("--data", type=Path, default=DATA, help="a folder with the networks and their images")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny as ONNX")
    parser.add_argument("--images", type=Path, help="CIFAR-10 images with labels")
    parser.add_argument("--validation", action="store_true", help="measure on the validation images")
    given = parser.parse_args(arguments)
    source = Source(given.data, given.resnet, given.images, given.validation)
    print(machine())
    print("| row | float | trained, mean of 3 (standard error) | must | met | epochs | CPU s a seed |")
    print("|---|---|---|---|---|---|---|")
    asked = {name: row for name, row in ROWS.items() if given.row in name and source.has(row.network)}
    return 0 if all([measured(name, row, source) for name, row in asked.items()]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
