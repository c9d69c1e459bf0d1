# SPDX-License-Identifier: Apache-2.0
"""The commands that make integer networks of float ones: `quantize`, `explore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitwright import api, compress, data, explore
from bitwright.cli import options, output, running
from bitwright.cli.model import Outputs, Shapes, asked_of
from bitwright.cli.progress import progress
from bitwright.cli.shown import shown
from bitwright.report import show


def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float ONNX or TFLite model.")],
    data_file: options.CalibrationFile,
    out: options.OutOnnx,
    weights: options.WeightBits = 8,
    activations: options.ActivationBits = 8,
    per_channel: options.PerChannel = False,
    range_: options.Range = "mse",
    scale: options.Scale = "free",
    samples: options.Samples = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    as_json: options.Json = False,
) -> None:
    """Quantise a float ONNX model after training, ranges from calibration data, and save it as ONNX."""
    scheme: dict[str, Any] = {"weights": weights, "activations": activations, "per_channel": per_channel}
    scheme |= {"range": range_, "scale": scale}
    with output.new_file(out) as write, progress(f"quantising {model}"):
        asked = asked_of(shapes, outputs)
        arrays = data.read_calibration(data_file, data.model_tensors(model, **asked), samples=samples)
        state = compress.quantize(compress.float_net(model, **asked), arrays, **scheme)
        write(api.written(state, [array[:2] for array in arrays], out))
    result = {"model": str(model), "file": str(out), "samples": len(arrays[0]), **scheme}
    shown(result, as_json, show.table(f"quantised {model}", list(result), [list(result.values())]))


def explore_(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float ONNX or TFLite model.")],
    data_file: options.LabelledFile,
    out: options.OutFolder,
    weights: options.Bits = "2-8",
    activations: options.Bits = "2-8",
    jobs: options.Jobs = 1,
    samples: options.Samples = None,
    as_json: options.Json = False,
) -> None:
    """Sweep the bits of weights and activations: accuracy, MACs, memory and LUTs of each, and the Pareto front."""
    grid = {
        "weights": options.parse_bits("--weights", weights),
        "activations": options.parse_bits("--activations", activations),
    }
    with output.new_folder(out) as write, progress(f"exploring {model}") as say:
        tensors = data.model_tensors(model)
        x, y = data.read_labelled(data_file, tensors, samples=samples)
        arrays = {"x": x, "y": y, "calibration": data.read_calibration(data_file, tensors)[0]}
        results = explore.sweep(
            model, arrays, write, **grid, jobs=jobs, progress=lambda done, total: say(f"{done} of {total} designs")
        )
    points = [running.point(result) for result in results]
    found = {"model": str(model), "folder": str(out), "samples": len(x), "points": points}
    shown(found, as_json, show.sweep(found), f"{len(points)} designs: {out}/results.csv, {out}/front.svg")
