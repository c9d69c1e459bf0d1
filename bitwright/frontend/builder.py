# SPDX-License-Identifier: Apache-2.0
"""The graph under construction: layers, host steps, and what ONNX tensors became."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from math import prod
from typing import Any, Literal

import numpy as np

from bitwright.exact.ranges import Known, Ranges, layer_range, type_range
from bitwright.frontend.values import Const, Host, Kept, Mask, Pieces, Tensor, Value
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep, TensorSpec
from bitwright.ir.host_ops import Constant, HostOp
from bitwright.ir.host_ops import Gather as Gathered
from bitwright.ir.layers import AnyLayer, Gather, Input, Join, Layer, Passing, Sums
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.source import Source
from bitwright.ir.trace import Arithmetic
from bitwright.ir.types import IntType, hull
from bitwright.ir.weights import Ints
from bitwright.reading.model import Model, ModelInput, Node
from bitwright.reading.sizes import refuse_large

MAX_BITS = 63
"""Of the widest integer type."""


class Builder:
    """Collects layers and host steps; every method that adds one returns the value it makes."""

    def __init__(self, model: Model, *, reciprocal: bool = False) -> None:
        self.model, self.reciprocal = model, reciprocal
        self.layers: dict[str, Input | AnyLayer] = {}
        self.before: list[HostStep] = []
        self.after: list[HostStep] = []
        self.feeds: dict[str, tuple[str, Ints]] = {}  # input layer -> (host tensor, its index map to the layer)
        self.taken: set[str] = set()
        self.arithmetic: dict[str, Arithmetic] = {}  # of the requantisers
        self.known: dict[str, Known] = {}  # of every layer but the inputs, whose shape may still change
        self.values: dict[str, Value] = {name: Const(array) for name, array in model.constants.items()}
        self.pieces: dict[str, Pieces] = {}  # tensors that were quantised piece by piece
        self._frames = 0  # rows of a sample in the file's first axis, which no node has mixed
        self.masks: dict[str, Mask | Kept] = {}  # no values until two of them add up
        self._readers: dict[str, list[Node]] = {}
        for node in model.nodes:
            for name in node.inputs:
                self._readers.setdefault(name, []).append(node)

    def readers(self, name: str) -> list[Node]:
        """The nodes that read an ONNX tensor; a graph output counts as none."""
        return [] if name in self.model.outputs else self._readers.get(name, [])

    def tried(self, does: Callable[[], Any]) -> Any:
        """What `does` gives; after its BitwrightError everything is as it was before."""
        before = self.held()
        try:
            return does()
        except BitwrightError:
            vars(self).update(before)
            raise

    def held(self) -> dict[str, Any]:
        """All that it holds, which goes on to change."""
        return {name: copy(value) for name, value in vars(self).items()}

    def take_up(self, held: Mapping[str, Any]) -> None:
        """Go on from what another builder held, of a model whose nodes have the same names."""
        vars(self).update({name: copy(value) for name, value in held.items() if name != "model"})

    def frees(self) -> bool:
        """True if a node may act on the first axis, as on any other where the file holds one sample; its rows meet."""
        self.meet()
        return self.model.batch == 1

    def meet(self) -> None:
        """Keep in mind that rows of one sample come together."""
        self._frames = 0

    def fold(self, value: Value, rows: int) -> None:
        """Keep in mind that `value` comes as so many rows of each sample, if it comes from outside as it is."""
        inner = isinstance(value, Tensor) and self.layers[value.layer].inputs
        self._frames = 0 if inner or isinstance(value, Const) else rows

    def independent(self, rows: int) -> bool:
        """True if so many rows of each sample came from outside and never met since."""
        return rows > 1 and rows == self._frames

    # Names and layers

    def unique(self, name: str) -> str:
        """`name`, with a number behind it if a layer or host tensor has it already."""
        fresh, count = name, 1
        while fresh in self.taken:
            count += 1
            fresh = f"{name}_{count}"
        self.taken.add(fresh)
        return fresh

    def add(self, layer: Input | AnyLayer) -> str:
        """Put `layer` at the end and return its unique name; integer sums take their exact range as type."""
        refuse_large(layer.shape, where=f"layer '{layer.name}'")
        if layer.type.bits > MAX_BITS:
            raise BitwrightError(
                f"needs integers of {layer.type.bits} bits",
                where=f"layer '{layer.name}'",
                hint=f"integers of at most {MAX_BITS} bits are supported",
            )
        name = self.unique(layer.name)
        layer = replace(layer, name=name)
        if layer.inputs:
            sources = [self.layers[source] for source in layer.inputs]
            inputs = [self.reached(source) for source in layer.inputs]
            reached = layer_range(layer, inputs, sources)
            if isinstance(layer, Sums | Join | Gather):
                layer = replace(layer, type=type_of(layer, reached.type, sources))
            self.known[name] = Known(layer, inputs, reached)
        self.layers[name] = layer
        return name

    def reached(self, name: str) -> Ranges:
        """The integers that a layer can hold, per channel."""
        return self.known[name].reached if name in self.known else type_range(self.layers[name])

    def codes(self, layer: str, where: Ints) -> Tensor:
        """The real values of a layer's integers."""
        made = self.layers[layer]
        return Tensor(layer, where, made.scale, (made.scale * -made.zero).squeezed())

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

    def is_read(self, name: str) -> bool:
        """True if a layer or a host step reads the layer `name` already."""
        return any(name in layer.inputs for layer in self.layers.values()) or any(name in s.inputs for s in self.after)

    def size(self, tensor: Tensor) -> int:
        """How many integers the layer of a tensor holds."""
        return prod(self.layers[tensor.layer].shape)

    # Host steps, and the end

    def entry(self, host: Host) -> str:
        """The model input that a value before the accelerator comes from, its first one."""
        makers = {step.output: step for step in self.before}
        name = host.name
        while name in makers:
            name = makers[name].inputs[0]
        return name

    def island(self, node: Node, verb: str, host: Host) -> BitwrightError:
        """The error that `node` reads what the host computes in float behind the accelerator; names who computes it."""
        makers = {step.output: step for step in self.after}
        name = host.name
        while makers[name].op in ("affine", "gather", "quantise") and makers[name].inputs[0] in makers:
            name = makers[name].inputs[0]
        step = makers[name]
        return node.error(
            f"{verb} what node '{step.node}' ({step.op_type}) computes in float on the host",
            f"{step.op_type} has no integer meaning: end the network there, or cut it in two",
        )

    def host_step(
        self,
        side: Literal["input", "output"],
        does: HostOp,
        inputs: tuple[str, ...],
        *,
        node: tuple[str, str] = ("", ""),
        reason: str = "",
        output: str = "",
    ) -> str:
        """Append one step and return the name of what it makes."""
        made = self.unique(output or node[0] or does.op)
        step = HostStep(
            does=does,
            inputs=inputs,
            output=made,
            node=node[0],
            op_type=node[1],
            side=side,
            reason=reason,
        )
        (self.before if side == "input" else self.after).append(step)
        return made

    def _outputs(self) -> tuple[str, ...]:
        """The layers that the host reads, in order."""
        read = {name for step in self.after for name in step.inputs}
        return tuple(name for name in self.layers if name in read)

    def _entry_graph(self, inputs: tuple[ModelInput, ...], heads: tuple[Input, ...]) -> HostGraph:
        """What the host computes before the accelerator, the codes of its inputs last."""
        codes = [f"{head.name}.codes" for head in heads]
        feeds = [self.feeds[head.name] for head in heads]
        gathers = [
            HostStep(does=Gathered(Constant(index)), inputs=(host,), output=name)
            for name, (host, index) in zip(codes, feeds, strict=True)
        ]
        specs = tuple(TensorSpec(entry.shape[1:], entry.dtype.name) for entry in inputs)
        names = tuple(entry.name for entry in inputs)
        return HostGraph(names, (*self.before, *gathers), tuple(codes), specs)

    def graph(self, inputs: tuple[ModelInput, ...], results: list[Host]) -> Graph:
        """The graph of everything built, with `results` as the model's outputs."""
        outputs = self._outputs()
        heads = tuple(layer for layer in self.layers.values() if isinstance(layer, Input))
        return Graph(
            inputs=heads,
            layers=tuple(layer for layer in self.layers.values() if not isinstance(layer, Input)),
            outputs=outputs,
            before=self._entry_graph(inputs, heads),
            after=HostGraph(outputs, tuple(self.after), tuple(host.name for host in results)),
            source=Source(self.model.file, self.model.digest, "torch" if self.reciprocal else "onnx"),
        )


def channels_last(shape: tuple[int, ...]) -> tuple[Ints, tuple[int, ...]]:
    """Indices into a flattened ONNX tensor in channels-last order, and the layer's shape; axis 1 holds the channels."""
    index = np.arange(prod(shape)).reshape(shape if len(shape) > 1 else (1, *shape))
    index = np.moveaxis(index, 1, -1)
    index = index[0] if len(index) == 1 else index
    return index, index.shape


def invert(index: Ints, shape: tuple[int, ...]) -> Ints:
    """For each element of the ONNX tensor its place in the layer."""
    where = np.empty(index.size, dtype=np.int64)
    where[index.reshape(-1)] = np.arange(index.size)
    return where.reshape(shape)


def type_of(layer: Layer, reached: IntType, sources: Sequence[Layer]) -> IntType:
    """The type of integers that no quantiser limits: what they reach, or what holds all that is only moved."""
    if not isinstance(layer, Passing):
        return reached
    kind = hull(source.type for source in sources)
    if isinstance(layer, Gather) and layer.fill not in kind and layer.move.index(sources[0].shape).min() < 0:
        return kind | reached
    return kind
