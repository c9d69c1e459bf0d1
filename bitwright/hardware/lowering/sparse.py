# SPDX-License-Identifier: Apache-2.0
"""A dense layer or convolution as a matrix-vector unit that skips zeros."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from bitwright.hardware.choice import Folded
from bitwright.hardware.counts import words
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.lowering.emit import Contents, Emit
from bitwright.hardware.schedule import lanes_of, schedule
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints, Shape, Weights


def sparse_matrix_vector(
    emit: Emit, layer: Dense | Conv, x: Stream, weights: Callable[[], Ints], beat: int, choice: Folded
) -> Stream:
    """The unit for `weights` (rows, columns in the order of its beats); `x` brings vectors of all columns.

    `beat`: the channels in a beat of a parallel window, 0 without one.
    """
    if 0 not in layer.weights.type:
        raise BitwrightError(
            f"none of its {layer.weights.type} weights is zero",
            where=f"plan: layer '{layer.name}'",
            hint="set its zeros to 'multiply'",
        )
    pe, simd, ports = choice.pe, choice.simd, choice.pe // lanes_of(choice.zeros, choice.pe)
    rows, cols = layer.channels, layer.weights.array.size // layer.channels
    vectors, order = prod(layer.shape[:-1]), None
    table: Weights
    beats: Weights
    ends: Weights
    if emit.contents is Contents.REAL:
        made = schedule(weights(), pe, simd, choice.zeros, movable=choice.moves)
        table, beats, ends = made.weights, Weights(made.beats), Weights(made.ends)
        order = Weights(made.rows) if made.moved else None
    else:
        count = words(layer.weights, beat, pe, simd, choice.zeros, movable=choice.moves)
        table, beats, ends = Shape.of(count, pe, simd), Shape.of(count, ports), Shape.of(rows // pe)
    out = emit.stream(f"{emit.name}_acc", pe, layer.type, vectors * rows // pe, order)
    emit.add(
        SparseMatrixVector(
            name=emit.name,
            layer=layer.name,
            input=x.name,
            output=out.name,
            vectors=vectors,
            rows=rows,
            cols=cols,
            pe=pe,
            simd=simd,
            lanes=lanes_of(choice.zeros, pe),
            weights=table,
            beats=beats,
            ends=ends,
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory=choice.memory,
            style=choice.style,
        )
    )
    return out
