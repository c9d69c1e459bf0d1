# SPDX-License-Identifier: Apache-2.0
"""How far the estimates are from what Yosys counts, for every layer that was held back and for whole networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from benchmarks.fit.library import own
from benchmarks.fit.samples import RESOURCES, Layer, Samples
from bitwright.hardware.area.resources import Coefficients, weighed

SMALL = 20
"""LUTs or flip-flops of a layer below which its error counts as if there were so many."""

Cells = Mapping[str, int]
Pairs = Mapping[tuple[str, str], tuple[Cells, Cells]]
"""(design, layer) -> estimate and count."""
Model = Mapping[str, Coefficients]


def estimate(samples: Samples, layer: Layer, model: Model) -> Cells:
    """What the model says of the modules that a layer holds."""
    found = []
    for place, count in layer.holds.items():
        module = samples.modules[place]
        part = own(module.name, module.parameters)
        if part is not None:
            found += [part] * count
    used = weighed(found, "xcup", model)
    return {"lut": used.lut, "ff": used.ff, "dsp": used.dsp, "bram": used.bram}


def pairs(samples: Samples, model: Model) -> Pairs:
    """Every layer that was held back."""
    return {
        (layer.design, layer.name): (
            estimate(samples, layer, model),
            dict(zip(RESOURCES, samples.counted(layer), strict=True)),
        )
        for layer in samples.held_back()
        if layer.name
    }


def networks(samples: Samples, model: Model) -> Mapping[str, tuple[Cells, Cells]]:
    """Every whole network."""
    sums: dict[str, tuple[Cells, Cells]] = {}
    for (design, _), each in pairs(samples, model).items():
        if "/" in design:
            before = sums.get(design, ({}, {}))
            mine, theirs = (
                {key: old.get(key, 0) + new[key] for key in RESOURCES} for old, new in zip(before, each, strict=True)
            )
            sums[design] = mine, theirs
    return sums


def errors(found: Iterable[tuple[Cells, Cells]], which: str) -> list[float]:
    """The relative errors of one resource."""
    return [abs(mine[which] - theirs[which]) / max(theirs[which], SMALL) for mine, theirs in found]


def table(held: Pairs, whole: Mapping[str, tuple[Cells, Cells]]) -> str:
    """The errors as Markdown: of layers by where they come from, then each network."""
    random = [pair for (design, _), pair in held.items() if "/" not in design]
    of_networks = [pair for (design, _), pair in held.items() if "/" in design]
    lines = ["| held back | layers | | median error | 90th percentile | largest |", "|---|---|---|---|---|---|"]
    for title, found in (("random designs", random), ("networks", of_networks), ("all", [*random, *of_networks])):
        for which, unit in (("lut", "LUT"), ("ff", "FF")):
            if found:
                rows = errors(found, which)
                ends = np.median(rows), np.quantile(rows, 0.9), max(rows)
                lines.append(f"| {title} | {len(rows)} | {unit} | " + " | ".join(f"{end:.1%}" for end in ends) + " |")
    for which, name in (("dsp", "DSP slices"), ("bram", "block RAMs")):
        wrong = sum(mine[which] != theirs[which] for mine, theirs in held.values())
        lines.append(
            f"\n{name} differ in {wrong} of {len(held)} layers."
            if which == "dsp"
            else f"{name.capitalize()} differ in {wrong}."
        )
    lines += [
        "\n| network | LUT estimate | Yosys | FF estimate | Yosys | DSP | Yosys | BRAM18 | Yosys |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, (mine, theirs) in whole.items():
        lines.append(f"| {name} | " + " | ".join(f"{mine[key]} | {theirs[key]}" for key in RESOURCES) + " |")
    return "\n".join(lines) + "\n"
