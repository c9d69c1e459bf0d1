# SPDX-License-Identifier: Apache-2.0
"""The report of a compiled design as a value: what `report.json` holds, and what tables and pages are drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from bitwright.ir.errors import BitwrightError
from bitwright.ir.source import Removed
from bitwright.planning.devices import is_known
from bitwright.planning.planner import PlanRecord

VERSION = 2
HINT = "compile the model again"
RESOURCES = ("lut", "ff", "dsp", "bram")
"""The fields of a layer that are resources of every part."""
BOUNDARY = "(boundary)"
"""The row of what serves no layer: the AXI4-Stream ends, and forks behind inputs."""
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNode:
    """A node of the model that stays on the host, on its `input` or `output` side, and why."""

    node: str
    op: str
    side: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """One layer: its tensor, how it was made, clocks per frame, and the estimate of what it takes.

    `sparsity` is the share of its weights that are zero, `zeros` what becomes of them, `dense_share` its clocks (or
    multipliers) as a share of those of a unit that multiplies them all. `bram` counts blocks of 18 kbit; `uram` is
    None, and left out of the file, where no part with UltraRAM was named.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    bits: int
    sparsity: float | None
    zeros: str | None
    dense_share: float | None
    pe: int
    simd: int
    style: str | None
    cycles: int
    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int | None = None
    requantiser: str | None
    fifo_depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The estimate of what something takes; `uram` as that of a layer."""

    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What the whole design takes: the sum of its layers and of its boundary.

    `share` is the part of each in what the device holds; None where no part was named, or the family has no terms.
    """

    lut: int
    ff: int
    dsp: int
    bram: int
    uram: int
    share: Mapping[str, float] | None


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.1f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A design: its name, what sets its interval, latency, clock and speed; what stays on the host; what it takes.

    `part` is None where none was named.
    """

    version: int
    model: str
    name: str
    design: str
    part: str | None
    note: str
    plan: PlanRecord
    interval_cycles: int
    bottleneck: tuple[str, ...]
    latency_cycles: int
    clock_ns: float
    fps: float
    host: tuple[HostNode, ...]
    removed: tuple[Removed, ...]
    layers: tuple[LayerRecord, ...]
    boundary: Uses
    total: Total

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources that its tables show: those of every part, and UltraRAM where its part has it."""
        return RESOURCES if self.boundary.uram is None else (*RESOURCES, "uram")

    def totals(self) -> dict[str, dict[str, Any]]:
        """The last rows of a table of layers: what serves none, the whole design, its shares of a part with a fit."""
        names = self.resources
        found = {
            BOUNDARY: {name: getattr(self.boundary, name) for name in names},
            "total": {name: getattr(self.total, name) for name in names},
        }
        if self.total.share is not None:
            found["of the part"] = {name: percent(self.total.share[name]) for name in names}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        for row in (*plain["layers"], plain["boundary"]):
            if row["uram"] is None:
                del row["uram"]
        return plain | {"plan": self.plan.to_dict()}

    @staticmethod
    def from_json(text: str, *, where: str) -> Report:
        """The report that `text` holds; BitwrightError says which field is not what it should be."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BitwrightError("is no report of a compiled design", where=where, hint=HINT) from error
        version = data.get("version") if isinstance(data, dict) else None
        if version != VERSION:
            what = f"is a report of version {version!r}, where {VERSION} is read"
            raise BitwrightError(
                what if isinstance(data, dict) else "is no report of a compiled design", where=where, hint=HINT
            )
        return _checked(_record(Report, data, where), where)


def _checked(report: Report, where: str) -> Report:
    """`report`, whose numbers are divided by and looked up by name wherever it is shown."""
    for name in ("interval_cycles", "clock_ns"):
        if not getattr(report, name) > 0:
            raise _refused(f"{where}: {name}", "a positive number", getattr(report, name))
    share, names = report.total.share, [*RESOURCES, "uram"]
    if share is not None and sorted(share) != sorted(names):
        raise _refused(f"{where}: total: share", f"the shares {', '.join(names)}", ", ".join(share))
    if report.part is not None and not is_known(report.part):
        raise _refused(f"{where}: part", "a part that is known", report.part)
    if any((layer.uram is None) != (report.boundary.uram is None) for layer in report.layers):
        raise BitwrightError("the field 'uram' is there in some rows only", where=where, hint=HINT)
    return report


def _record(kind: type[Record], data: Any, where: str) -> Record:
    """`data` as the dataclass `kind`: every field there, none besides, each of its type."""
    wanted = _types(kind)
    if not isinstance(data, Mapping):
        raise _refused(where, "a table", data)
    defaults = {entry.name for entry in fields(kind) if entry.default is None}  # type: ignore[arg-type]
    for name in (*(wanted.keys() - data.keys() - defaults), *(data.keys() - wanted.keys())):
        state = "is missing" if name in wanted else "is not known"
        raise BitwrightError(f"the field '{name}' {state}", where=where, hint=HINT)
    return kind(**{name: _value(wanted[name], value, f"{where}: {name}") for name, value in data.items()})


def _types(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {entry.name: hints[entry.name] for entry in fields(kind)}


def _value(kind: Any, data: Any, where: str) -> Any:
    origin = get_origin(kind)
    if origin is UnionType:
        return None if data is None else _value(next(k for k in get_args(kind) if k is not NoneType), data, where)
    if origin is tuple:
        return _list(get_args(kind)[0], data, where)
    if origin is not None:  # a mapping from names to numbers
        return _record_of_numbers(get_args(kind)[1], data, where)
    return _record(kind, data, where) if is_dataclass(kind) else _atom(kind, data, where)  # type: ignore[arg-type]


def _list(kind: Any, data: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise _refused(where, "a list", data)
    return tuple(_value(kind, item, f"{where}[{index}]") for index, item in enumerate(data))


def _atom(kind: type[int | float | str], data: Any, where: str) -> int | float | str:
    taken = (int, float) if kind is float else kind
    if not isinstance(data, taken) or isinstance(data, bool):
        raise _refused(where, {int: "a whole number", float: "a number", str: "a text"}[kind], data)
    return data


def _record_of_numbers(kind: Any, data: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise _refused(where, "a table", data)
    return {str(name): _value(kind, value, f"{where}: {name}") for name, value in data.items()}


def _refused(where: str, expected: str, found: object) -> BitwrightError:
    shown = repr(found)
    return BitwrightError(
        f"expected {expected}, found {shown if len(shown) <= 60 else shown[:57] + '...'}", where=where, hint=HINT
    )
