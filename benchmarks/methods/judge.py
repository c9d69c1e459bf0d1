# SPDX-License-Identifier: Apache-2.0
"""Methods beside the default of their case: by how much they differ, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.methods.store import Cell, Found, unpacked

Array = NDArray[Any]
ERRORS = 2
"""Standard errors from which a difference counts."""
DEARER = 1.02
"""LUTs up to which a design costs no more than the default's, in parts of these."""


class Figure(NamedTuple):
    """A mean with its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.2f} ± {self.error:.2f}"

    @property
    def more(self) -> bool:
        """True if it is more than 0, and not by chance."""
        return self.mean > ERRORS * self.error

    @property
    def less(self) -> bool:
        """True if it is less than 0, and not by chance."""
        return -self.mean > ERRORS * self.error


def figure(values: Array) -> Figure:
    """Of one value a seed."""
    return Figure(float(values.mean()), _error(values))


@dataclass(frozen=True)
class Measured:
    """A method in a case on a network: what was found of each seed."""

    seeds: tuple[Found, ...]

    @cached_property
    def right(self) -> Array:
        """Which answers are right (seeds, images), in per cent."""
        return 100.0 * np.array([unpacked(each["right"]) for each in self.seeds])

    def of(self, name: str) -> Array:
        """A figure of each seed."""
        return np.array([each[name] for each in self.seeds], dtype=float)

    @property
    def accuracy(self) -> Figure:
        """In per cent."""
        return figure(self.right.mean(axis=1))

    def beyond(self, other: Measured, name: str = "right") -> Figure:
        """How much more than another, seed by seed and image by image; the larger error of the two."""
        if name != "right":
            return figure(self.of(name) - other.of(name))
        apart = self.right - other.right
        return Figure(float(apart.mean()), max(_error(apart.mean(axis=1)), _error(apart.mean(axis=0))))

    def costs_no_more(self, other: Measured) -> bool:
        """True if its designs are as small as another's; all are as fast as is asked."""
        return bool(self.of("lut").mean() <= DEARER * other.of("lut").mean())


def _error(values: Array) -> float:
    return float(values.std(ddof=1) / len(values) ** 0.5)


Case = Mapping[str, Mapping[str, Measured]]
"""What was found of each method, by network."""


def case_of(found: Mapping[Cell, Found], table: str, case: str, seeds: int) -> dict[str, dict[str, Measured]]:
    """The methods of a case that all seeds of a network have figures of."""
    held: dict[tuple[str, str], list[Found]] = {}
    for cell in sorted(found):
        if (cell.table, cell.case) == (table, case) and "right" in found[cell]:
            held.setdefault((cell.method, cell.network), []).append(found[cell])
    made: dict[str, dict[str, Measured]] = {}
    for (method, network), each in held.items():
        if len(each) == seeds:
            made.setdefault(method, {})[network] = Measured(tuple(each))
    return made


def refused(found: Mapping[Cell, Found], table: str, case: str) -> dict[str, str]:
    """Why the other methods of a case have no figures, in words of the first of them."""
    reasons: dict[str, str] = {}
    for cell in sorted(found):
        if (cell.table, cell.case) == (table, case) and "refused" in found[cell]:
            reasons.setdefault(cell.method, f"{cell.network}: {found[cell]['refused']}")
    return reasons


def better(case: Case, method: str, default: str, name: str) -> dict[str, Figure] | None:
    """By how much a method beats the default, if it does on every network at no more cost."""
    networks = case[default]
    if method == default or case[method].keys() != networks.keys():
        return None
    beyond = {network: case[method][network].beyond(networks[network], name) for network in networks}
    cheap = all(case[method][network].costs_no_more(networks[network]) for network in networks)
    return beyond if cheap and all(each.more for each in beyond.values()) else None


def worse(case: Case, method: str, default: str, name: str) -> Iterator[str]:
    """The networks on which a method is behind the default."""
    for network, held in case.get(method, {}).items():
        if network in case[default] and held.beyond(case[default][network], name).less:
            yield network
