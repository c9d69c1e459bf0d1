# SPDX-License-Identifier: Apache-2.0
"""The graph is a value: host steps, integer layers in topological order, host steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

from bitwright.ir.digests import host_digest, layer_digests
from bitwright.ir.host import HostGraph, TensorSpec
from bitwright.ir.layers import AnyLayer, Conv, Dense, Input, Layer
from bitwright.ir.source import Source
from bitwright.ir.summary import html, summary


@dataclass(frozen=True)
class Graph:
    """Integer layers between two host graphs.

    `before` maps the model's inputs to the integers of `inputs` (codes, channels last); `after` maps the integers of
    `outputs` to the model's outputs.
    """

    inputs: tuple[Input, ...]
    layers: tuple[AnyLayer, ...]
    outputs: tuple[str, ...]
    before: HostGraph = field(default_factory=HostGraph)
    after: HostGraph = field(default_factory=HostGraph)
    source: Source = field(default_factory=Source)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Found once, for it visits every fraction of every layer."""
        return hash(tuple(self.__getstate__().values()))

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: the hash of a string is another one in another process."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}

    def digest_of(self, name: str) -> str:
        """The sha256 of what the layer `name` computes with all that it reads, whatever layers and files are called."""
        return self._digests[name]

    @cached_property
    def digest(self) -> str:
        """The sha256 of what the whole model computes, host steps included: equal for graphs that differ in names."""
        leaving = [self._digests[name] for name in (*(layer.name for layer in self.inputs), *self.outputs)]
        parts = (host_digest(self.before), *leaving, host_digest(self.after))
        return sha256("\n".join(parts).encode()).hexdigest()

    @cached_property
    def _digests(self) -> Mapping[str, str]:
        return layer_digests(self.inputs, self.layers)

    def source_of(self, layer: Layer, index: int = 0) -> Input | AnyLayer:
        """The layer, or the input, that is operand `index` of `layer`."""
        return self.by_name[layer.inputs[index]]

    @cached_property
    def by_name(self) -> Mapping[str, Input | AnyLayer]:
        """Every layer, the inputs included, by its name."""
        return {layer.name: layer for layer in (*self.inputs, *self.layers)}

    @cached_property
    def readers(self) -> Mapping[str, tuple[AnyLayer, ...]]:
        """For every layer the layers that read it, in order."""
        found: dict[str, list[AnyLayer]] = {name: [] for name in self.by_name}
        for layer in self.layers:
            for name in layer.inputs:
                found[name].append(layer)
        return {name: tuple(layers) for name, layers in found.items()}

    @property
    def entry(self) -> HostGraph:
        """`before`; or, in a graph that has none, the way in for the integers themselves."""
        if self.before.inputs:
            return self.before
        names = tuple(layer.name for layer in self.inputs)
        return HostGraph(names, (), names, tuple(TensorSpec(layer.shape, "int64") for layer in self.inputs))

    @property
    def exit(self) -> HostGraph:
        """`after`; or, in a graph that has none, the way out for the integers themselves."""
        return self.after if self.after.outputs else HostGraph(self.outputs, (), self.outputs)

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample."""
        return sum(layer.macs for layer in self.layers if isinstance(layer, Dense | Conv))

    @property
    def host(self) -> list[dict[str, str]]:
        """The source nodes that stay on the host: node, op, side, reason."""
        steps = (*self.before.steps, *self.after.steps)
        return [
            {"node": s.node, "op": s.op_type, "side": s.side, "reason": s.reason} for s in steps if s.node or s.reason
        ]

    @property
    def removed(self) -> list[dict[str, str | int]]:
        """The layers of the source that lost output channels: layer, channels before and after."""
        return [{"layer": r.layer, "before": r.before, "after": r.after} for r in self.source.removed]

    def __str__(self) -> str:
        """A line a layer, short enough to read; `ir.printing.print_graph` has the text that reads back."""
        counts = f"{len(self.layers)} layers, {self.macs} MACs a sample"
        layers = (*self.inputs, *self.layers)
        return summary(f"{self.source.file or 'network'}: {counts}", layers, self.outputs)

    def _repr_html_(self) -> str:
        return html((*self.inputs, *self.layers))

    def expand(self, name: str, *layers: AnyLayer) -> Graph:
        """The same graph with layer `name` replaced by `layers`, the last of which keeps the name."""
        assert layers[-1].name == name, f"{name} became {layers[-1].name}; readers would lose it"
        return replace(
            self, layers=tuple(new for old in self.layers for new in (layers if old.name == name else (old,)))
        )
