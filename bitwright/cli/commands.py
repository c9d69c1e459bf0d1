# SPDX-License-Identifier: Apache-2.0
"""The command line. A command parses, calls the library, and shows what came back."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.rule import Rule

from bitwright import api, data, explore, output, sessions, synthesis, vendor_check
from bitwright._version import __version__
from bitwright.cli import bundle as bundles
from bitwright.cli import compressing, debug, doctor, exploring, methods, options, quantizing, running, sensing
from bitwright.cli import demo as tour
from bitwright.cli.model import Source, read_data, reads_model
from bitwright.cli.progress import progress
from bitwright.cli.shown import shown
from bitwright.cli.signals import Stopped, stoppable
from bitwright.design import Backend, to_json
from bitwright.folder import design_folder, foreign
from bitwright.ir.errors import BitwrightError
from bitwright.report import show
from bitwright.report import vendor as show_vendor
from bitwright.report.compare import compare, comparison, read_report
from bitwright.report.inspection import inspection
from bitwright.report.obstacles import obstacles
from bitwright.report.page import page
from bitwright.sim.engines import best

BUNDLE = Path("bitwright-bundle.zip")

app = typer.Typer(
    name="bitwright",
    help="From a quantised ONNX network to a verified FPGA accelerator, exact to the last bit.",
    epilog="The exit code is 0 when done, 1 when a check failed, 2 when the request cannot be honoured, and 128 more"
    " than the number of a signal that ended it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 (done), 1 (a check failed) or 2 (cannot be honoured: one message).

    A signal that asks the program to end leaves nothing behind, tools included; the code is then 128 and its number.

    With `--debug`, which every command takes, the traceback of what cannot be honoured, and all that a tool printed,
    stand above its message.
    """
    traced: list[bool] = []
    try:
        with stoppable():
            return debug.added(app, traced)(args=argv, prog_name="bitwright", standalone_mode=False) or 0
    except BitwrightError as error:
        if any(traced):
            traceback.print_exception(error)
            print(error.log, end="\n" if error.log else "", file=sys.stderr)
        _fail(str(error))
    except Stopped as stop:
        print("stopped", file=sys.stderr)
        return stop.code
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        said = error.format_message().replace("Value error, ", "")
        _fail(f"{said}\n  hint: see `{context.command_path if context else 'bitwright'} --help`")
    return 2


def _fail(message: str) -> None:
    print(f"error: {message}", file=sys.stderr)


def _some(arrays: Sequence[data.Array]) -> Any:
    """One array as it is, several as a list: how the Python functions take and give them."""
    return arrays[0] if len(arrays) == 1 else list(arrays)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        print(f"bitwright {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def demo(as_json: options.Json = False) -> None:
    """Take the bundled network end to end: compile it, simulate it on all engines, compare with PyTorch."""
    results: dict[str, Any] = {}
    steps = tour.steps()
    for number, (name, title) in enumerate(tour.STEPS.items(), 1):
        with progress(title):
            step = next(steps)
        results[name] = step.result
        if not as_json:
            shown({}, False, Rule(f"{number}. {title}", align="left"), *step.drawn, "")
    if as_json:
        shown(results, True)
    if not results["verdict"]["same"]:
        raise typer.Exit(1)


@app.command()
@reads_model
def inspect(model: Source, as_json: options.Json = False) -> None:
    """Show layers, types, ranges, accumulator widths, sparsity and MACs, and what stays on the host."""
    with progress(f"reading {model}"):
        result, refused = model.inspected()
    shown(result, as_json, obstacles(result) if refused else inspection(result))
    if refused:
        raise refused


@app.command(name="compile")
@reads_model
def compile_(
    model: Source,
    out: options.CompiledFolder = None,
    backend: options.Backend = "all",
    part: options.Part = None,
    clock_ns: options.ClockNs = 10.0,
    cycles: options.Cycles = None,
    fps: options.Fps = None,
    plan: options.PlanFile = None,
    front: options.Front = False,
    force: options.Force = False,
    overwrite: options.Overwrite = False,
    name: options.Name = None,
    hls_vendor: options.HlsVendor = None,
    fifos: options.Fifos = None,
    as_json: options.Json = False,
) -> None:
    """Write an HLS C++ and a SystemVerilog project, plan, certificate, report and test vectors to a new folder."""
    options.only_one(cycles=cycles, fps=fps, plan=plan, front=front or None)
    if front:
        of_a_design = {"backend": None if backend == "all" else backend, "name": name, "force": force or None}
        of_a_design |= {"overwrite": overwrite or None, "hls_vendor": hls_vendor, "fifos": fifos}
        for option, value in of_a_design.items():
            options.only_one(**{option: value}, front=front)
        _front(model, out, part, clock_ns, as_json)
        return
    if out is None:
        raise BitwrightError("no folder was given", where="--output", hint="give -o DIR; only --front can do without")
    if hls_vendor and backend == "verilog":
        raise BitwrightError("writes no C++", where="--hls-vendor and --backend verilog", hint="give one of them")
    if force and part is None:
        raise BitwrightError("there is no part to exceed", where="--force", hint="name one with --part")
    replaced = partial(foreign, known=plan) if overwrite else None
    with output.new_folder(out, replaced, hint=output.FULL_OF_A_DESIGN) as write, progress(f"compiling {model}"):
        net = model.net()
        given = options.parse_plan(plan)
        target: dict[str, Any] = {"cycles": cycles, "fps": fps, "clock_ns": clock_ns, "part": part, "plan": given}
        design = api.compile(net, **target, name=name, force=force, fifos=fifos or "exact")
        backends: tuple[Backend, ...] = ("hls", "verilog") if backend == "all" else (backend,)
        write(design_folder(design, backends, hls_vendor=hls_vendor or "vitis"))
    shown(design.report(), as_json, show.design(design.record), f"written to {out}")


def _front(model: Source, out: Path | None, part: str | None, clock_ns: float, as_json: bool) -> None:
    """What `compile --front` does: the table, and with a folder the picture and the plan of every row."""
    with output.new_folder(out) if out else nullcontext() as write, progress(f"planning {model}"):
        net = model.net()
        result, files = explore.trade_off(net, part=part, clock_ns=clock_ns)
        if write:
            write(files)
    shown(result, as_json, show.trade_off(result), *([f"written to {out}"] if out else []))


@app.command()
@reads_model
def verify(
    model: Source,
    data_file: options.DataFile,
    engines: options.Engines = None,
    samples: options.Samples = None,
    cycles: options.Cycles = None,
    plan: options.PlanFile = None,
    rounding: options.Rounding = "onnx",
    golden: options.Golden = "file",
    trace: options.Trace = False,
    as_json: options.Json = False,
) -> None:
    """Compare the integers of the engines and the outputs in the data file, prove every claim; exit 1 if one fails."""
    options.only_one(cycles=cycles, plan=plan)
    with progress(f"verifying {model}" + (f" on {engines}" if engines else "")):
        net = model.net(rounding)
        held = read_data(data_file, net, samples)
        asked = cycles is not None or plan is not None
        design = api.compile(net, cycles=cycles, plan=options.parse_plan(plan)) if asked else None
        wanted = sessions.recomputed(net, held.inputs) if golden == "ort" else held.outputs
        outputs = _some(wanted) if wanted else None
        names = tuple(engines.split(",")) if engines else None
        result = api.verify(net, _some(held.inputs), outputs, engines=names, design=design, trace=trace)
    result |= {"golden_from": "onnxruntime, its optimisations off"} if golden == "ort" else {}
    shown(result, as_json, show.verification(result))
    if not api.passed(result):
        raise typer.Exit(1)


@app.command()
@reads_model
def simulate(
    model: Source,
    data_file: options.DataFile,
    out: options.OutNpz,
    engine: options.OneEngine = None,
    samples: options.Samples = None,
    as_json: options.Json = False,
) -> None:
    """Run the model on one engine and save `outputs`, `outputs_1`, ... as the model gives them."""
    with output.new_file(out, model.path, data_file) as write, progress(f"simulating {model}") as say:
        net = model.net()
        held = read_data(data_file, net, samples)
        name = engine or best(net.macs * held.samples)
        found = running.simulated(net, held, name, say, write)
    table = show.rows(str(out), {"name": "array", "shape": "shape", "dtype": "type"}, found["outputs"])
    result = {"model": str(model), "engine": name, "file": str(out), **found}
    shown(result, as_json, table, *running.scored(found))


@app.command()
@reads_model
def bench(
    model: Source, data_file: options.BenchFile = None, engines: options.Rates = None, as_json: options.Json = False
) -> None:
    """Samples per second of each engine, of onnxruntime on the same file, and the microseconds of each layer."""
    with progress(f"timing {model}") as say:
        net = model.net()
        found = running.benched(net, read_data(data_file, net, None) if data_file else None, engines, say)
    tables = [show.rows(*table) for table in running.drawn(found)]
    shown({"model": str(model), **found}, as_json, *tables, *running.scored(found))


@app.command()
@reads_model
def export(
    model: Source,
    out: options.OutOnnx,
    rounding: options.Rounding = "onnx",
    as_json: options.Json = False,
) -> None:
    """Write the integer graph as standard ONNX (QDQ, or QONNX where needed) that computes the same integers."""
    with output.new_file(out, model.path) as write, progress(f"exporting {model}"):
        written = api.to_onnx(model.net(rounding))
        content = written.SerializeToString(deterministic=True)
        write(content)
    result = {"model": str(model), "file": str(out), **api.describe_onnx(written), "bytes": len(content)}
    shown(result, as_json, show.table(f"exported {model}", list(result), [list(result.values())]))


app.command()(quantizing.quantize)
app.command(name="compress")(compressing.compress_)
app.command(name="explore")(exploring.explore_)
app.command()(sensing.sensitivity)
app.command()(methods.methods)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A compiled design.")], as_json: options.Json = False
) -> None:
    """Prove every certificate of a compiled design again, independently of the compiler; exit 1 if one is wrong."""
    with progress(f"checking {folder}"):
        result = api.recheck(folder)
    keys = {"layer": "layer", "op": "op", "ok": "proved", "reason": "what does not hold"}
    said = f"{result['proved']} of {result['layers']} layers proved again"
    shown(result, as_json, show.rows(str(folder), keys, result["verdicts"]), said)
    if result["proved"] != result["layers"]:
        raise typer.Exit(1)


@app.command(name="compare")
def compare_(
    first: Annotated[Path, typer.Argument(metavar="DIR", help="A compiled design.")],
    second: Annotated[Path, typer.Argument(metavar="DIR", help="The design to compare it with.")],
    as_json: options.Json = False,
) -> None:
    """Two compiled designs side by side: clocks, resources, and every layer that is made in another way."""
    reports = read_report(first), read_report(second)
    result = compare(*reports)
    shown(result, as_json, comparison(result, *reports))


@app.command()
def synth(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A compiled design.")],
    fmax: Annotated[bool, typer.Option("--fmax", help="Also place and route for ECP5 and report the clock.")] = False,
    as_json: options.Json = False,
) -> None:
    """Synthesise the SystemVerilog of a compiled design with Yosys, beside the estimates; writes synth.json there."""
    counts, html = folder / "synth.json", folder / "report.html"
    with output.new_file(counts) as write, output.new_file(html) as write_page, progress(f"synthesising {folder}"):
        report, result = synthesis.synthesise(folder, fmax=fmax)
        write(to_json(result).encode())
        write_page(page(report, result).encode())
    shown(result, as_json, show.synthesis(result), f"written to {counts} and {html}")


@app.command(name="hls-check")
def hls_check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A compiled design.")],
    reports: Annotated[Path, typer.Argument(metavar="REPORTS", help="csynth.xml, or a folder that has one in it.")],
    as_json: options.Json = False,
) -> None:
    """Put the reports of the vendor's HLS tool beside the plan; exit 1 if anything is worse or missing."""
    with progress(f"reading {reports}"):
        result = vendor_check.check_reports(folder, reports)
    shown(result, as_json, show_vendor.vendor_check(result))
    if not result["ok"]:
        raise typer.Exit(1)


@app.command(name="doctor")
def doctor_(bundle: options.Bundle = None, out: options.OutZip = BUNDLE, as_json: options.Json = False) -> None:
    """Show which tools were found, their versions, and how to install what is missing."""
    with progress("looking for tools"):
        result = doctor.examine()
    keys = {"name": "tool", "found": "found", "version": "version", "purpose": "for", "detail": "where, or how to get"}
    drawn: list[RenderableType] = [show.rows("tools and packages", keys, result["findings"])]
    if bundle:
        with output.new_file(out) as write:
            files = bundles.contents(bundle, result)
            write(bundles.packed(files))
        result |= {"bundle": str(out), "files": list(files)}
        drawn.append(f"written to {out}, to go with a bug report: {', '.join(files)}")
    shown(result, as_json, *drawn)
    if not result["core"]:
        raise typer.Exit(1)
