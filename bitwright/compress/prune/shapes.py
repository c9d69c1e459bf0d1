# SPDX-License-Identifier: Apache-2.0
"""Nodes that state sizes or places of what they move, written anew for tensors of which a part is gone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.reading.model import Node

Array = NDArray[Any]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """What is left of a tensor: its shape before, and the indices that stay on each axis."""

    before: tuple[int, ...]
    kept: tuple[Ints, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what is left."""
        return tuple(map(len, self.kept))

    @property
    def axes(self) -> list[int]:
        """The axes that are shorter than before."""
        return [axis for axis, size in enumerate(self.before) if len(self.kept[axis]) < size]


@dataclass(frozen=True)
class Moved:
    """A node, what is left of the tensor that it moves and of those that it makes, and its constant operands.

    Those that are `computed` follow from shapes, for one sample.
    """

    node: Node
    data: Cut
    made: tuple[Cut, ...]
    constants: Mapping[int, Array]
    computed: frozenset[int]
    opset: int

    def given(self, place: int, attribute: str) -> Ints | None:
        """Numbers that are an input, or an attribute in older opsets; None if they are not there."""
        held = self.constants.get(place, self.node.attributes.get(attribute))
        return None if held is None else np.asarray(held, np.int64).reshape(-1)

    def told(self, place: int, attribute: str, numbers: Array) -> Rewritten:
        """The node with other such numbers, where it had them."""
        if place in self.constants:
            return Rewritten(self.node, {place: numbers.reshape(self.constants[place].shape)})
        attributes = {**self.node.attributes, attribute: numbers.tolist()}
        return Rewritten(replace(self.node, attributes=attributes), {})


@dataclass(frozen=True)
class Rewritten:
    """The node as it is now, and other constants for some of its inputs."""

    node: Node
    constants: Mapping[int, Array]


def _reshape(moved: Moved) -> Rewritten:
    """0 is the size that the input has there, -1 the rest."""
    (made,) = moved.made
    wanted = moved.given(1, "shape")
    if wanted is None or len(wanted) != len(made.shape):
        return Rewritten(moved.node, {})
    sizes = wanted.copy()
    if 1 in moved.computed and wanted[0] == moved.data.before[0]:
        sizes[0] = 0
    for axis, size in enumerate(made.shape):
        copied = wanted[axis] == 0 and (axis >= len(moved.data.shape) or moved.data.shape[axis] != size)
        if copied or (wanted[axis] > 0 and size < made.before[axis]):
            sizes[axis] = size
    return moved.told(1, "shape", sizes)


def _expand(moved: Moved) -> Rewritten:
    (made,) = moved.made
    sizes = moved.given(1, "shape")
    if sizes is None:
        return Rewritten(moved.node, {})
    behind = len(made.shape) - len(sizes)
    for axis in made.axes:
        if axis >= behind and sizes[axis - behind] > 1:
            sizes[axis - behind] = made.shape[axis]
    return moved.told(1, "shape", sizes)


def _split(moved: Moved) -> Rewritten:
    axis = int(moved.node.attributes.get("axis", 0)) % len(moved.data.before)
    sizes = np.array([made.shape[axis] for made in moved.made])
    if moved.given(1, "split") is not None or moved.opset < 13:
        return moved.told(1, "split", sizes)
    attributes = {name: value for name, value in moved.node.attributes.items() if name != "num_outputs"}
    inputs = (*moved.node.inputs[:1], "")
    return Rewritten(replace(moved.node, attributes=attributes, inputs=inputs), {1: sizes})


def _slice(moved: Moved) -> Rewritten:
    """Steps of one, from the first of what is left to its last."""
    starts, ends = moved.given(1, "starts"), moved.given(2, "ends")
    if starts is None or ends is None:
        return Rewritten(moved.node, {})
    axes, steps = moved.given(3, "axes"), moved.given(4, "steps")
    starts, ends = starts.copy(), ends.copy()
    for place, axis in enumerate(range(len(starts)) if axes is None else axes % len(moved.data.before)):
        if axis in moved.data.axes and (steps is None or steps[place] == 1):
            places = np.arange(moved.data.before[axis])[starts[place] : ends[place]]
            left = np.flatnonzero(np.isin(moved.data.kept[axis], places))
            starts[place], ends[place] = (left[0], left[-1] + 1) if len(left) else (0, 0)
    first = moved.told(1, "starts", starts)
    second = replace(moved, node=first.node).told(2, "ends", ends)
    return Rewritten(second.node, {**first.constants, **second.constants})


def _gather(moved: Moved) -> Rewritten:
    axis = int(moved.node.attributes.get("axis", 0)) % len(moved.data.before)
    asked = moved.constants.get(1)
    if asked is None or axis not in moved.data.axes:
        return Rewritten(moved.node, {})
    kept = moved.data.kept[axis]
    places = asked % moved.data.before[axis]
    if asked.ndim:
        places = places[np.ix_(*moved.made[0].kept[axis : axis + asked.ndim])]
    return Rewritten(moved.node, {1: np.searchsorted(kept, places).astype(asked.dtype)})


def _resize(moved: Moved) -> Rewritten:
    """Sizes of all axes, or of those that are named; factors stay."""
    (made,) = moved.made
    sizes = moved.constants.get(3)
    if sizes is None or sizes.size == 0:
        return Rewritten(moved.node, {})
    axes = np.asarray(moved.node.attributes.get("axes", range(len(made.shape)))) % len(made.shape)
    found = [made.shape[axis] if axis in made.axes else size for axis, size in zip(axes, sizes, strict=True)]
    return Rewritten(moved.node, {3: np.array(found, sizes.dtype)})


def _squeeze(moved: Moved) -> Rewritten:
    """Axes that had one element, but for the samples': another may have one now."""
    if moved.given(1, "axes") is not None:
        return Rewritten(moved.node, {})
    axes = np.array([axis for axis, size in enumerate(moved.data.before) if size == 1 and axis])
    if moved.opset < 13:
        return moved.told(1, "axes", axes)
    return Rewritten(replace(moved.node, inputs=(moved.node.inputs[0], "")), {1: axes})


REWRITES: Mapping[str, Callable[[Moved], Rewritten]] = {
    "Expand": _expand,
    "Gather": _gather,
    "Reshape": _reshape,
    "Resize": _resize,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
}
"""The operators that may have to be written anew; whether what they became is right is for the caller to see."""


def rewritten(moved: Moved) -> Rewritten:
    """The node for tensors that are shorter."""
    rewrite = REWRITES.get(moved.node.op)
    return Rewritten(moved.node, {}) if rewrite is None else rewrite(moved)


def left(cut: Cut, array: Array) -> Array:
    """What of an array of the shape before is left."""
    return array if not cut.axes else array[np.ix_(*cut.kept)]


def aligned(cut: Cut, array: Array, first: int | None = None) -> Array:
    """What of a constant is left that broadcasts against the tensor, its last axes or those from `first` on."""
    behind = len(cut.before) - array.ndim if first is None else first
    for axis, size in enumerate(array.shape):
        if size > 1 and behind + axis >= 0 and behind + axis in cut.axes:
            array = np.take(array, cut.kept[behind + axis], axis=axis)
    return array


def joined(node: Node, made: Cut, array: Array) -> Array:
    """What is left of a constant among the tensors that are joined."""
    along = int(node.attributes.get("axis", 0)) % array.ndim
    for axis in made.axes:
        if axis != along:
            array = np.take(array, made.kept[axis], axis=axis)
    return array


def same_places(cut: Cut, axis: int, groups: int) -> Ints | None:
    """The indices that stay inside each of so many equal parts of an axis; None if they are not the same in all."""
    size = cut.before[axis] // groups
    kept = cut.kept[axis]
    inside: Sequence[Ints] = [kept[kept // size == part] % size for part in range(groups)]
    return inside[0] if all(np.array_equal(inside[0], other) for other in inside) else None
