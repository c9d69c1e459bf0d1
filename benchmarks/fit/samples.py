# SPDX-License-Identifier: Apache-2.0
"""`samples.jsonl`: what Yosys made of each module, and which modules each layer of a design holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SAMPLES = Path(__file__).parent / "samples.jsonl"
RESOURCES = ("lut", "ff", "dsp", "bram")
BENCH = "bench"
"""The design whose one layer holds the modules that stand alone."""
HELD_BACK = 4
"""One random design in so many, and every network, is never fitted to."""

Counts = tuple[int, int, int, int]


@dataclass(frozen=True)
class Module:
    """A module with its parameters and the cells of its own."""

    name: str
    parameters: Mapping[str, Any]
    counted: Counts
    series7: Counts | None = None  # where it was measured for series 7 too


@dataclass(frozen=True)
class Layer:
    """A layer of a design ("random 12", "sparse 3"): how often it holds each module, by that's place in the file."""

    design: str
    name: str
    holds: Mapping[int, int]

    @property
    def is_held_back(self) -> bool:
        """True if the model is judged by it."""
        return is_held_back(self.design)


@dataclass
class Samples:
    """Everything that was measured."""

    tool: Mapping[str, str] = field(default_factory=dict)
    modules: list[Module] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def training(self) -> Iterable[Module]:
        """The modules of what is not held back."""
        used = {place for layer in self.layers if not layer.is_held_back for place in layer.holds}
        return [self.modules[place] for place in sorted(used)]

    def held_back(self) -> Sequence[Layer]:
        """The layers that the model is judged by."""
        return [layer for layer in self.layers if layer.is_held_back]

    def counted(self, layer: Layer) -> Counts:
        """What Yosys counted for a layer, all of its modules together."""
        none = np.zeros(len(RESOURCES), dtype=np.int64)
        lut, ff, dsp, bram = sum((np.array(self.modules[place].counted) * n for place, n in layer.holds.items()), none)
        return int(lut), int(ff), int(dsp), int(bram)


def is_held_back(design: str) -> bool:
    """True if the model is judged by the layers of a design, and fitted to none of them."""
    return "/" in design or (design != BENCH and int(design.split()[1]) % HELD_BACK == 0)


def read(path: Path = SAMPLES) -> Samples:
    """The samples in a file; none if there is no such file."""
    made = Samples()
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        entry = json.loads(line)
        if "module" in entry:
            seven = tuple(entry["xc7"]) if "xc7" in entry else None
            made.modules.append(Module(entry["module"], entry["parameters"], tuple(entry["counted"]), seven))
        elif "layer" in entry:
            holds = {int(place): count for place, count in entry["holds"].items()}
            made.layers.append(Layer(entry["design"], entry["layer"], holds))
        elif "digest" in entry:
            made.digests[entry["design"]] = entry["digest"]
        else:
            made.tool = entry
    return made


def write(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append `entries`, one line each."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in entries)


def forget(path: Path, design: str) -> None:
    """Leave out the layers of a design; its modules stay: they are known by their places in the file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line).get("design") != design), encoding="utf-8")
