# SPDX-License-Identifier: Apache-2.0
"""The command that tells what the bits of each layer do to a network: `sensitivity`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bitwright import data, output
from bitwright.cli import options, searching
from bitwright.cli.model import Outputs, Shapes, asked_of
from bitwright.cli.progress import progress
from bitwright.cli.shown import shown
from bitwright.compress import Options
from bitwright.compress.config import read_config
from bitwright.compress.options import Given
from bitwright.compress.started import float_of, network
from bitwright.explore import sensed_file, sensitive
from bitwright.explore.making import EACH
from bitwright.explore.score import scoring
from bitwright.explore.sensing import sense
from bitwright.explore.setup import LABELS, Setup, split_of
from bitwright.explore.spaces import of_network, space_of
from bitwright.explore.sweeping import METHOD
from bitwright.report import show

BITS = "2-8"
FEW = "2"
WORST = 10
"""Pairs that are shown in a terminal."""
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="F.npz",
        help="'calibration' for ranges; designs are run on 'validation', or else on 'x', or on 'calibration'.",
    ),
]
Pairs = Annotated[
    str, typer.Option(metavar="BITS", help="Bits at which neighbouring layers are narrowed together; '' for none.")
]


def sensitivity(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model, float or quantised.")],
    data_file: Data,
    out: options.OutFolder,
    weights: options.Bits = BITS,
    activations: options.Bits = BITS,
    pairs: Pairs = FEW,
    per_channel: options.PerChannel = METHOD.per_channel,
    range_: options.Range = METHOD.range,
    rounding: options.WeightRounding = METHOD.rounding,
    correct: options.Correct = METHOD.correct,
    scale: searching.Scale = METHOD.scale,
    zero: options.Zero = METHOD.zero,
    config: options.ConfigFile = None,
    metric: searching.Metric = "",
    samples: options.Samples = None,
    shapes: Shapes = None,
    outputs: Outputs = None,
    as_json: options.Json = False,
) -> None:
    """Measure what the bits of each weight and each tensor do, one at a time, and of neighbouring layers together.

    All others are as wide as they may be, codes are chosen as they will be, and the integers are run. The folder gets
    `sensitivity.csv`, `sensitivity.json` and `sensitivity.html`.
    """
    bits = {"weights": options.parse_bits("--weights", weights)}
    bits |= {"activations": options.parse_bits("--activations", activations)}
    method: Given = {"per_channel": per_channel, "range": range_, "rounding": rounding, "correct": correct}
    method |= {"zero": zero, "scale": scale}
    rules = None if config is None else read_config(config)
    setup = Setup(model=model.name, options=Options(**method), rules=rules, codes=EACH)
    both = options.parse_bits("--pairs", pairs) if pairs else ()
    with output.new_folder(out) as write, progress(f"measuring {model}") as say:
        read = asked_of(shapes, outputs)
        net = network(model, **read)
        arrays = data.read_splits(data_file, data.model_tensors(model, **read), samples=samples)
        floating, split = float_of(net), _split(arrays)
        space = space_of(floating, of_network(bits, each=True))
        scored = scoring(floating, split_of(arrays, split), arrays.get(LABELS.get(split, "")), metric)
        maker = setup.maker(space, net, arrays)
        found = sense(maker, scored, pairs=both, progress=lambda done, total: say(f"{done} of {total} networks"))
        how = f"{found.samples} samples of '{split}'; the float network has {found.metric} {found.float_score:.4g}"
        told = sensitive.told(found, space, f"{model.name}: what bits do", how)
        result = {"model": str(model), "folder": str(out), "data": split, **sensed_file.to_dict(found)}
        write({"sensitivity.csv": sensitive.csv_of(found), "sensitivity.html": sensitive.page(told)})
        write({"sensitivity.json": sensed_file.text(found)})
    shown(result, as_json, *_drawn(told), how, f"written to {out}: sensitivity.csv, .json and .html")


def _split(arrays: Mapping[str, Any]) -> str:
    """The samples that designs are run on."""
    return next(name for name in ("validation", "x", "calibration") if name in arrays)


def _drawn(told: sensitive.Page) -> list[Any]:
    """Tables for a terminal."""
    columns = ["name", *told.values]
    errors = [[row.name, *(cell.text for cell in row.errors)] for row in told.rows]
    scores = [[row.name, *(cell.text for cell in row.scores)] for row in told.rows]
    pairs = [[*pair.names, pair.value, pair.error, pair.beyond] for pair in told.pairs[:WORST]]
    drawn = [show.table(f"error ({told.error})", columns, errors), show.table(told.metric, columns, scores)]
    head = ["first", "second", "both at", told.error, "beyond the sum"]
    return [*drawn, *([show.table("pairs, the worst first", head, pairs)] if pairs else [])]
