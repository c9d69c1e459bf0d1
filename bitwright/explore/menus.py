# SPDX-License-Identifier: Apache-2.0
"""Widths that hardware is made for: what designs are allowed to have, where they are not to have any."""

from __future__ import annotations

from collections.abc import Iterable

from bitwright.compress.options import WIDTHS
from bitwright.ir.errors import BitwrightError


def turing() -> tuple[int, ...]:
    """The widths of the integers that a GPU's matrix units multiply: 1, 4 and 8 bits.

    NVIDIA: "NVIDIA Turing GPU architecture", 2018; R166.
    """
    return 1, 4, 8


def bricks() -> tuple[int, ...]:
    """The widths that bricks of two bits make up without a rest: 2, 4, 8 and 16 bits.

    Sharma, Park, Suda et al.: "Bit Fusion: bit-level dynamically composable architecture for accelerating deep neural
    networks", ISCA 2018.
    """
    return 2, 4, 8, 16


EVERY = sorted({bits for each in WIDTHS.values() for bits in each})
"""The widths of weights or of activations."""
MENUS = {"turing": turing, "bricks": bricks}
"""Sets of widths by what they are called."""


def widths_of(allowed: str | Iterable[int], where: str = "widths") -> tuple[int, ...]:
    """The widths of a menu, or those that are given, as `2-8` or `2,4,8`, ascending and without repetition.

    BitwrightError says `where` what is no list was given, and lists the menus.
    """
    if allowed in MENUS:
        return MENUS[str(allowed)]()
    try:
        widths = _listed(allowed) if isinstance(allowed, str) else [int(bits) for bits in allowed]
    except ValueError:
        widths = []
    if not widths:
        hint = f"for example 2-8, or 2,4,8, or {' or '.join(MENUS)}"
        raise BitwrightError(f"{allowed!r} is no list of widths", where=where, hint=hint)
    return tuple(sorted(set(widths)))


def _listed(text: str) -> list[int]:
    if "-" in text:
        low, high = (int(part) for part in text.split("-"))
        return list(range(low, high + 1))
    return [int(part) for part in text.split(",")]


def permitted(allowed: str | Iterable[int], option: str, most: int) -> tuple[int, ...]:
    """Those of allowed widths that `weights` or `activations` can have, and of no more than `most` bits.

    What is neither's width can stand in a menu alone.
    """
    widths = widths_of(allowed)
    never = [bits for bits in widths if bits not in EVERY]
    if never and allowed not in MENUS:
        hint = f"choose from {EVERY[0]} to {EVERY[-1]} bits"
        raise BitwrightError(f"{never[0]} bits are a width of nothing", where="widths", hint=hint)
    found = tuple(bits for bits in widths if bits in WIDTHS[option] and bits <= most)
    if not found:
        said = ", ".join(map(str, widths))
        hint = f"allow others, or wider {option}"
        raise BitwrightError(f"none of {said} is a width of {option} of at most {most} bits", where="widths", hint=hint)
    return found
