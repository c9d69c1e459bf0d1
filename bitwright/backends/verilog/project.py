# SPDX-License-Identifier: Apache-2.0
"""The SystemVerilog backend: a top that instantiates the module library, weights as .hex, a cocotb bench.

`generate` returns the project relative to its folder: `<name>_top.sv`, `modules/`, `weights/`, `filelist.f`, `bench/`,
and what carries it into other tools: `<name>.core`, `vivado/`, `pynq/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bitwright.backends.project import Project
from bitwright.backends.verilog.bench import bench_files
from bitwright.backends.verilog.boundary import Boundary, boundaries
from bitwright.backends.verilog.kernels import kernel_block
from bitwright.backends.verilog.library import needed, text_of
from bitwright.backends.verilog.package import carrier_files
from bitwright.backends.verilog.parts import (
    Block,
    Ends,
    Instance,
    Names,
    Place,
    fifo_block,
    joined,
    master,
    nets,
    slave,
    stream_ends,
)
from bitwright.backends.verilog.text import comment_lines, commented, environment, header, layer_name
from bitwright.backends.verilog.words import code_name
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.weighted import Weighted
from bitwright.ir.types import IntType


@dataclass(frozen=True)
class TopView:
    """Everything that `top.sv.j2` prints, in its order."""

    header: str
    table: tuple[str, ...]
    frame: tuple[str, ...]
    name: str
    weight_dir: bool
    ports: tuple[Boundary, ...]
    frame_error: tuple[str, ...]
    blocks: tuple[Block, ...]


def generate(project: Project) -> dict[str, str]:
    """Every file of the project, path -> text; touches no disk."""
    view, hexes = _top(project)
    top_path = f"{view.name}.sv"
    top = environment().get_template("verilog/top.sv.j2").render(top=view)
    library = needed(instance.module for block in view.blocks for instance in block.instances)
    sources = [f"modules/{name}.sv" for name in library]
    files = {top_path: top, **{f"modules/{name}.sv": text_of(name) for name in library}, **hexes}
    files["filelist.f"] = "\n".join([*sources, top_path]) + "\n"
    files |= carrier_files(project, view.name, [*sources, top_path], list(hexes))
    return files | bench_files(project, view.name, [*sources, top_path], weight_dir=view.weight_dir)


def instances(graph: KernelGraph) -> dict[str, str]:
    """Instance of the top -> the layer it serves: a kernel's own, a FIFO its reader's; "" at the boundary."""
    return {f"u_{instance.name}": layer for layer, block in _blocks(graph)[0] for instance in block.instances}


def _blocks(graph: KernelGraph) -> tuple[list[tuple[str, Block]], tuple[str, ...]]:
    """The blocks of the top in order, each with its layer, and the nets that report an input's frame error."""
    names = Names()
    ends = {stream.name: stream_ends(stream, names) for stream in graph.streams}
    readers = {name: kernel.layer for kernel in graph.kernels for name in kernel.inputs}
    inputs, outputs = boundaries(graph)
    errors = tuple(names.new(f"{port.stream.name}_frame_error") for port in inputs)

    def edges(streams: Iterable[str]) -> list[tuple[str, Block]]:
        return [(readers.get(name, ""), _edge(graph.stream(name), ends[name], names)) for name in streams]

    blocks = [("", _sink(port, ends[port.stream.name], e, names)) for port, e in zip(inputs, errors, strict=True)]
    blocks += edges(graph.inputs)
    for kernel in graph.kernels:
        blocks.append((kernel.layer, _kernel(kernel, graph, ends, names)))
        blocks += edges(kernel.outputs)
    blocks += [("", _source(port, ends[port.stream.name], names)) for port in outputs]
    return blocks, errors


def _top(project: Project) -> tuple[TopView, dict[str, str]]:
    """The view of the top module, and its .hex files."""
    graph = project.kernels
    inputs, outputs = boundaries(graph)
    placed, errors = _blocks(graph)
    blocks = [block for _, block in placed]
    hexes = {path: text for block in blocks for path, text in block.hexes.items()}
    view = TopView(
        header(project, "//"),
        _table(graph),
        _frame(graph),
        f"{project.name}_top",
        bool(hexes),
        (*inputs, *outputs),
        (f"assign frame_error = {joined(errors) if len(errors) == 1 else '|' + joined(errors)}",),
        tuple(block for block in blocks if block.instances),
    )
    return view, hexes


def _stream_comment(stream: Stream) -> tuple[str, ...]:
    text = f"stream {stream.name}: {stream.beats} beats of {stream.lanes} x {stream.type}, tensor {_tensor(stream)}"
    return comment_lines(text + (f", {stream.real}" if stream.real else ""))


def _sink(port: Boundary, ends: Ends, error: str, names: Names) -> Block:
    stream = port.stream
    parameters = (f".Lanes({stream.lanes})", f".ElemW({stream.type.bits})", f".Beats({stream.beats})")
    connections = ((".clk(aclk)", ".rst", *_axis("s", port.prefix)), (f".frame_error({error})", *master(ends.made)))
    instance = Instance("bw_axis_sink", names.new(f"{stream.name}_sink"), parameters, connections)
    return Block(_stream_comment(stream), (f"logic {error};", *nets(ends.made, stream.bits)), (instance,))


def _source(port: Boundary, ends: Ends, names: Names) -> Block:
    stream = port.stream
    code = f".Code(bw_pkg::{code_name(stream.type)})"
    parameters = (f".Lanes({stream.lanes})", f".ElemW({stream.type.bits})", code, f".Beats({stream.beats})")
    connections = ((".clk(aclk)", ".rst", *slave(ends.read)), _axis("m", port.prefix))
    instance = Instance("bw_axis_source", names.new(f"{stream.name}_source"), parameters, connections)
    return Block((f"output {stream.name}",), (), (instance,))


def _axis(side: str, prefix: str) -> tuple[str, ...]:
    """The four AXI4-Stream connections of a boundary module."""
    if prefix == f"{side}_axis":
        return tuple(f".{prefix}_{signal}" for signal in ("tvalid", "tready", "tdata", "tlast"))
    return tuple(f".{side}_axis_{signal}({prefix}_{signal})" for signal in ("tvalid", "tready", "tdata", "tlast"))


def _edge(stream: Stream, ends: Ends, names: Names) -> Block:
    """The FIFO of a stream."""
    return fifo_block(stream, ends, names)


def _kernel(kernel: Kernel, graph: KernelGraph, ends: Mapping[str, Ends], names: Names) -> Block:
    """A kernel with the declaration of the stream that it makes."""
    made = [graph.stream(name) for name in kernel.outputs]
    place = Place(tuple(ends[name].read for name in kernel.inputs), tuple(ends[s.name].made for s in made), names)
    block = kernel_block(kernel, place)
    title = commented(f"{kernel.name}: {kind(kernel)}, {kernel.cycles} clocks per frame")
    streams = (line for stream in made for line in _stream_comment(stream))
    comment = (layer_name(kernel.layer), title, *map(commented, block.comment), *streams)
    edges = [net for stream in made for net in nets(ends[stream.name].made, stream.bits)]
    return Block(comment, (*edges, *block.nets), block.instances, block.hexes)


def kind(kernel: Kernel) -> str:
    """What a kernel is called in comments and tables."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(kernel).__name__).lower()


def _table(graph: KernelGraph) -> tuple[str, ...]:
    """One aligned line per kernel under a line of titles, and below the name of its layer in the model."""
    titles = ("  kernel", "in", "out", "PE", "SIMD", "clocks/frame", "multipliers", "weight bits")
    rows = [_row(kernel, graph) for kernel in graph.kernels]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines, layer = [commented(_aligned(titles, widths))], ""
    for kernel, row in zip(graph.kernels, rows, strict=True):
        if kernel.layer != layer:
            layer = kernel.layer
            lines.append(layer_name(layer))
        lines.append(commented(_aligned(row, widths)))
    return tuple(lines)


def _row(kernel: Kernel, graph: KernelGraph) -> tuple[str, ...]:
    source, sink = graph.stream(kernel.input), graph.stream(kernel.output)
    units = weight_bits = 0
    if isinstance(kernel, Weighted):
        units, weight_bits = kernel.weights.array[0].size, kernel.weights.array.size * kernel.weight_type.bits
    tensors = (f"{_tensor(source)} {_short(source.type)}", f"{_tensor(sink)} {_short(sink.type)}")
    counts = (sink.lanes, source.lanes, kernel.cycles, units, weight_bits)
    return f"  {kind(kernel)}", *tensors, *map(str, counts)


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    texts = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=False)]
    numbers = [cell.rjust(width) for cell, width in zip(row[3:], widths[3:], strict=True)]
    return "  ".join([*texts, *numbers])


def _frame(graph: KernelGraph) -> tuple[str, ...]:
    """Beats per frame at each boundary, and what sets the interval."""
    ends = [(f"input {name}", graph.stream(name).beats) for name in graph.inputs]
    ends += [(f"output {name}", graph.stream(name).beats) for name in graph.outputs]
    slowest = max([*ends, *((kernel.name, kernel.cycles) for kernel in graph.kernels)], key=lambda item: item[1])
    beats = [commented(f"{name}: {count} beats per frame") for name, count in ends]
    return *beats, commented(f"{graph.interval} clocks per frame, set by {slowest[0]}")


def _tensor(stream: Stream) -> str:
    return "x".join(map(str, stream.shape))


def _short(type_: IntType) -> str:
    return str(type_).partition("[")[0]
