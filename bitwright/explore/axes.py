# SPDX-License-Identifier: Apache-2.0
"""What an axis can be about: the options that a design may say something of, and what each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from bitwright.compress import CORRECTIONS
from bitwright.compress.choices import OF_ACTS, OF_WEIGHTS
from bitwright.compress.config import checked, nearest_names
from bitwright.compress.options import WIDTHS
from bitwright.compress.prune import Pattern
from bitwright.compress.yaml_file import shown
from bitwright.explore.space import Axis, Design, Space, Value
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

OF_ZEROS = "sparsity"
"""What of a weight is made zero: a share, "2:4", or "0.8 in 4x2"."""
OF_NETWORK = ("correct",)
"""Options that a network has as a whole."""
OF_TARGET = ("cycles", "fps", "part")
"""Options of what it is compiled for."""
OPTIONS = tuple(dict.fromkeys((*OF_WEIGHTS, OF_ZEROS, *OF_ACTS, *OF_NETWORK, *OF_TARGET)))
"""All of them; weights have those of `OF_WEIGHTS` and zeros, tensors those of `OF_ACTS`."""
COSTS: Mapping[str, Callable[[Any], float]] = {
    "weights": float,
    "activations": float,
    OF_ZEROS: lambda value: -Pattern.of(value).share,
    "cycles": lambda value: -value,
    "fps": float,
}
"""In which order the values of an option cost more, where there is one."""


def is_of_weights(option: str) -> bool:
    """True for what a weight can have."""
    return option in OF_WEIGHTS or option == OF_ZEROS


def valid(where: str, option: str, value: Any) -> Value:
    """A value of an option; BitwrightError if there is no such option, or it cannot have that."""
    if option not in OPTIONS:
        raise BitwrightError(f"has no option '{option}'", where=where, hint=nearest_names(option, set(OPTIONS)))
    try:
        return _valid(where, option, value)
    except BitwrightError as error:
        raise BitwrightError(error.what, where=where, hint=error.hint) from error


def _valid(where: str, option: str, value: Any) -> Value:
    if option in CHECKS:
        CHECKS[option](value)
        found: Value = value
    else:
        found = checked(where, option, value)
    return found


def _bits(option: str) -> Callable[[Any], None]:
    widths = WIDTHS[option]

    def check(value: Any) -> None:
        if isinstance(value, bool) or value not in widths:
            raise _refused(option, value, f"{widths[0]} to {widths[-1]} bits")

    return check


def _correct(value: Any) -> None:
    if not isinstance(value, str) or value not in CORRECTIONS:
        raise _refused("correct", value, " or ".join(CORRECTIONS))


def _part(value: Any) -> None:
    if not isinstance(value, str):
        raise _refused("part", value, "the name of a part or a board")
    Target(part=value)


def _cycles(value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _refused("cycles", value, "a whole number")
    Target(cycles=value)


def _fps(value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _refused("fps", value, "a number")
    Target(fps=value)


def _refused(option: str, value: Any, choices: str) -> BitwrightError:
    return BitwrightError(f"{shown(value)} cannot be used for {option}", where="explore", hint=f"choose {choices}")


def in_order(option: str, values: Iterable[Value]) -> tuple[Value, ...]:
    """The values once each, from what costs least where there is such an order."""
    found = list(dict.fromkeys(values))
    return tuple(sorted(found, key=COSTS[option]) if option in COSTS else found)


def check_axes(space: Space, known: Callable[[Axis], AbstractSet[str]]) -> None:
    """Refuse an axis that the network cannot have, or that says what another one does.

    `known` has the names that an axis can be about, none if it is about the whole network.
    """
    taken: dict[tuple[str, str], str] = {}
    names = [axis.name for axis in space.axes]
    for place, axis in enumerate(space.axes):
        if axis.name in names[:place]:
            raise BitwrightError("is there twice", where=f"axis '{axis.name}'", hint="give each its own name")
        _check_axis(axis, known, taken)


def _check_axis(axis: Axis, known: Callable[[Axis], AbstractSet[str]], taken: dict[tuple[str, str], str]) -> None:
    where = f"axis '{axis.name}'"
    if not axis.values:
        raise BitwrightError("has no values", where=where, hint="give at least one")
    for value in axis.values:
        valid(where, axis.option, value)
    able = known(axis)
    for name in axis.names:
        if name not in able:
            what = f"'{name}' is nothing whose {axis.option} can be chosen"
            raise BitwrightError(what, where=where, hint=nearest_names(name, set(able)))
    for name in axis.names or able or {""}:
        key = ("cycles" if axis.option == "fps" else axis.option, name)
        if key in taken:
            of = f" of '{name}'" if name else ""
            what = f"says the {axis.option}{of}, and so does axis '{taken[key]}'"
            raise BitwrightError(what, where=where, hint="let each be said by one axis")
        taken[key] = axis.name


def pairs_of(space: Space, design: Design) -> Iterator[tuple[Axis, Value]]:
    """The axes of a space, and the value of each that a design has."""
    for axis, (name, value) in zip(space.axes, design.choices, strict=True):
        assert axis.name == name, f"a design with '{name}' in a space with '{axis.name}'"
        yield axis, value


def aimed(target: Target, pairs: Iterable[tuple[Axis, Value]]) -> Target:
    """The target with what axes say of it, clocks and frames per second in place of one another."""
    said: dict[str, Any] = {axis.option: value for axis, value in pairs if axis.option in OF_TARGET}
    speed = {"cycles": None, "fps": None} if {"cycles", "fps"} & said.keys() else {}
    return replace(target, **{**speed, **said}) if said else target


CHECKS: Mapping[str, Callable[[Any], object]] = {
    "weights": _bits("weights"),
    "activations": _bits("activations"),
    OF_ZEROS: Pattern.of,
    "correct": _correct,
    "part": _part,
    "cycles": _cycles,
    "fps": _fps,
}
"""What refuses a value of an option; those of the others are those of a rule for single layers."""
