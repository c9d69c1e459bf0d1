# SPDX-License-Identifier: Apache-2.0
"""What an axis can be about: the options that a design may say something of, and what each of them takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bitwright.compress import CORRECTIONS
from bitwright.compress.choices import OF_ACTS, OF_WEIGHTS
from bitwright.compress.config import checked, nearest_names
from bitwright.compress.options import WIDTHS
from bitwright.compress.prune import Pattern
from bitwright.compress.yaml_file import shown
from bitwright.explore.space import Value
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
