# SPDX-License-Identifier: Apache-2.0
"""The command that makes an integer network of a float one: `quantize`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray

from bitwright import api, compress, data, explore, output
from bitwright.assessing import assessed
from bitwright.cli import options
from bitwright.cli.model import Outputs, Shapes, asked_of
from bitwright.cli.progress import progress
from bitwright.cli.shown import shown
from bitwright.compress.config import Config, read_config
from bitwright.compress.options import BITS, Given, Options
from bitwright.compress.transforms import transformed
from bitwright.design import to_json
from bitwright.explore import Allocation
from bitwright.explore.allocation import check_budget
from bitwright.explore.menus import permitted
from bitwright.ir.errors import BitwrightError
from bitwright.ir.stages import begins
from bitwright.planning.target import Target
from bitwright.report.quantised import closing
from bitwright.report.quantised_page import page

DEFAULTS = Options()
REPORT_FULL = "remove it, or choose another folder with --report"


def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A float ONNX or TFLite model.")],
    data_file: options.CalibrationFile,
    out: options.OutOnnx,
    weights: options.WeightBits = DEFAULTS.weights,
    activations: options.ActivationBits = DEFAULTS.activations,
    per_channel: options.PerChannel = DEFAULTS.per_channel,
    range_: options.Range = DEFAULTS.range,
    rounding: options.WeightRounding = DEFAULTS.rounding,
    correct: options.Correct = DEFAULTS.correct,
    transforms: options.Transforms = None,
    scale: options.Scale = None,
    zero: options.Zero = DEFAULTS.zero,
    exact: options.Exact = DEFAULTS.exact,
    config: options.ConfigFile = None,
    budget: options.Budget = None,
    widths: options.Widths = None,
    cycles: options.Cycles = None,
    part: options.Part = None,
    samples: options.CalibrationSamples = None,
    report: options.ReportFolder = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    as_json: options.Json = False,
) -> None:
    """Quantise a float ONNX model after training, on calibration data; save it as ONNX, and say how good it is.

    With a budget each weight and each tensor gets bits of its own, by what they cost in the design for --cycles and
    --part, and a certificate is printed.
    """
    asked: Given = {"weights": weights, "activations": activations, "per_channel": per_channel, "range": range_}
    asked |= {"rounding": rounding, "correct": correct, "zero": zero, "exact": exact}
    asked |= {"scale": scale} if scale else {}
    rewrites = tuple(transforms or ())
    whole: Given = {**asked, "transforms": rewrites}
    said, rules = asdict(Options(**whole)), None
    if config:
        said["config"], rules = str(config), read_config(config)
    wanted = _wanted(budget, cycles, part, widths)
    said |= wanted
    ours = output.new_file(out, model, data_file, *([config] if config else []))
    with reporting(report, out) as write_report, ours as write, progress(f"quantising {model}"):
        read = asked_of(shapes, outputs)
        tensors = data.model_tensors(model, **read)
        arrays = data.read_calibration(data_file, tensors, samples=samples)
        labelled = data.read_scored(data_file, tensors)
        begins("calibrating")
        calibration = compress.calibrate(transformed(compress.float_net(model, **read), rewrites), arrays)
        best = (
            _allocated(calibration, data.read_validation(data_file, tensors), rules, asked, wanted) if wanted else None
        )
        begins("choosing codes")
        state = best.state if best else compress.quantised(calibration, config=rules, **asked)
        found = assessed(calibration, state, labelled, file=str(out), options=said)
        found = replace(found, allocation=best.result() if best else None)
        write(api.written(state, [array[:2] for array in arrays], out))
        write_report({"quantize.json": to_json(found.result()), "quantize.html": page(found)})
    written = f"written to {out}" + (f" and {report}/quantize.html" if report else "")
    shown(found.result(), as_json, closing(found), written)


def _wanted(budget: list[str] | None, cycles: int | None, part: str | None, widths: str | None) -> dict[str, Any]:
    """The budget, the target that it is for, and the widths that it may give; nothing without one."""
    if budget is None:
        for name, given in (("--cycles", cycles), ("--part", part), ("--widths", widths)):
            if given is not None:
                hint = "for example --budget lut=5000; `bitwright compile` takes the target of a design"
                raise BitwrightError("is of a budget, and none is given", where=name, hint=hint)
        return {}
    limits, clocks = options.parse_budget(budget, cycles)
    Target(cycles=clocks, part=part)
    check_budget(limits, part)
    allowed = {} if widths is None else {"widths": options.parse_bits("--widths", widths)}
    return {"budget": limits, "cycles": clocks, "part": part, **allowed}


def _allocated(
    calibration: compress.Calibration,
    validation: Sequence[NDArray[Any]] | None,
    rules: Config | None,
    asked: Given,
    wanted: Mapping[str, Any],
) -> Allocation:
    """Bits within the budget, up to those that are asked for."""
    allowed = wanted.get("widths", BITS)
    found = explore.table(
        calibration,
        bits=permitted(allowed, "weights", asked["weights"]),
        activation_bits=permitted(allowed, "activations", asked["activations"]),
        validation=validation,
        config=rules,
        cycles=wanted["cycles"],
        part=wanted["part"],
        **asked,
    )
    begins("choosing widths")
    return explore.allocate(found, wanted["budget"])


def reporting(folder: Path | None, out: Path) -> AbstractContextManager[Callable[[output.Files], None]]:
    """A function that writes files to a new folder, or to none; the network, `out`, is not among them."""
    if folder and out.resolve().is_relative_to(folder.resolve()):
        what, hint = (
            "is a folder of the report alone, and would hold the network",
            "choose another folder with --report",
        )
        raise BitwrightError(what, where=str(folder), hint=hint)
    return output.new_folder(folder, hint=REPORT_FULL) if folder else nullcontext(lambda files: None)
