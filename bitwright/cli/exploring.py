# SPDX-License-Identifier: Apache-2.0
"""The command that sweeps over designs of a float network: `explore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitwright import data, explore, output
from bitwright.cli import options
from bitwright.cli.progress import progress
from bitwright.cli.shown import shown
from bitwright.explore import Result
from bitwright.planning.price import KINDS, scale_of
from bitwright.report import show


def explore_(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float ONNX or TFLite model.")],
    data_file: options.LabelledFile,
    out: options.OutFolder,
    weights: options.Bits = "2-8",
    activations: options.Bits = "2-8",
    cycles: options.Cycles = None,
    fps: options.Fps = None,
    part: options.Part = None,
    jobs: options.Jobs = 1,
    samples: options.Samples = None,
    as_json: options.Json = False,
) -> None:
    """Sweep the bits of weights and activations: accuracy and price of each design, and the Pareto front.

    The price is that of the design that `compile` makes for the same target; one that does not fit the part is not on
    the front.
    """
    options.only_one(cycles=cycles, fps=fps)
    asked: dict[str, Any] = {
        "weights": options.parse_bits("--weights", weights),
        "activations": options.parse_bits("--activations", activations),
        "cycles": cycles,
        "fps": fps,
        "part": part,
    }
    with output.new_folder(out) as write, progress(f"exploring {model}") as say:
        tensors = data.model_tensors(model)
        x, y = data.read_labelled(data_file, tensors, samples=samples)
        arrays = {"x": x, "y": y, "calibration": data.read_calibration(data_file, tensors)[0]}
        results = explore.sweep(
            model, arrays, write, **asked, jobs=jobs, progress=lambda done, total: say(f"{done} of {total} designs")
        )
    points = [_point(result) for result in results]
    found = {"model": str(model), "folder": str(out), "samples": len(x), "note": scale_of(part).said, "points": points}
    shown(found, as_json, show.sweep(found), f"{len(points)} designs: {out}/results.csv, {out}/front.svg")


def _point(result: Result) -> dict[str, Any]:
    """A row of the report."""
    point = result.point
    bits = {"design": point.label, "weight_bits": point.weight_bits, "activation_bits": point.activation_bits}
    figures = ("accuracy", "macs", "weight_memory_bits", *KINDS, "cost", "interval_cycles", "fits", "on_front", "file")
    return bits | {name: getattr(result, name) for name in figures}
