# SPDX-License-Identifier: Apache-2.0
"""The command that makes an integer network of a float one: `quantize`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bitwright import api, compress, data
from bitwright.cli import options, output
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
