# SPDX-License-Identifier: Apache-2.0
"""Calibration: the float network runs once on the data; what its tensors held serves every bit-width afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.acts import FloatSide, float_side
from bitwright.compress.choices import ActChoice, WeightChoice
from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.execute import run
from bitwright.compress.network import FloatNet, Layer, float_net
from bitwright.compress.ranges import RANGES, SAMPLE, Values, drawn
from bitwright.compress.scales import SCALES, Floats
from bitwright.compress.zeros import quantiser
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType
from bitwright.reading.model import ModelInput

SEED = 0
"""Of the generator that draws the values that are kept of each tensor."""


@dataclass(frozen=True)
class Calibration:
    """A float network and the values its quantised tensors held on the calibration data.

    `peaks` has the largest magnitude of each sample in them, or of each row, where a tensor has other rows.
    A scale depends on nothing but what it quantises, so a choice that comes again in another design finds its scales.
    `codes` and `quantisers` are those that weights and tensors came with, and keep while they are as wide.
    """

    net: FloatNet
    values: Mapping[str, Values]
    data: tuple[NDArray[Any], ...] = field(default=(), repr=False, compare=False)
    peaks: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)
    codes: Mapping[str, Coded] = field(default_factory=dict, repr=False, compare=False)
    quantisers: Mapping[str, ActQuant] = field(default_factory=dict, repr=False, compare=False)
    _whole: Calibration | None = field(default=None, repr=False, compare=False)
    _said: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    _found: dict[tuple[object, ...], Floats] = field(default_factory=dict, repr=False, compare=False)
    _acts: dict[tuple[str, ActChoice], ActQuant] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def unsigned(self) -> frozenset[str]:
        """The network's inputs of which nothing is below zero on the data."""
        inputs = self.values.keys() & {entry.name for entry in self.net.inputs}
        return frozenset(name for name in inputs if (self.values[name].low >= 0).all())

    @cached_property
    def side(self) -> FloatSide:
        """What the float layers make of the data, for roundings and corrections; computed when one first asks."""
        return float_side(self.net, self.data) if self._whole is None else self._whole.side

    @property
    def walked(self) -> int:
        """How many samples roundings and corrections saw: those that fit in memory; all, if none has asked."""
        side = self.__dict__.get("side")
        return len(self.data[0]) if side is None else side.samples

    def with_weights(self, arrays: Mapping[str, Floats], said: Mapping[str, object]) -> Calibration:
        """The same for the network with other weights, and for what they should do: what those of ours do.

        `said` has something of each that tells them from all others.
        """
        net = self.net.replace(**arrays)
        less = {name: _without(self.codes[name], array) for name, array in arrays.items() if name in self.codes}
        codes, said = {**self.codes, **less}, {**self._said, **said}
        return replace(self, net=net, codes=codes, _whole=self._whole or self, _said=said)

    def said(self, weight: str) -> object:
        """What tells a weight that `with_weights` put there from all others; None of the network's own."""
        return self._said.get(weight)

    def act_quant(self, tensor: str, choice: ActChoice) -> ActQuant:
        """The quantiser of a tensor."""
        came = self.quantisers.get(tensor)
        if came is not None and choice.bits >= came.type.bits:
            return came
        key = (tensor, choice)
        if key not in self._acts:
            self._acts[key] = quantiser(self.values[tensor], choice)
        return self._acts[key]

    def coded(self, weight: str, choice: WeightChoice) -> Coded | None:
        """The codes that a weight came as, if it keeps them."""
        came = self.codes.get(weight)
        if came is None or not isinstance(came.type, IntType) or choice.bits < came.type.bits:
            return self.net.given(weight)
        return came

    def keeps(self, weight: str, choice: WeightChoice, tensor: str, act: ActChoice | None) -> bool:
        """True if a weight and what it multiplies stay as they came: then so does the bias."""
        if weight not in self.codes or self.coded(weight, choice) is not self.codes[weight]:
            return False
        return act is None or (tensor in self.quantisers and self.act_quant(tensor, act) is self.quantisers[tensor])

    def weight_scale(self, layer: Layer, choice: WeightChoice) -> Floats:
        """The scale of a layer's weight, one number or one per output, in a shape that broadcasts against it."""
        key = (layer.weight, self.said(layer.weight), choice.type, choice.per_channel, choice.range, choice.scale)
        if key not in self._found:
            array = self.net.constants[layer.weight]
            rows = layer.matrix(array).reshape(array.shape[layer.axis] if choice.per_channel else 1, -1)
            found = RANGES[choice.range](Values.of(rows), choice.type, SCALES[choice.scale])
            self._found[key] = layer.along(found, array) if choice.per_channel else found.reshape(())
        return self._found[key]

    def weight_scales(self, layer: Layer, choice: WeightChoice) -> Sequence[Floats]:
        """The scale that the rule of ranges has for a weight, and others up to that at which nothing is clipped."""
        rule, largest = (self.weight_scale(layer, each) for each in (choice, replace(choice, range="max")))
        return [rule] if np.array_equal(rule, largest) else SCALES[choice.scale].between(rule, largest)


def _without(came: Coded, array: Floats) -> Coded:
    """The codes without those where an array is zero."""
    return replace(came, codes=np.where(array == 0, np.int32(0), came.codes))


def calibrate(
    model: str | Path | bytes | onnx.ModelProto | FloatNet, calibration: Sequence[NDArray[Any]]
) -> Calibration:
    """Runs `model` on `calibration` (one float array per model input, samples on axis 0)."""
    net = float_net(model)
    check_arrays(net.inputs, calibration, "calibration data")
    kept: dict[str, list[Values]] = {site.tensor: [] for site in net.sites}
    peaks: dict[str, list[Floats]] = {name: [] for name in kept}
    random = np.random.default_rng(SEED)
    for tensors in run(net, calibration):
        for name, parts in kept.items():
            tensor = _checked(net, name, tensors[name])
            parts.append(drawn(tensor, -(-SAMPLE * len(tensor) // len(calibration[0])), random))
            peaks[name].append(np.abs(tensor.reshape(len(tensor), -1)).max(axis=1))
    values = {name: Values.joined(parts) for name, parts in kept.items()}
    for held in values.values():
        held.sums  # noqa: B018 (sorted once, here, for every width)
    return Calibration(net, values, tuple(calibration), {name: np.concatenate(parts) for name, parts in peaks.items()})


def _checked(net: FloatNet, name: str, tensor: NDArray[Any]) -> Floats:
    """A tensor of which ranges can be chosen."""
    if tensor.size == 0:
        raise BitwrightError("holds nothing", where=f"{net.file}: tensor '{name}'", hint="export the model again")
    if not np.isfinite(tensor).all():
        raise BitwrightError(
            "holds values that are not finite on the calibration data",
            where=f"{net.file}: tensor '{name}'",
            hint="check the float model and how the data is scaled",
        )
    return np.asarray(tensor, dtype=np.float32)


def check_arrays(inputs: Sequence[ModelInput], arrays: Sequence[NDArray[Any]], what: str) -> None:
    """One array per input, of its kind and its shape behind axis 0, with as many samples; `what` names them."""
    if len(arrays) != len(inputs):
        raise BitwrightError(
            f"{len(arrays)} arrays for a model with {len(inputs)} inputs",
            where=what,
            hint=f"give one array for each of: {', '.join(entry.name for entry in inputs)}",
        )
    for entry, array in zip(inputs, arrays, strict=True):
        where = f"{what} for input '{entry.name}'"
        _check_array(entry, array, where)
        if len(array) != len(arrays[0]) or len(array) == 0:
            raise BitwrightError(
                f"{len(array)} samples" + (f" beside {len(arrays[0])}" if len(array) else ""),
                where=where,
                hint="give the same number of samples, at least one, for every input",
            )


def _check_array(entry: ModelInput, array: NDArray[Any], where: str) -> None:
    if not isinstance(array, np.ndarray):
        given = f"a {type(array).__name__} in place of an array"
        raise BitwrightError(given, where=where, hint="give NumPy arrays, samples on axis 0")
    if array.dtype != entry.dtype and (array.dtype.kind, entry.dtype.kind) != ("f", "f"):
        raise BitwrightError(
            f"dtype {array.dtype}, where the model takes {entry.dtype}",
            where=where,
            hint=f"give what the model takes, as {entry.dtype}; nothing is converted",
        )
    if array.shape[1:] != entry.shape[1:] or array.ndim != len(entry.shape):
        shape = ", ".join(["N", *map(str, entry.shape[1:])])
        raise BitwrightError(
            f"shape {array.shape}, where the model takes ({shape})", where=where, hint="samples stack on axis 0"
        )
