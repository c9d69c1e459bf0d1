# SPDX-License-Identifier: Apache-2.0
"""Conv, Gemm and MatMul between integers: exact accumulators, the bias waiting as an exact offset."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.layouts import BATCH_MOVED, FIT, check_fit, features, framed, image, per_channel
from bitwright.frontend.mixed import into_weights, padded
from bitwright.frontend.operands import constant_operand, data_operand, optional_constant
from bitwright.frontend.operators.pools import add_pools
from bitwright.frontend.operators.shapes import reshaped
from bitwright.frontend.operators.windows import window_of
from bitwright.frontend.values import Const, Host, Tensor, Value, fractions
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Window
from bitwright.reading.model import Node

MAX_DYADIC_BITS = 60
"""Float weights as integers stay in int64; whether their accumulator does is checked where it is made."""

NO_ARITHMETIC = ("DequantizeLinear", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast")
"""Operators that say what codes mean, or where they are."""


def conv(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Conv(x, w, b): an integer convolution; padding holds the input's zero point."""
    kernel = constant_operand(node, values, 1, "only constant kernels are supported")
    tensor = _integers(builder, node, data_operand(node, values))
    given, rank = tensor.where.shape, tensor.where.ndim
    _check_kernel(node, kernel, rank)
    weights, step = _weights(node, kernel, 0)
    weights = weights.reshape(*weights.shape[:2], *((1,) if rank == 3 else ()), *weights.shape[2:])
    groups = _groups(node, kernel, given[1])
    if rank == 4 and given[0] > 1:  # the frames of a sample are groups of channels
        groups, step = groups * given[0], PerChannel(step.values * given[0]).squeezed()
        weights = np.tile(weights, (given[0], 1, 1, 1))
    tensor = image(builder, tensor, node)
    height, width = tensor.where.shape[2:]
    window = window_of(node, weights.shape[2:], (height, width), rank)
    made = convolved(builder, node, tensor, weights, step, window, groups)
    made = replace(made, where=framed(made.where, given))
    return _biased(builder, node, made, optional_constant(node, values, 2), 1)


def convolved(
    builder: Builder, node: Node, tensor: Tensor, weights: Ints, step: PerChannel, window: Window, groups: int
) -> Tensor:
    """The accumulators (1, O, H, W) of an image by weights (O, I / groups, H, W), each worth a `step`."""
    height, width = tensor.where.shape[2:]
    tensor, pad = padded(builder, tensor, node) if window.is_padded else (tensor, 0)
    weights, scale, zero = into_weights(node, tensor, weights, groups, step)
    old = builder.layers[tensor.layer]
    layer = Conv(
        name=node.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=old.type,
        scale=scale,
        zero=zero,
        weights=Weights(weights.transpose(0, 2, 3, 1)),
        window=window,
        groups=groups,
        pad_value=pad,
        source=_sources(tensor, node),
    )
    rows, cols = window.out((height, width))
    if rows < 1 or cols < 1:
        raise node.error(f"has a kernel larger than its {height} x {width} input", "export the model again")
    shape = (rows, cols, weights.shape[0])
    made = _accumulate(builder, replace(layer, shape=shape))
    return replace(made, where=np.arange(prod(shape)).reshape(shape).transpose(2, 0, 1)[None])


def _check_kernel(node: Node, kernel: Const, rank: int) -> None:
    if kernel.array.ndim not in (3, 4) or kernel.array.ndim != rank:
        raise node.error(f"has a kernel of rank {kernel.array.ndim}", "only Conv1d and Conv2d are supported")
    if node.attributes.get("kernel_shape", list(kernel.array.shape[2:])) != list(kernel.array.shape[2:]):
        raise node.error(f"has weights of shape {kernel.array.shape} and another kernel_shape", FIT)


def _groups(node: Node, kernel: Const, channels: int) -> int:
    """The groups of a convolution of so many channels."""
    groups, (outputs, inputs) = int(node.attributes.get("group", 1)), kernel.array.shape[:2]
    if groups < 1 or channels != inputs * groups or outputs % groups:
        raise node.error(
            f"reads {channels} channels with weights of shape {kernel.array.shape} in {groups} groups",
            "export the model again",
        )
    return groups


def gemm(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Gemm(a, b, c) = alpha * a b + beta * c with a constant on either side."""
    turned = [bool(node.attributes.get(name, 0)) for name in ("transA", "transB")]
    if isinstance(values[0], Const):
        made = _from_left(builder, node, values[0], values[1], turned[0], turned[1])
    else:
        matrix = constant_operand(node, values, 1, "a product of two activations is not supported yet")
        tensor = _integers(builder, node, data_operand(node, values))
        if turned[0]:
            tensor = _columns(builder, node, tensor)
        weights, step = _weights(node, matrix, 0 if turned[1] else 1)
        made = _dense(builder, node, tensor, weights if turned[1] else weights.T, step)
    alpha, beta = (Fraction(float(np.float32(node.attributes.get(name, 1.0)))) for name in ("alpha", "beta"))
    bias = optional_constant(node, values, 2)
    return _biased(builder, node, made.affine(PerChannel.made(alpha), ZEROS), bias, beta)


def matmul(builder: Builder, node: Node, *values: Value | None) -> Value:
    """MatMul(a, b) with a constant b of shape (inputs, outputs), or a constant a of shape (outputs, inputs)."""
    if isinstance(values[0], Const):
        return _from_left(builder, node, values[0], values[1])
    matrix = constant_operand(node, values, 1, "a product of two activations is not supported yet")
    tensor = _integers(builder, node, data_operand(node, values))
    if tensor.where.ndim >= matrix.array.ndim > 2 and matrix.array.size == prod(matrix.array.shape[-2:]):
        matrix = reshaped(matrix, matrix.array.shape[-2:])  # one matrix for all positions
    weights, step = _weights(node, matrix, 1)
    return _dense(builder, node, tensor, weights.T, step)


def _from_left(
    builder: Builder, node: Node, matrix: Const, data: Value | None, turned: bool = False, rows: bool = False
) -> Tensor:
    """The product of a constant matrix, `turned` or not, and the columns, or `rows`, of the data: positions mixed."""
    if data is None:
        raise node.error("lacks input 1", "export the model again")
    tensor = _integers(builder, node, data)
    shape, count = matrix.array.shape, matrix.array.size
    if len(shape) < 2 or count != prod(shape[-2:]) or tensor.where.ndim < max(2, len(shape)):
        raise node.error(f"multiplies {shape} by {tensor.where.shape}", "use one matrix for the whole tensor")
    tensor = tensor if rows else _columns(builder, node, tensor)
    matrix = reshaped(matrix, shape[-2:])
    weights, step = _weights(node, matrix, 1 if turned else 0)
    made = _dense(builder, node, tensor, weights.T if turned else weights, step)
    return replace(made, where=made.where.swapaxes(-1, -2))


def _columns(builder: Builder, node: Node, tensor: Tensor) -> Tensor:
    """The tensor with its last two axes changed over."""
    if tensor.where.ndim == 2 and not builder.frees():
        raise node.error(*BATCH_MOVED)
    return replace(tensor, where=tensor.where.swapaxes(-1, -2))


def _dense(builder: Builder, node: Node, tensor: Tensor, weights: Ints, step: PerChannel) -> Tensor:
    if weights.ndim != 2 or tensor.where.shape[-1] != weights.shape[1]:
        raise node.error(
            f"multiplies {tensor.where.shape} by {weights.shape[::-1]}", "export the model again; the shapes do not fit"
        )
    tensor, place = features(builder, tensor, node)
    ordered = np.empty_like(weights)
    ordered[:, place] = weights
    ordered, scale, zero = into_weights(node, tensor, ordered, 1, step)
    shape = (*builder.layers[tensor.layer].shape[:-1], weights.shape[0])
    layer = Dense(
        name=node.name,
        inputs=(tensor.layer,),
        shape=shape,
        type=builder.layers[tensor.layer].type,
        scale=scale,
        zero=zero,
        weights=Weights(ordered),
        source=_sources(tensor, node),
    )
    made = _accumulate(builder, layer)
    return replace(made, where=np.arange(prod(shape)).reshape(*tensor.where.shape[:-1], shape[-1]))


def _integers(builder: Builder, node: Node, value: Value) -> Tensor:
    """The data input of a matrix layer: integers, of one scale and zero point or of one for each channel."""
    if isinstance(value, Host):
        if value.side == "output":
            raise builder.island(node, "reads", value)
        name = builder.entry(value)
        raise node.error(
            "reads real values that no quantiser turned into integers",
            f"give the input a type, for example --input {name}=s16.8, or quantise the network first",
        )
    if not isinstance(value, Tensor):
        raise node.error("reads only constants", "fold them before the export")
    tensor = _pooled(builder, node, value) if value.pools and not value.curved else integers(builder, value, node)
    return replace(tensor, scale=tensor.scale.squeezed(), offset=tensor.offset.squeezed())


def _pooled(builder: Builder, node: Node, value: Tensor) -> Tensor:
    """The integers of a max-pool that waited for a quantiser, of a clip that falls on integers."""
    tensor = integers(builder, replace(value, pools=()), node)
    if any(scale < 0 for scale in tensor.scale.values):
        raise node.error("reads a max-pool of falling values", "quantise the activation before the pool")
    return add_pools(builder, node, tensor, value.pools)


def _sources(tensor: Tensor, node: Node) -> tuple[str, ...]:
    """The source nodes of a matrix layer: the arithmetic on its input that its scale and zero hold, and the node."""
    return *(name for name, op in tensor.nodes if op not in NO_ARITHMETIC), node.name


def _weights(node: Node, const: Const, axis: int) -> tuple[Ints, PerChannel]:
    """Integers around zero, and their exact scale: one, or one per index of the output `axis`."""
    if const.codes is None or const.scale is None or const.zero is None:
        return _dyadic(node, const)
    if not np.array_equal(const.zero, np.rint(const.zero)) or np.abs(const.zero).max() >= 1 << MAX_DYADIC_BITS:
        raise node.error("has weights with a zero point that is no integer", "use an integer zero point")
    codes = const.codes - np.asarray(const.zero, dtype=np.float64).astype(np.int64)
    if const.scale.size == 1:
        return codes, PerChannel(tuple(fractions(const.scale.reshape(1))))
    other = tuple(i for i in range(const.array.ndim) if i != axis)
    full = np.broadcast_to(const.scale, const.array.shape)
    if (full.min(axis=other) != full.max(axis=other)).any():
        raise node.error("has weights whose scale differs within an output channel", "use one scale per output channel")
    return codes, PerChannel(tuple(fractions(full.min(axis=other)))).squeezed()


def _dyadic(node: Node, const: Const) -> tuple[Ints, PerChannel]:
    """Float weights as they are: float32 numbers are integers over a common power of two."""
    array = const.array.astype(np.float64)
    mantissa, exponent = np.frexp(array[array != 0])
    significant = (mantissa * 2.0**53).astype(np.int64)  # float64 has 53 significant bits, float32 fewer
    lowest = np.log2(significant & -significant).astype(np.int64)
    low = int((exponent - 53 + lowest).min(initial=0))
    codes = array * 2.0**-low
    if np.abs(codes).max(initial=0) >= 1 << MAX_DYADIC_BITS:
        raise node.error(
            "has float weights that no quantiser turned into integers", "quantise the weights (bitwright quantize)"
        )
    return codes.astype(np.int64), PerChannel.made(Fraction(2) ** low)


def _accumulate(builder: Builder, layer: Conv | Dense) -> Tensor:
    """The accumulator over raw codes, which nothing is added to yet."""
    made = builder.codes(builder.add(layer), np.arange(prod(layer.shape)))
    return replace(made, nodes=())


def _biased(builder: Builder, node: Node, made: Tensor, bias: Const | None, beta: Fraction | int) -> Tensor:
    if bias is None:
        return made
    shape = [1] * made.where.ndim
    if bias.array.size > 1:
        if node.op == "Conv":
            shape[1] = bias.array.size
        else:
            shape = list(bias.array.shape)
    check_fit(node, made, tuple(shape))
    made, (offset,) = per_channel(builder, made, node, bias.exact().reshape(shape))
    moved = made.affine(ONES, offset if beta == 1 else offset * beta)
    return replace(moved, nodes=((node.name, node.op),))
