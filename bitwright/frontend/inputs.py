# SPDX-License-Identifier: Apache-2.0
"""The types a person gives to a model's inputs: `s16.8`, `u8`, `u8/255`, `bipolar`, `s4n`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.values import ONE, Host, Value
from bitwright.ir import host_ops
from bitwright.ir.errors import BitwrightError
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.reading.edges import EdgeType
from bitwright.reading.model import ModelInput


@dataclass(frozen=True, slots=True)
class InputType:
    """Integers of `type` with a real value of `scale` each."""

    type: IntType
    scale: Fraction
    text: str

    @staticmethod
    def parse(text: str, *, where: str) -> InputType:
        """`s16.8` has 8 fractional bits, `u8` scale 1, `u8/255` scale 1/255, `s4n` is narrow; or `bipolar`."""
        if text == "bipolar":
            return InputType(BIPOLAR, ONE, text)
        match = re.fullmatch(r"([su])(\d{1,2})(n?)(?:\.(-?\d{1,3})|/(\d{1,9}))?", text)
        bits = int(match[2]) if match else 0
        if match is None or not 1 + (match[1] == "s") <= bits <= 32 or match[5] == "0":
            raise BitwrightError(
                f"'{text}' is not a type",
                where=where,
                hint="for example s16.8, u8, u8/255, bipolar or s4n, up to 32 bits",
            )
        scale = Fraction(2) ** -int(match[4] or 0) / int(match[5] or 1)
        return InputType(integer(bits, signed=match[1] == "s", narrow=bool(match[3])), scale, text)


def edge_types(given: Mapping[str, str]) -> dict[str, EdgeType]:
    """What `--quantise` asks for, by the names of the edges."""
    found = {}
    for name, text in given.items():
        kind = InputType.parse(text, where=f"--quantise {name}")
        narrow = kind.type == IntType(-kind.type.hi, kind.type.hi)
        bits = 1 if kind.type == BIPOLAR else (kind.type.hi.bit_length() + kind.type.signed)
        found[name] = EdgeType(bits, kind.type.signed, narrow, float(kind.scale), text)
    return found


def typed_input(builder: Builder, entry: ModelInput, given: InputType | None) -> Value:
    """A model input: integers as they are, reals quantised on the host to the given type, or left to the graph."""
    real = Host(entry.name, entry.shape, "input")
    if entry.dtype.kind in "iub":
        if given is not None:
            raise BitwrightError(
                f"is of type {entry.dtype} already",
                where=f"--input {entry.name}",
                hint="only real-valued inputs take a type",
            )
        return _integers(builder, entry, real)
    if given is None:
        return real
    does = host_ops.Quantise.plain(given.type, float(given.scale))
    name = builder.host_step(
        "input",
        does,
        (entry.name,),
        reason=f"quantises the input '{entry.name}' to {given.text}, as asked",
        output=f"{entry.name}.quantised",
    )
    host = replace(real, name=name)
    return builder.input(entry.name, host, given.type, PerChannel.made(given.scale), ZEROS)


def _integers(builder: Builder, entry: ModelInput, real: Host) -> Value:
    kind = IntType(0, 1)
    if entry.dtype.kind != "b":
        info = np.iinfo(entry.dtype)
        kind = IntType(int(info.min), int(info.max))
    return builder.input(entry.name, real, kind, ONES, ZEROS)


LINES = host_ops.Add | host_ops.Sub | host_ops.Rsub | host_ops.Mul | host_ops.Div | host_ops.Clip
"""Host steps that rise or fall from element to element."""


def host_interval(builder: Builder, value: Host) -> tuple[float, float] | None:
    """The least and the largest number that a host value can be in float32; None unless clips hold both ends."""
    makers = {step.output: step for step in builder.before}
    name, behind = value.name, list[LINES]()
    while name in makers and isinstance(does := makers[name].does, LINES) and len(makers[name].inputs) == 1:
        behind.append(does)
        (name,) = makers[name].inputs
    ends = [np.asarray(np.float32(end)) for end in (-np.inf, np.inf)]
    with np.errstate(all="ignore"):
        for does in reversed(behind):
            ends = [does(end) for end in ends]
    low, high = float(np.minimum(*ends).min()), float(np.maximum(*ends).max())
    return (low, high) if np.isfinite((low, high)).all() else None
