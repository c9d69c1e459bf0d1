# SPDX-License-Identifier: Apache-2.0
"""The plan: how parallel each layer is, where its weights live, which requantiser form it takes; data one can edit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.base import Memory
from bitwright.hardware.schedule import Zeros
from bitwright.ir.columns import aligned, tail
from bitwright.ir.errors import BitwrightError

KEYS = ("version", "target_cycles", "layers")
STYLES = get_args(Style)
ZEROS = get_args(Zeros)
NAMED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "memory": (get_args(Memory), "'lut' or 'block'"),
    "style": (("", *STYLES), "'' to choose by the types, or " + ", ".join(f"'{style}'" for style in STYLES)),
    "zeros": (ZEROS, ", ".join(f"'{zeros}'" for zeros in ZEROS)),
}
"""Fields of a layer's plan that are names: which they may be, and what is said of any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One layer: output lanes (PE), input lanes (SIMD), weight memory, how it multiplies, requantiser form, FIFO depth.

    `fifo_depth`, of its input, 0 means: as computed; `style` "": by the types, see `arithmetic.py`; `zeros`: what
    becomes of weights that are zero, see `schedule.py`. A pool or a requantiser has only lanes: `pe` equals `simd`.
    """

    pe: int = 1
    simd: int = 1
    memory: Memory = "lut"
    style: Style | Literal[""] = ""
    zeros: Zeros = "multiply"
    form: str = ""
    fifo_depth: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Layer name -> its plan, and the interval in clocks per frame that it was made for."""

    layers: Mapping[str, LayerPlan] = field(default_factory=dict)
    target_cycles: int = 0

    def __str__(self) -> str:
        """A line a layer; `to_json` has the file."""
        heads = ("layer", "PE", "SIMD", "memory", "style", "zeros", "form", "FIFO")
        rows = [
            (tail(name), str(p.pe), str(p.simd), p.memory, p.style, p.zeros, p.form, str(p.fifo_depth or ""))
            for name, p in self.layers.items()
        ]
        head = f"plan for {self.target_cycles} clocks a frame" if self.target_cycles else "plan without a target"
        return f"{head}\n{aligned([heads, *rows], numbers=(1, 2))}"

    def blocks(self) -> dict[str, tuple[int, int]]:
        """What each unit can skip if all of it is zero, outputs x inputs: what to prune a network by.

        A unit takes a clock at least for each row fold and for each beat of a vector: one that has few of either gains
        little from any zeros (`docs/sparsity.md`).
        """
        return {name: (1 if p.zeros == "skip-rows" else p.pe, p.simd) for name, p in self.layers.items()}

    def to_json(self) -> str:
        """`plan.json`: read it, edit it, give it back with `--plan`."""
        layers = {name: asdict(plan) for name, plan in self.layers.items()}
        return json.dumps({"version": 1, "target_cycles": self.target_cycles, "layers": layers}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str, *, where: str) -> Plan:
        """The plan that `text` holds; every unknown key or wrong type is an error that names it."""
        data = _tables(text, where)
        for key in data:
            if key not in KEYS:
                raise BitwrightError(f"unknown key '{key}'", where=where, hint="known keys: " + ", ".join(KEYS))
        target = data.get("target_cycles", 0)
        if not isinstance(target, int) or isinstance(target, bool) or target < 0:
            raise BitwrightError(
                f"target_cycles is {target!r}", where=where, hint="give a number of clocks, or 0 for none"
            )
        return Plan({name: _layer(name, entry, where) for name, entry in data["layers"].items()}, target)


def _tables(text: str, where: str) -> dict[str, Any]:
    """The tables of a plan of version 1."""
    hint = "start from the plan.json of a compiled design"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BitwrightError(f"not JSON: {error}", where=where, hint=hint) from error
    if not isinstance(data, dict) or not isinstance(data.get("layers"), dict) or data.get("version") != 1:
        raise BitwrightError("not a plan of version 1 with a 'layers' table", where=where, hint=hint)
    return data


def _check_kind(key: str, value: Any, kind: type, place: str) -> None:
    if type(value) is not kind or (isinstance(value, int) and value < (key != "fifo_depth")):
        number = "0 or a positive number" if key == "fifo_depth" else "a positive number"
        wanted = "a name" if kind is str else number
        raise BitwrightError(f"{key} is {value!r}", where=place, hint=f"give {wanted}")


def _layer(name: str, entry: Any, where: str) -> LayerPlan:
    place = f"{where}: layer '{name}'"
    known = {key: type(value) for key, value in asdict(LayerPlan()).items()}
    if not isinstance(entry, dict):
        raise BitwrightError(f"is {entry!r}", where=place, hint="give a table with " + ", ".join(known))
    for key, value in entry.items():
        if key not in known:
            raise BitwrightError(f"unknown key '{key}'", where=place, hint="known keys: " + ", ".join(known))
        _check_kind(key, value, known[key], place)
    for key, (allowed, hint) in NAMED.items():
        if key in entry and entry[key] not in allowed:
            raise BitwrightError(f"{key} is {entry[key]!r}", where=place, hint=hint)
    return LayerPlan(**entry)
