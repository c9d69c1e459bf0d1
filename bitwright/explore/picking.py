# SPDX-License-Identifier: Apache-2.0
"""A design of a sweep as files: its network as ONNX, the design that `compile` makes of it, and samples to verify with.

bitwright verify OUT/model.onnx --data OUT/samples.npz --plan OUT/design/plan.json --engines reference,fast,hls,rtl
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.design import Design as Compiled
from bitwright.design import to_json
from bitwright.explore.again import Again, again
from bitwright.explore.checking import score_of
from bitwright.explore.choosing import picked
from bitwright.explore.kept import PICKED
from bitwright.explore.pricing import compiled
from bitwright.explore.record import Record, Task
from bitwright.explore.settings import is_within
from bitwright.explore.setup import split_of
from bitwright.explore.swept import rewritten
from bitwright.explore.swept import swept as read_again
from bitwright.explore.written import Written
from bitwright.folder import design_folder
from bitwright.ir.graph import Graph
from bitwright.output import new_file, new_folder

Array = NDArray[Any]
SAMPLES, DESIGN, PICK = "samples.npz", "design", "pick.json"
COUNT = 64
"""How many samples there are to verify with."""
VERSION = 1
"""Of `pick.json`."""
SPLITS = {"validation": "validation", "x": "test"}
"""What samples are called that a design is scored on."""


def pick(folder: str | Path, what: str, out: str | Path) -> dict[str, Any]:
    """Write a design of the sweep in `folder` to a new folder `out`; what `out/pick.json` says of it.

    `what` is the key of a design, or what it must be and be best in (`"accuracy>=0.97, min lut"`), or `"knee"`. The
    design is scored once on the test data, and priced by `compile`. BitwrightError if there is none.
    """
    with new_folder(Path(out)) as write:
        swept = again(Path(folder))
        record = picked(
            what,
            swept.kept.designs,
            swept.problem.objectives,
            partial(closer, swept),
            partial(is_within, swept.problem),
        )
        written = swept.evaluation.written(record.design)
        files, design = files_of(written, split_of(swept.arrays, swept.setup.score_on))
        found = {"version": VERSION, "sweep": str(folder), "asked": what}
        found |= _said(swept, record, written.graph, design)
        write({**files, PICK: to_json(found)})
    _noted(swept.kept.folder, record.design.key, found)
    return found


def _noted(folder: Path, key: str, found: Mapping[str, Any]) -> None:
    """What was picked is told in the folder of the sweep too, for its report, unless that cannot be written."""
    if not os.access(folder, os.W_OK):
        return
    (folder / PICKED).mkdir(exist_ok=True)
    with new_file(folder / PICKED / f"{key}.json") as write:
        write(to_json(found).encode())
    rewritten(read_again(folder))


def closer(swept: Again, record: Record) -> Record:
    """The record of a design that was seen on all samples, with the price of `compile`."""
    if record.compiled and record.score.complete:
        return record
    return swept.evaluation(Task(record.design, final=True))


def _said(swept: Again, record: Record, graph: Graph, design: Compiled) -> dict[str, Any]:
    """What a picked design is, what it scored on each split, and what it takes by `compile` and by the table."""
    setup, key = swept.setup, record.design.key
    scores = {setup.score_on: record.score}
    if swept.test is not None:
        scores["x"] = score_of(swept.test, graph)
    tabled = swept.kept.outcomes.get(key)
    prices = {name: value for name, value in record.figures.items() if name != swept.evaluation.scoring.metric.name}
    return {
        "id": key,
        "model": setup.model,
        "choices": dict(record.design.choices),
        "metric": swept.evaluation.scoring.metric.name,
        "scores": {SPLITS[split]: asdict(score) for split, score in scores.items()},
        "compiled": prices,
        "table": {name: tabled.figures[name] for name in prices} if isinstance(tabled, Record) else None,
        "design": {"name": design.name, "digest": design.digest, "note": design.note},
    }


def files_of(written: Written, inputs: Sequence[Array]) -> tuple[dict[str, str | bytes], Compiled]:
    """The files of a design, path -> content, and the design that is among them; `inputs` are those of the network."""
    graph = written.graph
    named = replace(graph, source=replace(graph.source, file=written.model))
    design = compiled(named, written.target)
    files = {f"{DESIGN}/{name}": content for name, content in design_folder(design, ("hls", "verilog")).items()}
    return {written.name: written.content, SAMPLES: samples_of(inputs), **files}, design


def samples_of(inputs: Sequence[Array]) -> bytes:
    """A data file with the first of `inputs` and no outputs: what the network means is the reference's to say."""
    content = io.BytesIO()
    named = {f"inputs_{place}" if place else "inputs": array[:COUNT] for place, array in enumerate(inputs)}
    np.savez_compressed(content, allow_pickle=False, **named)
    return content.getvalue()
