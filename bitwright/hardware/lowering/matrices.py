# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions: matrix-vector and depthwise units, behind a sliding window where they need one."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from bitwright.hardware.arithmetic import style_of
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.depthwise import Depthwise, depthwise_words
from bitwright.hardware.kernels.matrix import MatrixVector, weight_words
from bitwright.hardware.kernels.select import selecting
from bitwright.hardware.lanes import choices, in_lanes, is_parallel, kernels_per_channel, line_of, matrix_lanes
from bitwright.hardware.lowering.orders import columns, spread
from bitwright.hardware.lowering.sparse import sparse_matrix_vector
from bitwright.hardware.lowering.windows import windowed
from bitwright.hardware.schedule import Zeros, matrix_of
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints

if TYPE_CHECKING:
    from bitwright.hardware.lowering.lower import Lowering


def matrix(low: Lowering, layer: Dense | Conv, x: Stream) -> Stream:
    """A matrix-vector or a depthwise unit, whichever the plan's lanes ask for."""
    plan = low.layer_plan(layer)
    in_shape = low.graph.by_name[layer.inputs[0]].shape
    in_channels = in_shape[-1]
    per_channel = kernels_per_channel(layer, in_channels)
    if (plan.pe, plan.simd) not in choices(layer, in_shape):
        rows, cols = matrix_lanes(layer, in_channels)
        fits = f"PE {plan.pe} must divide {rows} rows"
        if per_channel:
            fits = (
                f"PE {plan.pe} must divide {per_channel} or be {per_channel} times a divisor of {in_channels} channels"
            )
        legal = f"{fits} and SIMD {plan.simd} must divide {cols} columns"
        if isinstance(layer, Conv) and line_of(layer, in_shape):
            legal += f" or be {prod(layer.kernel)} times a divisor"
        raise BitwrightError(legal, where=f"plan: layer '{layer.name}'", hint="choose divisors")
    x = low.widen(layer, x, in_lanes(layer, in_channels, plan.pe, plan.simd))
    if isinstance(layer, Conv) and per_channel and plan.pe >= per_channel:
        _check_dense(layer, plan.zeros, "a depthwise unit")
        return _depthwise(low, layer, x, per_channel)
    groups = layer.groups if isinstance(layer, Conv) else 1
    parallel = isinstance(layer, Conv) and is_parallel(layer, in_channels, plan.simd)
    weights = matrix_of(_weights(layer, x, per_channel), x.lanes if parallel else 0)
    if isinstance(layer, Conv):
        x = windowed(low, layer, x, plan.simd)
    if plan.zeros in ("multiply", "select"):
        return _matrix_vector(low, layer, x, weights)
    if groups > 1:
        _check_dense(layer, plan.zeros, f"a convolution of {groups} groups")
    return sparse_matrix_vector(low, layer, x, weights)


def _weights(layer: Dense | Conv, x: Stream, per_channel: int) -> Ints:
    """The weights for the channels of the input as `x` brings them: columns of a matrix, kernels of one channel."""
    order = spread(x, per_channel) if per_channel else None
    return columns(layer.weights.array, x) if order is None else layer.weights.array[order.array]


def _check_dense(layer: Dense | Conv, zeros: Zeros, what: str) -> None:
    """Refuse to leave out the zeros of a layer whose unit multiplies all weights."""
    if zeros != "multiply":
        lacks = "selectors" if zeros == "select" else "schedule that could skip zeros"
        raise BitwrightError(
            f"{what} has no {lacks}",
            where=f"plan: layer '{layer.name}'",
            hint="set its zeros to 'multiply'",
        )


def _matrix_vector(low: Lowering, layer: Dense | Conv, x: Stream, weights: Ints) -> Stream:
    """A matrix-vector unit for `weights` (rows of all groups, columns in the order of its beats).

    It selects what it multiplies if the plan says so.
    """
    plan, name = low.layer_plan(layer), low.hardware[layer.name]
    groups = layer.groups if isinstance(layer, Conv) else 1
    rows = layer.channels // groups
    row_fold, col_fold = rows // plan.pe, weights.shape[1] // plan.simd
    vectors = prod(layer.shape[:-1])
    order = spread(x, rows) if groups > 1 else None
    made = low.new_stream(layer, f"{name}_acc", plan.pe, layer.type, vectors * groups * row_fold, order)
    unit = MatrixVector(
        name=name,
        layer=layer.name,
        input=x.name,
        output=made.name,
        cycles=vectors * groups * row_fold * col_fold,
        vectors=vectors,
        groups=groups,
        rows=rows,
        cols=weights.shape[1],
        pe=plan.pe,
        simd=plan.simd,
        weights=weight_words(weights, groups, plan.pe, plan.simd),
        weight_type=layer.weights.type,
        x_type=x.type,
        acc_type=layer.type,
        memory=plan.memory,
        style=style_of(layer.name, plan.style, layer.weights.type, x.type),
    )
    low.kernels.append(selecting(unit) if plan.zeros == "select" else unit)
    return made


def _depthwise(low: Lowering, layer: Conv, x: Stream, per_channel: int) -> Stream:
    """A depthwise unit behind a sliding window over each beat of channels."""
    plan, name, lanes = low.layer_plan(layer), low.hardware[layer.name], x.lanes
    if plan.style not in ("", "lut"):
        raise BitwrightError(
            f"the style '{plan.style}' is not one of a depthwise unit",
            where=f"plan: layer '{layer.name}'",
            hint="legal here: lut",
        )
    blocks, vectors = layer.groups // lanes, prod(layer.shape[:-1])
    x = windowed(low, layer, x, plan.simd)
    weights = _weights(layer, x, per_channel).reshape(layer.channels, -1)
    order = spread(x, per_channel)
    made = low.new_stream(layer, f"{name}_acc", plan.pe, layer.type, vectors * blocks, order)
    low.kernels.append(
        Depthwise(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            vectors=vectors,
            blocks=blocks,
            fold=prod(layer.kernel) // plan.simd,
            lanes=lanes,
            multiplier=per_channel,
            simd=plan.simd,
            weights=depthwise_words(weights, lanes, per_channel, plan.simd),
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory=plan.memory,
        )
    )
    return made
