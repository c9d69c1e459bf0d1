# SPDX-License-Identifier: Apache-2.0
"""How each requantiser form becomes a rule of `bw_requant.hpp`: constants, types and one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bitwright.backends.hls import packed, text
from bitwright.backends.hls.site import narrowest, number
from bitwright.backends.hls.views import Alias
from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.arithmetic import distances, factor_kind, signs
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its class template, what its Shape needs, and its table."""

    kind: str
    title: str
    template: str
    constants: Mapping[str, int]
    types: list[Alias]
    channel: list[str]
    table_title: str
    order: str
    table_name: str
    word: str
    count: str
    lines: list[str]
    pragmas: tuple[str, ...]
    header: str = ""  # what the table needs beside that of the rules


def rule_of(form: Form, folds: int, lanes: int, x: IntType) -> Rule:
    """The rule of `form` for channels that come as `folds` words of `lanes`."""
    match form:
        case MultiplyShift():
            return _multiply_shift(form, folds, lanes)
        case Thresholds():
            return _thresholds(form, folds, lanes, x)
        case Lookup():
            return _lookup(form)


def _multiply_shift(form: MultiplyShift, folds: int, lanes: int) -> Rule:
    even = bool(form.window.array.any())
    (factor, told), kinds = _factor(form.m.array)
    members = {
        "m": (factor, told),
        "c": ("Offset", form.offsets),
        "low": ("Code", form.low.array),
        "high": ("Code", form.high.array),
    }
    constants, types = {"Shift": form.s}, [*kinds, number("Offset", form.offsets)]
    types.append(Alias("Product", text.number_type(form.product), f"  // {form.product.lo}..{form.product.hi}"))
    if even:
        members["window"] = ("Window", form.window.array)
        constants["Odd"] = form.odd
        types += [number("Window", form.window.array), Alias("Fraction", f"ap_uint<{form.s}>")]
    columns = [values for _, values in members.values()]
    return _per_channel(
        kind=form.kind,
        title=f"y = clip((m * x + c) >> {form.s}, low, high)" + (", ties to even" if even else ""),
        template="bw::MultiplyShiftEven" if even else "bw::MultiplyShift",
        constants=constants,
        types=types,
        members=members,
        always=() if _is_literal(form.offsets) and not all(map(_is_same, columns)) else ("c",),
        shape=(folds, lanes),
    )


def _factor(factors: Ints) -> tuple[tuple[str, Ints], list[Alias]]:
    """What the channels' factors are told as, the exponents of those that are powers of two, and the types for that."""
    kind = factor_kind(factors)
    if kind not in ("shifts", "powers"):
        return ("Factor", factors), [number("Factor", factors)]
    exponents = distances(factors)
    most = int(exponents.max())
    if kind == "shifts":
        return ("Exponent", exponents), [number("Exponent", exponents), Alias("Factor", f"bw::Power<{most}, false>")]
    told = exponents + (signs(factors) << max(1, most.bit_length()))
    return ("Exponent", told), [
        Alias("Exponent", f"ap_uint<{max(1, most.bit_length()) + 2}>", "  // {negative, zero, exponent}"),
        Alias("Factor", f"bw::Power<{most}, true>"),
    ]


def _thresholds(form: Thresholds, folds: int, lanes: int, x: IntType) -> Rule:
    steps = form.t.array
    levels = max(1, int(steps.shape[1]).bit_length())
    top = max(x.hi, ~x.lo) + 1  # no b reaches it
    padded = np.full((steps.shape[0], (1 << levels) - 1), max(top, int(steps.max(initial=top))), dtype=np.int64)
    padded[:, : steps.shape[1]] = steps
    return _per_channel(
        kind=form.kind,
        title=text.counted(steps.shape[1], "threshold"),
        template="bw::Thresholds",
        constants={"Levels": levels, "Step": form.step},
        types=[number("Threshold", padded, signed=True)],
        members={
            "t": ("Threshold", padded),
            "falling": ("ap_uint<1>", form.falling.array),
            "first": ("Code", form.first.array),
        },
        always=("t",),
        shape=(folds, lanes),
    )


def _lookup(form: Lookup) -> Rule:
    entries = form.entries.array
    return Rule(
        kind=form.kind,
        title=f"table of {entries.size} entries",
        template="bw::Lookup",
        constants={"Low": form.lo, "Entries": entries.size},
        types=[],
        channel=[],
        table_title="Entries",
        order=f"one for each input from {form.lo} up",
        table_name="Entries",
        word="bw::Rom<Shape::Code>",
        count="Shape::Entries",
        lines=text.initialiser(entries),
        pragmas=("BIND_STORAGE variable=table type=rom_np impl=lutram",),  # a port for each lane
    )


def _per_channel(
    *,
    kind: str,
    title: str,
    template: str,
    constants: Mapping[str, int],
    types: list[Alias],
    members: Mapping[str, tuple[str, Ints]],
    always: Sequence[str],
    shape: tuple[int, int],
) -> Rule:
    """A rule with a Channel: members that are equal in all channels are static constants, but those `always` there."""
    own = {name: each for name, each in members.items() if name in always or not _is_same(each[1])}
    large = packed.is_large(sum(values.size for _, values in own.values()))
    note = "; several thresholds are one number, the first in its lowest bits" if large and "t" in own else ""
    lines, columns = [], []
    for name, (kind_name, values) in members.items():
        if name not in own:
            lines.append(f"static constexpr {text.constants({name: int(values.flat[0])})};")
            continue
        line, column = (_packed_member if large else _member)(name, kind_name, values)
        lines.append(line)
        columns.append(column)
    items = ["{" + ", ".join(row) + "}" for row in zip(*columns, strict=True)]
    folds, lanes = shape
    return Rule(
        kind=kind,
        title=title,
        template=template,
        constants=constants,
        types=types,
        channel=lines,
        table_title="Channels",
        order=f"{{{', '.join(own)}}}: words of [Lanes] in the order of use{note}",
        table_name="Channels",
        word="Shape::Channel[Shape::Lanes]",
        count="Shape::Folds",
        lines=text.table([items[fold * lanes : (fold + 1) * lanes] for fold in range(folds)]),
        pragmas=("AGGREGATE variable=table", "ARRAY_RESHAPE variable=table complete dim=2"),
        header=packed.HEADER if large else "",
    )


def _member(name: str, kind: str, values: Ints) -> tuple[str, list[str]]:
    """A member of a Channel, and how it begins in each."""
    extent = f"[{values.shape[1]}]" if values.ndim == 2 else ""
    return f"{kind} {name}{extent};", [_braces(value, kind) for value in values.tolist()]


def _packed_member(name: str, kind: str, values: Ints) -> tuple[str, list[str]]:
    """The same in a large table, whose members are plain integers in a C simulation, several thresholds in one."""
    if values.ndim == 2:
        words = packed.words(values, narrowest(values, signed=True).bits).tolist()
        return f"bw::Packed<{kind}, {values.shape[1]}> {name};", [packed.spelled(word) for word in words]
    if not _is_literal(values):
        return _member(name, kind, values)
    return f"bw::Single<{kind}> {name};", [str(value) for value in values.tolist()]


def _is_same(values: Ints) -> bool:
    return bool((values == values.flat[0]).all())


def _is_literal(values: Ints) -> bool:
    """Whether a C++ literal holds each of `values`."""
    return all(-(1 << 63) < value < 1 << 63 for value in values.tolist())


def _braces(value: int | list[int], kind: str) -> str:
    if isinstance(value, int):
        return _literal(value, kind)
    return "{" + ", ".join(_literal(each, kind) for each in value) + "}"


def _literal(value: int, kind: str) -> str:
    """A constant of the Shape's type `kind`: its odd part, shifted, where it is longer than any literal."""
    if -(1 << 63) < value < 1 << 63:
        return str(value)
    grain = (value & -value).bit_length() - 1
    return f"Shape::{kind}({value >> grain}) << {grain}"
