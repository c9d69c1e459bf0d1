# SPDX-License-Identifier: Apache-2.0
"""A float network as a value: its nodes and float32 constants, and what of them becomes integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.coded import Coded
from bitwright.compress.dynamic import static
from bitwright.compress.groups import Group, find_groups
from bitwright.compress.left import turned
from bitwright.compress.operators import MATRIX, channel_axis, check_nodes, refuse_between
from bitwright.compress.saved import written
from bitwright.compress.sites import Site, find_sites, key
from bitwright.ir.errors import BitwrightError
from bitwright.reading.constants import fold_constants
from bitwright.reading.model import Model, ModelInput, Node
from bitwright.reading.read import Asked, read_model

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights: its node's first output, its operator, the tensor it reads, and its constants' names.

    `axis` of the weight counts the outputs; `groups` is how many parts of the input have outputs of their own.
    """

    name: str
    op: str
    source: str
    weight: str
    bias: str | None
    axis: int
    groups: int

    def matrix(self, weight: Array) -> Array:
        """An array of the weight's shape as (groups, outputs of a group, terms of an output)."""
        rows = np.moveaxis(weight, self.axis, 0)
        return rows.reshape(self.groups, weight.shape[self.axis] // self.groups, -1)

    def along(self, rows: Array, weight: Array) -> Array:
        """One number per output, in the shape that broadcasts against the weight."""
        shape = [1] * weight.ndim
        shape[self.axis] = weight.shape[self.axis]
        return rows.reshape(shape)


@dataclass(frozen=True, eq=False)
class FloatNet:
    """A float network whose constants are folded; equal to another, and its key in a cache, by what it computes with.

    `constants` are read-only, those of real numbers float32; `batch` is the number of samples that the network was
    exported for, 0 for any. Made by `float_net`, which refuses what cannot be quantised; `file` is where it came from.
    `coded` has the codes that weights came as.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    opset: int
    batch: int
    file: str = field(default="model")
    source: str = field(default="")
    coded: Mapping[str, Coded] = field(default_factory=dict)

    @cached_property
    def digest(self) -> str:
        """The sha256 of everything but the file."""
        found = sha256(repr((self.inputs, self.outputs, self.opset, self.batch)).encode())
        for node in self.nodes:
            found.update(repr((node.name, node.op, node.inputs, node.outputs)).encode())
            for name, value in sorted(node.attributes.items()):
                found.update(_bytes(name, value))
        for name, array in sorted(self.constants.items()):
            found.update(_bytes(name, array))
        for name, coded in sorted(self.coded.items()):
            found.update(_bytes(name, coded.digest))
        return found.hexdigest()

    def given(self, weight: str) -> Coded | None:
        """The codes that a weight came as, while it is what they say."""
        coded = self.coded.get(weight)
        return coded if coded is not None and np.array_equal(coded.value, self.constants[weight]) else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatNet) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The tensors that get a quantiser, in the order of their first reader."""
        unsigned = {entry.name for entry in self.inputs if entry.dtype.kind in "ub"}
        return find_sites(self.nodes, self.constants, self.outputs, unsigned)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers with weights, in the order of their nodes."""
        return tuple(_layer(node, self.constants) for node in self.nodes if node.op in MATRIX)

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The channels that live and die together, by the layers that make them."""
        return find_groups(self.model)

    @cached_property
    def model(self) -> Model:
        """What a file of the network would be read as."""
        return Model(
            file=self.file,
            digest=self.source,
            opset=self.opset,
            nodes=self.nodes,
            constants=self.constants,
            inputs=self.inputs,
            outputs=self.outputs,
            batch=self.batch,
        )

    def onnx(self) -> bytes:
        """The network as an ONNX file, for other tools; `float_net` reads it back as an equal one."""
        return bytes(written(self.model).SerializeToString(deterministic=True))

    def save(self, path: str | Path) -> None:
        """Write what `onnx` makes."""
        Path(path).write_bytes(self.onnx())

    def replace(self, **constants: Array) -> FloatNet:
        """The same network with other numbers in some constants, each of the shape that it had."""
        for name, array in constants.items():
            if name not in self.constants or array.shape != self.constants[name].shape:
                held = f"the shape {self.constants[name].shape}" if name in self.constants else "no such constant"
                raise BitwrightError(
                    f"{held}, where one of {array.shape} was given",
                    where=f"{self.file}: constant '{name}'",
                    hint="a network's constants can only be replaced by others of the same shape",
                )
        return replace(self, constants=_frozen({**self.constants, **constants}))


def float_net(source: str | Path | bytes | onnx.ModelProto | FloatNet, **asked: Unpack[Asked]) -> FloatNet:
    """The float network of a model, checked: every node can be quantised, every layer has constant weights.

    `asked` fills in open sizes (`shapes`) and ends the network at `outputs`, as `bitwright.load` does.
    """
    if isinstance(source, FloatNet):
        return source
    model, coded = static(fold_constants(read_model(source, **asked)))
    model = turned(model)
    nodes = _reached(model)
    check_nodes(nodes, model.constants)
    if not any(node.op in MATRIX for node in nodes):
        raise BitwrightError(
            "has no layer with weights",
            where=model.file,
            hint=f"quantising is for networks with {', '.join(sorted(MATRIX))}",
        )
    read = {name for node in nodes for name in node.inputs}.union(model.outputs)
    constants = {name: array for name, array in model.constants.items() if name in read}
    net = FloatNet(
        nodes=_apart(nodes, constants),
        constants=_frozen(constants),
        inputs=model.inputs,
        outputs=model.outputs,
        opset=model.opset,
        batch=model.batch,
        file=model.file,
        source=model.digest,
        coded=coded,
    )
    refuse_between(net.nodes, {site.tensor for site in net.sites})
    _refuse_untouched(net)
    return net


def _refuse_untouched(net: FloatNet) -> None:
    """Refuse an output that is made of no integers, as an input that is handed on."""
    readers = {edge.reader for site in net.sites for edge in site.edges}
    reached = {entry.name for entry in net.inputs if entry.dtype.kind in "iub"}
    for node in net.nodes:
        if key(node) in readers or not reached.isdisjoint(node.inputs):
            reached.update(node.outputs)
    for name in net.outputs:
        if name not in reached:
            raise BitwrightError(
                "depends on nothing that is quantised",
                where=f"{net.file}: output '{name}'",
                hint="end the network at its other outputs (--outputs)",
            )


def _reached(model: Model) -> tuple[Node, ...]:
    """The nodes from which an output can be reached: leftovers of training do not count."""
    made = {name for node in model.nodes for name in node.outputs if name}
    for name in sorted(set(model.outputs) - made - {entry.name for entry in model.inputs} - set(model.constants)):
        raise BitwrightError(f"output '{name}' is made by no node", where=model.file, hint="export the model again")
    return live(model.nodes, model.outputs)


def live(nodes: Sequence[Node], outputs: Sequence[str]) -> tuple[Node, ...]:
    """The nodes, in order, that some of the outputs depend on."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(filter(None, node.outputs)):
            needed.update(node.inputs)
            kept.append(node)
    return tuple(reversed(kept))


def _frozen(constants: Mapping[str, Array]) -> Mapping[str, Array]:
    """Read-only views, those of real numbers in float32."""
    views = {}
    for name, array in constants.items():
        real = array.dtype.kind not in "iub"
        views[name] = array.astype(np.float32, copy=False).view() if real else array.view()
        views[name].flags.writeable = False
    return views


def _apart(nodes: tuple[Node, ...], constants: dict[str, Array]) -> tuple[Node, ...]:
    """The nodes, those that read a weight along another axis than the first one does with a copy of their own."""
    axes: dict[str, int] = {}
    apart = []
    for node in nodes:
        if node.op in MATRIX and axes.setdefault(node.inputs[1], channel_axis(node)) != channel_axis(node):
            copy = f"{node.inputs[1]}_turned"
            while copy in constants and axes.get(copy) != channel_axis(node):
                copy += "_"
            constants[copy], axes[copy] = constants[node.inputs[1]], channel_axis(node)
            node = replace(node, inputs=(node.inputs[0], copy, *node.inputs[2:]))
        apart.append(node)
    return tuple(apart)


def _layer(node: Node, constants: Mapping[str, Array]) -> Layer:
    source, weight, *rest = node.inputs
    bias = rest[0] if rest and rest[0] in constants else None
    axis = channel_axis(node) % constants[weight].ndim
    groups = 1 if node.op == "ConvTranspose" else int(node.attributes.get("group", 1))  # its groups share a column
    return Layer(key(node), node.op, source, weight, bias, axis, groups)


def _bytes(name: str, value: Any) -> bytes:
    if not isinstance(value, np.ndarray):
        return repr((name, value)).encode()
    return repr((name, value.dtype.str, value.shape)).encode() + value.tobytes()


def fresh_names(net: FloatNet) -> Callable[[str], str]:
    """The function that makes names which nothing in the network has."""
    taken = {*net.constants, *(entry.name for entry in net.inputs)}
    taken |= {name for node in net.nodes for name in (node.name, *node.outputs)}

    def fresh(wanted: str) -> str:
        name, number = wanted, 1
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name)
        return name

    return fresh
