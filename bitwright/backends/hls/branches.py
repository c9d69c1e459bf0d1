# SPDX-License-Identifier: Apache-2.0
"""The kernels of branches in the C++ project: fork, weighted sum, product, interleave, reorder."""

from __future__ import annotations

import numpy as np

from bitwright.backends.hls import text
from bitwright.backends.hls.site import Site, block, element, number
from bitwright.backends.hls.views import Kernel
from bitwright.hardware.kernels import base
from bitwright.hardware.kernels.joins import Adder, Fork, Interleave, Multiplier
from bitwright.hardware.kernels.moves import Reorder


def branch_view(kernel: base.Kernel, site: Site) -> Kernel:
    """The view of a kernel with several inputs or outputs, or with a frame buffer."""
    match kernel:
        case Fork():
            return _fork(kernel, site)
        case Adder():
            return _adder(kernel, site)
        case Multiplier():
            return _multiplier(kernel, site)
        case Interleave():
            return _interleave(kernel, site)
        case Reorder():
            return _reorder(kernel, site)
    raise AssertionError(f"no C++ for {type(kernel).__name__}")


def _fork(kernel: Fork, site: Site) -> Kernel:
    shape = block(
        kernel,
        f"to {len(kernel.outputs)} readers",
        "bw::ForkShape",
        [{"Beats": kernel.beats, "Lanes": kernel.lanes}],
        [element("T", kernel.type)],
    )
    return site.view(
        kernel, shape, kind="fork", function="bw::fork", arguments=[kernel.input, *kernel.outputs], header="bw_fork.hpp"
    )


def _adder(kernel: Adder, site: Site) -> Kernel:
    operands, factors = len(kernel.inputs), kernel.factors.array
    shape = block(
        kernel,
        f"weighted sum of {operands}",
        "bw::JoinShape",
        [{"Operands": operands, "Beats": kernel.beats, "Folds": kernel.folds, "Lanes": kernel.lanes}],
        [element("Y", kernel.y_type), number("Factor", factors)],
    )
    table = site.table(
        kernel,
        f"Factors of {text.comment(kernel.layer)}: for each operand one per channel, as words of [Lanes].",
        "Shape::Factor",
        "factors",
        "[Shape::Operands][Shape::Folds][Shape::Lanes]",
        text.initialiser(factors.reshape(operands, kernel.folds, kernel.lanes)),
    )
    return site.view(
        kernel,
        shape,
        kind="sum",
        function="bw::add",
        arguments=[site.member(kernel, "factors"), kernel.output, *kernel.inputs],
        header="bw_join.hpp",
        table=table,
    )


def _multiplier(kernel: Multiplier, site: Site) -> Kernel:
    shape = block(
        kernel,
        "product",
        "bw::JoinShape",
        [
            {"Operands": 2, "Beats": kernel.beats, "Lanes": kernel.lanes},
            {"ZeroA": kernel.zeros[0], "ZeroB": kernel.zeros[1]},
        ],
        [element("Y", kernel.y_type)],
    )
    return site.view(
        kernel,
        shape,
        kind="product",
        function="bw::multiply",
        arguments=[kernel.output, *kernel.inputs],
        header="bw_join.hpp",
    )


def _interleave(kernel: Interleave, site: Site) -> Kernel:
    operands = len(kernel.inputs)
    shape = block(
        kernel,
        f"channels of {operands} in turn",
        "bw::JoinShape",
        [{"Operands": operands, "Beats": kernel.beats, "Lanes": kernel.lanes}],
        [element("Y", kernel.y_type), number("Part", np.array(kernel.parts))],
    )
    table = site.table(
        kernel,
        f"Words per pixel of each operand of {text.comment(kernel.layer)}.",
        "Shape::Part",
        "parts",
        "[Shape::Operands]",
        text.initialiser(np.array(kernel.parts)),
    )
    return site.view(
        kernel,
        shape,
        kind="interleave",
        function="bw::interleave",
        arguments=[site.member(kernel, "parts"), kernel.output, *kernel.inputs],
        header="bw_join.hpp",
        table=table,
    )


def _reorder(kernel: Reorder, site: Site) -> Kernel:
    order = kernel.order.array
    shape = block(
        kernel,
        "another order",
        "bw::ReorderShape",
        [{"InBeats": kernel.in_beats, "OutBeats": order.size, "Fill": kernel.fill, "Lanes": kernel.lanes}],
        [element("T", kernel.type), number("Index", order)],
    )
    table = site.table(
        kernel,
        f"Which word in is each word out of {text.comment(kernel.layer)}; -1 is Fill.",
        "bw::Rom<Shape::Index>",
        "order",
        "[Shape::OutBeats]",
        text.initialiser(order),
    )
    return site.view(
        kernel,
        shape,
        kind="reorder",
        function="bw::reorder",
        arguments=[kernel.input, kernel.output, site.member(kernel, "order")],
        header="bw_reorder.hpp",
        table=table,
    )
