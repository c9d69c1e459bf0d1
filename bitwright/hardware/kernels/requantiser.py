# SPDX-License-Identifier: Apache-2.0
"""The requantiser: accumulators to codes by a proved form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.arithmetic import decoded_bits, distances, factor_kind, odd_bits, signs
from bitwright.hardware.events import Course
from bitwright.hardware.kernels.base import Kernel, Needs
from bitwright.hardware.kernels.interface import Interface, RomPort, Told, Unit
from bitwright.hardware.loops import Loops, together
from bitwright.hardware.modules import units
from bitwright.hardware.modules.memories import columns, random_columns
from bitwright.hardware.modules.roms import rom_holding
from bitwright.hardware.modules.streams import Parts, rom
from bitwright.hardware.roms import LUT_ROM, Rom, coded, fields, signed_bits
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

CHEAP_STEPS = 2
"""Steps of a search that take no more than the width converter in front of fewer lanes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantiser(Kernel):
    """Integers to codes, one beat per clock, by a proved form; lane i of beat b has channel (b % folds) * lanes + i."""

    form: Form
    lanes: int
    folds: int  # beats per pixel
    beats: int  # per frame
    x_type: IntType
    y_type: IntType

    @property
    def cycles(self) -> int:
        """A beat per clock."""
        return self.beats

    @property
    def latency(self) -> int:
        """A product in four stages, or a step of a search in each, or one look into a table."""
        match self.form:
            case MultiplyShift():
                return 5
            case Thresholds():
                return 2 + threshold_bits(self.form)
            case Lookup():
                return 2
            case _:
                assert_never(self.form)

    def course(self) -> Course:
        """Each beat makes one."""
        return self.counting(self.beats)

    def loops(self) -> Loops:
        """The same."""
        return together(1, self.beats)

    def needs(self) -> Needs:
        """Whole pixels, and a fraction where there may be ties."""
        yield min(self.lanes, self.folds) > 0, "there must be a channel"
        yield self.beats % max(self.folds, 1) == 0, "a frame must be whole pixels"
        if isinstance(self.form, MultiplyShift) and self.form.window.array.any():
            yield self.form.s > 0, "without a fraction there are no ties"

    @property
    def words(self) -> int:
        """Words of its constants that take turns: one for each fold, or the only one there is."""
        match form := self.form:
            case MultiplyShift():
                constants = [form.m, form.c, form.window, form.low, form.high]
            case Thresholds():
                constants = [form.t, form.falling, form.first]
            case Lookup():
                constants = []
            case _:
                assert_never(form)
        return 1 if all((each.array == each.array[:1]).all() for each in constants) else self.folds

    def constant_rom(self) -> Rom:
        """The constants: one word per fold, or the whole table for a lookup."""
        match self.form:
            case MultiplyShift():
                return self._per_channel(mas_fields(self.form))
            case Thresholds():
                return self._per_channel(threshold_fields(self.form, self.x_type, self.y_type))
            case Lookup():
                return self._table(self.form)
            case _:
                assert_never(self.form)

    def _per_channel(self, parts: Sequence[tuple[Ints, int]]) -> Rom:
        """Fields of (channels,) or (channels, n), lowest first, with their widths, as words of one fold each."""
        channels = self.folds * self.lanes
        held = [fields(values, width).reshape(channels, -1) for values, width in parts]
        return Rom(np.concatenate(held, axis=1).reshape(self.folds, -1)[: self.words], LUT_ROM)

    def _table(self, form: Lookup) -> Rom:
        """One word for each pattern of bits of the input; patterns that are no code of the table read as 0."""
        raw = np.arange(1 << self.x_type.bits, dtype=np.int64)
        if self.x_type.is_bipolar:
            value = 2 * raw - 1
        else:
            value = np.where(raw > self.x_type.hi, raw - len(raw), raw) if self.x_type.signed else raw
        index = value - form.lo
        known = (index >= 0) & (index < form.entries.array.size)
        entries = coded(form.entries.array.reshape(-1), self.y_type)
        words = np.where(known, entries[np.where(known, index, 0)], 0)
        return Rom(fields(words, self.y_type.bits), LUT_ROM, ports=self.lanes)

    def modules(self, *, contents: bool) -> Parts:
        """The rule and its constants."""
        x_w, x_bits, y_w = self.x_type.bits, decoded_bits(self.x_type), self.y_type.bits
        match form := self.form:
            case MultiplyShift():
                lane = mas_lane(form)
                unit = units.mas(lanes=self.lanes, folds=self.words, x_w=x_w, x_bits=x_bits, y_w=y_w, lane=lane)
                read = mas_fields(form)
                if not read:
                    return unit
                width, varying = sum(bits for _, bits in read), sum(_changing(values, bits) for values, bits in read)
            case Thresholds():
                bits = threshold_bits(form)
                never = max(self.x_type.hi, ~self.x_type.lo) + 1
                filled = form.t.array.shape[1] < (1 << bits) - 1
                t_w = signed_bits(form.t.type.lo, max(form.t.type.hi, never) if filled else form.t.type.hi)
                unit = units.thresholds(
                    lanes=self.lanes, folds=self.words, x_w=x_w, x_bits=x_bits, t_w=t_w, bits=bits, y_w=y_w
                )
                width = ((1 << bits) - 1) * t_w + y_w + 1
                varying = form.t.array.shape[1] * _varying(form.t)
            case Lookup():
                table = rom_holding(1 << x_w, y_w, self.constant_rom, contents, ports=self.lanes)
                return (*units.lookup(lanes=self.lanes, y_w=y_w), *table)
            case _:
                assert_never(form)
        held = columns(self.constant_rom().bits) if contents else random_columns(self.words, self.lanes * varying)
        return (*unit, *rom(words=self.words, width=self.lanes * width, columns=held))

    def interface(self) -> Interface:
        """A module for each form; the C++ of a form is a rule of its own (`backends/hls/forms.py`)."""
        x, y = self.x_type, self.y_type
        more: dict[str, Told]
        read = True
        match form := self.form:
            case MultiplyShift():
                module, more, read = "bw_mas", mas_told(form), bool(mas_fields(form))
                meaning = f"{form.kind}: code = clip((m*x + c) >> {form.s}, low, high)"
            case Thresholds():
                bits = threshold_fields(form, x, y)[0][1]
                module, more = "bw_thresholds", {"TW": bits, "Bits": threshold_bits(form)}
                meaning = f"{form.kind}: code = first + the number of thresholds reached"
            case Lookup():
                module, more, meaning = "bw_lookup", {}, "table: code = entries[x]"
            case _:
                assert_never(form)
        called = f"requantiser ({form.kind})"
        return Interface(
            unit=Unit(
                called=called,
                function="requantise",
                header="bw_requant.hpp",
                shape="RequantShape",
                module=module,
            ),
            title=called,
            notes=(f"{meaning}; {x} to {y}",),
            sizes=({"Beats": self.beats, "Folds": self.words, "Lanes": self.lanes},),
            more=more,
            elements={"X": x, "Y": y},
            roms=(RomPort(prefix="k", words=self.constant_rom if read else None),),
        )


def _changing(values: Ints, bits: int) -> int:
    """Bits of a field of the ROM that are not the same for all channels, as if the numbers between were there too."""
    low, high = int(values.min()), int(values.max())
    return min(bits, (low ^ high).bit_length())


def _varying(field: Weights) -> int:
    """Bits of a constant that are not the same for all channels."""
    return (field.type.lo ^ field.type.hi).bit_length()


def threshold_bits(form: Thresholds) -> int:
    """Steps of the search for the number of thresholds reached, at least one."""
    return max(1, int(form.t.array.shape[1]).bit_length())


def mas_lane(form: MultiplyShift) -> units.MasLane:
    """A lane of `bw_mas` as sizes, with what is the same in all channels."""
    m_w, c_w, win_w, bound_w = mas_widths(form)
    factor, size = factor_kind(form.m.array), abs(int(form.m.array.flat[0]))
    return units.MasLane(
        m_w=m_w,
        c_w=c_w,
        win_w=win_w,
        bound_w=bound_w,
        u_w=signed_bits(form.product.lo, form.product.hi),
        shift=form.s,
        factor=factor,
        power=factor == "same" and size.bit_count() == 1,
        zero=factor == "same" and size == 0,
        negative=factor == "same" and form.m.type.lo < 0,
        odd_w=odd_bits(form.m.type.lo) if factor == "same" else 0,
        each_offset=not _is_same(form.c),
        each_window=not _is_same(form.window),
        each_bounds=not (_is_same(form.low) and _is_same(form.high)),
    )


def outweighs(form: Form) -> bool:
    """Whether a lane of `form` takes more than the place of its input in a width converter.

    That is what multiplies, and what searches among more than three thresholds: two steps take about as much.
    """
    match form:
        case MultiplyShift():
            return mas_lane(form).multiplies
        case Thresholds():
            return threshold_bits(form) > CHEAP_STEPS
        case Lookup():
            return False
        case _:
            assert_never(form)


def mas_told(form: MultiplyShift) -> dict[str, Told]:
    """The parameters of `bw_mas`; a constant that the channels have each for themselves is 0 here."""
    lane = mas_lane(form)
    return {
        "MW": lane.m_w,
        "CW": lane.c_w,
        "WinW": lane.win_w,
        "BoundW": lane.bound_w,
        "Factor": lane.factor,
        "M": form.m.type.lo if lane.factor == "same" else 0,
        "EachOffset": int(lane.each_offset),
        "C": 0 if lane.each_offset else int(form.offsets[0]),
        "EachWindow": int(lane.each_window),
        "Window": 0 if lane.each_window else form.window.type.lo,
        "EachBounds": int(lane.each_bounds),
        "Low": 0 if lane.each_bounds else form.low.type.lo,
        "High": 0 if lane.each_bounds else form.high.type.lo,
        "UW": lane.u_w,
        "Shift": form.s,
        "Odd": form.odd,
    }


def mas_fields(form: MultiplyShift) -> list[tuple[Ints, int]]:
    """c, m, window, low and high of `bw_mas_lane` with their widths, without those that are its parameters."""
    m_w, c_w, win_w, bound_w = mas_widths(form)
    lane, found = mas_lane(form), list[tuple[Ints, int]]()
    if lane.each_offset:
        found.append((form.offsets, c_w))
    if lane.factor == "each":
        found.append((form.m.array, m_w))
    elif lane.factor != "same":
        found.append((distances(form.m.array), (m_w - 1).bit_length()))
        if lane.factor == "powers":
            found.append((signs(form.m.array), 2))
    if lane.each_window:
        found.append((form.window.array, win_w))
    if lane.each_bounds:
        found += [(form.low.array, bound_w), (form.high.array, bound_w)]
    return found


def mas_widths(form: MultiplyShift) -> tuple[int, int, int, int]:
    """Bits of m, c, window and bounds; m has a distance to shift by even if it is 0 and -1."""
    m, c, window = form.m.type, form.c.type, form.window.type
    bound = signed_bits(form.low.type.lo, form.high.type.hi)
    offset = signed_bits(c.lo << form.grain, c.hi << form.grain)
    return max(2, signed_bits(m.lo, m.hi)), offset, max(1, window.hi.bit_length()), bound


def _is_same(field: Weights) -> bool:
    return field.type.lo == field.type.hi


def threshold_fields(form: Thresholds, x_type: IntType, y_type: IntType) -> list[tuple[Ints, int]]:
    """The thresholds, first and falling of `bw_thresholds_lane` with their widths; first as the output codes it.

    Hardware halves its way through 2**n - 1 thresholds: those that a form lacks are above every input.
    """
    given = form.t.array
    missing = (1 << threshold_bits(form)) - 1 - given.shape[1]
    never = max(x_type.hi, ~x_type.lo) + 1
    t = np.concatenate([given, np.full((len(given), missing), never)], axis=1)
    return [
        (t, signed_bits(int(t.min()), int(t.max()))),
        (coded(form.first.array, y_type), y_type.bits),
        (form.falling.array, 1),
    ]
