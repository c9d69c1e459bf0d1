# SPDX-License-Identifier: Apache-2.0
"""Average pools in all their meanings: an exact integer sum per window, and the division waits for the quantiser."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.layouts import framed, image, per_channel
from bitwright.frontend.mixed import padded
from bitwright.frontend.operators.elementwise import affine
from bitwright.frontend.operators.windows import pool_window
from bitwright.frontend.values import Tensor, Value
from bitwright.ir.layers import SumPool
from bitwright.ir.per_channel import ZEROS
from bitwright.ir.window import Pads, Pair, Window
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import check_size


def average_pool(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """AveragePool: the mean over each window, padding counted or not as `count_include_pad` says."""
    tensor = _activation(node, values)
    window, size = pool_window(node, tensor.where.shape)
    inner = window.pads
    if node.attributes.get("ceil_mode", 0):
        window = window.ceiled(size)
    counted = inner if node.attributes.get("count_include_pad", 0) else (0, 0, 0, 0)
    return _mean(builder, node, tensor, window, counted)


def global_average_pool(builder: Builder, node: Node, *values: Value | None) -> Tensor:
    """GlobalAveragePool: the mean over every spatial axis."""
    tensor = _activation(node, values)
    size = (1, *tensor.where.shape[2:]) if tensor.where.ndim == 3 else tensor.where.shape[2:]
    return _mean(builder, node, tensor, Window((size[0], size[1])), (0, 0, 0, 0))


def _activation(node: Node, values: tuple[Value | None, ...]) -> Tensor:
    value = values[0]
    if not isinstance(value, Tensor):
        raise node.error("averages a tensor that no quantiser turned into integers", "quantise its input")
    if value.where.ndim not in (3, 4):
        raise node.error("averages a tensor that is no signal or image", "only 1-D and 2-D pools are supported")
    return value


def _mean(builder: Builder, node: Node, tensor: Tensor, window: Window, counted: Pads) -> Tensor:
    given = tensor.where.shape
    tensor = image(builder, integers(builder, tensor, node), node)
    tensor, pad = padded(builder, tensor, node) if window.is_padded else (tensor, 0)
    old = builder.layers[tensor.layer]
    layer = SumPool(
        name=node.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=old.type,
        scale=tensor.scale,
        zero=ZEROS,
        window=window,
        pad_value=pad,
        source=(node.name,),
    )
    size = (old.shape[0], old.shape[1])
    shape = (*window.out(size), old.channels)
    if min(shape) < 1:
        raise node.error(f"has a kernel larger than its {size[0]} x {size[1]} input", "export the model again")
    name = builder.add(replace(layer, shape=shape))
    where = np.arange(prod(shape)).reshape(shape).transpose(2, 0, 1)[None]
    offset = tensor.offset * window.size
    made = Tensor(name, where, tensor.scale, offset, added=window.size * tensor.added, roundings=tensor.roundings)
    shares = _shares(node, window, counted, size)
    made, (share,) = per_channel(builder, made, node, shares[None, None])
    made = affine(node, made, share, ZEROS)
    return replace(made, where=framed(made.where, given))


def _shares(node: Node, window: Window, counted: Pads, size: Pair) -> Array:
    """1 / (elements that count) of every window, an object array of Fractions (rows, columns)."""
    counts = []
    for axis, out in enumerate(window.out(size)):
        check_size(node, (out, window.kernel[axis]))
        taps = window.taps(axis, out)
        counts.append(((taps >= -counted[axis]) & (taps < size[axis] + counted[axis + 2])).sum(axis=1))
    return np.array([[Fraction(1, int(a) * int(b)) for b in counts[1]] for a in counts[0]], dtype=object)
