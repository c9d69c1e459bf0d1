# SPDX-License-Identifier: Apache-2.0
"""Dense layers and convolutions: matrix-vector and depthwise units, behind a sliding window where they need one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod

from bitwright.hardware.choice import Folded
from bitwright.hardware.counts import beat_of, pattern
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.depthwise import Depthwise, depthwise_words
from bitwright.hardware.kernels.matrix import MatrixVector, weight_words
from bitwright.hardware.kernels.select import selecting, selecting_shapes
from bitwright.hardware.lanes import in_lanes, is_legal, kernels_per_channel, line_of, matrix_lanes
from bitwright.hardware.lowering.emit import Contents, Emit
from bitwright.hardware.lowering.orders import columns, spread
from bitwright.hardware.lowering.sparse import sparse_matrix_vector
from bitwright.hardware.lowering.windows import before_unit
from bitwright.hardware.schedule import Zeros, matrix_of
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints, Shape, Weights


def matrix(emit: Emit, layer: Dense | Conv, x: Stream, choice: Folded) -> Stream:
    """A matrix-vector or a depthwise unit, whichever the lanes ask for, behind a sliding window if it needs one."""
    in_channels = x.shape[-1]
    per_channel = kernels_per_channel(layer, in_channels)
    _check_lanes(layer, x.shape, per_channel, choice)
    came = x = emit.widen(x, in_lanes(layer, in_channels, choice.pe, choice.simd))
    if isinstance(layer, Conv):
        x = before_unit(emit, layer, x, choice)
    if isinstance(layer, Conv) and per_channel and choice.pe >= per_channel:
        _check_dense(layer, choice.zeros, "a depthwise unit")
        return _depthwise(emit, layer, came, x, per_channel, choice)
    groups, beat = layer.groups if isinstance(layer, Conv) else 1, beat_of(layer, in_channels, choice.simd)
    weights = partial(_rows, layer, came, per_channel, beat)
    if choice.zeros in ("multiply", "select"):
        return _matrix_vector(emit, layer, came, x, weights, beat, choice)
    if groups > 1:
        _check_dense(layer, choice.zeros, f"a convolution of {groups} groups")
    return sparse_matrix_vector(emit, layer, x, weights, beat, choice)


def _check_lanes(layer: Dense | Conv, in_shape: tuple[int, ...], per_channel: int, choice: Folded) -> None:
    """Refuse lanes that do not divide the matrix."""
    if is_legal(layer, in_shape, choice.pe, choice.simd):
        return
    rows, cols = matrix_lanes(layer, in_shape[-1])
    fits = f"PE {choice.pe} must divide {rows} rows"
    if per_channel:
        fits = (
            f"PE {choice.pe} must divide {per_channel} or be {per_channel} times a divisor of {in_shape[-1]} channels"
        )
    legal = f"{fits} and SIMD {choice.simd} must divide {cols} columns"
    if isinstance(layer, Conv) and line_of(layer, in_shape):
        legal += f" or be {layer.window.size} times a divisor"
    raise BitwrightError(legal, where=f"plan: layer '{layer.name}'", hint="choose divisors")


def _rows(layer: Dense | Conv, x: Stream, per_channel: int, beat: int) -> Ints:
    """The weights as rows of all groups, the columns in the order in which beats of `x` bring them."""
    return matrix_of(_weights(layer, x, per_channel), beat)


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


def _matrix_vector(
    emit: Emit,
    layer: Dense | Conv,
    came: Stream,
    x: Stream,
    weights: Callable[[], Ints],
    beat: int,
    choice: Folded,
) -> Stream:
    """A matrix-vector unit for `weights` (rows of all groups, columns in the order of its beats).

    `came` is what the layer reads, `x` what the unit reads. It selects what it multiplies if that was chosen.
    """
    groups, cols = layer.groups if isinstance(layer, Conv) else 1, layer.weights.array.size // layer.channels
    rows = layer.channels // groups
    words, vectors = layer.weights.array.size // (choice.pe * choice.simd), prod(layer.shape[:-1])
    order = spread(came, rows) if groups > 1 else None
    beats = vectors * groups * rows // choice.pe
    made = emit.stream(f"{emit.name}_acc", choice.pe, layer.type, beats, order)
    real = emit.contents is Contents.REAL
    table: Weights = Shape.of(words, choice.pe, choice.simd)
    unit = MatrixVector(
        name=emit.name,
        layer=layer.name,
        input=x.name,
        output=made.name,
        vectors=vectors,
        groups=groups,
        rows=rows,
        cols=cols,
        pe=choice.pe,
        simd=choice.simd,
        weights=weight_words(weights(), groups, choice.pe, choice.simd) if real else table,
        weight_type=layer.weights.type,
        x_type=x.type,
        acc_type=layer.type,
        memory=choice.memory,
        style=choice.style,
    )
    if choice.zeros == "select":
        kept = pattern(layer.weights, beat, choice.simd)
        unit = selecting(unit) if real or kept is None else selecting_shapes(unit, kept)
    emit.add(unit)
    return made


def _depthwise(emit: Emit, layer: Conv, came: Stream, x: Stream, per_channel: int, choice: Folded) -> Stream:
    """A depthwise unit; `came` is what the layer reads, `x` a sliding window over each beat of its channels."""
    lanes = came.lanes
    blocks, vectors, fold = layer.groups // lanes, prod(layer.shape[:-1]), layer.window.size // choice.simd
    made = emit.stream(f"{emit.name}_acc", choice.pe, layer.type, vectors * blocks, spread(came, per_channel))
    weights: Weights = Shape.of(blocks * fold, choice.pe, choice.simd)
    if emit.contents is Contents.REAL:
        kernels = _weights(layer, came, per_channel).reshape(layer.channels, -1)
        weights = depthwise_words(kernels, lanes, per_channel, choice.simd)
    emit.add(
        Depthwise(
            name=emit.name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            vectors=vectors,
            blocks=blocks,
            fold=fold,
            lanes=lanes,
            multiplier=per_channel,
            simd=choice.simd,
            weights=weights,
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory=choice.memory,
        )
    )
    return made
