# SPDX-License-Identifier: Apache-2.0
"""A dense layer or convolution as a matrix-vector unit that skips zeros."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints, Weights
from bitwright.plan.arithmetic import style_of
from bitwright.plan.kernels import Stream
from bitwright.plan.schedule import lanes_of, schedule
from bitwright.plan.skipping import SparseMatrixVector

if TYPE_CHECKING:
    from bitwright.plan.lower import Lowering


def sparse_matrix_vector(low: Lowering, layer: Dense | Conv, x: Stream, weights: Ints) -> Stream:
    """The unit for `weights` (rows, columns in the order of its beats); `x` brings vectors of all columns."""
    plan, name = low.layer_plan(layer), low.hardware[layer.name]
    if 0 not in layer.weights.type:
        raise BitwrightError(
            f"none of its {layer.weights.type} weights is zero",
            where=f"plan: layer '{layer.name}'",
            hint="set its zeros to 'multiply'",
        )
    made = schedule(weights, plan.pe, plan.simd, plan.zeros, movable=False)
    rows, cols = weights.shape
    vectors = prod(layer.shape[:-1])
    out = low.new_stream(layer, f"{name}_acc", plan.pe, layer.type, vectors * rows // plan.pe)
    low.kernels.append(
        SparseMatrixVector(
            name=name,
            layer=layer.name,
            input=x.name,
            output=out.name,
            cycles=vectors * max(made.words, cols // plan.simd),
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
