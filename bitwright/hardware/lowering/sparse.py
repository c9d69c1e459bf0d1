# SPDX-License-Identifier: Apache-2.0
"""A dense layer or convolution as a matrix-vector unit that skips zeros."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from bitwright.hardware.arithmetic import style_of
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.lowering.orders import absorbed
from bitwright.hardware.schedule import Schedule, lanes_of, schedule
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints, Weights

if TYPE_CHECKING:
    from bitwright.hardware.lowering.lower import Lowering

UNDOING = 7 / 8
"""A frame buffer that puts rows back in place pays if they then take no more than this share of the clocks."""


def sparse_matrix_vector(low: Lowering, layer: Dense | Conv, x: Stream, weights: Ints) -> Stream:
    """The unit for `weights` (rows, columns in the order of its beats); `x` brings vectors of all columns."""
    plan, name = low.layer_plan(layer), low.hardware[layer.name]
    if 0 not in layer.weights.type:
        raise BitwrightError(
            f"none of its {layer.weights.type} weights is zero",
            where=f"plan: layer '{layer.name}'",
            hint="set its zeros to 'multiply'",
        )
    made = _schedule(low, layer, weights)
    rows, cols = weights.shape
    vectors = prod(layer.shape[:-1])
    order = Weights(made.rows) if made.moved else None
    out = low.new_stream(layer, f"{name}_acc", plan.pe, layer.type, vectors * rows // plan.pe, order)
    low.kernels.append(
        SparseMatrixVector(
            name=name,
            layer=layer.name,
            input=x.name,
            output=out.name,
            cycles=vectors * made.clocks,
            vectors=vectors,
            rows=rows,
            cols=cols,
            pe=plan.pe,
            simd=plan.simd,
            lanes=lanes_of(plan.zeros, plan.pe),
            weights=made.weights,
            beats=Weights(made.beats),
            ends=Weights(made.ends),
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory=plan.memory,
            style=style_of(layer.name, plan.style, layer.weights.type, x.type),
        )
    )
    return out


def _schedule(low: Lowering, layer: Dense | Conv, weights: Ints) -> Schedule:
    """The schedule with rows moved if the next layers take them so, or if putting them back in place pays.

    They are put back one by one, the frame in no more clocks than a vector takes: so the unit stays the slower one.
    """
    plan = low.layer_plan(layer)
    moved = schedule(weights, plan.pe, plan.simd, plan.zeros, movable=True)
    if not moved.moved or absorbed(low.graph, low.plan, layer.name):
        return moved
    placed = schedule(weights, plan.pe, plan.simd, plan.zeros, movable=False)
    fits = prod(layer.shape) <= moved.clocks
    return moved if fits and moved.clocks <= UNDOING * placed.clocks else placed
