# SPDX-License-Identifier: Apache-2.0
"""How each kernel of the plan appears in the C++ project: its constants and types, its table, its call."""

from __future__ import annotations

from bitwright.backends.hls import packed, text
from bitwright.backends.hls.forms import rule_of
from bitwright.backends.hls.site import Site, block, element, plain
from bitwright.backends.hls.views import Alias, Block, KernelView, Table
from bitwright.hardware.arithmetic import Packing, signed_bits
from bitwright.hardware.kernels.base import Kernel, Stream
from bitwright.hardware.kernels.interface import Constants, Interface, Sizes
from bitwright.hardware.kernels.joins import Join
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.ir.types import IntType

IMPLEMENTED = {"block": "bram", "lut": "lutram"}
"""What a memory is called in a storage pragma."""


def view(kernel: Kernel, site: Site) -> KernelView:
    """The view of one kernel: its interface as a Spec with a Shape, and the call of its function.

    A requantiser is one function, and a class for each form.
    """
    if isinstance(kernel, Requantiser):
        return _requantiser(kernel, site)
    told = kernel.interface()
    table = _table(kernel, told.table, site) if told.table else None
    classes = [*(["Mac"] if told.unit.mac else []), *([table.name] if table else [])]
    ends = (kernel.outputs, kernel.inputs) if isinstance(kernel, Join) else (kernel.inputs, kernel.outputs)
    return site.view(kernel, told, _block(kernel, told), [*ends[0], *ends[1]], classes=classes, table=table)


def port_block(stream: Stream) -> Block:
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


def _block(kernel: Kernel, told: Interface) -> Block:
    groups: list[Sizes] = list(told.sizes)
    types = [element(name, kind) for name, kind in told.elements.items()]
    types += [plain(name, kind) for name, kind in told.numbers.items()]
    if told.packing:
        groups.append({"Lanes": told.packing.lanes, "Stride": told.packing.stride, "Bias": told.packing.bias})
        types += _packed(told.packing, told.elements["X"])
    mac = [Alias("Mac", told.unit.mac)] if told.unit.mac else []
    return block(kernel, told.title, told.unit.shape, groups, types, aliases=mac)


def _packed(shared: Packing, x_type: IntType) -> list[Alias]:
    """The types of the multipliers that neighbouring rows share."""
    what = f"  // {shared.lanes} weights, {shared.stride} bits apart"
    factor = f"ap_int<{signed_bits(x_type)}>"
    return [Alias("Packed", f"ap_int<{shared.width}>", what), Alias("Factor", factor, "  // an X, signed")]


def _table(kernel: Kernel, table: Constants, site: Site) -> Table:
    pragmas = [f"BIND_STORAGE variable=table type=rom_1p impl={IMPLEMENTED[table.memory]}"] if table.memory else []
    if packed.is_large(table.columns[0].size):
        if table.packed:
            return _packed_columns(kernel, table, site, pragmas)
        if table.bits and 0 < table.bits[0] <= packed.NUMBER // 2:
            return _packed_words(kernel, table, site, pragmas)
    if len(table.columns) == 1:
        lines = text.initialiser(table.columns[0])
    else:
        words = zip(*(column.tolist() for column in table.columns), strict=True)
        lines = text.fold(", ".join(repr(list(word)).translate({ord("["): "{", ord("]"): "}"}) for word in words))
    title = f"{table.title} of {text.layer_name(kernel.layer)}{table.details}"
    return site.table(
        kernel,
        title,
        table.name,
        word=table.type + table.extents,
        count=table.count,
        lines=lines,
        pragmas=[*_whole_words(table), *pragmas],
    )


def _packed_words(kernel: Kernel, table: Constants, site: Site, pragmas: list[str]) -> Table:
    """A table of many elements, as many as divide a word and fit into a number packed into each."""
    bits, codes = table.bits[0], table.columns[0].reshape(len(table.columns[0]), -1)
    each = max(n for n in range(1, packed.NUMBER // bits + 1) if codes.shape[1] % n == 0)
    words = packed.numbers(codes, bits, each)
    digits = -(-each * bits // 4)
    lines = text.fold(", ".join(packed.spelled(word, digits) for word in words.tolist()))
    details = f"{table.details.rstrip('.')}; {each} of them in a number, the first in its lowest bits."
    return site.table(
        kernel,
        f"{table.title} of {text.layer_name(kernel.layer)}{details}",
        table.name,
        word="bw::Unpacked<Shape::Weight, Shape::Pe, Shape::Simd>",
        count=f"{table.count}][{words.shape[1]}",
        lines=lines,
        pragmas=["ARRAY_RESHAPE variable=table complete dim=2", *pragmas],
        packed=f"bw::Rom<ap_uint<{each * bits}>>",
    )


def _packed_columns(kernel: Kernel, table: Constants, site: Site, pragmas: list[str]) -> Table:
    """A table of words of several columns, each packed for itself."""
    columns = [
        (packed.words(column, bits) if bits else column).tolist()
        for column, bits in zip(table.columns, table.bits, strict=True)
    ]
    words = zip(*columns, strict=True)
    details = f"{table.details.rstrip('.')}; several elements are one number, the first in its lowest bits."
    return site.table(
        kernel,
        f"{table.title} of {text.layer_name(kernel.layer)}{details}",
        table.name,
        word=table.packed,
        count=table.count,
        lines=text.fold(", ".join(packed.spelled(list(word)) for word in words)),
        pragmas=[*_whole_words(table), *pragmas],
        header=packed.HEADER,
    )


def _whole_words(table: Constants) -> list[str]:
    """What makes a word of a table one element of a memory."""
    if len(table.columns) > 1:
        return ["AGGREGATE variable=table"]
    return [f"ARRAY_RESHAPE variable=table complete dim={dim}" for dim in range(2, table.columns[0].ndim + 1)]


def _requantiser(kernel: Requantiser, site: Site) -> KernelView:
    told, rule = kernel.interface(), rule_of(kernel.form, kernel.words, kernel.lanes, kernel.x_type)
    types = [element(name, kind) for name, kind in told.elements.items()]
    shape = block(
        kernel,
        rule.title,
        told.unit.shape,
        [*told.sizes, rule.constants],
        [*types, Alias("Code", text.number_type(kernel.y_type)), *rule.types],
        aliases=[Alias("Rule", f"{rule.template}<Shape, struct {rule.table_name}>")],
        channel=rule.channel,
    )
    table = site.table(
        kernel,
        f"{rule.table_title} of {text.layer_name(kernel.layer)}, {rule.order}.",
        rule.table_name,
        word=rule.word,
        count=rule.count,
        lines=rule.lines,
        pragmas=rule.pragmas,
        header=rule.header,
    )
    return site.view(kernel, told, shape, [kernel.input, kernel.output], classes=["Rule"], table=table)
