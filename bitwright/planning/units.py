# SPDX-License-Identifier: Apache-2.0
"""The kernels of one layer at one choice of lanes, without its weights: all that an estimate looks at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from math import prod

import numpy as np

from bitwright.hardware.arithmetic import legal_styles
from bitwright.hardware.kernels.base import Kernel, Memory, Stream
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.reduce import MaxReduce, SumReduce
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import Window
from bitwright.hardware.lanes import Planned, kernels_per_channel
from bitwright.hardware.lowering.variants import Variant, variants
from bitwright.hardware.plan import LayerPlan
from bitwright.hardware.schedule import lanes_of
from bitwright.ir.layers import Conv, Dense, MaxPool, SumPool
from bitwright.ir.weights import Shape

MEMORIES: tuple[Memory, ...] = ("lut", "block")


@dataclass(frozen=True, slots=True)
class Unit:
    """A kernel that computes a layer, the plan that it follows, and whether it gives its rows in another order."""

    plan: LayerPlan
    kernel: Kernel
    moved: bool = False


def units(layer: Planned, x: Stream, in_channels: int, pe: int, simd: int, most: int) -> Iterator[Unit]:
    """What computes `layer` from `x` in at most `most` clocks: for each use of zeros, each style and weight memory."""
    if isinstance(layer, MaxPool | SumPool):
        yield Unit(LayerPlan(pe=pe, simd=simd), _reduce(layer, x))
        return
    plain = _unit(layer, x, in_channels, pe, simd)
    for variant in variants(layer, in_channels, pe, simd):
        made = _using(plain, variant) if isinstance(plain, MatrixVector) else plain
        if made.cycles > most:
            continue
        styles = ("lut",) if isinstance(made, Depthwise) else legal_styles(made.weight_type, made.x_type)
        for style, memory in product(styles, MEMORIES):
            plan = LayerPlan(pe=pe, simd=simd, memory=memory, style=style, zeros=variant.zeros)
            styled = made if isinstance(made, Depthwise) else replace(made, style=style)
            yield Unit(plan, replace(styled, memory=memory), variant.moved)


def kept_lines(window: Window) -> int:
    """The depth of a ring for the lines between the outermost kernel positions and those of one stride.

    It is an estimate: `hardware.clocks.rings` finds the depth at which a window loses no clock.
    """
    rows, columns = ((k - 1) * d for k, d in zip(window.kernel, window.dilations, strict=True))
    return ((rows + window.strides[0] - 1) * window.width + columns + 1) * window.blocks * window.inner


def _unit(layer: Dense | Conv, x: Stream, in_channels: int, pe: int, simd: int) -> MatrixVector | Depthwise:
    """The unit behind its window; `x` is what it reads."""
    array, vectors = layer.weights.array, prod(layer.shape[:-1])
    groups = layer.groups if isinstance(layer, Conv) else 1
    cols = array.size // layer.channels
    words = array.size // (pe * simd)
    weights = _shape(words, pe, simd)
    per_channel = kernels_per_channel(layer, in_channels)
    if per_channel and pe >= per_channel:
        lanes = pe // per_channel
        return Depthwise(
            name=layer.name,
            layer=layer.name,
            input=x.name,
            output=f"{layer.name}_acc",
            cycles=vectors * words,
            vectors=vectors,
            blocks=groups // lanes,
            fold=cols // simd,
            lanes=lanes,
            multiplier=per_channel,
            simd=simd,
            weights=weights,
            weight_type=layer.weights.type,
            x_type=x.type,
            acc_type=layer.type,
            memory="lut",
        )
    return MatrixVector(
        name=layer.name,
        layer=layer.name,
        input=x.name,
        output=f"{layer.name}_acc",
        cycles=vectors * words,
        vectors=vectors,
        groups=groups,
        rows=layer.channels // groups,
        cols=cols,
        pe=pe,
        simd=simd,
        weights=weights,
        weight_type=layer.weights.type,
        x_type=x.type,
        acc_type=layer.type,
        memory="lut",
        style="lut",
    )


def _using(unit: MatrixVector, variant: Variant) -> MatrixVector | SparseMatrixVector:
    """`unit` with the variant's use of zeros."""
    common = {field.name: getattr(unit, field.name) for field in fields(unit)}
    if variant.kept is not None:
        count = unit.simd // variant.kept.m * variant.kept.n
        shape = _shape(len(unit.weights.array), unit.pe, count)
        common["weights"] = shape
        return SelectMatrixVector(**common, choices=shape, kept=variant.kept.n, group=variant.kept.m)
    if variant.zeros == "multiply":
        return unit
    lanes, words = lanes_of(variant.zeros, unit.pe), variant.words
    del common["groups"]
    common |= {"weights": _shape(words, unit.pe, unit.simd), "cycles": unit.vectors * max(words, unit.col_fold)}
    beats, ends = _shape(words, unit.pe // lanes), _shape(unit.row_fold)
    return SparseMatrixVector(**common, lanes=lanes, beats=beats, ends=ends)


def _shape(*lengths: int) -> Shape:
    return Shape(np.broadcast_to(np.int64(0), lengths))


def _reduce(layer: MaxPool | SumPool, x: Stream) -> MaxReduce | SumReduce:
    """The maximum or sum behind the window of a pool."""
    fold, groups = prod(layer.kernel), prod(layer.shape) // x.lanes
    name, made = layer.name, f"{layer.name}_out"
    if isinstance(layer, MaxPool):
        return MaxReduce(
            name=name,
            layer=name,
            input=x.name,
            output=made,
            cycles=fold * groups,
            fold=fold,
            groups=groups,
            lanes=x.lanes,
            type=layer.type,
        )
    return SumReduce(
        name=name,
        layer=name,
        input=x.name,
        output=made,
        cycles=fold * groups,
        fold=fold,
        groups=groups,
        lanes=x.lanes,
        x_type=x.type,
        y_type=layer.type,
    )
