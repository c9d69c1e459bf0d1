# SPDX-License-Identifier: Apache-2.0
"""What is proved of each module: `properties/<module>.svh` says what, `properties/<module>.toml` at which sizes.

The .toml file has the depth (of the bounded proof and the induction; `cover_depth` where the covers need more), the
sizes (parameters of the module; mutants run at the first; `bounded` has those without an induction), the paths (for
each output the inputs that it may follow in the same clock) and the mutants: a fault in words, the text of the module
and what stands there instead.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from formal.library import PROPERTIES

Mode = Literal["prove", "cover", "bmc"]
Size = Mapping[str, int | str]
"""Parameters of a module; text is a Verilog constant."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one fault: what it is, a text that the module has once, and what stands there instead."""

    fault: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Proof:
    """The properties of one module at every one of `sizes`, the faults that they must catch, the paths that it has."""

    module: str
    depth: int
    cover_depth: int
    sizes: tuple[Size, ...]
    bounded: tuple[Size, ...]
    paths: Mapping[str, list[str]]
    mutants: tuple[Mutant, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What SymbiYosys is asked about one module at one size, within `depth` clocks after any start.

    `prove`: do the properties hold, within `depth` clocks of the reset and by induction? `cover`: does all that they
    say can happen? `bmc`, asked of mutants and where no induction is known: do they hold within `depth` clocks?
    """

    module: str
    size: Size
    mode: Mode
    depth: int
    mutant: Mutant | None = None

    @property
    def wanted(self) -> str:
        """The verdict without which `make formal` fails: a mutant's properties must not hold."""
        return "FAIL" if self.mutant else "PASS"

    @property
    def size_text(self) -> str:
        """The parameters in one line."""
        return " ".join(f"{name}={value}" for name, value in self.size.items())

    @property
    def folder(self) -> Path:
        """Where the question is worked out, relative to the build folder."""
        what = self.mutant.fault if self.mutant else f"{self.mode} {self.size_text}"
        return Path(self.module, re.sub(r"\W+", "-", what))


def proofs() -> tuple[Proof, ...]:
    """Every proof, by name of the module."""
    return tuple(_read(path.stem) for path in sorted(PROPERTIES.glob("*.toml")))


def questions(proof: Proof) -> Iterator[Question]:
    """Each size proved and covered, or bounded, then every mutant at the first size."""
    for size in proof.sizes:
        yield Question(proof.module, size, "prove", proof.depth)
        yield Question(proof.module, size, "cover", proof.cover_depth)
    for size in proof.bounded:
        yield Question(proof.module, size, "bmc", proof.depth)
    for mutant in proof.mutants:
        yield Question(proof.module, proof.sizes[0], "bmc", proof.depth, mutant)


def _read(module: str) -> Proof:
    data = tomllib.loads(PROPERTIES.joinpath(f"{module}.toml").read_text(encoding="utf-8"))
    mutants = tuple(Mutant(**entry) for entry in data["mutants"])
    depth, sizes, bounded = data["depth"], tuple(data["sizes"]), tuple(data.get("bounded", ()))
    return Proof(module, depth, data.get("cover_depth", depth), sizes, bounded, data["paths"], mutants)
