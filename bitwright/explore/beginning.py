# SPDX-License-Identifier: Apache-2.0
"""What a search begins at, by what is searched: a float network, one whose widths may fall, or one that stays as it is.

A network of integers can be folded in other ways whatever its dialect; that its widths fall takes one that can be taken
apart into real numbers and quantisers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from bitwright.compress import FloatNet, check_arrays
from bitwright.compress.fixed import Fixed, Reading, fixed
from bitwright.compress.started import Start, float_of, is_quantised, network
from bitwright.explore.score import Origin
from bitwright.explore.space import Space, Value
from bitwright.explore.spaces import Clause, of_folding, of_network
from bitwright.explore.starting import check_same
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.target import Target

BITS = range(2, 9)
"""Those of weights and of activations, where nobody says any."""
FOLD = "several clocks per frame, frames per second or parts (--cycles 500,2000)"
Given = str | Path | bytes | onnx.ModelProto | Graph
Begun = FloatNet | Start | Fixed
Clauses = Sequence[Clause] | Space


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a person says of a space: what is `chosen` of the network, if anything, and in what ways it is `folded`."""

    chosen: Clauses | None = None
    folded: Sequence[Clause] = ()

    def space(self, otherwise: Sequence[Clause] = ()) -> Clauses:
        """All that is searched."""
        chosen = otherwise if self.chosen is None else self.chosen
        if not isinstance(chosen, Space):
            return [*chosen, *self.folded]
        if self.folded:
            hint = "put them among its axes"
            raise BitwrightError("are said beside a space of axes", where="cycles, fps or part", hint=hint)
        return chosen

    @property
    def is_folding(self) -> bool:
        """True if ways to fold the network are all that is said."""
        return bool(self.folded) if self.chosen is None else of_folding(self.chosen)


def widths_said(
    weights: Iterable[int] | None, activations: Iterable[int] | None, per_layer: bool
) -> list[Clause] | None:
    """The axes of bits that somebody asks for; None if nobody does."""
    if weights is None and activations is None and not per_layer:
        return None
    bits = {"weights": weights, "activations": activations}
    return of_network({name: tuple(BITS if each is None else each) for name, each in bits.items()}, per_layer)


def aim_and_axes(target: Target, folds: Mapping[str, Value | list[Value] | None]) -> tuple[Target, list[Clause]]:
    """The target with what is said once, and the axes of what is said as several."""
    said = {name: values for name, values in folds.items() if values is not None}
    once: dict[str, Any] = {name: values for name, values in said.items() if not isinstance(values, list)}
    axes = {name: tuple(values) for name, values in said.items() if isinstance(values, list)}
    return replace(target, **once), of_network(axes)


def origin_of(net: Begun) -> Origin:
    """What the first row of every table is of."""
    return net if isinstance(net, Fixed) else float_of(net)


def objectives_of(net: Begun, said: Sequence[str] | None) -> tuple[str, ...]:
    """What shall be small beside a good score: the cost where nobody says, and the clocks too where all scores are one.

    Else nothing would speak for another design than the slowest.
    """
    if said is not None:
        return tuple(said)
    return ("cost", "cycles") if isinstance(net, Fixed) else ("cost",)


def begun(
    given: Given | FloatNet | Start | Fixed, said: Said, arrays: Sequence[NDArray[Any]], reading: Reading | None = None
) -> tuple[Begun, Clauses]:
    """The network as what is said asks for it, and all that is searched; BitwrightError if it cannot be had so.

    `arrays` are those to calibrate on: what is read from a quantised file must answer as the file does.
    """
    reading = reading or Reading()
    usual = of_network({"weights": tuple(BITS), "activations": tuple(BITS)})
    if isinstance(given, FloatNet | Start):
        return given, said.space(usual)
    if isinstance(given, Fixed | Graph):
        held = given if isinstance(given, Fixed) else fixed(given)
        if not said.is_folding:
            raise _or_folded(_of_integers(held))
        return held, said.space()
    if said.is_folding:
        found = _tried(given, reading)
        if isinstance(found, Fixed):
            return found, said.space()
        if reading.inputs or reading.quantise or is_quantised(given, **reading.asked):
            raise found
        return network(given, **reading.asked), said.space(usual)
    net = _network(given, reading, arrays)
    if isinstance(net, BitwrightError):
        raise _or_folded(net) if isinstance(_tried(given, reading), Fixed) else net
    return net, said.space(usual)


def _network(
    given: str | Path | bytes | onnx.ModelProto, reading: Reading, arrays: Sequence[NDArray[Any]]
) -> FloatNet | Start | BitwrightError:
    """The network whose widths are searched, or why they cannot be."""
    try:
        _check_untyped(reading)
        net = network(given, **reading.asked)
    except BitwrightError as error:
        return error
    if isinstance(net, Start) and arrays:
        check_arrays(net.net.inputs, arrays, "calibration data")
        try:
            check_same(net, arrays)
        except BitwrightError as error:
            return error
    return net


def _or_folded(refusal: BitwrightError) -> BitwrightError:
    """Why widths cannot be searched, and what can be."""
    hint = f"{refusal.hint}; or let folding alone be searched: give {FOLD}, and no bits"
    return BitwrightError(refusal.what, where=refusal.where, hint=hint)


def _of_integers(net: Fixed) -> BitwrightError:
    what, hint = "is a graph of integers, whose widths cannot be searched", "give the file that it was read from"
    return BitwrightError(what, where=net.file, hint=hint)


def _tried(given: str | Path | bytes | onnx.ModelProto, reading: Reading) -> Fixed | BitwrightError:
    """The network as `compile` takes it, or why it does not."""
    try:
        return fixed(given, reading)
    except BitwrightError as error:
        return error


def _check_untyped(reading: Reading) -> None:
    """Refuse to type what is quantised anew."""
    for option, asked in (("--input", reading.inputs), ("--quantise", reading.quantise)):
        if asked:
            what = "types integers, and bits are what is searched"
            raise BitwrightError(what, where=option, hint="leave it out: a search quantises inputs by the data")
