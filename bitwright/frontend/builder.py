# SPDX-License-Identifier: Apache-2.0
"""The graph under construction: layers, host steps, and the layout that each reader asks for."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Literal

import numpy as np

from bitwright.frontend.model import Array, Model, ModelInput, Node
from bitwright.frontend.values import ONE, ZERO, Host, T, Tensor, spread, squeeze
from bitwright.ir.graph import Graph, Source
from bitwright.ir.host import Constant, HostGraph, HostStep, TensorSpec
from bitwright.ir.layers import Input, Layer, PerChannel, Requantise, Reshape, Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

HOST_FUNCTIONS = {"sigmoid": "sigmoid", "tanh": "tanh"}
"""Host operator of a function step that no quantiser followed."""


class Builder:
    """Collects layers and host steps; every method that adds one returns the value it makes."""

    def __init__(self, model: Model, *, reciprocal: bool = False) -> None:
        self.model, self.reciprocal = model, reciprocal
        self.layers: dict[str, Layer] = {}
        self.before: list[HostStep] = []
        self.after: list[HostStep] = []
        self.feeds: dict[str, tuple[str, Ints]] = {}  # input layer -> (host tensor, its index map to the layer)
        self.taken: set[str] = set()
        self.constants: dict[str, Array] = dict(model.constants)
        self._readers: dict[str, list[Node]] = {}
        for node in model.nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def readers(self, name: str) -> list[Node]:
        """The nodes that read an ONNX tensor; a graph output counts as none."""
        return [] if name in self.model.outputs else self._readers.get(name, [])

    # Names and layers

    def unique(self, name: str) -> str:
        """`name`, with a number behind it if a layer or host tensor has it already."""
        fresh, count = name, 1
        while fresh in self.taken:
            count += 1
            fresh = f"{name}_{count}"
        self.taken.add(fresh)
        return fresh

    def add(self, layer: Layer) -> str:
        """Put `layer` at the end under a unique name, which is returned."""
        name = self.unique(layer.name)
        self.layers[name] = replace(layer, name=name)
        return name

    def codes(self, layer: str, where: Ints) -> Tensor:
        """The real values of a layer's integers."""
        made = self.layers[layer]
        size = max(len(made.scale), len(made.zero))
        offset = tuple(-s * z for s, z in zip(spread(made.scale, size), spread(made.zero, size), strict=True))
        return Tensor(layer, where, made.scale, squeeze(offset))

    # Inputs

    def input(
        self, name: str, host: Host, kind: IntType, scale: PerChannel, zero: PerChannel, source: str = ""
    ) -> Tensor:
        """Integers on `host` (ONNX layout) become an input layer, channels last."""
        index, shape = channels_last(host.shape)
        layer = self.add(
            Input(name=name, inputs=(), shape=shape, type=kind, scale=scale, zero=zero, source=(source,) * bool(source))
        )
        self.feeds[layer] = (host.name, index.reshape(shape))
        return self.codes(layer, invert(index, host.shape))

    def relay(self, tensor: Tensor, shape: tuple[int, ...], order: Ints) -> Tensor:
        """An input layer under another shape and element order: the host lays its integers out as the reader needs them.

        `order` holds, for each place of the new layer, the index in the old one.
        """
        old = self.layers[tensor.layer]
        host, index = self.feeds[tensor.layer]
        self.layers[tensor.layer] = replace(old, shape=shape)
        self.feeds[tensor.layer] = (host, index.reshape(-1)[order].reshape(shape))
        back = np.empty(order.size, dtype=np.int64)
        back[order.reshape(-1)] = np.arange(order.size)
        return replace(tensor, where=back[tensor.where])

    # Layouts that readers ask for

    def image(self, tensor: Tensor, node: Node) -> Tensor:
        """The tensor as (1, C, H, W) over a layer of shape (H, W, C); a signal (1, C, L) is an image of height 1."""
        shape = tensor.where.shape
        if len(shape) == 3:
            tensor = replace(tensor, where=tensor.where[:, :, None, :])
            shape = tensor.where.shape
        if len(shape) != 4:
            raise node.error(f"reads a tensor of rank {len(shape)}", "only signals and images are supported")
        wanted = np.arange(prod(shape)).reshape(*shape[2:], shape[1])
        return self._laid(tensor, wanted.shape, wanted.transpose(2, 0, 1)[None], node)

    def features(self, tensor: Tensor, node: Node) -> tuple[Tensor, Ints]:
        """The tensor over a layer of shape (..., F), and the place in the layer of each of its F features."""
        shape = tensor.where.shape
        rows = tensor.where.reshape(-1, shape[-1])
        first = rows[0] % shape[-1]
        if rows.size != self._size(tensor):
            raise node.error("reads only a part of a tensor", "slices are not supported yet")
        regular = np.array_equal(np.sort(first), np.arange(shape[-1])) and np.array_equal(
            rows, np.arange(len(rows))[:, None] * shape[-1] + first
        )
        place = first if regular else np.arange(shape[-1])
        wanted = (np.arange(len(rows))[:, None] * shape[-1] + place).reshape(shape)
        layer_shape = (shape[-1],) if len(rows) == 1 else (*shape[1:-1], shape[-1])
        return self._laid(tensor, layer_shape, wanted, node), place

    def flat(self, tensor: Tensor) -> Tensor:
        """The tensor over a layer with one axis, so that every element may have constants of its own."""
        size = self._size(tensor)
        return replace(
            self._reshaped(tensor, (size,)),
            scale=_repeat(tensor.scale, size),
            offset=_repeat(tensor.offset, size),
            low=_repeat(tensor.low, size),
            high=_repeat(tensor.high, size),
        )

    def per_channel(self, tensor: Tensor, node: Node, *values: Array) -> tuple[Tensor, list[tuple[Fraction, ...]]]:
        """Exact `values` (Fractions, each broadcastable to the ONNX shape) as one per channel of the layer.

        Values that differ within a channel flatten the layer first, so that every element is a channel.
        """
        try:
            full = [v.reshape(1) if v.size == 1 else np.broadcast_to(v, tensor.where.shape) for v in values]
        except ValueError as error:
            raise node.error(
                f"combines shapes {tensor.where.shape} and {[v.shape for v in values if v.size > 1]}",
                "export the model again; the shapes do not fit",
            ) from error
        found = [self._by_channel(tensor, value) for value in full]
        if None in found:
            tensor = self.flat(tensor)
            found = [self._by_channel(tensor, value) for value in full]
        return tensor, [value for value in found if value is not None]

    def _by_channel(self, tensor: Tensor, values: Array) -> tuple[Fraction, ...] | None:
        if values.size == 1:
            return (values[0],)
        place = tensor.where.reshape(-1) % self.layers[tensor.layer].channels
        found = np.empty(self.layers[tensor.layer].channels, dtype=object)
        found[place] = values.reshape(-1)
        same = all(a is b or a == b for a, b in zip(found[place], values.reshape(-1), strict=True))
        return squeeze(tuple(found)) if same else None

    def _laid(self, tensor: Tensor, shape: tuple[int, ...], wanted: Ints, node: Node) -> Tensor:
        if not np.array_equal(tensor.where, wanted):
            if tensor.layer not in self.feeds or tensor.where.size != self._size(tensor) or self._read(tensor.layer):
                raise node.error(
                    "reads its input in another element order than the layer before writes it",
                    "a transpose between layers is not supported yet",
                )
            order = np.empty(wanted.size, dtype=np.int64)
            order[wanted.reshape(-1)] = tensor.where.reshape(-1)
            return self.relay(tensor, shape, order)
        return self._reshaped(tensor, shape)

    def _reshaped(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        old = self.layers[tensor.layer]
        if old.shape == shape:
            return tensor
        if tensor.layer in self.feeds and not self._read(tensor.layer):
            return self.relay(tensor, shape, np.arange(prod(shape)))
        if max(len(old.scale), len(old.zero)) > 1 and old.shape[-1] != shape[-1]:
            scale, zero = (_tile(values, old.channels, shape[-1]) for values in (old.scale, old.zero))
        else:
            scale, zero = old.scale, old.zero
        layer = Reshape(
            name=f"{tensor.layer}_reshape", inputs=(tensor.layer,), shape=shape, type=old.type, scale=scale, zero=zero
        )
        return replace(tensor, layer=self.add(layer))

    def _read(self, name: str) -> bool:
        return any(name in layer.inputs for layer in self.layers.values())

    def _size(self, tensor: Tensor) -> int:
        return prod(self.layers[tensor.layer].shape)

    # Integers where a reader needs them

    def integers(self, tensor: Tensor, node: Node) -> Tensor:
        """The same real values with no clip waiting: a clip becomes a layer of its own where it falls on integers."""
        layer = self.layers[tensor.layer]
        if tensor.function or tensor.pools:
            raise node.error("reads a real value that no quantiser turned into integers", "quantise the activation")
        size = max(map(len, (tensor.scale, tensor.offset, tensor.low, tensor.high)))
        scale, offset = spread(tensor.scale, size), spread(tensor.offset, size)
        lows, highs = [], []
        for s, o, low, high in zip(scale, offset, spread(tensor.low, size), spread(tensor.high, size), strict=True):
            bounds = (low, high) if s > 0 else (high, low)
            places = [None if b is None or s == 0 else (b - o) / s for b in bounds]
            if any(p is not None and p.denominator != 1 for p in places):
                raise node.error("reads a clip that does not fall on integers", "quantise the activation")
            lows.append(layer.type.lo if places[0] is None else max(layer.type.lo, int(places[0])))
            highs.append(layer.type.hi if places[1] is None else min(layer.type.hi, int(places[1])))
        if all(lo == layer.type.lo for lo in lows) and all(hi == layer.type.hi for hi in highs):
            return replace(tensor, low=(None,), high=(None,))
        kind = IntType(min(lows), max(highs))
        return self._identity(tensor, node, squeeze(tuple(lows)), squeeze(tuple(highs)), kind)

    def widen(self, tensor: Tensor, kind: IntType, node: Node) -> Tensor:
        """The same integers in a type that also holds what padding puts beside them."""
        layer = self.layers[tensor.layer]
        if layer.type.covers(IntType(kind.lo, kind.hi)):
            return tensor
        wide = IntType(min(kind.lo, layer.type.lo), max(kind.hi, layer.type.hi))
        return self._identity(tensor, node, (layer.type.lo,), (layer.type.hi,), wide)

    def _identity(
        self, tensor: Tensor, node: Node, low: tuple[int, ...], high: tuple[int, ...], kind: IntType
    ) -> Tensor:
        old = self.layers[tensor.layer]
        name = self.add(
            Requantise(
                name=f"{node.name}_clip",
                inputs=(tensor.layer,),
                shape=old.shape,
                type=kind,
                scale=old.scale,
                zero=old.zero,
                multiplier=(ONE,),
                offset=(ZERO,),
                rounding=Rounding.FLOOR,
                low=low,
                high=high,
                source=tuple(name for name, _ in tensor.nodes),
            )
        )
        return replace(tensor, layer=name, low=(None,), high=(None,), nodes=())

    # Host

    def host_step(
        self,
        side: Literal["input", "output"],
        op: str,
        inputs: tuple[str, ...],
        constants: tuple[Array, ...] = (),
        *,
        attributes: tuple[tuple[str, int], ...] = (),
        node: tuple[str, str] = ("", ""),
        reason: str = "",
        output: str = "",
    ) -> str:
        """Append one step and return the name of what it makes."""
        made = self.unique(output or node[0] or op)
        step = HostStep(
            op=op,
            inputs=inputs,
            output=made,
            constants=tuple(Constant(np.asarray(c)) for c in constants),
            attributes=attributes,
            node=node[0],
            op_type=node[1],
            side=side,
            reason=reason,
        )
        (self.before if side == "input" else self.after).append(step)
        return made

    def to_host(self, tensor: Tensor, node: Node) -> Host:
        """The tensor's real values on the host, behind the accelerator: the exact affine, rounded once to float32."""
        if tensor.pools:
            raise node.error("reads a max-pool of values that no quantiser turned into integers", "quantise the activation")
        layer = self.layers[tensor.layer]
        reason = "codes to real values" if layer.op == "requantise" else "no quantiser follows: real-valued output"
        low = tuple(Fraction(0) if b is None else b for b in tensor.low)
        high = tuple(Fraction(0) if b is None else b for b in tensor.high)
        constants = (
            _floats(tensor.scale),
            _floats(tensor.offset),
            np.where([b is None for b in tensor.low], -np.inf, _floats(low)),
            np.where([b is None for b in tensor.high], np.inf, _floats(high)),
        )
        first, *more = tensor.nodes or (("", ""),)
        name = self.host_step("output", "affine", (tensor.layer,), constants, node=first, reason=reason)
        for step in tensor.function:
            name = self.host_step("output", HOST_FUNCTIONS[step[0]], (name,), reason="no quantiser follows")
        if not np.array_equal(tensor.where[0], np.arange(tensor.where.size).reshape(layer.shape)):
            name = self.host_step("output", "gather", (name,), (tensor.where[0],))
        self.after.extend(_note(name, other, reason) for other in more)
        return Host(name, tensor.where.shape, "output")

    # The end

    def graph(self, inputs: tuple[ModelInput, ...], results: list[Host]) -> Graph:
        """The graph of everything built, with `results` as the model's outputs."""
        made = {layer for step in self.after for layer in step.inputs if layer in self.layers}
        outputs = tuple(name for name in self.layers if name in made)
        before = list(self.before)
        heads = tuple(layer for layer in self.layers.values() if isinstance(layer, Input))
        for layer in heads:
            host, index = self.feeds[layer.name]
            before.append(
                HostStep(op="gather", inputs=(host,), output=f"{layer.name}.codes", constants=(Constant(index),))
            )
        specs = tuple(TensorSpec(entry.shape[1:], entry.dtype.name) for entry in inputs)
        return Graph(
            inputs=heads,
            layers=tuple(layer for layer in self.layers.values() if not isinstance(layer, Input)),
            outputs=outputs,
            before=HostGraph(
                tuple(entry.name for entry in inputs), tuple(before), tuple(f"{h.name}.codes" for h in heads), specs
            ),
            after=HostGraph(outputs, tuple(self.after), tuple(host.name for host in results)),
            source=Source(self.model.file, self.model.digest, "torch" if self.reciprocal else "onnx"),
        )


def channels_last(shape: tuple[int, ...]) -> tuple[Ints, tuple[int, ...]]:
    """Indices into a flattened ONNX tensor in channels-last order, and the layer's shape; axis 1 holds the channels."""
    index = np.arange(prod(shape)).reshape(shape[1:] or (1,))
    index = np.moveaxis(index, 0, -1)
    return index, index.shape


def invert(index: Ints, shape: tuple[int, ...]) -> Ints:
    """For each element of the ONNX tensor its place in the layer."""
    where = np.empty(index.size, dtype=np.int64)
    where[index.reshape(-1)] = np.arange(index.size)
    return where.reshape(shape)


def _note(name: str, node: tuple[str, str], reason: str) -> HostStep:
    """A source node that an earlier step already computes."""
    return HostStep(op="same", inputs=(name,), output=name, node=node[0], op_type=node[1], side="output", reason=reason)


def _floats(values: PerChannel) -> Array:
    return np.array([float(value) for value in values])


def _tile(values: PerChannel, channels: int, last: int) -> PerChannel:
    """Per-channel values after a reshape: the flattened tensor repeats its channels, so the new last axis does too."""
    if len(values) == 1:
        return values
    assert last % channels == 0, "a reshape through the channels of a per-channel scale"
    return values * (last // channels)




def _repeat(values: tuple[T, ...], size: int) -> tuple[T, ...]:
    """Per-channel values of a flattened layer."""
    return values if len(values) == 1 else values * (size // len(values))
