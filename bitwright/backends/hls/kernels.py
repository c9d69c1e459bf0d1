# SPDX-License-Identifier: Apache-2.0
"""How each kernel of the plan appears in the C++ project: its constants and types, its tables, its call."""

from __future__ import annotations

from bitwright.backends.hls import text
from bitwright.backends.hls.branches import branch_view
from bitwright.backends.hls.forms import rule_of
from bitwright.backends.hls.select import select_view
from bitwright.backends.hls.site import Site, block, element
from bitwright.backends.hls.sparse import packing_of, sparse_view
from bitwright.backends.hls.views import Alias, Block, Kernel, Table
from bitwright.hardware.kernels import base
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints


def view(kernel: base.Kernel, site: Site) -> Kernel:
    """The view of one kernel."""
    match kernel:
        case MatrixVector():
            return _matrix_vector(kernel, site)
        case SparseMatrixVector():
            return sparse_view(kernel, site)
        case Depthwise():
            return _depthwise(kernel, site)
        case Requantiser():
            return _requantiser(kernel, site)
        case Window():
            return _window(kernel, site)
        case ParallelWindow():
            return _parallel_window(kernel, site)
        case MaxReduce() | SumReduce():
            return _reduce(kernel, site)
        case ArgMaxReduce():
            return _argmax_reduce(kernel, site)
        case WidthConverter():
            return _width(kernel, site)
        case _:
            return branch_view(kernel, site)


def port_block(stream: base.Stream) -> Block:
    """The block of a stream at the boundary."""
    transfers = text.counted(stream.beats, "transfer")
    return Block(
        name=stream.name,
        title=f"{stream.name}: AXI4-Stream, {transfers} of {stream.lanes} x {stream.type} per frame",
        constants=[text.constants({"Beats": stream.beats, "Lanes": stream.lanes})],
        types=[element("T", stream.type)],
        shape="bw::AxisShape",
        aliases=[],
        channel=[],
    )


def _matrix_vector(kernel: MatrixVector, site: Site) -> Kernel:
    if isinstance(kernel, SelectMatrixVector):
        return select_view(kernel, site)
    shared, factors = packing_of(kernel.packing, kernel.x_type) if kernel.style == "dsp" else ({}, [])
    shape = block(
        kernel,
        f"{kernel.groups} x ({kernel.rows} x {kernel.cols}) matrix",
        "bw::MvuShape",
        [
            {"Vectors": kernel.vectors, "Groups": kernel.groups},
            {"Rows": kernel.rows, "Cols": kernel.cols, "Pe": kernel.pe, "Simd": kernel.simd},
            shared,
        ],
        [
            element("X", kernel.x_type),
            element("Weight", kernel.weight_type),
            Alias("Acc", text.number_type(kernel.acc_type), f"  // {kernel.acc_type.lo}..{kernel.acc_type.hi}"),
            *factors,
        ],
        aliases=[Alias("Mac", f"bw::{kernel.style.capitalize()}Mac<Shape>")],
    )
    return site.view(
        kernel,
        shape,
        kind="matrix-vector",
        function={"lut": "bw::mvu_lut", "block": "bw::mvu_block"}[kernel.memory],
        arguments=[kernel.input, kernel.output, site.member(kernel, "weights"), site.member(kernel, "Mac") + "()"],
        header="bw_mvu.hpp",
        lanes=(kernel.pe, kernel.simd),
        table=_weights(kernel, "by group, row fold, column fold", site),
    )


def _depthwise(kernel: Depthwise, site: Site) -> Kernel:
    shape = block(
        kernel,
        f"{kernel.blocks * kernel.lanes} channels, {kernel.multiplier} x {kernel.fold * kernel.simd} each",
        "bw::DepthwiseShape",
        [
            {"Pixels": kernel.vectors, "Blocks": kernel.blocks, "Fold": kernel.fold},
            {"Lanes": kernel.lanes, "Multiplier": kernel.multiplier, "Simd": kernel.simd},
        ],
        [
            element("X", kernel.x_type),
            element("Weight", kernel.weight_type),
            Alias("Acc", text.number_type(kernel.acc_type), f"  // {kernel.acc_type.lo}..{kernel.acc_type.hi}"),
        ],
    )
    return site.view(
        kernel,
        shape,
        kind="depthwise",
        function={"lut": "bw::depthwise_lut", "block": "bw::depthwise_block"}[kernel.memory],
        arguments=[kernel.input, kernel.output, site.member(kernel, "weights")],
        header="bw_depthwise.hpp",
        lanes=(kernel.pe, kernel.simd),
        table=_weights(kernel, "by block of channels and word of the field", site),
    )


def _weights(kernel: MatrixVector | Depthwise, order: str, site: Site) -> Table:
    return site.table(
        kernel,
        f"Weights of {text.comment(kernel.layer)}, {kernel.weight_type}: words of [Pe][Simd] in the order of use, "
        f"{order}.",
        "bw::Rom<Shape::Weight>",
        "weights",
        "[Shape::Words][Shape::Pe][Shape::Simd]",
        text.initialiser(_bits(kernel.weights.array, kernel.weight_type)),
    )


def _bits(values: Ints, kind: IntType) -> Ints:
    """What an initialiser holds for `values`: 0 for -1 where `kind` is bipolar, else the numbers."""
    return (values + 1) // 2 if kind.is_bipolar else values


def _requantiser(kernel: Requantiser, site: Site) -> Kernel:
    rule = rule_of(kernel.form, kernel.folds, kernel.lanes, kernel.x_type)
    shape = block(
        kernel,
        rule.title,
        "bw::RequantShape",
        [{"Beats": kernel.beats, "Folds": kernel.folds, "Lanes": kernel.lanes}, rule.constants],
        [
            element("X", kernel.x_type),
            element("Y", kernel.y_type),
            Alias("Code", text.number_type(kernel.y_type)),
            *rule.types,
        ],
        aliases=[Alias("Rule", f"{rule.template}<Shape>")],
        channel=rule.channel,
    )
    table = site.table(
        kernel,
        f"{rule.table_title} of {text.comment(kernel.layer)}, {rule.order}.",
        rule.table_type,
        rule.table_name,
        rule.extents,
        rule.lines,
    )
    rule_object = f"{site.member(kernel, 'Rule')}{{{site.member(kernel, rule.table_name)}}}"
    return site.view(
        kernel,
        shape,
        kind=f"requantiser ({rule.kind})",
        function="bw::requantise",
        arguments=[kernel.input, kernel.output, rule_object],
        header="bw_requant.hpp",
        table=table,
    )


def _window(kernel: Window, site: Site) -> Kernel:
    """A sliding window.

    A one-dimensional signal (height 1) is turned into a column: its pixels are then rows of one pixel, and the ring of
    rows holds no more of them than a field needs.
    """
    if kernel.covers_image:
        return _gather(kernel, site)
    signal = kernel.is_signal
    h, w = (1, 0) if signal else (0, 1)
    size, out = (kernel.height, kernel.width), (kernel.out_height, kernel.out_width)
    shape = block(
        kernel,
        "sliding window" + (", a signal as a column" if signal else ""),
        "bw::WindowShape",
        [
            {"Height": size[h], "Width": size[w], "Blocks": kernel.blocks, "Inner": kernel.inner},
            {"KernelH": kernel.kernel[h], "KernelW": kernel.kernel[w]},
            {"StrideH": kernel.strides[h], "StrideW": kernel.strides[w]},
            {"DilationH": kernel.dilations[h], "DilationW": kernel.dilations[w]},
            {"PadTop": kernel.pads[h], "PadLeft": kernel.pads[w], "PadValue": kernel.pad_value},
            {"OutHeight": out[h], "OutWidth": out[w], "Lanes": kernel.lanes},
        ],
        [element("T", kernel.type)],
    )
    return site.view(
        kernel,
        shape,
        kind="window",
        function="bw::window",
        arguments=[kernel.input, kernel.output],
        header="bw_window.hpp",
    )


def _parallel_window(kernel: ParallelWindow, site: Site) -> Kernel:
    shape = block(
        kernel,
        "sliding window, all positions at once",
        "bw::LineShape",
        [
            {"Height": kernel.height, "Width": kernel.width, "Blocks": kernel.blocks},
            {"KernelH": kernel.kernel[0], "KernelW": kernel.kernel[1]},
            {"StrideH": kernel.strides[0], "StrideW": kernel.strides[1]},
            {"DilationH": kernel.dilations[0], "DilationW": kernel.dilations[1]},
            {"PadTop": kernel.pads[0], "PadLeft": kernel.pads[1], "PadValue": kernel.pad_value},
            {"OutHeight": kernel.out_height, "OutWidth": kernel.out_width, "Lanes": kernel.lanes},
        ],
        [element("T", kernel.type)],
    )
    return site.view(
        kernel,
        shape,
        kind="parallel window",
        function="bw::window_line",
        arguments=[kernel.input, kernel.output],
        header="bw_window_line.hpp",
    )


def _gather(kernel: Window, site: Site) -> Kernel:
    """The window of a global pool."""
    shape = block(
        kernel,
        "the whole image as one field",
        "bw::GatherShape",
        [
            {
                "Pixels": kernel.height * kernel.width,
                "Blocks": kernel.blocks,
                "Inner": kernel.inner,
                "Lanes": kernel.lanes,
            }
        ],
        [element("T", kernel.type)],
    )
    return site.view(
        kernel,
        shape,
        kind="window",
        function="bw::gather",
        arguments=[kernel.input, kernel.output],
        header="bw_gather.hpp",
    )


def _reduce(kernel: MaxReduce | SumReduce, site: Site) -> Kernel:
    what, function = ("maximum", "bw::max_reduce") if isinstance(kernel, MaxReduce) else ("sum", "bw::sum_reduce")
    shape = block(
        kernel,
        f"{what} of {kernel.fold}",
        "bw::PoolShape",
        [{"Fold": kernel.fold, "Windows": kernel.groups, "Lanes": kernel.lanes}],
        [element("X", site.streams[kernel.input].type), element("Y", site.streams[kernel.output].type)],
    )
    return site.view(
        kernel, shape, kind=what, function=function, arguments=[kernel.input, kernel.output], header="bw_pool.hpp"
    )


def _argmax_reduce(kernel: ArgMaxReduce, site: Site) -> Kernel:
    shape = block(
        kernel,
        f"place of the largest of {kernel.fold * kernel.lanes}",
        "bw::ArgMaxShape",
        [{"Fold": kernel.fold, "Pixels": kernel.groups, "Lanes": kernel.lanes, "Last": kernel.last}],
        [element("X", kernel.x_type), element("Y", kernel.y_type)],
    )
    return site.view(
        kernel,
        shape,
        kind="argmax",
        function="bw::argmax_reduce",
        arguments=[kernel.input, kernel.output],
        header="bw_argmax.hpp",
    )


def _width(kernel: WidthConverter, site: Site) -> Kernel:
    shape = block(
        kernel,
        f"{kernel.in_lanes} elements per word to {kernel.out_lanes}",
        "bw::WidthShape",
        [{"InLanes": kernel.in_lanes, "OutLanes": kernel.out_lanes, "Elements": kernel.elements}],
        [element("T", kernel.type)],
    )
    return site.view(
        kernel,
        shape,
        kind="width",
        function="bw::convert_width",
        arguments=[kernel.input, kernel.output],
        header="bw_width.hpp",
    )
