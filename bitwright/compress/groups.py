# SPDX-License-Identifier: Apache-2.0
"""Channels that live and die together: through sums, joins, depthwise layers and whatever moves them.

Every element of every tensor gets a label, which layers make anew and all others hand on; what reads two labels as one,
a sum of two tensors or a row of weights, ties them. A channel is a set of tied labels, a group the channels whose
layers are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.replay import function_of
from bitwright.compress.operators import MATRIX, channel_axis, fixed_tensors
from bitwright.compress.operators import moves as commutes
from bitwright.compress.sites import FUNCTIONS
from bitwright.reading.inference import infer
from bitwright.reading.model import Model, Node

Array = NDArray[Any]
Ints = NDArray[np.int64]
Role = Literal["makes", "reads", "meets"]
POINTWISE = FUNCTIONS | frozenset(
    "Add BatchNormalization Cast Clip Div HardSigmoid Max Min Mul Neg PRelu Relu Sub Where".split()
)
WINDOWS = frozenset(("AveragePool", "GlobalAveragePool", "GlobalMaxPool", "MaxPool", "Resize", "Upsample"))
"""Keep the channels of axis 1 apart, and mix what is behind it."""
REDUCED = frozenset(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"))


@dataclass(frozen=True, eq=False)
class Part:
    """What of a constant belongs to the channels of a group: index i of `axis` to channel `channels[i]`, -1 to none.

    A weight `makes` channels or `reads` them; a bias or another constant `meets` them.
    """

    constant: str
    axis: int
    channels: Ints
    role: Role


@dataclass(frozen=True, eq=False)
class Group:
    """Channels that are made by the same layers; `fixed` if an input or an output of the network has some of them.

    Those of all groups are numbered one after the other, from `first` on.
    """

    size: int
    parts: tuple[Part, ...]
    fixed: bool
    first: int = 0


@dataclass(frozen=True, eq=False)
class Traced:
    """The groups of a network, and what its tensors hold of their channels: a number for each element, -1 for none."""

    groups: tuple[Group, ...]
    labels: Mapping[str, Ints]
    numbers: Ints

    def channels(self, tensor: str) -> Ints:
        """The number of the channel of every element of a tensor, for one sample."""
        return np.asarray(self.numbers[self.labels[tensor]])

    def spans(self) -> list[Ints]:
        """Sets of channels, by their numbers, of each of which one has to stay: those that make up a tensor."""
        found: dict[bytes, Ints] = {}
        for name in self.labels:
            present = np.zeros(sum(group.size for group in self.groups) + 1, bool)
            present[self.channels(name)] = True
            if not present[-1]:
                found.setdefault(present.tobytes(), np.flatnonzero(present))
        return list(found.values())


def find_groups(model: Model) -> tuple[Group, ...]:
    """The groups of a float network, in the order of their first layer; those of inputs come first."""
    return traced(model).groups


def traced(model: Model) -> Traced:
    """The groups with the channels of every tensor."""
    labels = _Labels(model)
    for node in model.nodes:
        labels.read(node)
    for name in model.outputs:
        labels.fix(name)
    labels.tie_weights()
    return labels.traced()


class _Labels:
    """The labels of the tensors read so far: 1 and up, 0 for what has none."""

    def __init__(self, model: Model) -> None:
        self.model = model
        inferred = infer(model)
        self.kinds, self.constants = inferred.kinds, inferred.constants
        self.known = fixed_tensors(model.nodes, model.constants)
        self.of: dict[str, Ints] = {}
        self.makers: list[Ints] = []
        self.fixed: list[Ints] = []
        self.ties: list[tuple[Ints, Ints]] = []
        self.parts: list[tuple[str, int, Ints, Role]] = []
        self.reshaped: list[Ints] = []
        self.count = 1
        for entry in model.inputs:
            self.of[entry.name] = self.fresh(prod(entry.shape)).reshape(entry.shape)
            self.fix(entry.name)

    def fresh(self, count: int) -> Ints:
        """So many new labels, of one maker."""
        made = np.arange(self.count, self.count + count)
        self.count += count
        self.makers.append(made)
        return made

    def tie(self, one: Array, other: Array) -> None:
        """Labels at the same place of two arrays, which broadcast, are of one channel."""
        one, other = np.broadcast_arrays(one, other)
        apart = (one != other) & (one > 0) & (other > 0)
        self.ties.append((one[apart], other[apart]))

    def alike(self, rows: Array) -> Ints:
        """The labels of each row, tied to one another: one for each."""
        first = rows.max(axis=1, keepdims=True)
        self.tie(rows, first)
        return np.asarray(first[:, 0])

    def fix(self, name: str) -> None:
        """No channel of a tensor can go."""
        if name in self.of:
            self.fixed.append(self.of[name].reshape(-1))

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor."""
        return self.kinds[name].shape

    def read(self, node: Node) -> None:
        """Label what a node makes."""
        if self.known.issuperset(node.outputs) or not any(name in self.of for name in node.inputs):
            return
        if any(name and name not in self.kinds for name in node.outputs):
            raise node.error("makes a tensor of a shape that is not known", "give the open sizes (--shape)")
        made = self._made(node)
        self.of |= {name: np.asarray(array) for name, array in zip(node.outputs, made, strict=False) if name}

    def _made(self, node: Node) -> Sequence[Array]:
        if node.op in MATRIX:
            return [_of_layer(self, node)]
        if node.op in WINDOWS:
            return [self._windows(node)]
        if node.op in REDUCED and self._axes(node):
            return [self._reduced(node)]
        if node.op in POINTWISE:
            return [self._pointwise(node)]
        if commutes(node) or node.op == "Concat":
            return self._moved(node)
        return self._mixed(node)

    def _windows(self, node: Node) -> Array:
        x, shape = self.of[node.inputs[0]], self.shape(node.outputs[0])
        rows = self.alike(np.moveaxis(x, 1, 0).reshape(x.shape[1], -1))
        return np.broadcast_to(rows.reshape(-1, *[1] * (len(shape) - 2)), shape)

    def _axes(self, node: Node) -> list[int]:
        named = self.constants.get(node.inputs[1]) if len(node.inputs) > 1 else node.attributes.get("axes")
        return [] if named is None else np.asarray(named).reshape(-1).tolist()

    def _reduced(self, node: Node) -> Array:
        x = self.of[node.inputs[0]]
        axes = [axis % x.ndim for axis in self._axes(node)]
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        rows = np.moveaxis(x, kept, range(len(kept))).reshape(prod(x.shape[axis] for axis in kept), -1)
        return self.alike(rows).reshape(self.shape(node.outputs[0]))

    def _pointwise(self, node: Node) -> Array:
        shape = self.shape(node.outputs[0])
        made = np.zeros(shape, np.int64)
        for name in node.inputs:
            if name in self.of:
                self.tie(made, self.of[name])
                made = np.maximum(made, self.of[name])
        for name in node.inputs:
            if name in self.model.constants:
                self.meet(name, made, 1 if node.op == "BatchNormalization" else None)
        return made

    def meet(self, name: str, made: Array, axis: int | None = None) -> None:
        """A constant of one number for each channel along an axis meets the labels that it is broadcast to."""
        array = self.model.constants[name]
        if array.size == 1:
            return
        behind = made.ndim - array.ndim
        longer = [i for i, size in enumerate(array.shape) if size > 1] if axis is None else [0]
        for i in longer:
            rows = np.moveaxis(made, behind + i if axis is None else axis, 0).reshape(array.shape[i], -1)
            if i == longer[-1] or (rows == rows[:, :1]).all():
                self.parts.append((name, i, self.alike(rows), "meets"))
                return

    def _moved(self, node: Node) -> Sequence[Array]:
        made = moved(node, self.model.opset, [self._operand(name) for name in node.inputs])
        if node.op == "Reshape":
            self.reshaped += [made[0]]
        return made

    def _operand(self, name: str) -> Array | None:
        """Labels as the numbers that are moved; constants as they are."""
        if name in self.of:
            return self.of[name].astype(np.float64)
        return self.constants.get(name) if name else None

    def _mixed(self, node: Node) -> Sequence[Array]:
        """Each of its channels depends on all of its operands', so that none of these can go."""
        for name in node.inputs:
            self.fix(name)
        shapes = [self.shape(name) if name else () for name in node.outputs]
        made = [self.fresh(prod(shape)).reshape(shape) for shape in shapes]
        self.fixed += [labels.reshape(-1) for labels in made]
        return made

    def tie_weights(self) -> None:
        """What several layers read as one weight is cut for all of them at once."""
        firsts: dict[tuple[str, int], Ints] = {}
        for constant, axis, labels, role in self.parts:
            if role != "meets":
                self.tie(firsts.setdefault((constant, axis), labels), labels)

    def _tied(self) -> Ints:
        """The channel of each label.

        Channels that lie on several axes, as in heads, go with those at the same place of the last of these: what is
        left of the tensor is a tensor then.
        """
        while True:
            channel, count = _classes(self.count, self.ties), len(self.ties)
            for made in self.reshaped:
                held = channel[made]
                axes = [axis for axis in range(held.ndim) if (held != held.take([0], axis)).any()]
                for axis in axes[:-1]:
                    self.tie(made, made.take([0], axis))
            if len(self.ties) == count:
                return channel

    def traced(self) -> Traced:
        """What the labels say."""
        channel = self._tied()
        firsts = [(np.broadcast_to(channel[made[:1]], made.shape), channel[made]) for made in self.makers if len(made)]
        group = _classes(self.count, firsts)[channel]
        fixed = set(group[np.concatenate(self.fixed)].tolist())
        numbers, groups, first = np.full(self.count, -1), list[Group](), 0
        for name in dict.fromkeys(group[made[0]] for made in self.makers if len(made)):
            members = np.unique(channel[1:][group[1:] == name])
            number = np.full(self.count, -1)
            number[members] = np.arange(len(members))
            parts = tuple(
                Part(constant, axis, np.where(labels > 0, number[channel[labels]], -1), role)
                for constant, axis, labels, role in self.parts
                if name in group[labels[labels > 0]]
            )
            groups.append(Group(len(members), parts, name in fixed, first))
            numbers[members] = first + np.arange(len(members))
            first += len(members)
        return Traced(tuple(groups), self.of, np.where(np.arange(self.count) > 0, numbers[channel], -1))


def moved(node: Node, opset: int, operands: Sequence[Array | None]) -> list[Ints]:
    """Where a node puts what it moves: labels as float64, other operands as they are."""
    with np.errstate(all="ignore"):
        made = function_of(node, opset, {"Concat": _concat})(operands)
    return [np.asarray(array).astype(np.int64) for array in made]


def _of_layer(labels: _Labels, node: Node) -> Array:
    """The labels of what a layer with weights makes."""
    x, weight, shape = labels.of[node.inputs[0]], labels.model.constants[node.inputs[1]], labels.shape(node.outputs[0])
    axis, groups = channel_axis(node) % weight.ndim, int(node.attributes.get("group", 1))
    if node.op in ("Conv", "ConvTranspose"):
        made = _of_window(labels, node, x, groups, shape[1])
        made = np.broadcast_to(made.reshape(-1, *[1] * (len(shape) - 2)), shape)
    else:
        x = x.T if node.attributes.get("transA", 0) else x
        rows = labels.alike(np.moveaxis(x, -1, 0).reshape(x.shape[-1], -1))
        labels.parts.append((node.inputs[1], 2 * weight.ndim - 3 - axis, rows, "reads"))
        outputs = labels.fresh(weight.shape[axis])
        labels.parts.append((node.inputs[1], axis, outputs, "makes"))
        made = np.broadcast_to(outputs, shape)
    if len(node.inputs) > 2 and node.inputs[2] in labels.model.constants:
        labels.meet(node.inputs[2], made, 1 if node.op in ("Conv", "ConvTranspose") else None)
    return made


def _of_window(labels: _Labels, node: Node, x: Ints, groups: int, outputs: int) -> Ints:
    """The labels of the output channels of a convolution; channels at the same place of its groups go together."""
    rows, made = labels.alike(np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)), labels.fresh(outputs)
    reads, makes = rows.reshape(groups, -1), made.reshape(groups, -1)
    turned = node.op == "ConvTranspose"
    if groups == x.shape[1] > 1:  # depthwise: an output has one input
        labels.tie(makes, reads)
        labels.parts.append((node.inputs[1], 0, rows if turned else made, "makes"))
        return made
    for places in (reads, makes):
        labels.tie(places, places[:1])
    labels.parts.append((node.inputs[1], 0 if turned else 1, rows if turned else reads[0], "reads"))
    labels.parts.append((node.inputs[1], 1 if turned else 0, makes[0] if turned else made, "makes"))
    return made


def _concat(attributes: Mapping[str, Any], *arrays: Array) -> Array:
    """Constants have no label."""
    labelled = [array if array.dtype == np.float64 else np.zeros(array.shape) for array in arrays]
    return np.concatenate(labelled, axis=int(attributes.get("axis", 0)))


def _classes(count: int, ties: Sequence[tuple[Ints, Ints]]) -> Ints:
    """For every label the least of those that it is tied to, by any way."""
    least = np.arange(count)
    one, other = (np.concatenate([np.zeros(0, np.int64), *(tie[k].reshape(-1) for tie in ties)]) for k in (0, 1))
    while True:
        before = least
        least = before.copy()
        joined = np.minimum(before[one], before[other])
        for labels in (one, other, before[one], before[other]):
            np.minimum.at(least, labels, joined)
        least = least[least]
        if np.array_equal(least, before):
            return least
