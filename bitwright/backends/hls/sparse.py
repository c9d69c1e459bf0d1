# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit that skips zeros in the C++ project."""

from __future__ import annotations

import numpy as np

from bitwright.backends.hls import text
from bitwright.backends.hls.site import Site, block, element, number
from bitwright.backends.hls.views import Alias, Kernel
from bitwright.hardware.arithmetic import Packing, signed_bits
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints


def sparse_view(kernel: SparseMatrixVector, site: Site) -> Kernel:
    """The view of the unit: its words of weights, beats and ends are one table."""
    shared, factors = packing_of(kernel.packing, kernel.x_type) if kernel.style == "dsp" else ({}, [])
    shape = block(
        kernel,
        f"{kernel.rows} x {kernel.cols} matrix without its zeros, {kernel.words} words of "
        f"{kernel.row_fold * kernel.col_fold}",
        "bw::SparseShape",
        [
            {"Vectors": kernel.vectors, "RowFold": kernel.row_fold, "ColFold": kernel.col_fold, "Words": kernel.words},
            {"Ports": kernel.ports, "Pe": kernel.lanes, "Simd": kernel.simd},
            shared,
        ],
        [
            element("X", kernel.x_type),
            element("Weight", kernel.weight_type),
            Alias("Acc", text.number_type(kernel.acc_type), f"  // {kernel.acc_type.lo}..{kernel.acc_type.hi}"),
            number("Beat", np.array([0, kernel.col_fold - 1])),
            *factors,
        ],
        aliases=[Alias("Mac", f"bw::{kernel.style.capitalize()}Mac<Shape>")],
    )
    table = site.table(
        kernel,
        f"Schedule of {text.comment(kernel.layer)}: for each word the weights ({kernel.weight_type}) "
        "[Ports][Pe][Simd], the beat that each port reads, and 1 at the end of a row fold.",
        "Shape::Word",
        "schedule",
        "[Shape::Words]",
        _lines(kernel),
    )
    return site.view(
        kernel,
        shape,
        kind="sparse matrix-vector",
        function={"lut": "bw::sparse_lut", "block": "bw::sparse_block"}[kernel.memory],
        arguments=[kernel.input, kernel.output, site.member(kernel, "schedule"), site.member(kernel, "Mac") + "()"],
        header="bw_sparse.hpp",
        lanes=(kernel.pe, kernel.simd),
        table=table,
    )


def packing_of(sizes: Packing, x_type: IntType) -> tuple[dict[str, int], list[Alias]]:
    """The sizes and types of the multipliers that neighbouring rows share."""
    constants = {"Lanes": sizes.lanes, "Stride": sizes.stride, "Bias": sizes.bias}
    what = f"  // {sizes.lanes} weights, {sizes.stride} bits apart"
    factor = f"ap_int<{signed_bits(x_type)}>"
    return constants, [Alias("Packed", f"ap_int<{sizes.width}>", what), Alias("Factor", factor, "  // an X, signed")]


def _lines(kernel: SparseMatrixVector) -> list[str]:
    """The words as initialisers: {weights, beats, last}."""
    weights = kernel.weights.array.reshape(kernel.words, kernel.ports, kernel.lanes, kernel.simd)
    last: Ints = np.zeros(kernel.words, np.int64)
    last[kernel.ends.array] = 1
    words = zip(weights.tolist(), kernel.beats.array.tolist(), last.tolist(), strict=True)
    return text.fold(", ".join(repr(list(word)).translate({ord("["): "{", ord("]"): "}"}) for word in words))
