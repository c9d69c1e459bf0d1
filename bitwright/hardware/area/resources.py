# SPDX-License-Identifier: Apache-2.0
"""Look-up tables, flip-flops, DSP slices and block RAMs of kernels and FIFOs, by the model of `docs/resources.md`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bitwright.hardware.area.parts import boundary_parts, fifo_parts
from bitwright.hardware.cells import Family
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.modules.streams import Part

Coefficients = Mapping[str, Mapping[str, float]]
"""Resource ("lut" or "ff") -> term -> what one unit of it takes; the term "" is 1 for every module."""


@dataclass(frozen=True, slots=True)
class Resources:
    """LUTs, 18-kbit block RAMs, DSPs, flip-flops and UltraRAMs."""

    lut: int = 0
    bram: int = 0
    dsp: int = 0
    ff: int = 0
    uram: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            self.lut + other.lut,
            self.bram + other.bram,
            self.dsp + other.dsp,
            self.ff + other.ff,
            self.uram + other.uram,
        )


def resources(kernel: Kernel, *, contents: bool = False, family: Family = "xc7") -> Resources:
    """The estimate for one kernel with its constants, on a family of parts.

    With `contents` what the ROMs hold is looked at, as reports do; without, they count as random words of their size,
    which is quick and needs no weights.
    """
    return weighed(kernel.modules(contents=contents), family, model(family))


def fifo_resources(stream: Stream, *, family: Family = "xc7") -> Resources:
    """The estimate for the FIFO of one edge."""
    return weighed(fifo_parts(stream), family, model(family))


def boundary_resources(graph: KernelGraph, *, family: Family = "xc7") -> Resources:
    """The estimate for what serves no layer: the AXI4-Stream ends."""
    return weighed(boundary_parts(graph), family, model(family))


def weighed(found: Iterable[Part], family: Family, known: Mapping[str, Coefficients]) -> Resources:
    """The sum of `found` on a family by the coefficients `known` of each kind, rounded."""
    lut = ff = 0.0
    bram = dsp = uram = 0
    for part in found:
        if part.family not in (None, family):
            continue
        each = known[part.kind]
        lut += part.count * _sum(each["lut"], part.terms)
        ff += part.count * _sum(each["ff"], part.terms)
        bram += part.count * part.bram
        dsp += part.count * part.dsp
        uram += part.count * part.uram
    return Resources(round(lut), bram, dsp, round(ff), uram)


def _sum(coefficients: Mapping[str, float], terms: Mapping[str, float]) -> float:
    total = coefficients.get("", 0.0)
    for name, size in terms.items():
        total += coefficients.get(name, 0.0) * size
    return total


@cache
def model(family: Family) -> Mapping[str, Coefficients]:
    """The fitted coefficients by kind of part: those of every family, or what a kind takes in this one."""
    found = json.loads(files("bitwright").joinpath("hardware/area/resources.json").read_text(encoding="utf-8"))
    kinds: Mapping[str, Coefficients] = found["kinds"] | found[family]
    return kinds
