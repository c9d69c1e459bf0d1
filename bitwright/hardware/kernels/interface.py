# SPDX-License-Identifier: Apache-2.0
"""What a kernel shows to the libraries of both languages, as data: printed as a C++ `Spec` and as module parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bitwright.hardware.arithmetic import FactorKind, Packing, Style
from bitwright.hardware.roms import Rom
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Sizes = Mapping[str, int]
Told = int | tuple[int, ...] | FactorKind
NONE: Mapping[str, Told] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What the libraries call a kernel: a function with its Shape in a header, a module in a file of its name.

    `mac` is the C++ class that multiplies, where there is one.
    """

    called: str  # in the overview of the C++ project
    function: str
    header: str
    shape: str
    module: str
    mac: str = ""

    def placed(self, *, ultra: bool) -> Unit:
        """The unit, or the one that differs from it in that its memory is in UltraRAM."""
        if not ultra:
            return self
        header = f"{self.header.removesuffix('.hpp')}_ultra.hpp"
        return replace(self, function=f"{self.function}_ultra", header=header, module=f"{self.module}_ultra")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The constants that the C++ function reads, word by word: `columns` side by side, or the one that there is.

    `count` and `extents` are those of the Shape: of how many words, and of the elements `type` in a word; `name` is the
    class that holds them. A title says what they are, "of" the layer. `memory`: "block", "lut", "" for any. `bits` are
    those of an element of each column, 0 where it is never packed with others; `packed` is what a word is then, if it
    has several columns.
    """

    title: str
    details: str
    type: str
    name: str
    count: str
    extents: str = ""
    columns: tuple[Ints, ...]
    memory: str = ""
    bits: tuple[int, ...] = ()
    packed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RomPort:
    """A ROM that the module reads by its ports `prefix`_en, _addr and _word; `called` if it has several.

    `words` is None where there is nothing to read: then all constants are parameters.
    """

    prefix: str
    words: Callable[[], Rom] | None
    called: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """`sizes` are the numbers of a kernel by name, those that are read together in one group.

    `elements` are the types of what travels or lies in memories as codes, `numbers` those of plain two's complement.
    The parameters of the module are the same things under the same names (`Pe` is PE), the bits of X are XW and their
    code is XCode, or those of T if there is one type; `more` has what only the module is told, or told otherwise.
    """

    unit: Unit
    title: str
    notes: tuple[str, ...] = ()
    sizes: tuple[Sizes, ...] = ()
    more: Mapping[str, Told] = field(default_factory=lambda: NONE)
    elements: Mapping[str, IntType]
    numbers: Mapping[str, IntType] = field(default_factory=lambda: MappingProxyType({}))
    style: Style | FactorKind | None = None  # how it multiplies, where its module has several ways
    packing: Packing | None = None
    lanes: tuple[int, int] | None = None  # PE and SIMD, where it has both
    table: Constants | None = None
    roms: tuple[RomPort, ...] = ()


def counted(number: int, noun: str) -> str:
    """`1 word`, `2 words`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
