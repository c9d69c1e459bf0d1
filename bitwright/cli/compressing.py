# SPDX-License-Identifier: Apache-2.0
"""The command that takes a float network through the steps of a recipe: `compress`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from bitwright import api, compress, data, output
from bitwright.assessing import assessed
from bitwright.cli import options
from bitwright.cli.model import Outputs, Shapes, asked_of
from bitwright.cli.progress import progress
from bitwright.cli.quantizing import reporting
from bitwright.cli.shown import shown
from bitwright.compress.fidelity import gives_scores
from bitwright.design import to_json
from bitwright.explore.metrics import accuracy
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import Kept, Material, follow, read_recipe
from bitwright.recipe.shrink import within
from bitwright.recipe.step import Step
from bitwright.report import show
from bitwright.report.quantised import closing
from bitwright.report.quantised_page import page
from bitwright.report.record import percent

Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="K=V",
        help="The most of a kind (lut, ff, dsp, bram, uram, cost), or the clocks per frame (cycles), once for each: the"
        " recipe's step 'shrink' goes on until the design is within.",
    ),
]


def compress_(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float ONNX or TFLite model.")],
    data_file: options.CalibrationFile,
    out: options.OutOnnx,
    recipe: Annotated[Path, typer.Option("--recipe", metavar="R.yaml", help="The steps, in their order.")],
    samples: options.CalibrationSamples = None,
    budget: Budget = None,
    part: options.Part = None,
    report: options.ReportFolder = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    as_json: options.Json = False,
) -> None:
    """Take a float model through the steps of a recipe, the last of which quantises it; save it as ONNX.

    What each step but the last made is kept in OUT.onnx.steps: the same command goes on where it was ended, and another
    recipe where it differs. With a budget the recipe's step `shrink` takes channels out until the design is within.
    """
    steps = _budgeted(recipe, budget, part)
    kept = Kept(out.with_name(f"{out.name}.steps"))
    ours = output.new_file(out, model, data_file, recipe)
    with reporting(report, out) as write_report, ours as write, progress(f"compressing {model}"):
        read = asked_of(shapes, outputs)
        tensors = data.model_tensors(model, **read)
        material = _material(data_file, tensors, samples)
        labelled = data.read_scored(data_file, tensors)
        net = compress.float_net(model, **read)
        made = follow(steps, net, material, kept, partial(_accuracy, labelled))
        state, best = made.result.state, made.result.allocation
        said: dict[str, Any] = {"file": str(out), "options": {"recipe": str(recipe)}, "original": net}
        found = assessed(made.result.calibration, state, labelled, **said)
        found = replace(found, allocation=best.result() if best else None)
        write(api.written(state, [array[:2] for array in material.calibration], out))
        write_report({"quantize.json": to_json(found.result()), "quantize.html": page(found)})
    rows = list(map(asdict, made.steps))
    rows[-1]["accuracy"] = found.accuracy
    result = {"model": str(model), "file": str(out), "recipe": str(recipe), "steps": rows, "quantised": found.result()}
    keys = {"step": "step", "weights": "weights", "zeros": "zeros", "accuracy": "accuracy", "kept": "done"}
    last = [f"written to {out}"] + ([f"its steps are kept in {kept.folder}"] if kept.folder.is_dir() else [])
    shown(result, as_json, show.rows(str(recipe), keys, list(map(_drawn, rows))), closing(found), *last)


def _budgeted(recipe: Path, budget: list[str] | None, part: str | None) -> tuple[Step, ...]:
    """The steps of a recipe, for a budget where one is given."""
    steps = read_recipe(recipe)
    if budget is None:
        if part is not None:
            raise BitwrightError(
                "is of a budget, and none is given", where="--part", hint="for example --budget lut=5000"
            )
        return steps
    most, cycles = options.parse_budget(budget, None)
    return within(steps, most if cycles is None else most | {"cycles": cycles}, part, str(recipe))


def _drawn(row: Mapping[str, Any]) -> dict[str, Any]:
    """A step as people read it."""
    rate = row["accuracy"]
    said = {"kept": "before" if row["kept"] else "now", "accuracy": None if rate is None else percent(rate)}
    return {**row, **said}


def _accuracy(labelled: data.Data | None, net: compress.FloatNet) -> float | None:
    """That of a float network, where there are labels and it gives scores."""
    if labelled is None or labelled.labels is None:
        return None
    outputs = compress.outputs_of(net, labelled.inputs)
    return accuracy(outputs[0], labelled.labels) if gives_scores(net, outputs) else None


def _material(path: Path, tensors: Sequence[data.Tensor], samples: int | None) -> Material:
    """What a data file has for the steps."""
    calibration, train = data.read_calibration(path, tensors, samples=samples), data.read_training(path, tensors)
    learnt: dict[str, Any] = {"train": train.inputs, "labels": train.labels} if train else {}
    return Material(calibration, **learnt, validation=data.read_validation(path, tensors), file=str(path))
