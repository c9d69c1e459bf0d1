# SPDX-License-Identifier: Apache-2.0
"""A quantised network before it is written: everything it is, as a value; it becomes a graph, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from bitwright.backends.onnx.export import to_onnx, wide_layers
from bitwright.compress.coded import ActQuant, Array, Coded
from bitwright.compress.encode import encode
from bitwright.compress.network import FloatNet, Layer
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph

__all__ = ["ActQuant", "Coded", "State"]


@dataclass(frozen=True, eq=False)
class State:
    """A float network, the codes of its weights by the weights' names, and the quantisers of its tensors by theirs.

    A site without a quantiser stays as it is, where that is exact. The value of a weight is the sum of `codes * scale`
    over its bases. With `bias_grid` each bias is rounded to a multiple of what one step of its accumulator stands for.
    """

    net: FloatNet
    weights: Mapping[str, tuple[Coded, ...]]
    acts: Mapping[str, ActQuant]
    bias_grid: bool = False

    def __post_init__(self) -> None:
        names = {layer.weight for layer in self.net.layers}
        if names != self.weights.keys() or not self.acts.keys() <= {site.tensor for site in self.net.sites}:
            raise BitwrightError(
                "the quantised weights and tensors are not those of the network",
                where=self.net.file,
                hint="give codes for the weight of every layer, and quantisers for sites alone",
            )
        for layer in self.net.layers:
            where = f"{self.net.file}: weight '{layer.weight}'"
            if not self.weights[layer.weight]:
                raise BitwrightError("is a sum of no codes", where=where, hint="give at least one code for each weight")
            for coded in self.weights[layer.weight]:
                _check_codes(where, coded, layer, self.net.constants[layer.weight].shape)
        for name, act in self.acts.items():
            _check_quantiser(f"{self.net.file}: tensor '{name}'", act)

    @cached_property
    def digest(self) -> str:
        """The sha256 of all of it."""
        weights = [(name, [coded.digest for coded in bases]) for name, bases in sorted(self.weights.items())]
        acts = [(name, quantiser.digest) for name, quantiser in sorted(self.acts.items())]
        return sha256(repr((self.net.digest, weights, acts, self.bias_grid)).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def graph(self) -> Graph:
        """The integer graph: `encode` of it."""
        return encode(self)

    def wide(self) -> tuple[str, ...]:
        """The layers whose sums may pass 2^24, where float32 has no more room: the file holds these in float64.

        With `exact="po2"` a float32 module of the same network need not equal the integers there; the file does.
        """
        return wide_layers(self.graph())

    def save(self, path: str | Path) -> None:
        """Write the graph as ONNX (`docs/export.md`), the same bytes every time; `bitwright.load` reads it back."""
        Path(path).write_bytes(self.onnx())

    def onnx(self) -> bytes:
        """What `save` writes."""
        return bytes(to_onnx(self.graph()).SerializeToString(deterministic=True))

    def filed(self) -> Graph:
        """The graph as its file is read: the same integers, but requantisers may have simpler numbers."""
        return load_onnx(self.onnx())


def _check_codes(where: str, coded: Coded, layer: Layer, shape: tuple[int, ...]) -> None:
    """Codes of the weight's shape, each inside its type: one, or one for each output."""
    kinds = coded.type if isinstance(coded.type, tuple) else (coded.type,)
    if coded.codes.shape != shape or len(kinds) not in (1, shape[layer.axis]):
        raise BitwrightError(
            f"has codes of shape {coded.codes.shape} and {len(kinds)} types",
            where=where,
            hint=f"the weight is of shape {shape}, of which axis {layer.axis} counts the outputs",
        )
    rows = np.moveaxis(coded.codes, layer.axis, 0).reshape(len(kinds), -1)
    for kind, row in zip(kinds, rows, strict=True):
        if ((row < kind.lo) | (row > kind.hi) | ((row - kind.lo) % kind.step != 0)).any():
            raise BitwrightError(
                f"has codes that reach {row.min()}..{row.max()}", where=where, hint=f"their type, {kind}, has others"
            )
    if not _is_scale(coded.scale):
        raise BitwrightError("has a scale that is not a positive number", where=where, hint="give positive scales")


def _check_quantiser(where: str, act: ActQuant) -> None:
    """Positive scales, whole zero points; a sign has none."""
    if not _is_scale(act.scale):
        raise BitwrightError("has a scale that is not a positive number", where=where, hint="give positive scales")
    if not (np.isfinite(act.zero).all() and np.array_equal(act.zero, np.rint(act.zero))):
        raise BitwrightError("has a zero point that is no integer", where=where, hint="give integer zero points")
    if act.type.is_bipolar and act.zero.any():
        raise BitwrightError("has a zero point beside a sign", where=where, hint="give 0 for the zero point")


def _is_scale(scale: Array) -> bool:
    return bool(np.isfinite(scale).all() and (scale > 0).all())
