# SPDX-License-Identifier: Apache-2.0
"""A network that keeps what it can do: channels that it uses, and room for more in those that it does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import walk
from bitwright.compress.groups import Group, Role
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.responses import Responses, places
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Partition:
    """The network without what used channels read of others, and where each of its constants is free to change."""

    net: FloatNet
    free: Mapping[str, Array]


def used(net: FloatNet, data: Sequence[Array], theta: float) -> list[Array]:
    """Of each group, its channels whose mean magnitude on samples is `theta` of the largest or more; all of others."""
    found = Responses(net)
    with np.errstate(all="ignore"):
        walk(net, list(data), found)
    held = []
    for place, group in enumerate(net.groups):
        means = np.abs(found.found[place]).mean(axis=(0, 1)) if place in found.found else np.ones(group.size)
        held.append((means >= theta * means.max()) | group.fixed)
    return held


def partitioned(net: FloatNet, channels: Sequence[Array], classes: Array) -> Partition:
    """What the used channels make stays, but for the outputs of new classes; what they read of others is cut."""
    _check(net, classes)
    free = {name: np.zeros(array.shape, bool) for name, array in net.constants.items() if array.dtype.kind == "f"}
    unused = {name: mask.copy() for name, mask in free.items()}
    for group, held in zip(net.groups, channels, strict=True):
        for role in ("makes", "meets"):
            _mark(free, group, role, ~held)
        _mark(unused, group, "reads", ~held)
    last = net.layers[-1]
    np.moveaxis(free[last.weight], last.axis, 0)[classes] = True
    if last.bias:
        free[last.bias][..., classes] = True
    cut = {name: np.where(unused[name] & ~free[name], np.float32(0), net.constants[name]) for name in free}
    return Partition(net.replace(**cut), free)


def _check(net: FloatNet, classes: Array) -> None:
    """Refuse a network that cannot stay as it is, and classes none of which does."""
    where = f"{net.file}: partition"
    if any(node.op == "BatchNormalization" for node in net.nodes):
        hint = "put normalisations behind layers, into which they are folded"
        raise BitwrightError("normalises batches, which is all or nothing", where=where, hint=hint)
    last = net.layers[-1]
    outputs = net.constants[last.weight].shape[last.axis]
    if classes.max() >= outputs:
        hint = f"it has classes 0 to {outputs - 1}"
        raise BitwrightError(f"the network has no output for class {classes.max()}", where=where, hint=hint)
    if len(classes) == outputs:
        hint = "give samples of classes that are new, and others of those that it knows for calibration"
        raise BitwrightError("all classes are new, and nothing stays", where=where, hint=hint)


def _mark(masks: dict[str, Array], group: Group, role: Role, chosen: Array) -> None:
    """True where the constants of a group belong to some of its channels."""
    for name, axis, channels in places(group, role):
        if name in masks and masks[name].ndim:
            np.moveaxis(masks[name], axis, 0)[np.append(chosen, False)[channels]] = True
