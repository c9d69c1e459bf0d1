# SPDX-License-Identifier: Apache-2.0
"""The layout that each reader asks of a tensor: an image, features, or constants per channel."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from bitwright.frontend.builder import Builder, channels_last, invert
from bitwright.frontend.clips import are_in_one_order
from bitwright.frontend.mixed import unified
from bitwright.frontend.values import Const, Host, Kept, Mask, Pieces, T, Tensor, Value
from bitwright.ir.layers import Gather, Layer, Reshape
from bitwright.ir.moves import as_move
from bitwright.ir.per_channel import PerChannel, squeeze, width
from bitwright.ir.weights import Ints
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import MAX_CHANNELS, check_size

BATCH_MOVED = ("moves the batch axis", "keep the samples on axis 0, or fix the batch to one (--shape NAME=1x...)")
FIT = "export the model again; the shapes do not fit"
PLAIN_POOL = "quantise the activation before the pool"


def image(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor as (1, C, H, W) over a layer of shape (H, W, C).

    Signals (N, C, L) of a sample are an image of height N, frames (N, C, H, W) have their channels side by side.
    """
    shape = tensor.where.shape
    where = tensor.where.transpose(1, 0, 2)[None] if len(shape) == 3 else tensor.where.reshape(1, -1, *shape[2:])
    tensor, shape = replace(tensor, where=where), where.shape
    wanted = np.arange(prod(shape)).reshape(*shape[2:], shape[1])
    return _laid(builder, tensor, wanted.shape, wanted.transpose(2, 0, 1)[None], node)


def framed(where: Ints, shape: tuple[int, ...]) -> Ints:
    """The elements (1, C, H, W) of an image made of a tensor of the ONNX `shape`, with the axes that it had."""
    made: Ints = where[0].transpose(1, 0, 2) if len(shape) == 3 else where.reshape(shape[0], -1, *where.shape[2:])
    return made


def features(builder: Builder, tensor: Tensor, node: Node) -> tuple[Tensor, Ints]:
    """The tensor over a layer of shape (..., F), and the place in the layer of each of its F features."""
    shape = tensor.where.shape
    rows = tensor.where.reshape(-1, shape[-1])
    first = rows[0] % shape[-1]
    regular = np.array_equal(np.sort(first), np.arange(shape[-1])) and np.array_equal(
        rows, np.arange(len(rows))[:, None] * shape[-1] + first
    )
    place = first if regular else np.arange(shape[-1])
    wanted = (np.arange(len(rows))[:, None] * shape[-1] + place).reshape(shape)
    outer = shape[1:-1] if shape[0] == 1 else tuple(n for n in shape[:-1] if n > 1)
    layer_shape = (shape[-1],) if len(rows) == 1 else (*outer, shape[-1])
    return _laid(builder, tensor, layer_shape, wanted, node), place


def per_channel(builder: Builder, tensor: Tensor, node: Node, *values: Array) -> tuple[Tensor, list[PerChannel]]:
    """Exact `values` (Fractions, each broadcastable to the ONNX shape) as one per channel of the layer.

    Values that differ within a channel flatten the layer first, so that every element is a channel.
    """
    check_fit(node, tensor, *(value.shape for value in values))
    found = [_by_channel(builder, tensor, value) for value in values]
    if None in found:
        if tensor.pools:
            raise node.error("combines a max-pool of real values with a constant per element", PLAIN_POOL)
        check_size(node, (builder.size(tensor),), MAX_CHANNELS)
        tensor = flat(builder, tensor, node)
        found = [_by_channel(builder, tensor, value) for value in values]
    if None in found:  # elements that stand in several places
        tensor = flat(builder, whole(builder, tensor, node), node)
        found = [_by_channel(builder, tensor, value) for value in values]
    return tensor, [value for value in found if value is not None]


def check_fit(node: Node, tensor: Tensor, *shapes: tuple[int, ...]) -> None:
    """Refuse constants of `shapes` that do not all broadcast to the tensor."""
    if not all(broadcasts(shape, tensor.where.shape) for shape in shapes):
        given = [shape for shape in shapes if prod(shape) != 1]
        raise node.error(f"combines shapes {tensor.where.shape} and {given}", FIT)


def broadcasts(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """True if an array of `shape` stretches to `wanted`; a single number does so whatever its rank."""
    pairs = zip(reversed(shape), reversed(wanted), strict=False)
    return prod(shape) == 1 or (len(shape) <= len(wanted) and all(a in (1, b) for a, b in pairs))


def flat(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor over a layer with one axis, so that every element may have constants of its own."""
    size = builder.size(tensor)
    if width(tensor.scale, tensor.offset, tensor.low, tensor.high, tensor.slopes) > 1:
        check_size(node, (size,), MAX_CHANNELS)
    return replace(
        reshaped(builder, tensor, (size,), node),
        scale=PerChannel(_repeat(tensor.scale.values, size)),
        offset=PerChannel(_repeat(tensor.offset.values, size)),
        low=_repeat(tensor.low, size),
        high=_repeat(tensor.high, size),
        slopes=PerChannel(_repeat(tensor.slopes.values, size)),
    )


def _by_channel(builder: Builder, tensor: Tensor, values: Array) -> PerChannel | None:
    """`values` per channel of the layer, None if they differ within one; compared by number, as there may be many."""
    if values.size == 1:
        return PerChannel((values.reshape(-1)[0],))
    shape = (1,) * (tensor.where.ndim - values.ndim) + values.shape
    if shape[1:2] == (values.size,) and _is_channels_last(builder, tensor):
        return PerChannel(tuple(values.reshape(-1))).squeezed()
    numbers: dict[Fraction, int] = {}
    index = np.array([numbers.setdefault(value, len(numbers)) for value in values.reshape(-1)])
    index = np.broadcast_to(index.reshape(values.shape), tensor.where.shape).reshape(-1)
    place = tensor.where.reshape(-1) % builder.layers[tensor.layer].channels
    found = np.full(builder.layers[tensor.layer].channels, index[0])  # also outside a slice
    found[place] = index
    if not np.array_equal(found[place], index):
        return None
    return PerChannel(tuple(map(list(numbers).__getitem__, found))).squeezed()


def _is_channels_last(builder: Builder, tensor: Tensor) -> bool:
    """True if axis 1 of the tensor counts the channels of its layer, and nothing else is moved."""
    shape = builder.layers[tensor.layer].shape
    return tensor.where.shape == (1, shape[-1], *shape[:-1]) and np.array_equal(
        np.moveaxis(tensor.where[0], 0, -1).reshape(-1), np.arange(tensor.where.size)
    )


def _laid(
    builder: Builder, tensor: Tensor, shape: tuple[int, ...], wanted: Ints, node: Node, *, alone: bool = True
) -> Tensor:
    """The tensor over a layer of `shape` with its elements at `wanted`; an input that it reads `alone` is re-laid."""
    if np.array_equal(tensor.where, wanted) and builder.size(tensor) == wanted.size:
        return reshaped(builder, tensor, shape, node)
    whole = _covers(builder, tensor)
    order = np.empty(wanted.size, dtype=np.int64)
    order[wanted.reshape(-1)] = tensor.where.reshape(-1)
    if alone and whole and _may_relay(builder, tensor.layer):
        return relay(builder, tensor, shape, order)
    return replace(gather(builder, tensor, order.reshape(shape), node), where=wanted)


def gather(builder: Builder, tensor: Tensor, index: Ints, node: Node, fill: int = 0) -> Tensor:
    """A layer of the shape of `index` that holds the tensor's integers in that order, `fill` where it is -1.

    The `where` of the result is that of the layer itself; the caller knows the ONNX shape.
    """
    if not _gathers(tensor, builder.layers[tensor.layer], index):
        tensor = _unified(builder, tensor, node)
    old = builder.layers[tensor.layer]
    first = _first(index) % old.channels

    def moved(values: tuple[T, ...]) -> tuple[T, ...]:
        return values if len(values) == 1 else squeeze(tuple(values[i] for i in first))

    name = builder.add(
        Gather(
            name=f"{tensor.layer}_gather",
            inputs=(tensor.layer,),
            shape=index.shape,
            type=old.type,
            scale=PerChannel(moved(old.scale.values)),
            zero=PerChannel(moved(old.zero.values)),
            move=as_move(index, old.shape),
            fill=fill,
        )
    )
    return replace(
        tensor,
        layer=name,
        where=np.arange(index.size).reshape(index.shape),
        scale=PerChannel(moved(tensor.scale.values)),
        offset=PerChannel(moved(tensor.offset.values)),
        low=moved(tensor.low),
        high=moved(tensor.high),
        slopes=PerChannel(moved(tensor.slopes.values)),
    )


def _gathers(tensor: Tensor, layer: Layer, index: Ints) -> bool:
    """True if no channel of what `index` takes is of channels that differ."""
    values = _columns(tensor, layer)
    several = [row for row in values if len(row) > 1]
    if not several:
        return True
    numbers: dict[object, int] = {}
    kinds = np.array([numbers.setdefault(each, len(numbers)) for each in zip(*several, strict=True)])
    rows = index.reshape(-1, index.shape[-1])
    return bool(((kinds[rows % layer.channels] == kinds[_first(index) % layer.channels]) | (rows < 0)).all())


def _columns(tensor: Tensor, layer: Layer) -> tuple[tuple[Fraction | None, ...], ...]:
    """All that may differ between the channels of a tensor, and of its layer."""
    numbers = (tensor.scale, tensor.offset, tensor.slopes, layer.scale, layer.zero)
    return (*(row.values for row in numbers), tensor.low, tensor.high)


def _first(index: Ints) -> Ints:
    """The first element that each channel takes; any where it takes none."""
    rows = index.reshape(-1, index.shape[-1])
    taken: Ints = rows[(rows >= 0).argmax(axis=0), np.arange(rows.shape[1])]
    return np.maximum(taken, 0)


def like(builder: Builder, tensor: Tensor, other: Tensor, node: Node) -> Tensor:
    """`tensor` broadcast to the ONNX shape of `other`, over a layer of the same shape and element order."""
    try:
        where = np.broadcast_to(tensor.where, other.where.shape)
    except ValueError as error:
        raise node.error(
            f"combines shapes {tensor.where.shape} and {other.where.shape}",
            FIT,
        ) from error
    shape = builder.layers[other.layer].shape
    same = builder.size(tensor) == builder.size(other)
    if same and np.array_equal(where, other.where):
        return reshaped(builder, tensor, shape, node)
    alone = tensor.layer != other.layer
    return _laid(builder, replace(tensor, where=where), shape, other.where, node, alone=alone)


def in_one_order(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor with all its parts over layers of one shape and element order."""
    if are_in_one_order(builder, tensor):
        return tensor
    first = whole(builder, replace(tensor, rest=()), node)
    return replace(first, rest=tuple(like(builder, part, first, node) for part in tensor.rest))


def _covers(builder: Builder, tensor: Tensor) -> bool:
    """True if the tensor holds every integer of its layer once."""
    size = builder.size(tensor)
    if tensor.where.size != size:
        return False
    seen = np.zeros(size, dtype=bool)
    seen[tensor.where] = True
    return bool(seen.all())


def whole(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor over a layer that holds it and nothing else."""
    if _covers(builder, tensor):
        return tensor
    order, _ = channels_last(tensor.where.shape)
    made = gather(builder, tensor, np.ascontiguousarray(tensor.where.reshape(-1)[order]), node)
    return replace(made, where=invert(order, tensor.where.shape))


def reshaped(builder: Builder, tensor: Tensor, shape: tuple[int, ...], node: Node) -> Tensor:
    """The tensor over a layer of `shape`, its integers in the same order."""
    old = builder.layers[tensor.layer]
    if old.shape == shape:
        return tensor
    size = builder.size(tensor)
    cast = tensor if _recasts(tensor, old, size, shape[-1]) else _unified(builder, tensor, node)
    old = builder.layers[cast.layer]
    moved = replace(
        cast,
        scale=PerChannel(_recast(cast.scale.values, size, shape[-1])),
        offset=PerChannel(_recast(cast.offset.values, size, shape[-1])),
        low=_recast(cast.low, size, shape[-1]),
        high=_recast(cast.high, size, shape[-1]),
        slopes=PerChannel(_recast(cast.slopes.values, size, shape[-1])),
    )
    if _may_relay(builder, moved.layer, keeps=shape[-1] == old.channels):
        return relay(builder, moved, shape, np.arange(prod(shape)))
    layer = Reshape(
        name=f"{moved.layer}_reshape",
        inputs=(moved.layer,),
        shape=shape,
        type=old.type,
        scale=PerChannel(_recast(old.scale.values, size, shape[-1])),
        zero=PerChannel(_recast(old.zero.values, size, shape[-1])),
    )
    return replace(moved, layer=builder.add(layer))


def _unified(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The tensor with one scale and zero point, before its channels are mixed."""
    made = unified(builder, tensor, node)
    if made is None:
        raise node.error("re-lays a tensor whose scale differs per channel", "use one scale for the activation")
    return made


def _may_relay(builder: Builder, name: str, *, keeps: bool = False) -> bool:
    """True if the host may lay out an input anew; if that `keeps` no channels, nothing may differ between them."""
    if name not in builder.feeds or builder.is_read(name):
        return False
    layer = builder.layers[name]
    tensors = [value for value in builder.values.values() if isinstance(value, Tensor) and value.layer == name]
    widths = [width(layer.scale, layer.zero), *(width(t.scale, t.offset, t.low, t.high, t.slopes) for t in tensors)]
    return keeps or max(widths) == 1


def relay(builder: Builder, tensor: Tensor, shape: tuple[int, ...], order: Ints) -> Tensor:
    """An input layer under another shape and element order: the host lays its integers out as the reader needs them.

    `order` holds, for each place of the new layer, the index in the old one.
    """
    old = builder.layers[tensor.layer]
    host, index = builder.feeds[tensor.layer]
    builder.layers[tensor.layer] = replace(old, shape=shape)
    builder.feeds[tensor.layer] = (host, index.reshape(-1)[order].reshape(shape))
    back = np.empty(order.size, dtype=np.int64)
    back[order.reshape(-1)] = np.arange(order.size)
    for name, value in builder.values.items():  # whoever else reads the input finds its elements where they are now
        builder.values[name] = _relaid(value, tensor.layer, back)
    for name, mask in builder.masks.items():
        builder.masks[name] = _mask_relaid(mask, tensor.layer, back)
    return replace(tensor, where=back[tensor.where])


def _relaid(value: Value, layer: str, back: Ints) -> Value:
    """`value` with its elements of an input `layer` at their places `back`; the rest of a tensor is never of inputs."""
    match value:
        case Tensor() if value.layer == layer:
            return replace(value, where=back[value.where])
        case Pieces():
            parts = (_relaid(part, layer, back) for part in value.parts)
            return replace(value, parts=tuple(part for part in parts if isinstance(part, Tensor | Const)))
        case _:
            return value


def _mask_relaid(mask: Mask | Kept, layer: str, back: Ints) -> Mask | Kept:
    value = _relaid(mask.value, layer, back)
    if isinstance(mask, Kept):
        inner = _mask_relaid(mask.mask, layer, back)
        assert isinstance(inner, Mask)
        return replace(mask, mask=inner, value=value)
    assert isinstance(value, Host | Tensor)
    return replace(mask, value=value)


def _recasts(tensor: Tensor, layer: Layer, size: int, last: int) -> bool:
    """True if no channel of a last axis of length `last` is of channels that differ."""
    values = _columns(tensor, layer)
    return all(_rows_agree(_repeat(row, size), last) for row in values if len(row) > 1)


def _rows_agree(values: tuple[T, ...], last: int) -> bool:
    return all(value == values[i % last] for i, value in enumerate(values))


def _recast(values: tuple[T, ...], size: int, last: int) -> tuple[T, ...]:
    """Per-channel values of `size` integers, for a last axis of another length that mixes no unlike ones."""
    return values if len(values) == 1 else squeeze(_repeat(values, size)[:last])


def _repeat(values: tuple[T, ...], size: int) -> tuple[T, ...]:
    """Per-channel values of a flattened layer."""
    return values if len(values) == 1 else values * (size // len(values))
