# SPDX-License-Identifier: Apache-2.0
"""A ROM as sizes, by what it holds."""

from __future__ import annotations

from collections.abc import Callable

from bitwright.hardware.modules.memories import columns, random_columns
from bitwright.hardware.modules.streams import Parts, rom
from bitwright.hardware.roms import Rom

LISTED_BITS = 1 << 18
"""Orders and schedules of more bits are not looked at: they are in block RAM too."""


def rom_holding(
    words: int, width: int, make: Callable[[], Rom], contents: bool, *, ports: int = 1, block: bool = False
) -> Parts:
    """A ROM; what `make` puts in it is looked at if that is asked for."""
    known = contents and words * width <= LISTED_BITS
    held = columns(make().bits) if known else random_columns(words, width)
    return rom(words=words, width=width, ports=ports, block=block, columns=held)
