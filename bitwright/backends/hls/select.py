# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit for n-of-m weights in the C++ project."""

from __future__ import annotations

import numpy as np

from bitwright.backends.hls import text
from bitwright.backends.hls.site import Site, block, element, number
from bitwright.backends.hls.sparse import packing_of
from bitwright.backends.hls.views import Alias, Kernel
from bitwright.hardware.kernels.select import SelectMatrixVector


def select_view(kernel: SelectMatrixVector, site: Site) -> Kernel:
    """The view of the unit: its words of weights and choices are one table."""
    shared, factors = packing_of(kernel.packing, kernel.x_type) if kernel.style == "dsp" else ({}, [])
    shape = block(
        kernel,
        f"{kernel.groups} x ({kernel.rows} x {kernel.cols}) matrix, of which {kernel.kept} of {kernel.group} "
        "are not zero",
        "bw::SelectShape",
        [
            {"Vectors": kernel.vectors, "Groups": kernel.groups},
            {"Rows": kernel.rows, "Columns": kernel.cols, "Pe": kernel.pe},
            {"Sets": kernel.simd // kernel.group, "Of": kernel.group, "Kept": kernel.kept},
            shared,
        ],
        [
            element("X", kernel.x_type),
            element("Weight", kernel.weight_type),
            Alias("Acc", text.number_type(kernel.acc_type), f"  // {kernel.acc_type.lo}..{kernel.acc_type.hi}"),
            number("Choice", np.array([0, kernel.group - 1])),
            *factors,
        ],
        aliases=[Alias("Mac", f"bw::{kernel.style.capitalize()}Mac<Shape::Row>")],
    )
    table = site.table(
        kernel,
        f"Weights of {text.comment(kernel.layer)}, {kernel.weight_type}: words of [Pe][Products] in the order of use, "
        "by group, row fold, column fold, and the places of their elements among the neighbours.",
        "Shape::Word",
        "weights",
        "[Shape::Words]",
        _lines(kernel),
    )
    return site.view(
        kernel,
        shape,
        kind="select matrix-vector",
        function={"lut": "bw::select_lut", "block": "bw::select_block"}[kernel.memory],
        arguments=[kernel.input, kernel.output, site.member(kernel, "weights"), site.member(kernel, "Mac") + "()"],
        header="bw_select.hpp",
        lanes=(kernel.pe, kernel.simd),
        table=table,
    )


def _lines(kernel: SelectMatrixVector) -> list[str]:
    """The words as initialisers: {weights, choices}."""
    weights = kernel.weights.array[:, :, None]
    words = zip(weights.tolist(), kernel.choices.array.tolist(), strict=True)
    return text.fold(", ".join(repr(list(word)).translate({ord("["): "{", ord("]"): "}"}) for word in words))
