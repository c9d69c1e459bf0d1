# SPDX-License-Identifier: Apache-2.0
"""Prices by the table and by `compile`: how far they are apart, and what a table and a price take of one core.

    python -m benchmarks.explore price [--only NAME] [--more] [--data DIR] [--resnet MODEL.onnx]

Of each network twelve designs of random widths, 2 to 8 bits for each weight and each tensor, are priced and compiled;
with `--more` they also have random zeros, kinds of scales and targets. Then uniform designs of 4, 5 and 6 bits at
three targets. DIR has `cifar_jpeg.npz`, the images of ResNet-8; it and its MODEL are not part of this repository.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.quantise import Network, networks
from bitwright.compress import Calibration, Options, calibrate
from bitwright.explore.filling import filled
from bitwright.explore.making import Maker
from bitwright.explore.prices import Prices
from bitwright.explore.space import Axis, Space
from bitwright.planning.target import Target

CYCLES = {"digits_cnn": 2_000, "digits_res": 2_000, "mnist5k_ds": 20_000, "resnet8": 200_000}
TARGETS = (500, 2_000, 8_000)
"""At which the uniform designs of `digits_cnn` are compared."""
BITS = range(2, 9)
DESIGNS = 12
SAMPLES = 64
KINDS = ("lut", "ff", "dsp", "bram", "cost", "cycles", "latency")
MILLI = 1e3


def maker_of(calibration: Calibration, cycles: int, bits: Sequence[int] = BITS, more: Sequence[Axis] = ()) -> Maker:
    """Each weight and each tensor by itself, rounded to the nearest codes."""
    net = calibration.net
    weights = dict.fromkeys(layer.weight for layer in net.layers)
    axes = [Axis(f"weights of {name}", "weights", tuple(bits), (name,)) for name in weights]
    axes += [Axis(f"bits of {site.tensor}", "activations", tuple(bits), (site.tensor,)) for site in net.sites]
    options = Options(rounding="nearest", correct="none")
    return Maker(Space((*axes, *more)), calibration, options, Target(cycles=cycles))


def more_axes(calibration: Calibration, cycles: int) -> Iterator[Axis]:
    """Zeros of each weight, kinds of scales, two targets."""
    for name in dict.fromkeys(layer.weight for layer in calibration.net.layers):
        yield Axis(f"zeros of {name}", "sparsity", (0.8, 0.5, 0), (name,))
    yield Axis("per channel", "per_channel", (True, False))
    yield Axis("scale", "scale", ("free", "po2"))
    yield Axis("cycles", "cycles", (4 * cycles, cycles))


def measured(name: str, maker: Maker) -> Prices:
    """A line for one network: the table filled, random designs priced both ways."""
    start, compiled = process_time(), [0]
    prices = filled(maker, lambda done, total: compiled.__setitem__(0, total))
    seconds = process_time() - start
    rng, off, taken = np.random.default_rng(0), list[list[float]](), list[float]()
    for _ in range(DESIGNS):
        made = maker.made(maker.space.design([int(rng.integers(len(axis.values))) for axis in maker.space.axes]))
        start = process_time()
        said = prices.figures(made)
        taken.append(process_time() - start)
        found = prices.compiled(made)
        off.append([100 * abs(said[kind] - found[kind]) / max(found[kind], 1) for kind in KINDS])
    errors = "  ".join(f"{a:4.1f} ({b:5.1f})" for a, b in zip(np.median(off, axis=0), np.max(off, axis=0), strict=True))
    each = MILLI * float(np.median(taken))
    print(f"{name:11} {compiled[0]:7} {seconds:6.1f}  {each:8.2f}  {errors}", flush=True)
    return prices


def order(calibration: Calibration) -> None:
    """What uniform designs of 4, 5 and 6 bits cost at each target, by the table and compiled."""
    for cycles in TARGETS:
        maker = maker_of(calibration, cycles, (4, 5, 6))
        prices = filled(maker)
        made = [maker.made(design) for design in maker.space.uniforms()][::4]
        lines = [[figures(each)["cost"] for each in made] for figures in (prices.figures, prices.compiled)]
        said, found = (" < ".join(f"{cost:.2f}" for cost in line) for line in lines)
        assert all(line == sorted(set(line)) for line in lines), "five bits cost more than four and less than six"
        print(f"digits_cnn at {cycles} clocks, W4A4 < W5A5 < W6A6 in % of the part: table {said}, compiled {found}")


def calibrated(network: Network) -> Calibration:
    return calibrate(network.files[0], [network.data(0)[0][:SAMPLES]])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--more", action="store_true", help="also zeros, kinds of scales, two targets")
    parser.add_argument("--data", type=Path, help="where cifar_jpeg.npz is")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny as ONNX")
    given = parser.parse_args(arguments)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    heads = "  ".join(f"{kind:>12}" for kind in KINDS)
    print(f"network     designs  CPU s  ms/price  {heads}   off %, median (most)")
    images = given.data / "cifar_jpeg.npz" if given.data else None
    for network in networks(given.resnet, images):
        if given.only in ("", network.name):
            calibration, cycles = calibrated(network), CYCLES[network.name]
            more = tuple(more_axes(calibration, cycles)) if given.more else ()
            measured(network.name, maker_of(calibration, cycles, BITS, more))
            if network.name == "digits_cnn" and not given.more:
                order(calibration)
