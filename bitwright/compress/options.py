# SPDX-License-Identifier: Apache-2.0
"""What can be asked of quantising after training, checked by name before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypedDict

from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.ranges import RANGES
from bitwright.compress.round import ROUNDINGS
from bitwright.compress.scales import SCALES
from bitwright.compress.transforms import TRANSFORMS
from bitwright.ir.errors import BitwrightError

BITS = range(2, 17)
"""Of activations."""
WEIGHT_BITS = range(1, 17)
"""Of weights, of which those of one bit are signs."""
WIDTHS = {"weights": WEIGHT_BITS, "activations": BITS}
"""By the name of the option."""
EXACT = ("audit", "po2")
"""`po2` promises that the float32 network equals the integers to the last one; `audit` that no difference is
unexplained."""
ZEROS = ("auto", "always", "never")
"""When activations have a zero point: where it saves at least half a bit, or in any case, or not at all."""
CHOICES: Mapping[str, Collection[str]] = {
    "range": RANGES,
    "rounding": ROUNDINGS,
    "correct": CORRECTIONS,
    "scale": SCALES,
    "zero": ZEROS,
    "exact": EXACT,
}
"""What each option that is a name can be."""


class Given(TypedDict, total=False):
    """The fields of `Options`, as a caller may give them."""

    weights: int
    activations: int
    per_channel: bool
    range: str
    rounding: str
    correct: str
    scale: str
    zero: str
    exact: str
    transforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a network is quantised; BitwrightError names what is not offered.

    Bits of `weights` and `activations`; a scale for each output of a layer, or one (`per_channel`); keys of `RANGES`,
    `ROUNDINGS`, `CORRECTIONS` and `SCALES`, one of `ZEROS` and one of `EXACT`. `scale` is "free", or "po2" where
    `exact` demands it. The float network is rewritten by `transforms`, keys of `TRANSFORMS`, in their order.
    """

    weights: int = 8
    activations: int = 8
    per_channel: bool = True
    range: str = "mse"
    rounding: str = "gptq"
    correct: str = "bias"
    scale: str = ""
    zero: str = "auto"
    exact: str = "audit"
    transforms: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, widths in WIDTHS.items():
            bits = getattr(self, name)
            if not _is_width(bits, widths):
                raise refusal(name, f"{bits!r} bits", f"{widths[0]} to {widths[-1]} bits")
        if not self.scale:
            object.__setattr__(self, "scale", "po2" if self.exact == "po2" else "free")
        if not isinstance(self.per_channel, bool):
            raise refusal("per_channel", repr(self.per_channel), "True or False")
        for name, choices in CHOICES.items():
            _check_name(name, getattr(self, name), choices)
        if not isinstance(self.transforms, list | tuple):
            raise refusal("transforms", repr(self.transforms), f"a list of {' or '.join(TRANSFORMS)}")
        for name in self.transforms:
            _check_name("transforms", name, TRANSFORMS)
        if self.exact == "po2" != self.scale:
            raise BitwrightError(
                f"scale {self.scale!r} beside exact 'po2'",
                where="quantize",
                hint="leave scale out: equality to the last integer takes scales that are powers of two",
            )


def _is_width(bits: float, widths: range) -> bool:
    """True for a number of bits that is offered; 4.0 is none, and True neither."""
    return bits in widths and not isinstance(bits, float | bool)


def _check_name(option: str, given: object, names: Collection[str]) -> None:
    if not isinstance(given, str) or given not in names:
        raise refusal(option, repr(given), " or ".join(names))


def refusal(option: str, given: str, choices: str) -> BitwrightError:
    """The error that an option cannot have what is given."""
    return BitwrightError(f"{given} cannot be used for {option}", where="quantize", hint=f"choose {choices}")
