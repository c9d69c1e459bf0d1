# SPDX-License-Identifier: Apache-2.0
"""Constants as Verilog text: ROM words as hexadecimal numbers and literals, codes and how they are coded."""

from __future__ import annotations

import numpy as np

from bitwright.hardware.arithmetic import FactorKind, Style
from bitwright.hardware.roms import Bits, Rom
from bitwright.ir.types import IntType

CHUNK = 256  # bits of one literal in generated text


def hex_words(bits: Bits) -> list[str]:
    """Each row of `bits` as one hexadecimal number, leading zeros kept."""
    digits = -(-bits.shape[1] // 4)
    packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
    return [row.tobytes().hex()[-digits:] for row in packed]


def literals(rom: Rom) -> list[str]:
    """Sized literals that make the whole content when concatenated, the last word first."""
    if rom.width <= CHUNK:
        return [f"{rom.width}'h{line}" for line in reversed(hex_words(rom.bits))]
    flat = rom.bits.reshape(-1)
    chunks = [flat[start : start + CHUNK] for start in range(0, len(flat), CHUNK)]
    return [f"{len(chunk)}'h{hex_words(chunk[None])[0]}" for chunk in reversed(chunks)]


def literal(value: int, kind: IntType) -> str:
    """A code as a sized literal, in the bits of its stream."""
    raw = (value + 1) // 2 if kind.is_bipolar else value
    return f"{kind.bits}'d{raw % (1 << kind.bits)}"


def code_name(kind: IntType) -> str:
    """The constant of `bw_pkg` that says how `kind` is coded."""
    return "Bipolar" if kind.is_bipolar else "Signed" if kind.signed else "Unsigned"


def style_name(style: Style | FactorKind) -> str:
    """The constant of `bw_pkg` that says how a unit multiplies, or what factors are like."""
    return style.capitalize()
