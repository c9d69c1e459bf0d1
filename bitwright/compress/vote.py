# SPDX-License-Identifier: Apache-2.0
"""Networks side by side, whose outputs are one sum: each counts as much as it is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.network import FloatNet, fresh_names
from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Node

Array = NDArray[Any]


def member(place: int) -> Callable[[str], str]:
    """What the constants and tensors of a voter are called in the network of all."""
    return lambda name: f"{name}_of_{place}" if name else ""


def joined(nets: Sequence[FloatNet], shares: Sequence[float]) -> FloatNet:
    """One network, whose output is the sum of those of networks that read the same, times their shares.

    What each has of a soft maximum at its end is left out.
    """
    first = nets[0]
    given = {entry.name for entry in first.inputs}
    nodes, constants, ends = list[Node](), dict[str, Array](), list[tuple[str, float]]()
    for place, (net, share) in enumerate(zip(nets, shares, strict=True)):
        if net.inputs != first.inputs or len(net.outputs) != 1 or net.opset != first.opset:
            hint = "give networks that read the same, with one output each"
            raise BitwrightError("reads or makes other tensors than the first", where=f"{net.file}: vote", hint=hint)
        named = member(place)
        tensors = {name for node in net.nodes for name in (*node.inputs, *node.outputs)}
        names = {name: name if name in given else named(name) for name in tensors}
        kept, end = _until_logits(net)
        nodes += [_renamed(node, names, named(node.name)) for node in kept]
        constants |= {names[name]: array for name, array in net.constants.items() if name in names}
        ends.append((names[end], share))
    made = replace(first, nodes=tuple(nodes), constants=constants, coded={})
    return _summed(made, ends, first.outputs[0])


def _until_logits(net: FloatNet) -> tuple[list[Node], str]:
    """The nodes before the soft maximum or the choice that the network may end with, and what they make."""
    makers, end = {name: node for node in net.nodes for name in node.outputs}, net.outputs[0]
    nodes = list(net.nodes)
    while makers[end].op in ("ArgMax", "LogSoftmax", "Softmax"):
        nodes.remove(makers[end])
        end = makers[end].inputs[0]
    return nodes, end


def _renamed(node: Node, names: dict[str, str], title: str) -> Node:
    inputs, outputs = (tuple(names[name] for name in each) for each in (node.inputs, node.outputs))
    return replace(node, name=title, inputs=inputs, outputs=outputs)


def _summed(net: FloatNet, ends: Sequence[tuple[str, float]], output: str) -> FloatNet:
    """The network whose output is the sum of tensors times numbers."""
    fresh, constants, nodes = fresh_names(net), dict(net.constants), list(net.nodes)
    like, parts = nodes[-1], []
    for name, share in ends:
        factor, part = fresh(f"{name}_share"), fresh(f"{name}_part")
        constants[factor] = np.array(share, np.float32)
        constants[factor].flags.writeable = False
        nodes.append(replace(like, name=part, op="Mul", inputs=(name, factor), outputs=(part,), attributes={}))
        parts.append(part)
    total = parts[0]
    for place, part in enumerate(parts[1:], 2):
        made = output if place == len(parts) else fresh(f"{output}_of_{place}")
        nodes.append(replace(like, name=made, op="Add", inputs=(total, part), outputs=(made,), attributes={}))
        total = made
    return replace(net, nodes=tuple(nodes), constants=constants, outputs=(total,))
