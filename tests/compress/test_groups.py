# SPDX-License-Identifier: Apache-2.0
"""Groups of channels: one that is taken out leaves what the network computes without it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of
from bitwright.compress.groups import Group
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw

Array = NDArray[Any]


def without(net: FloatNet, group: Group, channel: int) -> FloatNet:
    """The network without a channel: whatever constants have of it is cut out."""
    constants = dict(net.constants)
    for name in {part.constant for part in group.parts}:
        for part in (part for part in group.parts if part.constant == name):
            gone = np.flatnonzero(part.channels == channel)
            constants[name] = np.delete(constants[name], gone, axis=part.axis)
    nodes = [
        replace(each, attributes={**each.attributes, "group": len(constants[each.inputs[1]])})
        if each.op == "Conv" and each.attributes.get("group", 1) == len(net.constants[each.inputs[1]]) > 1
        else each
        for each in net.nodes
    ]
    return replace(net, nodes=tuple(nodes), constants=constants)


def unread(net: FloatNet, group: Group, channel: int) -> FloatNet:
    """The network that has the channel and multiplies it by zero wherever it is read."""
    changed: dict[str, Array] = {}
    for part in (part for part in group.parts if part.role == "reads"):
        array = np.moveaxis(changed.get(part.constant, net.constants[part.constant]).copy(), part.axis, 0)
        array[part.channels == channel] = 0
        changed[part.constant] = np.moveaxis(array, 0, part.axis)
    return net.replace(**changed)


def check(net: FloatNet, x: Array) -> int:
    """Takes a channel out of every group that allows it; how many do."""
    free = [group for group in net.groups if not group.fixed and group.size > 1]
    for group in free:
        for channel in (0, group.size - 1):
            found, wanted = (
                outputs_of(made, [x]) for made in (without(net, group, channel), unread(net, group, channel))
            )
            for one, other in zip(found, wanted, strict=True):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    return len(free)


@pytest.mark.parametrize("seed", range(16))
def test_a_channel_that_is_taken_out_of_all_parts_is_gone(seed: int) -> None:
    draw = Draw(seed)
    assert check(float_net(draw.model()), draw.samples()[:3])


CASES: dict[str, tuple[list[onnx.NodeProto], dict[str, Array], list[int], list[int]]] = {
    "concat": (
        [
            node("Conv", "x a", "h"),
            node("Conv", "x b", "g"),
            node("Concat", "h g", "c", axis=1),
            node("Flatten", "c", "f"),
            node("MatMul", "f w", "y"),
        ],
        {"a": normal(3, 2, 1, 1), "b": normal(4, 2, 1, 1), "w": normal(7 * 9, 5)},
        [2, 3, 3],
        [2, 3, 4, 5],
    ),
    "grouped": (
        [node("Conv", "x a", "h"), node("Conv", "h b", "g", group=2), node("Conv", "g c", "y")],
        {"a": normal(6, 2, 1, 1), "b": normal(4, 3, 1, 1), "c": normal(2, 4, 1, 1)},
        [2, 3, 3],
        [2, 3, 2, 2],
    ),
    "channels last": (
        [node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "t a", "h"), node("Add", "h b", "s"),
         node("Mul", "s s", "q"), node("ReduceMean", "q", "m", axes=[1], keepdims=0), node("MatMul", "m w", "y")],
        {"a": normal(1, 2, 4), "b": normal(4), "w": normal(4, 3)},
        [2, 5],
        [2, 4, 3],
    ),
    "gate": (
        [node("Conv", "x a b", "h"), node("GlobalAveragePool", "h", "p"), node("Conv", "p c", "e"),
         node("Sigmoid", "e", "s"), node("Mul", "h s", "m"), node("Split", "m", "u"), node("Conv", "u d", "y")],
        {"a": normal(4, 2, 1, 1), "b": normal(4), "c": normal(4, 4, 1, 1), "d": normal(3, 2, 1, 1)},
        [2, 3, 3],
        [2, 4, 3],
    ),
    "shuffle": (
        [node("Conv", "x a", "h"), node("Reshape", "h five", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
         node("Reshape", "t four", "u"), node("Conv", "u b", "y", group=2)],
        {"a": normal(4, 2, 1, 1), "five": np.array([0, 2, 2, 3, 3]), "four": np.array([0, 4, 3, 3]),
         "b": normal(2, 2, 1, 1)},
        [2, 3, 3],
        [2, 2, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_groups_follow_channels_through(name: str) -> None:
    nodes, weights, sample, sizes = CASES[name]
    for each in nodes:
        if each.op_type == "Split":
            each.output.append("rest")
            each.attribute.append(onnx.helper.make_attribute("axis", 1))
    net = float_net(graph(nodes, weights, sample=sample))
    assert [group.size for group in net.groups] == sizes
    if name not in ("gate", "grouped", "shuffle"):
        check(net, normal(3, *sample))


def test_what_enters_and_leaves_is_fixed_and_softmax_lets_no_channel_go() -> None:
    nodes = [
        node("MatMul", "x a", "h"),
        node("MatMul", "h b", "g"),
        node("Softmax", "g", "s"),
        node("MatMul", "g c", "y"),
    ]
    weights = {"a": normal(4, 5), "b": normal(5, 6), "c": normal(6, 3)}
    net = float_net(graph(nodes, weights, sample=[4], outputs=["y", "s"]))
    assert [(group.size, group.fixed) for group in net.groups] == [
        (4, True),
        (5, False),
        (6, True),
        (6, True),
        (3, True),
    ]
