# SPDX-License-Identifier: Apache-2.0
"""Channels taken out of a float network: what is left computes what the whole does with the channels unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import Coded
from bitwright.compress.groups import REDUCED, WINDOWS, Traced, moved, traced
from bitwright.compress.network import FloatNet, fresh_names, live
from bitwright.compress.operators import MATRIX, moves
from bitwright.compress.prune.shapes import Cut, Ints, Moved, aligned, joined, left, rewritten, same_places
from bitwright.ir.errors import BitwrightError
from bitwright.reading.constants import FAILURES
from bitwright.reading.inference import infer
from bitwright.reading.model import Node

Array = NDArray[Any]
MIXED = WINDOWS | REDUCED
"""Make one value of several of a channel."""
Kept = Sequence[NDArray[np.bool_]]
"""For every group of a network, which of its channels stay."""


class Inseparable(BitwrightError):
    """Some of the channels cannot go by themselves; `groups` are the places of their groups."""

    def __init__(self, what: str, *, where: str, hint: str, groups: Set[int]) -> None:
        super().__init__(what, where=where, hint=hint)
        self.groups = frozenset(groups)


def without(net: FloatNet, kept: Kept) -> FloatNet:
    """The network with those channels alone of each of its `groups`: smaller constants, nodes and shapes to match.

    It computes what the whole network does when every layer reads zeros in place of the other channels. A group that
    an input or an output of the network has channels of stays whole, and no group may lose all.
    """
    return _Cutter(net, kept).done()


class _Cutter:
    """A network while channels are taken out of it."""

    def __init__(self, net: FloatNet, kept: Kept) -> None:
        self.net, self.traced = net, traced(net.model)
        _check(net, kept)
        self.gone = np.concatenate([*(~held for held in kept), np.zeros(1, bool)])  # -1, no channel, never goes
        self.inferred = infer(net.model).constants
        self.fresh = fresh_names(net)
        self.cuts: dict[str, Cut] = {}
        self.constants: dict[str, Array] = {}
        self.variants: dict[str, list[str]] = {}
        self.coded: dict[str, Coded] = {}

    def done(self) -> FloatNet:
        """What is left."""
        nodes = live([self.node(node) for node in self.net.nodes], self.net.outputs)
        read = {name for node in nodes for name in node.inputs}
        held = {name: array for name, array in self.constants.items() if name in read}
        held |= {name: self.net.constants[name] for name in self.net.outputs if name in self.net.constants}
        for array in held.values():
            array.flags.writeable = False
        made = replace(self.net, nodes=nodes, constants=held, coded=self.coded)
        self._check_shapes(made)
        return made

    def _check_shapes(self, made: FloatNet) -> None:
        """Refuse a network whose tensors are not what is left of them."""
        kinds = infer(made.model).kinds
        for node in made.nodes:
            for name in filter(self.traced.labels.__contains__, node.outputs):
                if name not in kinds or kinds[name].shape != self.cut(name).shape:
                    what, measured = f"cannot make what is left of '{name}'", self._measured(node)
                    raise self.inseparable(what, [name, *measured], node.where)

    def _measured(self, node: Node) -> set[str]:
        """The tensors with channels that the operands of a node are made of, be it of their sizes alone."""
        makers = {name: maker for maker in self.net.nodes for name in maker.outputs}
        found, ahead = set[str](), list(node.inputs)
        while ahead:
            name = ahead.pop()
            if name in self.traced.labels and (self.traced.channels(name) >= 0).any():
                found.add(name)
            elif name in makers:
                ahead += makers[name].inputs
        return found

    def cut(self, name: str) -> Cut:
        """What is left of a tensor."""
        if name not in self.cuts:
            self.cuts[name] = self._cut(name)
        return self.cuts[name]

    def _cut(self, name: str) -> Cut:
        channels = self.traced.channels(name)
        gone, labelled = self.gone[channels], channels >= 0
        shape = channels.shape
        if not gone.any():
            return Cut(shape, tuple(map(np.arange, shape)))
        kept = []
        for axis in range(len(shape)):
            others = tuple(other for other in range(len(shape)) if other != axis)
            lost = (gone | ~labelled).all(axis=others) & labelled.any(axis=others)
            kept.append(np.flatnonzero(~lost))
        if not all(map(len, kept)):
            raise BitwrightError(
                f"nothing is left of the tensor '{name}'",
                where=self.net.file,
                hint="keep at least one channel of each group",
            )
        if gone[np.ix_(*kept)].any():
            raise self.inseparable(f"the channels that stay of the tensor '{name}' are no tensor", [name])
        return Cut(shape, tuple(kept))

    def inseparable(self, what: str, tensors: Sequence[str], where: str = "") -> Inseparable:
        """The error that channels of some tensors cannot go by themselves."""
        numbers = np.concatenate([self.traced.channels(name).reshape(-1) for name in tensors])
        lost = np.unique(numbers[self.gone[numbers]])
        groups = {int(place) for place in np.searchsorted(_firsts(self.traced), lost, side="right") - 1}
        return Inseparable(what, where=where or self.net.file, hint="keep all of their group", groups=groups)

    def node(self, node: Node) -> Node:
        """A node for what is left of its operands, with constants to match."""
        shorter = self._is_shorter(node)
        found, constants = self._rewritten(node) if shorter else (node, {})
        inputs = tuple(self._constant(name, constants.get(place)) for place, name in enumerate(found.inputs))
        found = replace(found, inputs=inputs)
        if shorter and _moves(node) and node.op not in MIXED:
            self._check_moved(found, constants)
        return found

    def _is_shorter(self, node: Node) -> bool:
        """True for a node of whose operands or outputs something is gone."""
        known = [name for name in (*node.inputs, *node.outputs) if name in self.traced.labels]
        return not self.traced.labels.keys().isdisjoint(node.outputs) and any(self.cut(name).axes for name in known)

    def _rewritten(self, node: Node) -> tuple[Node, dict[int, Array]]:
        """A node with other attributes, and the constants that are others now, by their places."""
        if node.op in MATRIX:
            return self._layer(node)
        return self._moved(node) if _moves(node) else (node, self._aligned(node))

    def _constant(self, name: str, array: Array | None) -> str:
        """The name of a constant that is now an array, None for what it was; one that is read alike has one name."""
        if array is None:
            if name not in self.net.constants:
                return name
            array = self.net.constants[name]
        known = self._known(name, array)
        if known is not None:
            return known
        own = name in self.net.constants and not self.variants[name]
        variant = name if own else self.fresh(name or "sizes")
        self.variants[name].append(variant)
        self.constants[variant] = array
        if name in self.net.coded and array is self.net.constants[name]:
            self.coded[variant] = self.net.coded[name]
        return variant

    def _known(self, name: str, array: Array) -> str | None:
        """The variant of a constant that is an array, if there is one."""
        for variant in self.variants.setdefault(name, []):
            held = self.constants[variant]
            if held.dtype == array.dtype and np.array_equal(held, array):
                return variant
        return None

    def _layer(self, node: Node) -> tuple[Node, dict[int, Array]]:
        """A layer with the rows and columns of its weight that are left, and its bias."""
        read, made = self.cut(node.inputs[0]), self.cut(node.outputs[0])
        weight, bias = self.net.constants[node.inputs[1]], len(node.inputs) > 2 and node.inputs[2]
        windowed = node.op in ("Conv", "ConvTranspose")
        constants: dict[int, Array] = {}
        if windowed:
            node, axes = self._window(node, read, made, weight)
        else:
            turned = node.op == "Gemm" and node.attributes.get("transB", 0)
            columns = read.kept[0 if node.op == "Gemm" and node.attributes.get("transA", 0) else -1]
            axes = {weight.ndim - 1 - bool(turned): made.kept[-1], weight.ndim - 2 + bool(turned): columns}
        for axis, kept in axes.items():
            weight = np.take(weight, kept, axis=axis)
        constants[1] = weight
        if bias and bias in self.net.constants:
            constants[2] = aligned(made, self.net.constants[bias], 1 if windowed else None)
        return node, constants

    def _window(self, node: Node, read: Cut, made: Cut, weight: Array) -> tuple[Node, dict[int, Ints]]:
        """A convolution with as many groups as are left, and what stays on the axes of its weight."""
        turned, groups = node.op == "ConvTranspose", int(node.attributes.get("group", 1))
        if groups == read.before[1] > 1:
            each = weight.shape[1] if turned else len(weight) // groups
            if not np.array_equal(np.unique(made.kept[1] // each), read.kept[1]):
                raise self.inseparable("would keep outputs of no channel", [node.outputs[0]], node.where)
            node = replace(node, attributes={**node.attributes, "group": len(read.kept[1])})
            return node, {0: read.kept[1] if turned else made.kept[1]}
        inputs, outputs = same_places(read, 1, groups), same_places(made, 1, groups)
        if inputs is None or outputs is None:
            raise self.inseparable("would have unlike groups", [node.inputs[0], node.outputs[0]], node.where)
        return node, {0: read.kept[1], 1: outputs} if turned else {0: made.kept[1], 1: inputs}

    def _aligned(self, node: Node) -> dict[int, Array]:
        """The constants of a node that computes each element by itself, or each channel."""
        made, first = self.cut(node.outputs[0]), 1 if node.op == "BatchNormalization" else None
        constants = self.net.constants
        places = [place for place, name in enumerate(node.inputs) if name in constants]
        return {place: aligned(made, constants[node.inputs[place]], first) for place in places}

    def _moved(self, node: Node) -> tuple[Node, dict[int, Array]]:
        """A node that moves values, its sizes and places made to match, if it then moves what is left as before."""
        made = tuple(self.cut(name) for name in node.outputs if name)
        held = {place: self.inferred[name] for place, name in enumerate(node.inputs) if name in self.inferred}
        if node.op == "Concat":
            return node, {place: joined(node, made[0], array) for place, array in held.items()}
        computed = frozenset(place for place in held if node.inputs[place] not in self.net.constants)
        found = rewritten(Moved(node, self.cut(node.inputs[0]), made, held, computed, self.net.opset))
        return found.node, dict(found.constants)

    def _check_moved(self, node: Node, constants: Mapping[int, Array]) -> None:
        """Refuse a node that would move what is left to other places than before."""
        names = [name for name in node.outputs if name]
        operands = [self._operand(name, constants.get(place)) for place, name in enumerate(node.inputs)]
        try:
            found = moved(node, self.net.opset, operands)
            if all(np.array_equal(one, self._labels(name)) for one, name in zip(found, names, strict=False)):
                return
        except FAILURES:
            pass
        raise self.inseparable("cannot move the channels that stay", [*self._data(node), *names], node.where)

    def _data(self, node: Node) -> list[str]:
        return [name for name in node.inputs if name in self.traced.labels]

    def _operand(self, name: str, array: Array | None) -> Array | None:
        if name in self.traced.labels:
            return self._labels(name).astype(np.float64)
        return self.inferred.get(name) if array is None else array

    def _labels(self, name: str) -> Ints:
        """The channels of what is left of a tensor, from 1 on."""
        return left(self.cut(name), self.traced.channels(name)) + 1


def _check(net: FloatNet, kept: Kept) -> None:
    """Refuse what does not say for each channel whether it stays, and channels of groups that are fixed."""
    sizes = [group.size for group in net.groups]
    if [len(held) for held in kept] != sizes:
        raise BitwrightError(
            f"says which of {[len(held) for held in kept]} channels stay",
            where=f"{net.file}: kept",
            hint=f"the groups of the network have {sizes}",
        )
    for place, (group, held) in enumerate(zip(net.groups, kept, strict=True)):
        if group.fixed and not held.all():
            raise BitwrightError(
                f"group {place} has channels of an input or an output of the network",
                where=f"{net.file}: kept",
                hint="keep all of them",
            )


def _moves(node: Node) -> bool:
    return moves(node) or node.op in ("Concat", "Resize", "Upsample")


def _firsts(found: Traced) -> list[int]:
    return [group.first for group in found.groups]
