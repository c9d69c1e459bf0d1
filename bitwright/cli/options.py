# SPDX-License-Identifier: Apache-2.0
"""What the commands take: each argument and option named, typed and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bitwright.compress import BITS, CORRECTIONS, RANGES, ROUNDINGS, SCALES, TRANSFORMS, WEIGHT_BITS
from bitwright.compress.options import EXACT, ZEROS
from bitwright.explore.menus import MENUS, widths_of
from bitwright.explore.space import Value
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import text_of
from bitwright.sim.engines import ENGINES, REFERENCE

DataFile = Annotated[
    Path,
    typer.Option(
        "--data", metavar="F.npz", help="Arrays 'inputs' ('inputs_1', ...) and optionally 'outputs'; samples on axis 0."
    ),
]
BenchFile = Annotated[
    Path | None, typer.Option("--data", metavar="F.npz", help="Inputs to time with; without it random ones.")
]
Rates = Annotated[
    str | None,
    typer.Option(
        "--engines", metavar="NAME,NAME", help=f"Engines to time: {', '.join(ENGINES)}; else those that need no design."
    ),
]
CalibrationFile = Annotated[
    Path, typer.Option("--data", metavar="F.npz", help="Arrays to calibrate on: 'calibration', else 'inputs' or 'x'.")
]
LabelledFile = Annotated[
    Path,
    typer.Option(
        "--data", metavar="F.npz", help="A labelled set 'x', 'y'; calibrates on 'calibration' if it is there."
    ),
]
OutFolder = Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to make.")]
CompiledFolder = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="DIR", help="The folder to make; --front can do without.")
]
OutNpz = Annotated[Path, typer.Option("-o", "--output", metavar="OUT.npz", help="The file to write.")]
OutOnnx = Annotated[Path, typer.Option("-o", "--output", metavar="OUT.onnx", help="The file to write.")]
OutZip = Annotated[Path, typer.Option("-o", "--output", metavar="OUT.zip", help="The file that --bundle writes.")]
Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="DIR", help="Write versions, plan and logs of a design, none of its weights."),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Use only the first N samples.")]
Cycles = Annotated[
    int | None, typer.Option("--cycles", min=1, help="Upper bound on the clocks between two frames: the cheapest plan.")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", metavar="FILE", help="A plan.json, as `compile` writes it and you edited it.")
]
Front = Annotated[
    bool,
    typer.Option(
        "--front", help="Write no design: show the cheapest plan at every speed, and write a picture and the plans."
    ),
]
Engines = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME",
        help=f"Engines to compare: {', '.join(ENGINES)}; without it the best that needs no design. "
        f"Where the {REFERENCE} is not among them, it runs a tenth of the samples.",
    ),
]
OneEngine = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"What computes the outputs: {', '.join(ENGINES)}; without it the best that needs no design.",
    ),
]
Rounding = Annotated[
    Literal["onnx", "torch"],
    typer.Option(help="Where exact ties go: as x / scale does (onnx), or as x times float32(1 / scale) does (torch)."),
]
Golden = Annotated[
    Literal["file", "ort"],
    typer.Option(help="Outputs to compare with: of the data file, or of onnxruntime with its optimisations off (ort)."),
]
Trace = Annotated[
    bool, typer.Option("--trace", help="Also show where a float32 run of the source model first parts from ours.")
]
Backend = Annotated[Literal["hls", "verilog", "all"], typer.Option(help="Which projects to write.")]
Part = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The FPGA, or a board that carries it: named in the scripts, and the budget of the plan."
    ),
]
HlsVendor = Annotated[
    Literal["vitis", "bambu"] | None, typer.Option(help="Whose HLS tool the C++ is for: vitis, or bambu, untried.")
]
Fifos = Annotated[
    Literal["exact", "fast"] | None,
    typer.Option(help="Depths of FIFOs: exact, or fast: safe ones at once, that may be deeper than needed."),
]
Force = Annotated[bool, typer.Option("--force", help="Write a design that does not fit its part all the same.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace the design in DIR; refused if anything else or changed is there."),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="What top, namespace, IP and driver are called; else as the model's file."),
]
ClockNs = Annotated[float, typer.Option(min=0.1, help="Clock period in nanoseconds.")]
Fps = Annotated[float | None, typer.Option(min=0.001, help="Frames per second to reach at this clock.")]
CalibrationSamples = Annotated[
    int | None, typer.Option("--samples", min=1, help="Calibrate on the first N samples only.")
]
WeightBits = Annotated[
    int, typer.Option(min=WEIGHT_BITS[0], max=WEIGHT_BITS[-1], help="Bits of every weight; those of 1 are signs.")
]
ActivationBits = Annotated[int, typer.Option(min=BITS[0], max=BITS[-1], help="Bits of every activation.")]
PerChannel = Annotated[
    bool, typer.Option("--per-channel/--per-tensor", help="One weight scale per output channel, or per weight tensor.")
]
Range = Annotated[str, typer.Option("--range", metavar="|".join(RANGES), help="What chooses the range of a quantiser.")]
WeightRounding = Annotated[
    str, typer.Option("--rounding", metavar="|".join(ROUNDINGS), help="How weights become codes.")
]
Correct = Annotated[
    str, typer.Option(metavar="|".join(CORRECTIONS), help="What quantising shifted in the mean is put back, or not.")
]
Transforms = Annotated[
    list[str] | None,
    typer.Option(
        "--transform",
        metavar="|".join(TRANSFORMS),
        help="A rewrite of the float network before it is quantised; once for each, in their order.",
    ),
]
Scale = Annotated[
    str | None,
    typer.Option(metavar="|".join(SCALES), help="Scales: any float32, the default, or powers of two."),
]
Zero = Annotated[
    str,
    typer.Option(
        metavar="|".join(ZEROS), help="Zero points of activations: where they save half a bit, always, or never."
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="F.yaml", help="Choices for single layers and tensors, by name or pattern."),
]
Exact = Annotated[
    str,
    typer.Option(
        metavar="|".join(EXACT),
        help="What is promised of a float32 run of the network: that every difference is explained, or (po2) that"
        " there is none; po2 takes scales that are powers of two.",
    ),
]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="K=V",
        help="The most of a kind (lut, ff, dsp, bram, cost, weight_bits, kl, ...), once for each: weights and tensors"
        " get the bits that pay, up to --weights and --activations.",
    ),
]
ReportFolder = Annotated[
    Path | None,
    typer.Option("--report", metavar="DIR", help="Also write quantize.json and a page about it to a new folder."),
]
Bits = Annotated[str, typer.Option(metavar="BITS", help=f"Widths to try: 2-8, or 2,4,8; or {'|'.join(MENUS)}.")]
Widths = Annotated[
    str | None,
    typer.Option(
        metavar="BITS", help=f"Widths that a budget may give: 2,4,8, or what hardware has: {', '.join(MENUS)}."
    ),
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes to use.")]


PAIRS = {
    "--input": ("TYPE", "x=s16.8", "input one type"),
    "--shape": ("SIZES", "x=1x3x96x96", "input one shape"),
    "--quantise": ("TYPE", "relu1_out=s16.8", "edge one type"),
}
"""Options that say something of an input or an edge: what they give it, an example, and what each has one of."""


def parse_pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """`NAME=TYPE`, or `NAME=SIZES`, split at the last `=`, as a mapping."""
    stands, example, thing = PAIRS[option]
    pairs: dict[str, str] = {}
    for text in given or []:
        name, _, value = text.rpartition("=")
        if not name or not value:
            raise BitwrightError(
                f"is not NAME={stands}", where=f"{option} {text}", hint=f"for example {option} {example}"
            )
        if name in pairs:
            raise BitwrightError("is given twice", where=f"{option} {name}", hint=f"give each {thing}")
        pairs[name] = value
    return pairs


def parse_budget(given: list[str] | None, cycles: int | None) -> tuple[dict[str, float], int | None]:
    """`K=V`, or several, as a mapping; and the clocks per frame, which may be one of them."""
    limits: dict[str, float] = {}
    for text in given or []:
        kind, amount = _amount(text)
        if kind in limits:
            raise BitwrightError("is given twice", where=f"--budget {kind}", hint="give each kind one budget")
        limits[kind] = amount
    clocks = limits.pop("cycles", None)
    if clocks is None:
        return limits, cycles
    if cycles is not None:
        raise BitwrightError("exclude one another", where="--budget cycles= and --cycles", hint="give one of them")
    if not clocks.is_integer() or clocks < 1:
        raise BitwrightError("is no number of clocks", where="--budget cycles", hint="for example --budget cycles=1000")
    return limits, int(clocks)


def _amount(text: str) -> tuple[str, float]:
    kind, _, value = text.partition("=")
    try:
        return kind, float(value.replace("_", ""))
    except ValueError:
        where, hint = f"--budget {text}", "for example --budget lut=5000"
        raise BitwrightError("is not K=V, V a number", where=where, hint=hint) from None


def parse_plan(path: Path | None) -> Plan | None:
    """The plan in the file, if one was given."""
    if path is None:
        return None
    return Plan.from_json(text_of(path, "give the plan.json of a compiled design"), where=str(path))


def parse_bits(option: str, text: str) -> tuple[int, ...]:
    """`2-8`, `2,4,8` or a menu as widths, ascending and without repetition."""
    return widths_of(text, where=option)


def several(option: str, text: str | None, kind: type[int] | type[float] | type[str]) -> Value | list[Value] | None:
    """One value, or a list of those between commas."""
    if text is None:
        return None
    try:
        values: list[Value] = [kind(part.strip()) for part in text.split(",")]
    except ValueError:
        hint = f"for example {option} 500, or {option} 500,2000"
        raise BitwrightError(f"{text!r} is no number, and no list of numbers", where=option, hint=hint) from None
    return values[0] if len(values) == 1 else values


def only_one(**given: object) -> None:
    """Refuses more than one of options that exclude one another."""
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise BitwrightError("exclude one another", where=" and ".join(names), hint="give one of them")
