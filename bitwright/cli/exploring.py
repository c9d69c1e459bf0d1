# SPDX-License-Identifier: Apache-2.0
"""The command that searches designs of a float network, and tells of those that were found: `explore`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import typer

from bitwright import data
from bitwright.cli import options, searching
from bitwright.cli.model import Inputs, Outputs, Quantisers, Shapes, reading_of
from bitwright.cli.progress import progress
from bitwright.cli.shown import noted, shown
from bitwright.cli.signals import Stopped
from bitwright.compress import Options
from bitwright.compress.config import read_config
from bitwright.compress.fixed import Reading, fixed
from bitwright.compress.options import Given
from bitwright.explore.beginning import Said, aim_and_axes, begun, objectives_of, widths_said
from bitwright.explore.checking import check
from bitwright.explore.executors import Limits, executor_named
from bitwright.explore.kept import kept_settings, outcomes_in
from bitwright.explore.making import AHEAD
from bitwright.explore.objectives import budget_of
from bitwright.explore.picking import pick
from bitwright.explore.progress import Progress, line
from bitwright.explore.setup import Setup
from bitwright.explore.space_file import read_space
from bitwright.explore.spaces import Clause
from bitwright.explore.status import status, told
from bitwright.explore.sweep import Sweep
from bitwright.explore.sweep import sweep as carried_out
from bitwright.explore.sweeping import (
    EVALUATIONS,
    METHOD,
    Wanted,
    calibration_in,
    codes_named,
    continued,
    prepared,
    split_named,
)
from bitwright.explore.swept import PAGE, Swept, rewritten, swept
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import is_saved
from bitwright.planning.target import Target
from bitwright.reading.read import beginning

MEBI = 1 << 20

LOOKS = {
    "float": "the float network",
    "table": "by the table of prices",
    "compile": "as compile makes it",
    "test": "of the test data",
}
"""What a design was looked at by."""


class Ways(TypedDict):
    """How a sweep is carried out."""

    jobs: int
    executor: str
    limits: Limits


def explore_(
    target: searching.Target,
    data_file: searching.SplitFile = None,
    out: searching.Folder = None,
    weights: searching.Weights = None,
    activations: searching.Activations = None,
    per_layer: searching.PerLayer = False,
    space: searching.SpaceFile = None,
    strategy: searching.Strategy = "",
    evaluations: searching.Evaluations = EVALUATIONS,
    objectives: searching.Objectives = None,
    budget: searching.Budget = None,
    latency: searching.Latency = None,
    cycles: searching.Cycles = None,
    fps: searching.Fps = None,
    clock_ns: options.ClockNs = 10.0,
    part: searching.Part = None,
    per_channel: options.PerChannel = METHOD.per_channel,
    range_: options.Range = METHOD.range,
    rounding: options.WeightRounding = METHOD.rounding,
    correct: options.Correct = METHOD.correct,
    scale: searching.Scale = METHOD.scale,
    zero: options.Zero = METHOD.zero,
    config: options.ConfigFile = None,
    metric: searching.Metric = "",
    score_on: searching.ScoreOn = "validation",
    codes: searching.Codes = AHEAD,
    samples: options.Samples = None,
    jobs: options.Jobs = 1,
    executor: searching.Executor = "",
    point_seconds: searching.Seconds = None,
    point_memory: searching.Memory = None,
    seed: searching.Seed = 0,
    resume: searching.Resume = False,
    status_: searching.Status = False,
    pick_: searching.Pick = None,
    check_: searching.Check = None,
    inputs: Inputs = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    quantise: Quantisers = None,
    as_json: options.Json = False,
) -> None:
    """Search designs of a network: widths, zeros, folding and parts; score, price, and the Pareto front.

    Every design is quantised, scored by the exact integers, and priced by what the compiler makes of its layers;
    those on the front are compiled. Of a network that is quantised already, folding alone is searched where several
    --cycles, --fps or --part are given and no bits. What is found is kept in the folder as it comes: --resume goes
    on with it, --status tells of it, --pick writes a design of it, --check finds the numbers of one again.
    """
    ways: Ways = {"jobs": jobs, "executor": _executor(executor), "limits": _limits(point_seconds, point_memory)}
    if _is_sweep(target, status=status_ or None, pick=pick_, check=check_):
        _check_known(target, data=data_file, weights=weights, activations=activations, space=space)
        options.only_one(status=status_ or None, pick=pick_, check=check_, resume=resume or None)
        _tell(target, out, status_=status_, what=pick_, key=check_, resume=resume, ways=ways, as_json=as_json)
        return
    options.only_one(cycles=cycles, fps=fps)
    options.only_one(weights=weights, space=space)
    options.only_one(activations=activations, space=space)
    options.only_one(per_layer=per_layer or None, space=space)
    source, folder = _needed("--data", data_file), _needed("--output", out)
    folds = {"cycles": options.several("--cycles", cycles, int), "fps": options.several("--fps", fps, float)}
    aim, folded = aim_and_axes(Target(clock_ns=clock_ns), {**folds, "part": options.several("--part", part, str)})
    said = Said(chosen=_clauses(space, weights, activations, per_layer), folded=folded)
    limits = _budget(budget or [], latency)
    method: Given = {"per_channel": per_channel, "range": range_, "rounding": rounding, "correct": correct}
    method |= {"zero": zero, "scale": scale}
    setup = Setup(
        model=target.name,
        options=Options(**method),
        target=aim,
        rules=None if config is None else read_config(config),
        metric=metric,
        score_on=split_named(score_on),
        codes=codes_named(codes),
        seed=seed,
    )
    with _kept(folder), progress(f"exploring {target}") as say:
        reading = reading_of(inputs, shapes, outputs, quantise)
        arrays = data.read_splits(source, _tensors(target, reading), scored=setup.score_on, samples=samples)
        net, clauses = begun(target, said, calibration_in(arrays, score_on), reading)
        wanted = Wanted(
            space=clauses,
            strategy=strategy,
            evaluations=evaluations,
            objectives=objectives_of(net, None if objectives is None else [n.strip() for n in objectives.split(",")]),
            budget=limits,
        )
        asked = prepared(net, arrays, folder, wanted, setup)
        found = _carried_out(asked, folder, say, ways, resume)
    _show(found, as_json)


def _is_sweep(target: Path, **asked: object) -> bool:
    """True for the folder of a sweep, which is all that some options can be asked of."""
    if target.is_dir():
        return True
    for name, given in asked.items():
        if given is not None:
            hint = f"for example bitwright explore DIR --{name}; DIR is what a search wrote"
            raise BitwrightError("is asked of no folder of a sweep", where=f"--{name} {target}", hint=hint)
    return False


def _check_known(folder: Path, **asked: object) -> None:
    """Refuse to be told what the folder of a sweep says."""
    for name, given in asked.items():
        if given is not None:
            hint = "leave it out; or give the model, and another folder with -o"
            raise BitwrightError(
                "is of a search that begins, and this one is there", where=f"--{name} {folder}", hint=hint
            )


def _tell(
    folder: Path,
    out: Path | None,
    *,
    status_: bool,
    what: str | None,
    key: str | None,
    resume: bool,
    ways: Ways,
    as_json: bool,
) -> None:
    """What is asked of the folder of a sweep."""
    if status_:
        found = swept(folder)
        rewritten(found)
        _show(found, as_json)
    elif what is not None:
        place = _needed("--output", out)
        with progress(f"picking of {folder}"):
            result = pick(folder, what, place)
        shown(result, as_json, *_picked(result), _written(place))
    elif key is not None:
        with progress(f"checking {key} of {folder}"):
            result = check(folder, key)
        shown(result, as_json, *_checked(result))
        if not result["same"]:
            raise typer.Exit(1)
    elif resume:
        with _kept(folder), progress(f"exploring {folder}") as say:
            found = _carried_out(continued(folder), folder, say, ways, resume)
        _show(found, as_json)
    else:
        hint = "give --status, --pick WHAT -o OUT, --check ID or --resume"
        raise BitwrightError("is a folder, and nothing is asked of it", where=str(folder), hint=hint)


def _carried_out(asked: Sweep, folder: Path, say: Callable[[str], None], ways: Ways, resume: bool) -> Swept:
    """The sweep, told of as it goes on."""
    score, *costs = asked.problem.objectives
    cost = costs[0] if costs else score

    def tell(now: Progress) -> None:
        say(line(now, score, cost))

    return carried_out(asked, folder, resume=resume, progress=tell, **ways)


@contextmanager
def _kept(folder: Path) -> Iterator[None]:
    """Says what is kept when a signal ends a sweep."""
    try:
        yield
    except Stopped:
        if kept_settings(folder) is not None:
            count = sum(1 for _ in outcomes_in(folder))
            noted(f"{count} outcomes are kept in '{folder}'; the same with --resume goes on from there")
        raise


def _show(found: Swept, as_json: bool) -> None:
    """What a sweep has found so far."""
    written = [f"{found.folder}/{PAGE}"] if (found.folder / PAGE).exists() else []
    shown(status(found, found.explored), as_json, told(found, found.explored), *written)


def _picked(result: Mapping[str, Any]) -> Iterator[str]:
    """What a picked design is, in lines."""
    said = ", ".join(f"{name} {value}" for name, value in result["choices"].items())
    yield f"{result['id']} of {result['sweep']}: {said}"
    for split, score in result["scores"].items():
        seen = f"{score['samples']} of {score['total']} samples of the {split} data"
        yield f"{result['metric']} {score['value']:.6g} ({score['low']:.6g} to {score['high']:.6g}) on {seen}"
    yield ", ".join(f"{name} {value:.6g}" for name, value in result["compiled"].items())


def _written(folder: Path) -> str:
    """What there is of a picked design."""
    return f"written to {folder}: {', '.join(sorted(entry.name for entry in folder.iterdir()))}"


def _checked(result: Mapping[str, Any]) -> Iterator[str]:
    """What is the same, and what is not."""
    for look in result["looks"]:
        verdict = "the same again" if look["same"] else "NOT the same"
        yield f"{result['id']} on {look['samples']} of {look['total']} samples, {LOOKS[look['by']]}: {verdict}"
        for name, pair in look["figures"].items():
            if pair["kept"] != pair["found"]:
                yield f"  {name}: {pair['kept']} was kept, {pair['found']} is found"


def _clauses(space: Path | None, weights: str | None, activations: str | None, per_layer: bool) -> list[Clause] | None:
    """What is to be chosen of the network; None where nobody says."""
    if space is not None:
        return read_space(space)
    bits = None if weights is None else options.parse_bits("--weights", weights)
    wide = None if activations is None else options.parse_bits("--activations", activations)
    return widths_said(bits, wide, per_layer)


def _tensors(model: Path, reading: Reading) -> tuple[data.Tensor, ...]:
    """What a model takes, whether it is a file of any dialect or a saved graph."""
    if is_saved(beginning(model)):
        return data.graph_tensors(fixed(model, reading).graph)
    return data.model_tensors(model, **reading.asked)


def _budget(given: Sequence[str], latency: int | None) -> dict[str, float]:
    return budget_of([*given, *([] if latency is None else [f"latency={latency}"])])


def _executor(name: str) -> str:
    if name:
        executor_named(name)
    return name


def _limits(seconds: float | None, mebibytes: int | None) -> Limits:
    return Limits(seconds, None if mebibytes is None else mebibytes * MEBI)


def _needed(option: str, given: Path | None) -> Path:
    if given is None:
        raise BitwrightError("is missing", where=option, hint=f"{NEEDED[option]}; see `bitwright explore --help`")
    return given


NEEDED = {"--data": "a search takes --data F.npz", "--output": "say where to write with -o"}
