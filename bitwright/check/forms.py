# SPDX-License-Identifier: Apache-2.0
"""The claimed hardware form of a requantiser, evaluated in Python integers and compared with the meaning."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable
from fractions import Fraction
from itertools import pairwise
from typing import Any

from bitwright.check.closed import Claimed, Meant, agree, runs
from bitwright.check.meaning import Code, meaning, plateaus
from bitwright.check.saved import Interval, Layer, Line

WIDEST_SHIFT = WIDEST = 128
WALKED = 1024
"""Plateaus that are compared one by one; more are compared all at once, and one by one only to tell what differs."""
LINES = ("shift", "shift_even", "mas", "mas_window")


class Refuted(Exception):
    """A claim that does not hold; the message says which."""


def claim(holds: bool, reason: str) -> None:
    """Refute the line unless the claim `holds`."""
    if not holds:
        raise Refuted(reason)


def equal(line: Line, name: str, expected: object) -> None:
    """Refute the line unless it claims `expected`."""
    claim(name in line and line[name] == expected, f"{name} is not what the graph gives")


def integer(line: Line, name: str) -> int:
    """The integer that the line claims as `name`."""
    value = line.get(name)
    if type(value) is not int:
        raise Refuted(f"{name} is no integer")
    return value


def integers(line: Line, name: str, count: int) -> list[int]:
    """The `count` integers that the line claims as `name`."""
    values = line.get(name)
    if not isinstance(values, list) or len(values) != count or not all(type(value) is int for value in values):
        raise Refuted(f"{name} is no list of {count} integers")
    return values


def check_requantiser(layer: Layer, reads: list[Interval], line: Line) -> None:
    """Refute the line unless its meaning is the graph's and its form has that meaning on every integer of `reads`."""
    check_meaning(layer, line)
    equal(line, "acc", [list(interval) for interval in reads])
    counts = integers(line, "plateaus", layer.channels)
    check_width(line, "acc", [end for interval in reads for end in interval])
    forms = _forms(layer, reads, line)
    seen: set[Hashable] = set()
    levels = layer.each("levels") if layer.fields["levels"] else [()] * layer.channels
    slopes = layer.each("slope") if layer.fields["slope"] else [Fraction(1)] * layer.channels
    limits = zip(layer.each("low"), layer.each("high"), strict=True)
    keys = zip(layer.each("multiplier"), layer.each("offset"), limits, levels, slopes, strict=True)
    rows = zip(keys, forms, reads, counts, meaning(layer), strict=True)
    for channel, (key, (parameters, form), interval, count, y) in enumerate(rows):
        if (same := (key, parameters, interval, count)) not in seen:
            m, b, (low, high), _, slope = key
            meant = Meant(layer.fields["rounding"], m, b, slope, low, high, layer.fields["shift"])
            if not _at_once(meant, parameters, y, interval, count):
                _check_channel(channel, y, form, interval, count, exhaustive=line["form"] == "table")
            seen.add(same)


def _at_once(meant: Meant, form: Hashable, y: Code, interval: Interval, count: int) -> bool:
    """True if a line with many plateaus is proved without going from one to the next."""
    if not isinstance(form, Claimed) or count <= WALKED:
        return False
    return runs(meant, y, interval) == count and agree(meant, form, y, interval)


def check_meaning(layer: Layer, line: Line) -> None:
    """Refute the line unless the function it claims to compute is the graph's."""
    equal(line, "R", layer.fields["rounding"])
    equal(line, "ymin", layer.each("low"))
    equal(line, "ymax", layer.each("high"))
    equal(line, "z", layer.fields["shift"])
    equal(line, "z_place", "after")
    slopes = layer.each("slope") if layer.fields["slope"] else []
    equal(line, "slope", [str(slope) for slope in slopes])
    pairs = zip(layer.each("multiplier"), layer.each("offset"), strict=True)
    claimed = zip(*(_decimals(line, name, layer.channels) for name in "PQD"), strict=True)
    for channel, ((m, b), (p, q, d)) in enumerate(zip(pairs, claimed, strict=True)):
        claim(d > 0, f"channel {channel}: D is not positive")
        claim(Fraction(p, d) == m and Fraction(q, d) == b, f"channel {channel}: P, Q and D are not the graph's")


def _decimals(line: Line, name: str, count: int) -> list[int]:
    values, wrong = line.get(name), Refuted(f"{name} is no list of {count} decimal strings")
    if not isinstance(values, list) or len(values) != count or not all(isinstance(value, str) for value in values):
        raise wrong
    try:
        return [int(value) for value in values]
    except ValueError:
        raise wrong from None


def _check_channel(channel: int, y: Code, form: Code, interval: Interval, count: int, *, exhaustive: bool) -> None:
    """Both ends of every plateau suffice for a monotone form; a table is compared at every integer."""
    found = 0
    for first, last, code in plateaus(y, *interval):
        for a in range(first, last + 1) if exhaustive else (first, last):
            if form(a) != code:
                raise Refuted(f"channel {channel}: at {a} the form gives {form(a)}, the meaning is {code}")
        found += 1
        claim(found <= count, f"channel {channel}: has more than {count} plateaus")
    claim(found == count, f"channel {channel}: has {found} plateaus, not {count}")


def _forms(layer: Layer, reads: list[Interval], line: Line) -> list[tuple[Hashable, Code]]:
    """For every channel the form's parameters and the form itself, monotone unless it is a table."""
    kind = line.get("form")
    if kind in LINES:
        return _lines(kind, layer.channels, reads, line)
    if kind == "thresholds":
        return _thresholds(layer.channels, line)
    claim(kind == "table", f"the form {kind!r} is not known")
    lo, entries = integer(line, "lo"), line.get("entries")
    claim(isinstance(entries, list), "entries is no list")
    table = integers(line, "entries", len(line["entries"]))
    inside = all(lo <= first and last < lo + len(table) for first, last in reads)
    claim(inside, "the table is too short for what can occur")
    return [((), lambda a: table[a - lo])] * layer.channels


def _lines(kind: Any, channels: int, reads: list[Interval], line: Line) -> list[tuple[Hashable, Code]]:
    """Multiply, add, shift, perhaps clear ties: u = m*a + c; y = u >> s; y - 1 where u mod 2**s < w and y - odd is odd.

    As a function of u this never falls: within an odd block the residues below w come first and give the code of the
    even block before. u is linear in a, so the form is monotone, whatever w and the sign of m are.
    """
    m, c, w, low, high = (integers(line, name, channels) for name in ("m", "c", "w", "low", "high"))
    s, odd = integer(line, "s"), integer(line, "odd")
    claim(0 <= s <= WIDEST_SHIFT and odd in (0, 1), "s or odd is out of range")
    claim("shift" not in kind or all(abs(k) & (abs(k) - 1) == 0 for k in m), "m is no power of two")
    claim(kind in ("shift_even", "mas_window") or not any(w), "w is not 0 in a form without a window")
    check_width(line, "m", m)
    check_width(line, "c", c)
    check_width(line, "product", [k * end + d for k, d, ends in zip(m, c, reads, strict=True) for end in ends])
    rows = [Claimed(*row, s, odd) for row in zip(m, c, w, low, high, strict=True)]
    return [(row, _line(*row)) for row in rows]


def _line(m: int, c: int, w: int, low: int, high: int, s: int, odd: int) -> Code:
    mask = (1 << s) - 1

    def form(a: int) -> int:
        u = m * a + c
        y = u >> s
        if u & mask < w and (y - odd) & 1:
            y -= 1
        return min(max(y, low), high)

    return form


def _thresholds(channels: int, line: Line) -> list[tuple[Hashable, Code]]:
    """Count the thresholds that are reached; monotone because the count is."""
    rows = line.get("t")
    if not isinstance(rows, list) or len(rows) != channels:
        raise Refuted(f"t is no list of {channels} rows")
    falling, first, step = integers(line, "falling", channels), integers(line, "first", channels), integer(line, "step")
    claim(step in (1, 2) and set(falling) <= {0, 1}, "step or falling is out of range")
    found: list[tuple[Hashable, Code]] = []
    for channel, row in enumerate(rows):
        claim(isinstance(row, list) and all(type(t) is int for t in row), "t is no list of integers")
        claim(all(a <= b for a, b in pairwise(row)), f"channel {channel}: the thresholds are not sorted")
        found.append(
            ((tuple(row), falling[channel], first[channel], step), _count(row, falling[channel], first[channel], step))
        )
    return found


def _count(row: list[int], falling: int, first: int, step: int) -> Code:
    return lambda a: first + step * bisect_right(row, ~a if falling else a)


def check_width(line: Line, name: str, values: list[int]) -> None:
    """Refute the line unless the width it claims for `name` holds every one of `values`."""
    widths = line.get("widths")
    claim(isinstance(widths, dict) and type(widths.get(name)) is int, f"the width of {name} is missing")
    signed = min(values) < 0
    need = max(max(0, *values).bit_length(), (-min(values) - 1).bit_length() if signed else 0) + signed
    claimed = line["widths"][name]
    claim(max(need, 1) <= claimed <= WIDEST, f"the width of {name} is not between {need} and {WIDEST} bits")
