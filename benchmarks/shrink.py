# SPDX-License-Identifier: Apache-2.0
"""Accuracy of networks that have lost half of their multiply-accumulates with their channels, by each criterion.

    python -m benchmarks.shrink [NETWORK] [--data FOLDER] [--resnet MODEL.onnx --images CIFAR.npz] [--macs 0.5]

NETWORK is digits_res, mnist5k_ds, digits_cnn or resnet8. As they are cut, mended on the calibration images, and trained
on the training images from there on with the outputs of the whole network; means of three seeds with their standard
errors, on test images that nothing was chosen on. Of ResNet-8, which is not part of this repository, there is one
network, and each seed trains in its own order.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import CHANNELS, FloatNet, distil, fit, float_net, outputs_of, shrunk, trainable
from bitwright.compress.prune.work import macs
from bitwright.compress.torch.executor import Executor

Array = NDArray[Any]
SEEDS = range(3)
DATA = Path(__file__).with_name("data")
RESNET = "resnet8"
EPOCHS = {"digits_res": 15, "digits_cnn": 15, "mnist5k_ds": 8, RESNET: 10}
LR = 4e-3


class Images(NamedTuple):
    """What a network is mended on, trained on and judged by."""

    calibration: Array
    x: Array
    y: Array
    test: Array
    wanted: Array


def main() -> None:
    """Prints a table for each network that is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", nargs="?", choices=EPOCHS)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--resnet", type=Path)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--macs", type=float, default=0.5)
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", flush=True)
    for network in [asked.network] if asked.network else EPOCHS:
        if network == RESNET and (asked.resnet is None or asked.images is None):
            continue
        file = asked.images if network == RESNET else asked.data / f"{network.partition('_')[0]}.npz"
        images = _images(file, network)
        nets = [float_net(asked.resnet)] * 3 if network == RESNET else [
            float_net(next(asked.data.rglob(f"{network}_{seed}.onnx"))) for seed in SEEDS
        ]  # fmt: skip
        for criterion in (name for name in CHANNELS if name != "slimming"):  # their normalisations are folded
            _row(network, criterion, nets, images, asked.macs)


def _images(file: Path, network: str) -> Images:
    """Of a data file, as the network takes them."""
    factor = {"digits.npz": 16, "mnist5k.npz": 255}.get(file.name, 1)
    with np.load(file) as held:
        x = {name: held[name].astype(np.float32) / np.float32(factor) for name in ("calibration", "train", "x")}
        return Images(x["calibration"], x["train"], held["y_train"], x["x"], held["y"].astype(np.int64))


def _row(network: str, criterion: str, nets: Sequence[FloatNet], images: Images, share: float) -> None:
    """One criterion: the share of work that is left, and accuracies."""
    start, found, shares = time.process_time(), [], []
    for seed, net in enumerate(nets):
        data, labels = (images.x, images.y) if criterion == "gates" else (images.calibration, None)
        small = shrunk(net, data, labels=labels, criterion=criterion, macs=share)
        module = trainable(small)
        teacher = Executor(net).eval().logits
        aids = [distil("kd", weight=0.5, teacher=teacher)]
        fit(module, (images.x, images.y.astype(np.int64)), epochs=EPOCHS[network], lr=LR, seed=seed, aids=aids)
        shares.append(macs(small) / macs(net))
        found.append([_accuracy(each, images) for each in (net, small, module.float_net())])
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / len(found) ** 0.5
    figures = zip(("whole", "mended", "trained"), mean, error, strict=True)
    told = ", ".join(f"{name} {each:.2f} ({beside:.2f})" for name, each, beside in figures)
    seconds = time.process_time() - start
    print(f"{network} {criterion}: {100 * np.mean(shares):.1f} % of the work: {told}; {seconds:.0f} CPU-s", flush=True)


def _accuracy(net: FloatNet, images: Images) -> float:
    (made,) = outputs_of(net, [images.test])
    return float(100 * np.mean(made.reshape(len(made), -1).argmax(axis=1) == images.wanted))


if __name__ == "__main__":
    main()
