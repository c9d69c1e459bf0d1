# SPDX-License-Identifier: Apache-2.0
"""How each kernel of the plan appears in the C++ project: its constants and types, its tables, its call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwright.backends import hls_text as text
from bitwright.backends.hls_forms import Rule, rule_of
from bitwright.backends.hls_views import Alias, Block, Kernel, Table
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.plan import kernels as plan


@dataclass(frozen=True, slots=True)
class Site:
    """Where a kernel stands: the project's name, line 1 of every file, and the graph's streams."""

    project: str
    banner: str
    streams: Mapping[str, plan.Stream]


def view(kernel: plan.Kernel, site: Site) -> Kernel:
    """The view of one kernel."""
    match kernel:
        case plan.MatrixVector():
            return _matrix_vector(kernel, site)
        case plan.Requantiser():
            return _requantiser(kernel, site)
        case plan.Window():
            return _window(kernel, site)
        case plan.MaxReduce():
            return _max_reduce(kernel, site)
        case plan.WidthConverter():
            return _width(kernel, site)
    raise AssertionError(f"no C++ for {type(kernel).__name__}")


def port_block(stream: plan.Stream) -> Block:
    """The block of a stream at the boundary."""
    return Block(
        name=stream.name,
        title=f"{stream.name}: AXI4-Stream, {stream.beats} transfers of {stream.lanes} x {stream.type} per frame",
        constants=[text.constants({"Beats": stream.beats, "Lanes": stream.lanes})],
        types=[Alias("T", text.element_type(stream.type))],
        shape="bw::AxisShape",
        aliases=[],
        channel=[],
    )


def bits_of(values: Ints, kind: IntType) -> Ints:
    """What an initialiser holds for `values`: 0 for -1 where `kind` is bipolar, else the numbers."""
    return (values + 1) // 2 if kind.is_bipolar else values


def _matrix_vector(kernel: plan.MatrixVector, site: Site) -> Kernel:
    x, weight = kernel.x_type, kernel.weight_type
    block = Block(
        name=kernel.name,
        title=text.comment(f"{kernel.layer}: {kernel.groups} x ({kernel.rows} x {kernel.cols}) matrix"),
        constants=[
            text.constants({"Vectors": kernel.vectors, "Groups": kernel.groups}),
            text.constants({"Rows": kernel.rows, "Cols": kernel.cols, "Pe": kernel.pe, "Simd": kernel.simd}),
        ],
        types=[
            _element("X", x),
            _element("Weight", weight),
            Alias("Acc", text.number_type(kernel.acc_type), f"  // {kernel.acc_type.lo}..{kernel.acc_type.hi}"),
        ],
        shape="bw::MvuShape",
        aliases=[],
        channel=[],
    )
    weights = Table(
        banner=site.banner,
        title=text.wrap_comment(
            f"Weights of {text.comment(kernel.layer)}, {weight}: words of [Pe][Simd] in the order of use, "
            "by group, row fold, column fold."
        ),
        project=site.project,
        kernel=kernel.name,
        type="Weight",
        variable="weights",
        extents="[Shape::Words][Shape::Pe][Shape::Simd]",
        lines=text.initialiser(bits_of(kernel.weights.array, weight)),
    )
    function = {"lut": "bw::mvu_lut", "block": "bw::mvu_block"}[kernel.memory]
    row = (kernel.name, "matrix-vector", str(kernel.pe), str(kernel.simd))
    return _kernel(kernel, site, block, weights, function, [_name(site, kernel, "weights")], "bw_mvu.hpp", row)


def _requantiser(kernel: plan.Requantiser, site: Site) -> Kernel:
    rule: Rule = rule_of(kernel.form, kernel.folds, kernel.lanes, kernel.x_type, kernel.y_type)
    block = Block(
        name=kernel.name,
        title=text.comment(f"{kernel.layer}: {rule.title}"),
        constants=[
            text.constants({"Beats": kernel.beats, "Folds": kernel.folds, "Lanes": kernel.lanes}),
            *rule.constants,
        ],
        types=[
            _element("X", kernel.x_type),
            _element("Y", kernel.y_type),
            Alias("Code", text.number_type(kernel.y_type)),
            *rule.types,
        ],
        shape="bw::RequantShape",
        aliases=[Alias("Rule", f"{rule.template}<Shape>")],
        channel=rule.channel,
    )
    channels = Table(
        banner=site.banner,
        title=text.wrap_comment(f"{rule.table_title} of {text.comment(kernel.layer)}, {rule.order}."),
        project=site.project,
        kernel=kernel.name,
        type=rule.table_type,
        variable=rule.table_name,
        extents=rule.extents,
        lines=rule.lines,
    )
    row = (kernel.name, rule.kind, str(kernel.lanes), str(kernel.lanes))
    argument = f"{_name(site, kernel, 'Rule')}{{{_name(site, kernel, rule.table_name)}}}"
    return _kernel(kernel, site, block, channels, "bw::requantise", [argument], "bw_requant.hpp", row)


def _window(kernel: plan.Window, site: Site) -> Kernel:
    spec = kernel_axes(kernel)
    block = Block(
        name=kernel.name,
        title=text.comment(f"{kernel.layer}: sliding window"),
        constants=[
            text.constants({key: spec[key] for key in ("Height", "Width", "Blocks", "Inner")}),
            text.constants({key: spec[key] for key in ("KernelH", "KernelW", "StrideH", "StrideW")}),
            text.constants({key: spec[key] for key in ("DilationH", "DilationW", "PadTop", "PadLeft")}),
            text.constants({key: spec[key] for key in ("OutHeight", "OutWidth")}),
            text.constants({"PadValue": kernel.pad_value, "Lanes": kernel.lanes}),
        ],
        types=[_element("T", kernel.type)],
        shape="bw::WindowShape",
        aliases=[],
        channel=[],
    )
    row = (kernel.name, "window", str(kernel.lanes), str(kernel.lanes))
    return _kernel(kernel, site, block, None, "bw::window", [], "bw_window.hpp", row)


def kernel_axes(kernel: plan.Window) -> dict[str, int]:
    """The sizes of a window kernel, by height and width.

    A one-dimensional signal (height 1) is turned into a column: its pixels are then rows of one pixel, and the ring of
    rows holds no more of them than a field needs.
    """
    column = kernel.height == 1 and kernel.kernel[0] == 1 and not (kernel.pads[0] or kernel.pads[2])
    h, w = (1, 0) if column else (0, 1)
    size, out = (kernel.height, kernel.width), (kernel.out_height, kernel.out_width)
    return {
        "Height": size[h],
        "Width": size[w],
        "Blocks": kernel.blocks,
        "Inner": kernel.inner,
        "KernelH": kernel.kernel[h],
        "KernelW": kernel.kernel[w],
        "StrideH": kernel.strides[h],
        "StrideW": kernel.strides[w],
        "DilationH": kernel.dilations[h],
        "DilationW": kernel.dilations[w],
        "PadTop": kernel.pads[h],
        "PadLeft": kernel.pads[w],
        "OutHeight": out[h],
        "OutWidth": out[w],
    }


def _max_reduce(kernel: plan.MaxReduce, site: Site) -> Kernel:
    block = Block(
        name=kernel.name,
        title=text.comment(f"{kernel.layer}: maximum of {kernel.fold}"),
        constants=[text.constants({"Fold": kernel.fold, "Windows": kernel.groups, "Lanes": kernel.lanes})],
        types=[_element("X", site.streams[kernel.input].type), _element("Y", site.streams[kernel.output].type)],
        shape="bw::PoolShape",
        aliases=[],
        channel=[],
    )
    row = (kernel.name, "max-pool", str(kernel.lanes), str(kernel.lanes))
    return _kernel(kernel, site, block, None, "bw::max_reduce", [], "bw_pool.hpp", row)


def _width(kernel: plan.WidthConverter, site: Site) -> Kernel:
    block = Block(
        name=kernel.name,
        title=text.comment(f"{kernel.layer}: {kernel.in_lanes} elements per word to {kernel.out_lanes}"),
        constants=[
            text.constants({"InLanes": kernel.in_lanes, "OutLanes": kernel.out_lanes, "Elements": kernel.elements})
        ],
        types=[_element("T", kernel.type)],
        shape="bw::WidthShape",
        aliases=[],
        channel=[],
    )
    row = (kernel.name, "width", str(kernel.out_lanes), str(kernel.in_lanes))
    return _kernel(kernel, site, block, None, "bw::convert_width", [], "bw_width.hpp", row)


def _element(name: str, kind: IntType) -> Alias:
    return Alias(name, text.element_type(kind), f"  // {kind.lo}..{kind.hi}" if not kind.is_bipolar else "  // -1, 1")


def _name(site: Site, kernel: plan.Kernel, member: str) -> str:
    return f"{site.project}::{kernel.name}::{member}"


def _kernel(
    kernel: plan.Kernel,
    site: Site,
    block: Block,
    table: Table | None,
    function: str,
    arguments: list[str],
    header: str,
    row: tuple[str, str, str, str],
) -> Kernel:
    name, kind, pe, simd = row
    source, target = site.streams[kernel.input], site.streams[kernel.output]
    return Kernel(
        block=block,
        table=table,
        call=text.call(f"{function}<{_name(site, kernel, 'Shape')}>", [kernel.input, kernel.output, *arguments]),
        header=header,
        row=(name, kind, _payload(source), _payload(target), pe, simd, str(kernel.cycles)),
    )


def _payload(stream: plan.Stream) -> str:
    return f"{stream.beats} x {stream.lanes} x {stream.type}"
