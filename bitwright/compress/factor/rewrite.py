# SPDX-License-Identifier: Apache-2.0
"""Layers of a network replaced by stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.compress.columns import View
from bitwright.compress.factor.stages import Array, Stage
from bitwright.compress.factor.windows import as_windows
from bitwright.compress.network import FloatNet, fresh_names, live
from bitwright.compress.operators import channel_axis
from bitwright.compress.sites import key
from bitwright.reading.model import Node

NONE = np.zeros((0, 0))
WINDOW = {"pads": 0, "strides": 1, "dilations": 1, "kernel_shape": 1}
"""Attributes of a window, and what they are along an axis that it does not go along."""


def wide(view: View) -> Array:
    """The weight of a layer as (outputs, inputs, *window); an empty one of a layer that can have no stages."""
    node, weight = view.node, view.weight
    match view.layer.op:
        case "Conv" if view.layer.groups == 1 and str(node.attributes.get("auto_pad", "NOTSET")) == "NOTSET":
            return weight
        case "Gemm" if not node.attributes.get("transA", 0) and _factors(node) == (1, 1):
            return weight if view.layer.axis == 0 else weight.T
        case "MatMul" if weight.ndim == 2:
            return weight.T
        case _:
            return NONE


def rewritten(net: FloatNet, stages: Mapping[str, Sequence[Stage]]) -> FloatNet:
    """The network, some of its layers, by name, as stages; the last has the bias. Weights that are equal are one."""
    net, stages = as_windows(net, stages)
    fresh, constants, nodes = fresh_names(net), dict(net.constants), list[Node]()
    named: dict[tuple[Any, ...], str] = {}
    for node in net.nodes:
        parts = stages.get(key(node), ())
        made = [fresh(f"{key(node)}_{place}") for place in range(1, len(parts))]
        ends = [*zip([node.inputs[0], *made], [*made, node.outputs[0]], strict=True)] if parts else []
        nodes += [] if parts else [node]
        for place, (stage, (source, target)) in enumerate(zip(parts, ends, strict=True), 1):
            last = place == len(parts)
            laid = np.ascontiguousarray(_laid(node, stage), dtype=np.float32)
            laid.flags.writeable = False
            alike = (channel_axis(node), laid.shape, laid.tobytes())
            name = named[alike] if alike in named else named.setdefault(alike, fresh(f"{node.inputs[1]}_{place}"))
            constants[name] = laid
            inputs = (source, name, *(node.inputs[2:] if last else ()))
            title = node.name if last else fresh(f"{node.name}_{place}")
            held = _attributes(node, stage)
            nodes.append(replace(node, name=title, inputs=inputs, outputs=(target,), attributes=held))
    read = {name for node in nodes for name in node.inputs}.union(net.outputs)
    kept = {name: array for name, array in constants.items() if name in read}
    return replace(net, nodes=live(nodes, net.outputs), constants=kept)


def _laid(node: Node, stage: Stage) -> Array:
    """A stage's weight as the operator has it."""
    if node.op == "Conv":
        return stage.weight
    return stage.weight if node.op == "Gemm" and node.attributes.get("transB", 0) else stage.weight.T


def _attributes(node: Node, stage: Stage) -> dict[str, Any]:
    """Those of the layer, along the axes that the stage's window goes along."""
    if node.op != "Conv":
        return dict(node.attributes)
    axes = stage.weight.ndim - 2
    along = {"both": range(axes), "rows": (0,), "columns": (1,), "none": ()}[stage.window]
    given = {name: list(node.attributes[name]) for name in WINDOW if name in node.attributes}
    given["kernel_shape"] = list(stage.weight.shape[2:])
    made: dict[str, Any] = {"group": stage.groups}
    for name, values in given.items():
        size = len(values)
        made[name] = [value if i % axes in along else WINDOW[name] for i, value in enumerate(values)]
        assert size in (axes, 2 * axes)
    return made


def _factors(node: Node) -> tuple[Any, Any]:
    return node.attributes.get("alpha", 1), node.attributes.get("beta", 1)
