# SPDX-License-Identifier: Apache-2.0
"""What exploring takes over the images, the layers and the designs; writes `docs/exploring-linear.svg`.

    python -m benchmarks.explore linear [--write]

Seconds of one core. Images: a complete design of `digits_cnn`, nothing shared. Layers: the same of convolutions in a
row, eight channels of 12 x 12, all alike. Designs: the whole search of `digits_cnn` with its default strategy, from
the calibration to the report. The exponent is the slope of the logarithms: 1 is linear, below 1 a part is fixed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from xml.etree.ElementTree import SubElement

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from benchmarks.exploring_mixed import swept
from benchmarks.exploring_price import calibrated, maker_of
from benchmarks.exploring_rate import forget
from benchmarks.quantise import Network, networks
from bitwright.compress import Calibration, Options, calibrate
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.filling import filled
from bitwright.explore.objectives import objective
from bitwright.explore.record import Task
from bitwright.explore.score import scoring
from bitwright.report.svg import BOTTOM, GRID, LEFT, RIGHT, TOP, LogAxis, canvas, line, log_ticks, printed, text

PICTURE = Path(__file__).parents[1] / "docs/exploring-linear.svg"
IMAGES = (1_000, 4_000, 16_000, 64_000)
LAYERS = (2, 4, 8, 16, 32)
DESIGNS = (400, 800, 1_600)
BITS = (2, 4, 6, 8)
CHANNELS, SIDE, SAMPLES, CLOCKS = 8, 12, 500, 4_000
EACH = 5
"""Designs that a time is the median of."""
COLOURS = {"images": "#0072b2", "layers": "#d55e00", "designs": "#009e73"}
Times = dict[int, float]


def row(layers: int) -> onnx.ModelProto:
    """So many convolutions, each behind a Relu, and a dense layer."""
    rng = np.random.default_rng(layers)
    nodes, held, at = [], [], "x"
    for index in range(layers - 1):
        ins = CHANNELS if index else 1
        weight = rng.normal(0, (2 / (9 * ins)) ** 0.5, (CHANNELS, ins, 3, 3)).astype(np.float32)
        held.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(helper.make_node("Conv", [at, f"w{index}"], [f"c{index}"], f"conv{index}", pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"], f"relu{index}"))
        at = f"r{index}"
    dense = rng.normal(0, 0.05, (CHANNELS * SIDE * SIDE, 10)).astype(np.float32)
    held.append(numpy_helper.from_array(dense, "dense"))
    nodes += [helper.make_node("Flatten", [at], ["flat"]), helper.make_node("MatMul", ["flat", "dense"], ["y"], "fc")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, SIDE, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    graph = helper.make_graph(nodes, "row", [x], [y], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def design_seconds(calibration: Calibration, clocks: int, x: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Of a random design, complete: made, encoded, priced and run on all of `x`."""
    maker = replace(maker_of(calibration, clocks, BITS), options=Options())
    score = scoring(maker.calibration.net, x, y)
    alone = Evaluation(maker, filled(maker), score, (score.metric.objective, objective("cost")), memory=0)
    rng, times = np.random.default_rng(0), []
    tasks = [
        Task(maker.space.design([int(rng.integers(len(a.values))) for a in maker.space.axes])) for _ in range(EACH)
    ]
    for task in tasks:  # each choice of a weight is made once, for all designs
        maker.glimpsed(task.design)
    for task in tasks:
        forget()
        start = process_time()
        alone(task)
        times.append(process_time() - start)
    return float(np.median(times))


def of_images(network: Network) -> Iterator[tuple[int, float]]:
    """Seconds of a design over the images; those of the test data again and again."""
    _, x, y = network.data(0)
    calibration = calibrated(network)
    for count in IMAGES:
        yield count, design_seconds(calibration, 2_000, np.resize(x, (count, *x.shape[1:])), np.resize(y, count))


def of_layers(_: Network) -> Iterator[tuple[int, float]]:
    """Seconds of a design over the layers."""
    x = np.random.default_rng(0).normal(0, 1, (SAMPLES, 1, SIDE, SIDE)).astype(np.float32)
    for count in LAYERS:
        yield count, design_seconds(calibrate(row(count), [x[:64]]), CLOCKS, x, np.zeros(SAMPLES, np.int64))


def of_designs(network: Network) -> Iterator[tuple[int, float]]:
    """Seconds of a whole search over its designs."""
    for count in DESIGNS:
        with TemporaryDirectory() as folder:
            start = process_time()
            swept(network, 0, Path(folder) / "sweep", count)
            yield count, process_time() - start


WAYS: dict[str, Callable[[Network], Iterator[tuple[int, float]]]] = {
    "images": of_images,
    "layers": of_layers,
    "designs": of_designs,
}


def slope(times: Times) -> float:
    """The exponent that fits best."""
    return float(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])


def drawing(found: dict[str, Times]) -> str:
    """All three over their first, with what is exactly linear as a dashed line."""
    across = [at / min(times) for times in found.values() for at in times]
    up = [value / next(iter(times.values())) for times in found.values() for value in times.values()]
    x, y = LogAxis(log_ticks(1, max(across)), LEFT, RIGHT), LogAxis(log_ticks(min(1, *up), max(up)), BOTTOM, TOP)
    svg = canvas("Seconds of exploring, over images, layers and designs")
    for value in x.ticks:
        line(svg, x.at(value), TOP, x.at(value), BOTTOM, stroke=GRID)
        text(svg, x.at(value), BOTTOM + 20, f"{value:g} times as many", anchor="middle")
    for value in y.ticks:
        line(svg, LEFT, y.at(value), RIGHT, y.at(value), stroke=GRID)
        text(svg, LEFT - 8, y.at(value) + 4, f"{value:g} x", anchor="end")
    end = min(x.ticks[-1], y.ticks[-1])
    line(svg, x.at(1), y.at(1), x.at(end), y.at(end), stroke="#777").set("stroke-dasharray", "6 4")
    for index, (name, times) in enumerate(found.items()):
        first, least = next(iter(times.values())), min(times)
        points = [(x.at(at / least), y.at(value / first)) for at, value in times.items()]
        style = {"fill": "none", "stroke": COLOURS[name], "stroke-width": "2"}
        SubElement(svg, "polyline", {"points": " ".join(f"{a},{b}" for a, b in points), **style})
        for a, b in points:
            SubElement(svg, "circle", {"cx": f"{a}", "cy": f"{b}", "r": "4", "fill": COLOURS[name]})
        words = f"{name}: {least:,} in {first:.2g} s, exponent {slope(times):.2f}"
        text(svg, LEFT + 12, TOP + 20 + 18 * index, words).set("fill", COLOURS[name])
    text(svg, LEFT + 12, TOP + 20 + 18 * len(found), "dashed: linear", size=12)
    return printed(svg)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"{PICTURE.relative_to(PICTURE.parents[1])} anew")
    given = parser.parse_args(arguments)
    network = next(each for each in networks(None, None) if each.name == "digits_cnn")
    found: dict[str, Times] = {}
    for name, way in WAYS.items():
        found[name] = {}
        for count, seconds in way(network):
            found[name][count] = seconds
            print(f"{name:8} {count:6,} {seconds:8.3f} s", flush=True)
        print(f"{name:8} exponent {slope(found[name]):.2f}", flush=True)
    if given.write:
        PICTURE.write_text(drawing(found))
