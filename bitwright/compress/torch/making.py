# SPDX-License-Identifier: Apache-2.0
"""The module that is trained, from a float network: each weight and each tensor with a quantiser by its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bitwright.compress.calibrate import Calibration, calibrate
from bitwright.compress.choices import Choices, WeightChoice, choose
from bitwright.compress.coded import ActQuant
from bitwright.compress.network import FloatNet, Layer, float_net
from bitwright.compress.options import BITS as WIDTHS
from bitwright.compress.options import Options
from bitwright.compress.quantise import Configured, as_file, rules_of
from bitwright.compress.torch import ACTIVATIONS, BITS, QUANTISERS
from bitwright.compress.torch.quantiser import Factory, Quantiser
from bitwright.compress.torch.trainable import Trainable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR, IntType, integer

WHERE = "trainable"
UNIFORM = "lsq"
"""The quantiser of a layer whose bits a rule sets, where that of all has a fixed number of codes."""

ACCUMULATORS = range(4, 33)
"""Bits of accumulators that can be asked for."""


class Method(NamedTuple):
    """A quantiser by its name, and its bits."""

    name: str
    bits: int

    @property
    def fixed(self) -> bool:
        """True for one whose number of codes is its own."""
        return self.name in BITS

    def at(self, bits: int) -> Method:
        """The method of a layer for which `bits` are chosen."""
        if bits == max(self.bits, WIDTHS[0]):
            return self
        return Method(UNIFORM if self.fixed else self.name, bits)


def trainable(
    model: Any,
    example: Any,
    *,
    weights: str | int | None,
    activations: str | int | None,
    scale: str,
    calibration: Calibration | Any,
    config: Configured,
    accumulator: int | None,
    norms: bool,
    dropout: bool,
) -> Trainable:
    """What `bitwright.compress.trainable` promises, which has the defaults."""
    if weights is None and activations is None:
        _refuse_without(calibration=calibration, config=config, accumulator=accumulator)
        return Trainable(_inferring(float_net(as_file(model, example, WHERE, norms=norms))), dropout=dropout)
    check_accumulator(accumulator)
    coded = method_of("weights", weights, QUANTISERS)
    placed = method_of("activations", activations, ACTIVATIONS)
    found = _calibrated(model, example, calibration, norms)
    options = Options(
        weights=max(coded.bits, WIDTHS[0]),
        activations=max(placed.bits, WIDTHS[0]),
        scale=scale,
        exact="po2" if scale == "po2" else "audit",
        zero="never" if placed.fixed else "auto",
    )
    choices = choose(found.net, found.unsigned, options, rules_of(config))
    return Trainable(
        found.net,
        weights=_of_weights(found, choices, coded, po2=scale == "po2", shrunk=accumulator is not None),
        acts=_of_acts(found, choices, placed, po2=scale == "po2"),
        po2=scale == "po2",
        accumulator=accumulator,
        dropout=dropout,
    )


def check_accumulator(bits: int | None) -> None:
    """Refuse a width that no accumulator is given."""
    if bits is not None and bits not in ACCUMULATORS:
        hint = f"give {ACCUMULATORS[0]} to {ACCUMULATORS[-1]} bits"
        raise BitwrightError(f"an accumulator of {bits!r} bits", where=WHERE, hint=hint)


def _refuse_without(**given: Any) -> None:
    """What says how to quantise says nothing without quantisers."""
    for name, value in given.items():
        if value is not None:
            hint = "give weights and activations, for example 'lsq:4' both, or leave it out"
            raise BitwrightError(f"{name} without quantisers", where=WHERE, hint=hint)


def method_of(option: str, given: str | int | None, names: Mapping[str, Factory]) -> Method:
    """A quantiser as it is spelt: its name and its bits, the bits alone, or the name where it has its own."""
    name, _, number = str(f"{UNIFORM}:{given}" if isinstance(given, int) else given).partition(":")
    if name not in names:
        raise _unknown(option, given, name, names)
    if name in BITS and not number:
        return Method(name, BITS[name])
    if name in BITS or number not in map(str, range(1, WIDTHS[-1] + 1)):
        right = f"'{name}'" if name in BITS else f"'{name}:4'; bits are 1 to {WIDTHS[-1]}"
        raise BitwrightError(f"{given!r} cannot be used for {option}", where=WHERE, hint=f"write {right}")
    return Method(name, int(number))


def _unknown(option: str, given: object, name: str, names: Mapping[str, Factory]) -> BitwrightError:
    near = get_close_matches(name, names, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    listed = ", ".join(name if name in BITS else f"{name}:4" for name in names)
    return BitwrightError(f"there is no quantiser {given!r} of {option}", where=WHERE, hint=f"{hint}there are {listed}")


def _calibrated(model: Any, example: Any, data: Any, norms: bool) -> Calibration:
    """The network and what its tensors hold on the data."""
    if isinstance(data, Calibration):
        if model is not data.net:
            hint = "give the network of the calibration, calibration.net, as the model"
            raise BitwrightError("a calibration of another network", where=WHERE, hint=hint)
        return data
    file = as_file(model, example, WHERE, norms=norms)
    if data is None:
        hint = "give some samples as calibration: scales begin where they are best for these"
        raise BitwrightError("quantisers without calibration data", where=WHERE, hint=hint)
    arrays: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    return calibrate(_inferring(float_net(file)), arrays)


def _inferring(net: FloatNet) -> FloatNet:
    """The network of an export that trains: statistics are the stored ones and nothing is dropped, unless asked."""
    nodes = []
    for node in net.nodes:
        if node.op == "BatchNormalization":
            kept = {name: value for name, value in node.attributes.items() if name != "training_mode"}
            node = replace(node, attributes=kept, outputs=node.outputs[:1])
        elif node.op == "Dropout":
            node = replace(node, inputs=node.inputs[:2])
        nodes.append(node)
    return net if tuple(nodes) == net.nodes else replace(net, nodes=tuple(nodes))


def _of_weights(
    found: Calibration, choices: Choices, method: Method, *, po2: bool, shrunk: bool
) -> dict[str, Quantiser]:
    """The quantisers of the weights, but of those that came as codes; codes that may be `shrunk` take some bits."""
    made: dict[str, Quantiser] = {}
    for layer in found.net.layers:
        if layer.weight not in made and found.net.given(layer.weight) is None:
            choice = choices.weights[layer.weight]
            x = _rows(found.net, layer, choice)
            scale = torch.tensor(found.weight_scale(layer, choice)).reshape(-1, 1)
            own = method.at(choice.bits)
            kind = BIPOLAR if own.bits == 1 else integer(own.bits, signed=True, narrow=True)
            made[layer.weight] = QUANTISERS[own.name](x, kind, scale, po2=po2)
            if shrunk:
                _check_shrinks(layer, own, made[layer.weight])
    return made


def _check_shrinks(layer: Layer, method: Method, quantiser: Quantiser) -> None:
    """Refuse codes that cannot be made smaller: signs, and powers of two."""
    if not quantiser.dense or any(kind.is_bipolar for kind in quantiser.types):
        hint = f"leave one out, or use {UNIFORM}: where sums are too large, codes are made smaller"
        what = f"weight '{layer.weight}' has {method.name} beside an accumulator"
        raise BitwrightError(what, where=WHERE, hint=hint)


def _rows(net: FloatNet, layer: Layer, choice: WeightChoice) -> Tensor:
    """A weight as (rows, terms), or as one row."""
    array = net.constants[layer.weight]
    return torch.tensor(
        np.moveaxis(array, layer.axis, 0).reshape(array.shape[layer.axis] if choice.per_channel else 1, -1)
    )


def _of_acts(found: Calibration, choices: Choices, method: Method, *, po2: bool) -> dict[str, Quantiser]:
    """The quantisers of the tensors that are quantised."""
    made = {}
    for tensor, choice in choices.acts.items():
        own, act = method.at(choice.bits), found.act_quant(tensor, choice)
        kind, scale = _begun(act, own.bits)
        sample = torch.tensor(found.values[tensor].sample)
        quantiser = ACTIVATIONS[own.name](sample, kind, scale, po2=po2)
        quantiser.zero.fill_(float(act.zero))
        made[tensor] = quantiser
    return made


def _begun(act: ActQuant, bits: int) -> tuple[IntType, Tensor]:
    """The type and the scale to begin with; those of one bit reach as far as those of two."""
    scale = torch.tensor(act.scale).reshape(1, 1)
    if bits > 1:
        return act.type, scale
    return (BIPOLAR, scale) if act.type.signed else (integer(1, signed=False), scale * act.type.hi)
