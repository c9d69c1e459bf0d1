# SPDX-License-Identifier: Apache-2.0
"""The kernels and shapes that the tests of the RTL go through, in groups that are built as one design each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.fifos import fifo_kind
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.ir.weights import Weights
from tests.rtl.graphs import (
    S4,
    S8,
    U4,
    U8,
    adder,
    argmax,
    depthwise,
    fifo,
    fixed,
    fork,
    interleave,
    long_mas,
    lookup,
    mas,
    matrix_vector,
    multiplier,
    parallel_window,
    reduce,
    reorder,
    requantiser,
    sign,
    thresholds,
    width,
    window,
)
from tests.rtl.zeros import select_matrix_vector as select
from tests.rtl.zeros import sparse_matrix_vector as sparse

S12, S40, U2 = integer(12, signed=True), integer(40, signed=True), integer(2, signed=False)


def matrices() -> list[KernelGraph]:
    rng = np.random.default_rng(1)
    return [
        matrix_vector("mv_folds", rng),
        matrix_vector("mv_one", rng, vectors=1, rows=1, cols=1, pe=1, simd=1),
        matrix_vector("mv_rows", rng, rows=5, cols=4, pe=1, simd=4),
        matrix_vector("mv_cols", rng, rows=3, cols=7, pe=3, simd=1, x=S8, w=S8),
        matrix_vector("mv_flat", rng, rows=4, cols=20, pe=4, simd=20, w=TERNARY),
        matrix_vector("mv_groups", rng, groups=3, rows=4, cols=6, pe=2, simd=2, x=S4),
        matrix_vector("mv_depthwise", rng, vectors=3, groups=4, rows=1, cols=9, pe=1, simd=1, x=S8),
        matrix_vector("mv_xnor", rng, rows=4, cols=10, pe=2, simd=5, x=BIPOLAR, w=BIPOLAR),
        matrix_vector("mv_binary_x", rng, rows=4, cols=6, pe=2, simd=3, x=BIPOLAR, w=S4),
        matrix_vector("mv_binary_w", rng, rows=4, cols=6, pe=2, simd=3, x=U4, w=BIPOLAR),
        matrix_vector("mv_unsigned_w", rng, rows=4, cols=6, pe=2, simd=3, x=U4, w=U4),
        matrix_vector("mv_large", rng, vectors=1, rows=12, cols=70, pe=3, simd=10, x=S8, w=S8, memory="block"),
    ]


def styles() -> list[KernelGraph]:
    """Every arithmetic style over signs, widths, and counts that fill neither a multiplier nor a group of bits."""
    rng = np.random.default_rng(6)
    s4n, s20 = integer(4, signed=True, narrow=True), integer(20, signed=True)
    return [
        matrix_vector("lut_8", rng, x=U8, w=S8, style="lut"),
        matrix_vector("lut_bits", rng, x=BIPOLAR, w=BIPOLAR, style="lut"),
        matrix_vector("dsp_8", rng, rows=8, cols=12, pe=4, simd=3, x=U8, w=S8, style="dsp"),
        matrix_vector("dsp_8_part", rng, rows=3, cols=4, pe=3, simd=4, x=S8, w=S8, style="dsp"),
        matrix_vector("dsp_8_one", rng, pe=1, simd=2, x=S8, w=S8, style="dsp"),
        matrix_vector("dsp_4", rng, rows=7, pe=7, simd=6, x=U4, w=S4, style="dsp"),
        matrix_vector("dsp_4_narrow", rng, groups=2, rows=5, pe=5, simd=1, x=S4, w=s4n, style="dsp"),
        matrix_vector("dsp_2", rng, rows=4, pe=4, x=U2, w=TERNARY, style="dsp"),
        matrix_vector("dsp_unsigned", rng, pe=4, x=U8, w=U8, style="dsp"),
        matrix_vector("dsp_bits", rng, pe=4, x=BIPOLAR, w=BIPOLAR, style="dsp"),
        matrix_vector("dsp_wide", rng, pe=2, simd=2, x=s20, w=S12, style="dsp"),
        matrix_vector("dsp_positive", rng, pe=2, x=IntType(3, 9), w=IntType(1, 5), style="dsp"),
        *(matrix_vector(f"xnor_{n}", rng, cols=2 * n, simd=n, x=BIPOLAR, w=BIPOLAR) for n in (1, 2, 3, 4, 13)),
        matrix_vector("ternary_8", rng, rows=3, cols=15, pe=3, simd=5, x=S8, w=TERNARY),
        matrix_vector("ternary_u", rng, x=U8, w=TERNARY),
        matrix_vector("ternary_sign", rng, x=S4, w=BIPOLAR),
        matrix_vector("ternary_bits", rng, x=BIPOLAR, w=BIPOLAR, style="ternary"),
        matrix_vector("ternary_01", rng, x=S4, w=integer(1, signed=False)),
        matrix_vector("ternary_10", rng, x=U4, w=integer(1, signed=True)),
    ]


def selects() -> list[KernelGraph]:
    """One to eight of two to sixteen neighbours, beats of one set and of many; every style; one fold and several."""
    rng = np.random.default_rng(10)
    return [
        select("se_folds", rng),
        select("se_one", rng, vectors=1, rows=1, col_fold=1, pe=1, sets=1, kept=1, group=2),
        select("se_rows", rng, rows=5, pe=1, col_fold=1, kept=1),
        select("se_groups", rng, groups=3, rows=4, pe=2, sets=1),
        select("se_wide", rng, kept=3, group=16, rows=3, pe=3, x=S8, w=S8, style="lut"),
        select("se_many", rng, kept=4, group=8, sets=5, rows=6, pe=3, memory="block"),
        select("se_ternary", rng, w=TERNARY, x=S8, kept=1, sets=3),
        select("se_ternary_bits", rng, w=TERNARY, x=BIPOLAR),
        select("se_bits", rng, x=BIPOLAR, w=S4),
        select("se_dsp", rng, x=U8, w=S8, style="dsp", pe=4),
        select("se_dsp_signed", rng, x=S8, w=S8, style="dsp", kept=1, sets=5, rows=3, pe=3),
        select("se_dsp_unsigned", rng, x=U8, w=U8, style="dsp", group=8, kept=3),
        select("se_block", rng, rows=40, col_fold=16, pe=4, memory="block", w=S8, x=S8, style="dsp"),
    ]


def sparses() -> list[KernelGraph]:
    """Schedules longer and shorter than their vector, empty folds, one word, one beat; every style; both kinds."""
    rng = np.random.default_rng(9)
    blocks, small = (2, 3), {"rows": 8, "cols": 12}
    s4n = integer(4, signed=True, narrow=True)
    return [
        sparse("sp_rows", rng),
        sparse("sp_blocks", rng, zeros="skip-blocks", rows=8, cols=12, block=blocks),
        sparse("sp_single", rng, rows=6, cols=20, pe=3, simd=1, density=0.2),
        sparse("sp_one", rng, vectors=1, rows=1, cols=1, pe=1, simd=1, density=1),
        sparse("sp_none", rng, rows=6, cols=6, density=0, vectors=4),
        sparse("sp_dense", rng, **small, density=1, zeros="skip-blocks", vectors=3),
        sparse("sp_load", rng, rows=2, cols=16, pe=2, simd=1, density=0.2, vectors=5),
        sparse("sp_flat", rng, rows=4, cols=20, pe=4, simd=20, w=TERNARY, zeros="skip-blocks"),
        sparse("sp_ternary", rng, **small, w=TERNARY, x=S8, density=0.3),
        sparse("sp_ternary_bits", rng, **small, w=TERNARY, x=BIPOLAR),
        sparse("sp_dsp", rng, **small, pe=4, x=U8, w=S8, style="dsp", zeros="skip-blocks", block=(4, 3)),
        sparse("sp_dsp_rows", rng, **small, pe=4, x=U8, w=S8, style="dsp", density=0.4),
        sparse("sp_dsp_narrow", rng, rows=5, pe=5, simd=1, x=S4, w=s4n, style="dsp", zeros="skip-blocks"),
        sparse("sp_lut_8", rng, **small, x=S8, w=S8, style="lut", density=0.3),
        sparse("sp_bits", rng, **small, x=BIPOLAR, w=S4, density=0.3),
        sparse("sp_large", rng, vectors=1, rows=12, cols=70, pe=3, simd=10, x=S8, w=S8, memory="block", density=0.1),
        sparse("sp_block", rng, rows=40, cols=64, pe=4, simd=1, memory="block", density=0.1),
    ]


def one_of_each_style() -> list[KernelGraph]:
    """One matrix-vector unit of each style, for benches that are slow to build."""
    rng = np.random.default_rng(7)
    return [
        matrix_vector("lut", rng, x=S4, w=S4, style="lut"),
        matrix_vector("dsp", rng, rows=6, pe=3, x=U8, w=S8, style="dsp"),
        matrix_vector("xnor", rng, cols=8, simd=4, x=BIPOLAR, w=BIPOLAR),
        matrix_vector("ternary", rng, x=S8, w=TERNARY),
    ]


def depthwises() -> list[KernelGraph]:
    rng = np.random.default_rng(5)
    return [
        depthwise("dw_folds", rng),
        depthwise("dw_one", rng, vectors=1, blocks=1, positions=1, lanes=1, x=S8, w=S8),
        depthwise("dw_whole", rng, blocks=1, lanes=5, x=S8, w=S8),
        depthwise("dw_kernels", rng, blocks=3, multiplier=3, positions=4),
        depthwise("dw_positions", rng, simd=3),
        depthwise("dw_flat", rng, blocks=1, lanes=3, multiplier=2, positions=6, simd=6, x=U8),
        depthwise("dw_ternary", rng, w=TERNARY, x=S8),
        depthwise("dw_bits", rng, x=BIPOLAR, w=BIPOLAR, lanes=3, simd=3),
        depthwise("dw_block", rng, blocks=8, lanes=4, positions=25, x=S8, w=S8, memory="block"),
    ]


def windows() -> list[KernelGraph]:
    same = (1, 1, 1, 1)
    return [
        window("win_same", pads=same, pad_value=3),
        window("win_valid", inner=2, kind=S4),
        window("win_one", kernel=(1, 1), strides=(2, 2), size=(5, 5)),
        window("win_stride", strides=(2, 2), pads=same, inner=2),
        window("win_skip", kernel=(1, 2), strides=(3, 3), size=(7, 8)),
        window("win_dilated", dilations=(2, 2), pads=(2, 2, 2, 2), size=(6, 5), kind=S4, pad_value=-8),
        window("win_asymmetric", kernel=(2, 3), strides=(1, 2), pads=(0, 2, 1, 0), size=(4, 5)),
        window("win_groups", blocks=3, inner=2, kernel=(2, 2), size=(4, 4), pads=(0, 0, 1, 1)),
        window("win_depthwise", blocks=4, pads=same, size=(4, 4), kind=BIPOLAR, pad_value=-1),
        window("win_signal", size=(1, 20), kernel=(1, 5), strides=(1, 2), pads=(0, 2, 0, 2), inner=2),
        window("win_whole", size=(3, 3), kernel=(3, 3)),
        window("win_pool", size=(6, 6), kernel=(2, 2), strides=(2, 2), blocks=2),
    ]


def parallel_windows() -> list[KernelGraph]:
    same = (1, 1, 1, 1)
    return [
        parallel_window("line_same", pads=same, pad_value=3),
        parallel_window("line_valid", kind=S4),
        parallel_window("line_stride", strides=(2, 2), pads=same, size=(6, 8)),
        parallel_window("line_odd", strides=(2, 2), pads=(0, 0, 1, 1), size=(7, 5), blocks=2),
        parallel_window("line_dilated", dilations=(2, 2), pads=(2, 2, 2, 2), size=(6, 5), kind=S4, pad_value=-8),
        parallel_window("line_asymmetric", kernel=(2, 3), strides=(1, 2), pads=(0, 2, 1, 0), size=(4, 5)),
        parallel_window("line_blocks", blocks=3, kernel=(2, 2), size=(4, 4), pads=(0, 0, 1, 1)),
        parallel_window("line_depthwise", blocks=4, pads=same, size=(4, 4), kind=BIPOLAR, pad_value=-1),
        parallel_window("line_signal", size=(1, 20), kernel=(1, 5), strides=(1, 2), pads=(0, 2, 0, 2)),
        parallel_window("line_long", size=(1, 9), kernel=(1, 4), pads=(0, 3, 0, 3), blocks=2),
        parallel_window("line_whole", size=(3, 3), kernel=(3, 3)),
        parallel_window("line_skip", kernel=(1, 2), strides=(3, 3), size=(7, 8)),
        parallel_window("line_tall", kernel=(3, 1), size=(5, 2), pads=(1, 0, 1, 0), lanes=1),
        parallel_window("line_wide_pads", kernel=(4, 4), size=(6, 7), pads=(3, 1, 3, 2)),
    ]


FIXED: list[tuple[list[int], int | None, int]] = [
    ([1, 1, 1, 1], 3, 0),
    ([1, 1, 1, 1], None, 16),
    ([8, 8, 8, 8], None, 0),
    ([-1, -1, -1, -1], 9, 0),
    ([-4, -4, -4, -4], 0, 3),
    ([0, 0, 0, 0], 77, 0),
    ([0, 0, 0, 0], None, 0),
    ([7, 7, 7, 7], 0, 0),
    ([-7, -7, -7, -7], None, 5),
    ([1, 8, 2, 1], None, 0),
    ([4, -8, 1, 2], 1, 2),
    ([0, 16, 1, -1], None, 0),
    ([1, 3, 0, -2], 6, 0),
    ([0, -1, 0, 0], 6, 0),
]
"""Factors, offset of all channels or None for one each, window."""


def requantisers() -> list[KernelGraph]:
    rng = np.random.default_rng(2)
    wide = IntType(-3000, 2500)
    return [
        requantiser("q_mas", mas(rng, 4, S12, U4, shift=6), S12, U4),
        requantiser("q_even", mas(rng, 6, wide, S4, shift=5, even=True), wide, S4, folds=3),
        requantiser("q_even1", mas(rng, 2, S8, S8, shift=1, even=True), S8, S8, folds=1),
        requantiser("q_unshifted", mas(rng, 2, U4, U8, shift=0), U4, U8, folds=1),
        requantiser("q_far", mas(rng, 2, U4, S4, shift=20), U4, S4, folds=1),
        requantiser("q_bit_in", mas(rng, 4, BIPOLAR, S4, shift=4), BIPOLAR, S4),
        requantiser("q_same", fixed([8] * 6, S12, U4, shift=5, c=77, window=3), S12, U4, folds=3),
        *(
            requantiser(f"q_fixed{place}", fixed(m, S12, U4, shift=5, c=c, window=window), S12, U4)
            for place, (m, c, window) in enumerate(FIXED)
        ),
        requantiser("q_bit_out", sign(rng, 4, S12), S12, BIPOLAR),
        requantiser("q_steps", thresholds(rng, 4, S8, U2), S8, U2),
        requantiser("q_sign", thresholds(rng, 4, S8, BIPOLAR), S8, BIPOLAR),
        requantiser("q_steps15", thresholds(rng, 6, S12, S4), S12, S4, folds=3),
        requantiser("q_constant", replace(thresholds(rng, 4, S8, U2), t=Weights(np.zeros((4, 0)))), S8, U2),
        requantiser("q_table", lookup(rng, S4, U8), S4, U8),
        requantiser("q_table_part", lookup(rng, IntType(-3, 9), S4), IntType(-3, 9), S4),
        requantiser("q_table_large", lookup(rng, U8, S12), U8, S12),
        requantiser("q_table_bit", lookup(rng, BIPOLAR, BIPOLAR), BIPOLAR, BIPOLAR, folds=1),
        requantiser("q_long_line", long_mas(S40, 92), S40, S8),
        requantiser("q_long_even", long_mas(S40, 92, even=True), S40, S8),
    ]


def others() -> list[KernelGraph]:
    rng = np.random.default_rng(3)
    return [
        *(reduce(f"max_{kind.bits}{fold}", kind, fold=fold) for kind in (U4, S8, BIPOLAR) for fold in (1, 4)),
        *(
            reduce(f"sum_{kind.bits}{fold}", kind, fold=fold, total=True)
            for kind in (U4, S8, BIPOLAR)
            for fold in (2, 9)
        ),
        argmax("argmax_one", U4, fold=1, lanes=1),
        *(argmax(f"argmax_{lanes}_{fold}", S4, fold=fold, lanes=lanes) for lanes, fold in ((1, 5), (2, 3), (5, 2))),
        *(argmax(f"argmax_last{kind.bits}", kind, fold=2, lanes=4, last=1) for kind in (U4, S8, BIPOLAR)),
        argmax("argmax_wide", BIPOLAR, fold=1, lanes=11, groups=9),
        *(width(f"width_{a}_{b}", a, b) for a, b in ((1, 4), (6, 2), (4, 6), (3, 2))),
        width("width_bits", 2, 3, BIPOLAR),
        fork("fork2", 2),
        fork("fork3", 3, BIPOLAR),
        adder("add2", rng, U4, S8),
        adder("add5", rng, U4, S8, BIPOLAR, S4, U8, folds=3),
        adder("add_ones", rng, U4, S8, given=(1, 1)),
        adder("add_wires", rng, U4, S8, S4, U8, BIPOLAR, given=(4, -8, -1, 16, 2)),
        adder("add_same", rng, U4, S8, U8, given=(3, -5, 0)),
        adder("add_some", rng, S8, U4, S4, folds=3, given=(None, 8, 7)),
        adder("add_nothing", rng, S8, U4, given=(0, 0)),
        adder("add_shifts", rng, U4, S8, given=([1, 8, 2, 1], [64, 1, 1, 2])),
        adder("add_powers", rng, S8, U4, BIPOLAR, given=([4, -8, 0, 1], [-1, -1, 1, -2], [0, 1, 0, 1])),
        adder("add_kinds", rng, U8, S4, S8, U4, BIPOLAR, given=([-16, 0, 1, 2], None, 100, [1, 2, 2, 1], -4)),
        adder("add_many", rng, *[U4] * 34, given=(*[1] * 30, *[[1, 4, 2, 1]] * 3, -2)),
        adder("add_once", rng, S4, S8, folds=1, given=([1, 4], [-1, 0])),
        multiplier("mul", U8, S4, (128, -3)),
        interleave("cat2", S8, (U4, 1), (S8, 3)),
        interleave("cat3", BIPOLAR, (BIPOLAR, 2), (BIPOLAR, 1), (BIPOLAR, 1)),
        reorder("turn", [3, 2, 1, 0], 4),
        reorder("pad", [-1, 0, -1, 1, -1, 2], 3, S4, fill=-8),
        reorder("crop", [5, 1], 6),
        reorder("one", [0], 1),
        *(fifo(f"fifo{depth}", depth) for depth in (0, 1, 2, 3, 5, 17, 64)),
        *(fifo(f"fifo_block{depth}", depth) for depth in (300, 1024)),
    ]


def ultra() -> list[KernelGraph]:
    """What may be in UltraRAM, there whatever its size."""
    made = [
        window("ring", pads=(1, 1, 1, 1), blocks=2, kind=S4, pad_value=-3),
        window("stride", size=(7, 5), strides=(2, 2), inner=2),
        window("whole", kernel=(5, 6)),
        reorder("turn", [3, -1, 2, 1, 0], 4),
        reorder("crop", [5, 1], 6),
        *(fifo(f"fifo{depth}", depth) for depth in (300, 1024)),
    ]
    return [
        replace(
            graph,
            kernels=tuple(replace(kernel, ultra=True) for kernel in graph.kernels),
            streams=tuple(replace(stream, ultra=fifo_kind(stream) == "block") for stream in graph.streams),
        )
        for graph in made
    ]


GROUPS = {
    "matrices": matrices,
    "styles": styles,
    "selects": selects,
    "sparses": sparses,
    "depthwises": depthwises,
    "windows": windows,
    "lines": parallel_windows,
    "requantisers": requantisers,
    "others": others,
    "ultra": ultra,
}


def one_of_each() -> list[KernelGraph]:
    """One kernel of each kind and one FIFO of each kind, for benches that are slow to build."""
    rng = np.random.default_rng(8)
    return [
        matrix_vector("mv", rng, groups=2),
        sparse("sparse", rng, rows=6, cols=9),
        select("select", np.random.default_rng(11), groups=2),
        depthwise("dw", rng, multiplier=2),
        window("win", pads=(1, 1, 1, 1), blocks=2, kind=S4, pad_value=-3),
        parallel_window("line", pads=(1, 1, 1, 1), blocks=2, kind=S4, pad_value=-3),
        reduce("max", S4, fold=4),
        reduce("sum", S4, fold=4, total=True),
        argmax("argmax", S4, fold=2, lanes=3),
        requantiser("mas", mas(rng, 4, S8, U4, shift=3, even=True), S8, U4, pixels=6),
        requantiser("steps", thresholds(rng, 4, S8, U2), S8, U2, pixels=6),
        requantiser("table", lookup(rng, S4, U8), S4, U8, pixels=6),
        width("width", 4, 6),
        fork("fork", 2),
        adder("add", rng, U4, S8),
        multiplier("mul", U8, S4, (128, -3)),
        interleave("cat", S8, (U4, 1), (S8, 3)),
        reorder("turn", [3, -1, 2, 1, 0], 4),
        *(fifo(f"fifo{depth}", depth) for depth in (0, 2, 3, 17, 300)),
    ]
