# SPDX-License-Identifier: Apache-2.0
"""A quantised network before it is written: everything it is, as a value; it becomes a graph, or a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from bitwright.backends.onnx.export import to_onnx
from bitwright.compress.coded import ActQuant, Coded
from bitwright.compress.encode import encode
from bitwright.compress.network import FloatNet
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph

__all__ = ["ActQuant", "Coded", "State"]


@dataclass(frozen=True, eq=False)
class State:
    """A float network, the codes of its weights by the weights' names, and the quantisers of its tensors by theirs.

    The value of a weight is the sum of `codes * scale` over its bases. With `bias_grid` each bias is rounded to a
    multiple of what one step of its accumulator stands for.
    """

    net: FloatNet
    weights: Mapping[str, tuple[Coded, ...]]
    acts: Mapping[str, ActQuant]
    bias_grid: bool = False

    def __post_init__(self) -> None:
        names = {layer.weight for layer in self.net.layers}
        if names != self.weights.keys() or {site.tensor for site in self.net.sites} != self.acts.keys():
            raise BitwrightError(
                "the quantised weights and tensors are not those of the network",
                where=self.net.file,
                hint="give codes for the weight of every layer, and a quantiser for every site",
            )
        for name, bases in self.weights.items():
            for coded in bases:
                _check_codes(f"{self.net.file}: weight '{name}'", coded, self.net.constants[name].shape)

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

    def save(self, path: str | Path) -> None:
        """Write the graph as ONNX (`docs/export.md`), the same bytes every time; `bitwright.load` reads it back."""
        Path(path).write_bytes(self.onnx())

    def onnx(self) -> bytes:
        """What `save` writes."""
        return bytes(to_onnx(self.graph()).SerializeToString(deterministic=True))


def _check_codes(where: str, coded: Coded, shape: tuple[int, ...]) -> None:
    """Codes of the weight's shape, inside their type."""
    kinds = coded.type if isinstance(coded.type, tuple) else (coded.type,)
    low, high = min(kind.lo for kind in kinds), max(kind.hi for kind in kinds)
    if coded.codes.shape != shape or (coded.codes.size and not low <= coded.codes.min() <= coded.codes.max() <= high):
        raise BitwrightError(
            f"has codes of shape {coded.codes.shape} that reach {coded.codes.min()}..{coded.codes.max()}",
            where=where,
            hint=f"the weight is of shape {shape}, the codes of {low}..{high}",
        )
    if not (np.isfinite(coded.scale).all() and (coded.scale > 0).all()):
        raise BitwrightError("has a scale that is not a positive number", where=where, hint="give positive scales")
