# SPDX-License-Identifier: Apache-2.0
"""A space of designs as data: axes with values, and designs, whose digests name what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import product
from json import dumps
from math import prod

Value = int | float | str | bool
"""What an axis can be: bits, a share of zeros, the name of a rounding, clocks a frame."""


def several(given: Value | Iterable[Value] | None) -> Value | list[Value] | None:
    """One value, or a list of those that there are."""
    return given if given is None or isinstance(given, int | float | str) else list(given)


@dataclass(frozen=True, slots=True)
class Axis:
    """A choice that each design makes: one of the values of an option, for what `names` are or, without any, for all.

    `values` are in order, from what costs least to what costs most where there is such an order.
    """

    name: str
    option: str
    values: tuple[Value, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Design:
    """One value for each axis of a space: pairs of the axis' name and the value, in the order of the axes."""

    choices: tuple[tuple[str, Value], ...]

    @property
    def key(self) -> str:
        """Sixteen hex digits of the sha256 of the choices: within one sweep equal designs have equal results."""
        return sha256(dumps(self.choices).encode()).hexdigest()[:16]

    def __getitem__(self, axis: str) -> Value:
        return dict(self.choices)[axis]


@dataclass(frozen=True)
class Space:
    """All designs that can be made by one value of each axis."""

    axes: tuple[Axis, ...]

    @cached_property
    def size(self) -> int:
        """How many designs there are."""
        return prod(len(axis.values) for axis in self.axes)

    def design(self, places: Sequence[int]) -> Design:
        """The design whose value of each axis stands at these places of its values."""
        pairs = zip(self.axes, places, strict=True)
        return Design(tuple((axis.name, axis.values[place]) for axis, place in pairs))

    def places(self, design: Design) -> tuple[int, ...]:
        """Where the values of a design stand: `design`, turned round."""
        return tuple(axis.values.index(value) for axis, (_, value) in zip(self.axes, design.choices, strict=True))

    def designs(self) -> Iterator[Design]:
        """Every design, the last axis fastest."""
        return map(self.design, product(*(range(len(axis.values)) for axis in self.axes)))

    def uniforms(self) -> Iterator[Design]:
        """The designs that have the same value of an option everywhere, or the nearest place that an axis has."""
        most: dict[str, int] = {}
        for axis in self.axes:
            most[axis.option] = max(most.get(axis.option, 0), len(axis.values))
        seen: set[Design] = set()
        for places in product(*(range(count) for count in most.values())):
            at: Mapping[str, int] = dict(zip(most, places, strict=True))
            found = self.design([min(at[axis.option], len(axis.values) - 1) for axis in self.axes])
            if found not in seen:
                seen.add(found)
                yield found
