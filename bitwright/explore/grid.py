# SPDX-License-Identifier: Apache-2.0
"""The sweep: calibrate once, evaluate every point, mark the Pareto front."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bitwright.compress import calibrate, check_arrays, outputs_of
from bitwright.explore.mapped import EXECUTORS
from bitwright.explore.metrics import accuracy
from bitwright.explore.pareto import pareto_front
from bitwright.explore.picture import picture
from bitwright.explore.points import Evaluation, Result
from bitwright.explore.report import samples, table
from bitwright.explore.space import Point, uniform
from bitwright.ir.errors import BitwrightError
from bitwright.planning.price import scale_of
from bitwright.planning.target import Target

BITS = range(2, 9)
SAMPLES = 64
"""How many samples the sweep leaves to verify its points with."""


def sweep(
    model: Path,
    data: Mapping[str, NDArray[Any]],
    write: Callable[[Mapping[str, str | bytes]], None],
    *,
    weights: Iterable[int] = BITS,
    activations: Iterable[int] = BITS,
    cycles: int | None = None,
    fps: float | None = None,
    part: str | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Result]:
    """Every pair of weight and activation bits of the float network in `model`, priced as `compile` would make it.

    `cycles`, `fps` and `part` are those of `compile`; a design that does not fit the part is in the table, and not on
    the front.

    `data` holds the labelled set `x` (samples on axis 0), `y`, and may hold `calibration`; without it `x` calibrates.
    `write` gets the files of the result (path -> content; `bitwright.output.new_folder` makes one): each point's ONNX
    as `points/<key>.onnx` as soon as it is done, at the end `results.csv`, `front.svg` and `samples.npz`, the first of
    `x` as data to verify any point with. `progress(done, total)` is called after every point.
    """
    points = list(uniform(weights, activations))
    evaluation = _evaluation(model, data, points, Target(cycles=cycles, fps=fps, part=part))
    executor = EXECUTORS["processes" if jobs > 1 else "serial"]
    results: list[Result] = []
    for result in executor(evaluation, points, jobs):
        write({result.file: result.model})
        results.append(result)
        progress(len(results), len(points))
    results = _with_front(results)
    scores = outputs_of(evaluation.calibration.net, [evaluation.x])[0]
    title = f"{model.name}: {len(points)} designs"
    drawn = picture(results, accuracy(scores, evaluation.y), title, scale_of(part).said)
    write({"results.csv": table(results), "front.svg": drawn, "samples.npz": samples(evaluation.x[:SAMPLES])})
    return results


def _evaluation(model: Path, data: Mapping[str, NDArray[Any]], points: list[Point], target: Target) -> Evaluation:
    """The calibrated network and the labelled set; everything is checked before the first point is evaluated."""
    for name in ("x", "y"):
        if name not in data:
            raise BitwrightError(f"has no array {name!r}", where="data", hint="give a labelled set: x=images, y=labels")
    if not points:
        raise BitwrightError("the space has no points", where="explore", hint="give at least one width of each kind")
    x, y = data["x"], data["y"]
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise BitwrightError(
            f"'y' is {y.dtype} of shape {y.shape}, where 'x' holds {len(x)} samples",
            where="data",
            hint="labels are integers, one per sample",
        )
    calibration = calibrate(model, [data.get("calibration", x)])
    check_arrays(calibration.net.inputs, [x], "data 'x'")
    return Evaluation(calibration, x, y, target)


def _with_front(results: list[Result]) -> list[Result]:
    """The results, those on the front marked."""
    fitting = [result for result in results if result.fits]
    front = pareto_front(fitting, cost=lambda result: result.cost, score=lambda result: result.accuracy)
    keys = {result.point.key for result in front}
    return [replace(result, on_front=result.point.key in keys) for result in results]
