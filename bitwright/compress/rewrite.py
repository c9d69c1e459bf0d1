# SPDX-License-Identifier: Apache-2.0
"""The rewrite: QONNX `Quant` nodes on the activations and weights of a float model, by what calibration found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from bitwright.compress.calibrate import Calibration, calibrate
from bitwright.compress.ranges import RANGES, Values
from bitwright.compress.scales import SCALES
from bitwright.compress.sites import Site, WeightSite
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import IntType, integer

QONNX = "qonnx.custom_op.general"
BITS = range(2, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How a model is quantised: bits of weights and activations, and how each scale is chosen.

    Weights are signed and narrow, with a scale per tensor or per output channel. Activations have a scale per tensor;
    they are unsigned where they cannot be negative, and at an input of the model whose calibration data has none below
    zero. `range` is a key of `RANGES`, `scale` one of `SCALES`.
    """

    weights: int = 8
    activations: int = 8
    per_channel: bool = False
    range: str = "mse"
    scale: str = "free"

    def __post_init__(self) -> None:
        for name in ("weights", "activations"):
            if getattr(self, name) not in BITS:
                _refuse(name, f"{getattr(self, name)} bits", f"{BITS[0]} to {BITS[-1]} bits")
        if self.range not in RANGES:
            _refuse("range", repr(self.range), " or ".join(RANGES))
        if self.scale not in SCALES:
            _refuse("scale", repr(self.scale), " or ".join(SCALES))


def quantize(
    model: onnx.ModelProto,
    calibration: Sequence[NDArray[Any]],
    *,
    weights: int = 8,
    activations: int = 8,
    per_channel: bool = False,
    range: str = "mse",
    scale: str = "free",
) -> onnx.ModelProto:
    """The float `model` with QONNX `Quant` nodes, ranges from `calibration` (one array per input, samples on axis 0).

    Biases and batch normalisation stay float: they are exact rationals in the requantisers. See `Scheme`.
    """
    scheme = Scheme(weights=weights, activations=activations, per_channel=per_channel, range=range, scale=scale)
    return apply_scheme(calibrate(model, calibration), scheme)


def apply_scheme(calibration: Calibration, scheme: Scheme) -> onnx.ModelProto:
    """The calibrated model quantised by `scheme`; the calibration can serve many schemes."""
    checked = calibration.float_model
    writer = _Writer(checked.model)
    for site in checked.sites:
        writer.quantise_activation(site, calibration.values[site.tensor], scheme)
    for weight in checked.weights:
        writer.quantise_weight(weight, checked.constants[weight.tensor], scheme)
    return writer.finish()


@dataclass
class _Writer:
    """A copy of a model under rewriting: `finish` puts every new node right before its first reader."""

    source: onnx.ModelProto
    nodes: list[onnx.NodeProto] = field(init=False)
    before: dict[int, list[onnx.NodeProto]] = field(default_factory=dict)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)
    names: set[str] = field(init=False)
    weights: dict[tuple[str, int], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.source.graph
        self.nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
        self.names = {entry.name for entry in (*graph.input, *graph.initializer)}
        self.names |= {name for node in graph.node for name in (node.name, *node.output)}

    def quantise_activation(self, site: Site, values: Values, scheme: Scheme) -> None:
        """`Quant` on the tensor of `site`, read by its edges."""
        at_input = any(entry.name == site.tensor for entry in self.source.graph.input)
        signed = not (site.non_negative or (at_input and bool((values.low >= 0).all())))
        codes = integer(scheme.activations, signed=signed)
        scale = RANGES[scheme.range](values, codes, SCALES[scheme.scale])
        quantised = self._quant(site.tensor, scale.reshape(()), codes, scheme.activations, site.edges[0][0])
        for node, position in site.edges:
            self.nodes[node].input[position] = quantised

    def quantise_weight(self, site: WeightSite, array: NDArray[Any], scheme: Scheme) -> None:
        """`Quant` on a weight, once for all nodes that read it along the same channel axis."""
        axis = site.axis % array.ndim
        if (site.tensor, axis) not in self.weights:
            codes = integer(scheme.weights, signed=True, narrow=True)
            channels = np.moveaxis(array.astype(np.float32), axis, 0).reshape(array.shape[axis], -1)
            rows = channels if scheme.per_channel else channels.reshape(1, -1)
            scale = RANGES[scheme.range](Values.of(rows), codes, SCALES[scheme.scale])
            shape = [size if i == axis else 1 for i, size in enumerate(array.shape)] if scheme.per_channel else []
            name = self._quant(site.tensor, scale.reshape(shape), codes, scheme.weights, site.node)
            self.weights[site.tensor, axis] = name
        self.nodes[site.node].input[1] = self.weights[site.tensor, axis]

    def finish(self) -> onnx.ModelProto:
        """The rewritten model."""
        model = onnx.ModelProto()
        model.CopyFrom(self.source)
        del model.graph.node[:]
        for index, node in enumerate(self.nodes):
            model.graph.node.extend((*self.before.get(index, ()), node))
        model.graph.initializer.extend(self.initialisers)
        model.opset_import.append(helper.make_opsetid(QONNX, 1))
        return model

    def _quant(self, tensor: str, scale: NDArray[np.float32], codes: IntType, bits: int, reader: int) -> str:
        """A new `Quant` of `tensor` before node `reader`; returns the name of its output."""
        name = self._fresh(f"{tensor}_quant")
        constants = {"scale": scale, "zero": np.float32(0), "bits": np.float32(bits)}
        inputs = []
        for part, value in constants.items():
            inputs.append(self._fresh(f"{name}_{part}"))
            self.initialisers.append(numpy_helper.from_array(np.asarray(value, dtype=np.float32), inputs[-1]))
        narrow = codes == integer(bits, signed=True, narrow=True)
        node = helper.make_node("Quant", [tensor, *inputs], [name], name=name, domain=QONNX, rounding_mode="ROUND")
        node.attribute.extend(
            (helper.make_attribute("signed", int(codes.signed)), helper.make_attribute("narrow", int(narrow)))
        )
        self.before.setdefault(reader, []).append(node)
        return name

    def _fresh(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self.names:
            name, number = f"{wanted}_{number}", number + 1
        self.names.add(name)
        return name


def _refuse(option: str, given: str, choices: str) -> None:
    raise BitwrightError(f"{given} cannot be used for {option}", where="quantize", hint=f"choose {choices}")
