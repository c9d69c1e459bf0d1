# SPDX-License-Identifier: Apache-2.0
"""What `explore` takes: its options, each named, typed and explained once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from bitwright.compress import SCALES
from bitwright.explore.executors import EXECUTORS
from bitwright.explore.making import CODES
from bitwright.explore.metrics import METRICS
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.strategies import DEFAULT, STRATEGIES

Target = Annotated[
    Path, typer.Argument(metavar="MODEL|DIR", help="A model, float or quantised; or the folder of a sweep.")
]
SplitFile = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="F.npz",
        help="'calibration' for ranges, 'validation' and 'y_validation' to choose designs by, 'x' and 'y' to score"
        " a chosen design on, once.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="DIR", help="The folder to make, of the sweep or of the picked design."),
]
Weights = Annotated[
    str | None, typer.Option(metavar="BITS", help="Bits of weights to try, of 1 to 16: 2-8, or 1,2,4. [default: 2-8]")
]
Activations = Annotated[
    str | None, typer.Option(metavar="BITS", help="Bits of activations to try, of 2 to 16. [default: 2-8]")
]
Cycles = Annotated[
    str | None,
    typer.Option(
        "--cycles", metavar="N,N", help="Upper bound on the clocks between two frames; of several each is tried."
    ),
]
Fps = Annotated[
    str | None,
    typer.Option("--fps", metavar="X,X", help="Frames per second to reach at this clock; of several each is tried."),
]
Part = Annotated[
    str | None,
    typer.Option("--part", metavar="NAME,NAME", help="The FPGA, or a board that carries it; of several each is tried."),
]
PerLayer = Annotated[
    bool, typer.Option("--per-layer", help="Bits of its own for each weight and each tensor, not the same for all.")
]
SpaceFile = Annotated[
    Path | None,
    typer.Option(
        "--space", metavar="S.yaml", help="What is to be chosen, by layer, group or network; see docs/exploring.md."
    ),
]
Codes = Annotated[
    str,
    typer.Option(
        metavar="|".join(CODES),
        help="When a search chooses the codes of weights: ahead, once for each choice of one, or for each design, which"
        " takes many times as long; those on the front are in any case chosen for the design.",
    ),
]
Strategy = Annotated[
    str,
    typer.Option(
        metavar="|".join(STRATEGIES),
        help="How designs are proposed; without it all of them, where there are no more than --evaluations,"
        f" else {DEFAULT}.",
    ),
]
Evaluations = Annotated[int, typer.Option(min=1, help="Designs to try at most.")]
Objectives = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME",
        help=f"What shall be small beside a good score: {', '.join(list(OBJECTIVES)[1:])}."
        " [default: cost; cost,cycles where folding alone is searched]",
    ),
]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget",
        metavar="K=V",
        help="The most of an objective, or the least of a score (accuracy=0.9), once for each: designs beyond it are"
        " on no front.",
    ),
]
Latency = Annotated[
    int | None,
    typer.Option(min=1, help="The most clocks from the first beat of a frame to its last answer: --budget latency=N."),
]
Metric = Annotated[
    str,
    typer.Option(
        metavar="|".join((*METRICS, "MODULE:NAME")),
        help="How answers are scored, by a function of yours too; without it as what is wanted of samples asks for.",
    ),
]
ScoreOn = Annotated[
    Literal["validation", "test"],
    typer.Option(help="What designs are scored on: the validation data, or for want of any the test data."),
]
Executor = Annotated[
    str,
    typer.Option(
        metavar="|".join((*EXECUTORS, "tcp://HOST:PORT")),
        help="Where designs are evaluated; without it in this process, or in several."
        " `dask` is a cluster of this machine, an address that of a scheduler.",
    ),
]
Seconds = Annotated[float | None, typer.Option("--point-seconds", min=0.001, help="The most that a design may take.")]
Memory = Annotated[int | None, typer.Option("--point-memory", min=1, help="The most MiB that a design may take.")]
Scale = Annotated[str, typer.Option(metavar="|".join(SCALES), help="Scales: any float32, or powers of two.")]
Seed = Annotated[int, typer.Option(min=0, help="All the chance there is in a search.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the sweep in the folder: nothing is done twice.")]
Status = Annotated[bool, typer.Option("--status", help="Tell how far the sweep in DIR is, and what it has found.")]
Pick = Annotated[
    str | None,
    typer.Option(
        "--pick",
        metavar="ID|WISH|knee",
        help="Write a design of DIR to -o: by its id, as 'accuracy>=0.97, min lut', or where the front turns.",
    ),
]
Check = Annotated[
    str | None,
    typer.Option("--check", metavar="ID", help="Score and price a design of DIR anew; exit 1 if a number differs."),
]
