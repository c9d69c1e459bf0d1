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


MENUS = {"turing": turing, "bricks": bricks}
"""Sets of widths by what they are called."""


def widths_of(allowed: str | Iterable[int]) -> tuple[int, ...]:
    """The widths of a menu, or those that are given, `2,4,8` for one; BitwrightError lists the menus."""
    if allowed in MENUS:
        return MENUS[str(allowed)]()
    given = allowed.split(",") if isinstance(allowed, str) else allowed
    try:
        return tuple(sorted({int(bits) for bits in given}))
    except ValueError:
        hint = f"for example 2,4,8, or {' or '.join(MENUS)}"
        raise BitwrightError(f"{allowed!r} is no list of widths, and no menu", where="widths", hint=hint) from None


def permitted(allowed: str | Iterable[int], option: str, most: int) -> tuple[int, ...]:
    """Those of allowed widths that `weights` or `activations` can have, and of no more than `most` bits."""
    widths = widths_of(allowed)
    found = tuple(bits for bits in widths if bits in WIDTHS[option] and bits <= most)
    if not found:
        said = ", ".join(map(str, widths))
        hint = f"allow others, or wider {option}"
        raise BitwrightError(f"none of {said} is a width of {option} of at most {most} bits", where="widths", hint=hint)
    return found
