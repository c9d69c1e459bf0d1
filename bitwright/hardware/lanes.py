# SPDX-License-Identifier: Apache-2.0
"""The lanes that a layer may have, and the clocks that it then takes."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd, prod
from types import MappingProxyType
from typing import TypeAlias, assert_never

import numpy as np

from bitwright.hardware.lines import Line, line
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    Conv,
    Dense,
    Gather,
    Input,
    Join,
    Layer,
    Matrix,
    Move,
    Passing,
    Pointwise,
    Pool,
    Windowed,
)
from bitwright.ir.moves import Take
from bitwright.ir.weights import Ints

Lanes = tuple[int, int]
"""(PE, SIMD) of a layer."""
Planned: TypeAlias = Matrix | Pool
"""The layers whose lanes a plan chooses."""


def divisors(number: int) -> list[int]:
    """The divisors of `number`, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]


def matrix_lanes(layer: Matrix, in_channels: int) -> tuple[int, int]:
    """(rows, columns) whose divisors are the legal PE and SIMD: lanes never straddle a group or a pixel."""
    if isinstance(layer, Dense):
        return layer.weights.array.shape[0], in_channels
    return layer.channels // layer.groups, in_channels // layer.groups


def kernels_per_channel(layer: Layer, in_channels: int) -> int:
    """How many outputs each input channel of a depthwise convolution has; 0 if `layer` is none."""
    depthwise = isinstance(layer, Conv) and layer.groups == in_channels > 1
    return layer.channels // in_channels if depthwise else 0


def in_lanes(layer: Layer, in_channels: int, pe: int, simd: int) -> int:
    """Channels in one input beat of `layer`: of its SIMD, or those that a depthwise convolution has in its PE."""
    per_channel = kernels_per_channel(layer, in_channels)
    if per_channel:
        return max(1, pe // per_channel)
    if isinstance(layer, Conv) and is_parallel(layer, in_channels, simd):
        return max(1, simd // layer.window.size)
    return simd


def is_parallel(layer: Conv, in_channels: int, simd: int) -> bool:
    """True if `simd` are all kernel positions of some channels, not some channels of one position."""
    return in_channels // layer.groups % simd != 0


def line_of(layer: Conv, in_shape: tuple[int, ...]) -> Line | None:
    """The line that shows all kernel positions of `layer` at once, if it can have one."""
    height, width, _ = in_shape
    out_size = (layer.shape[0], layer.shape[1])
    return line((height, width), out_size, layer.window)


def layer_cycles(layer: Planned, in_shape: tuple[int, ...], pe: int, simd: int) -> int:
    """Clocks per frame of a layer at `pe` and `simd`: products over lanes, or the beats that enter it, if more."""
    if isinstance(layer, Matrix):
        work = layer.macs // (pe * simd)
    elif isinstance(layer, Pool):
        work = prod(layer.shape) * layer.window.size // simd
    else:
        assert_never(layer)
    return max(work, entering_cycles(layer, in_shape, pe, simd))


def entering_cycles(layer: Planned, in_shape: tuple[int, ...], pe: int, simd: int) -> int:
    """Clocks per frame in which the input of a layer enters it, or its window, at `pe` and `simd`."""
    lanes = in_lanes(layer, in_shape[-1], pe, simd)
    if isinstance(layer, Dense):
        return prod(in_shape) // lanes
    parallel = None
    if isinstance(layer, Conv) and is_parallel(layer, in_shape[-1], simd):
        parallel = line_of(layer, in_shape)
    return (parallel.period * in_shape[-1] if parallel else _entering(layer, in_shape)) // lanes


def starts_beyond(layer: Windowed, height: int, width: int) -> bool:
    """True if the last window starts below or right of the image, wholly in the padding: then it is padded before."""
    row, column = ((size - 1) * stride for size, stride in zip(layer.shape[:2], layer.window.strides, strict=True))
    return row - layer.window.pads[0] >= height or column - layer.window.pads[1] >= width


def _entering(layer: Windowed, in_shape: tuple[int, ...]) -> int:
    """Elements that enter the layer's window, with the padding where it is put around the image before."""
    height, width, channels = in_shape
    top, left, bottom, right = layer.window.pads if starts_beyond(layer, height, width) else (0, 0, 0, 0)
    return (height + top + bottom) * (width + left + right) * channels


def choices(layer: Planned, in_shape: tuple[int, ...]) -> list[Lanes]:
    """Every legal (pe, simd) of a layer.

    SIMD are channels of one kernel position, or all positions of some channels. The PE of a depthwise convolution are
    some of one channel's kernels, or all kernels of several channels.
    """
    if isinstance(layer, Matrix):
        pes, simds = _rows_at_once(layer, in_shape), _columns_at_once(layer, in_shape)
        return [(pe, simd) for pe in pes for simd in simds]
    if isinstance(layer, Pool):
        return [(lanes, lanes) for lanes in divisors(layer.channels)]
    assert_never(layer)


def _rows_at_once(layer: Matrix, in_shape: tuple[int, ...]) -> list[int]:
    if per_channel := kernels_per_channel(layer, in_shape[-1]):
        return divisors(per_channel)[:-1] + [per_channel * lanes for lanes in divisors(in_shape[-1])]
    return divisors(matrix_lanes(layer, in_shape[-1])[0])


def _columns_at_once(layer: Matrix, in_shape: tuple[int, ...]) -> list[int]:
    cols = matrix_lanes(layer, in_shape[-1])[1]
    simds = divisors(cols)
    if isinstance(layer, Conv) and line_of(layer, in_shape):
        simds = simds + [lanes * layer.window.size for lanes in simds if cols % (lanes * layer.window.size)]
    return simds


def is_legal(layer: Matrix, in_shape: tuple[int, ...], pe: int, simd: int) -> bool:
    """Whether (pe, simd) is one of the `choices` of a layer, without a list of them."""
    cols = matrix_lanes(layer, in_shape[-1])[1]
    if not _is_legal_pe(layer, in_shape, pe):
        return False
    if cols % simd == 0 or not isinstance(layer, Conv):
        return cols % simd == 0
    lanes, rest = divmod(simd, layer.window.size)
    return rest == 0 and cols % lanes == 0 and line_of(layer, in_shape) is not None


def _is_legal_pe(layer: Matrix, in_shape: tuple[int, ...], pe: int) -> bool:
    if per_channel := kernels_per_channel(layer, in_shape[-1]):
        whole = pe % per_channel == 0 and in_shape[-1] % (pe // per_channel) == 0
        return whole or (pe < per_channel and per_channel % pe == 0)
    return matrix_lanes(layer, in_shape[-1])[0] % pe == 0


def check_reachable(graph: Graph, target: int) -> None:
    """BitwrightError names the first layer that needs more clocks per frame than `target`, however many its lanes."""
    for layer in graph.layers:
        best = least_cycles(graph, layer)
        if best > target:
            raise too_slow(layer, best, target)


def too_slow(layer: Layer, least: int, target: int) -> BitwrightError:
    """That a layer, or an input, needs more clocks per frame than were asked for."""
    return BitwrightError(
        f"needs at least {least} clocks per frame, {target} were asked for",
        where=f"{'input' if isinstance(layer, Input) else 'layer'} '{layer.name}'",
        hint=f"ask for --cycles {least} or more",
    )


def bound(graph: Graph, lanes: Mapping[str, Lanes]) -> int:
    """Clocks per frame that no schedule can undercut: products over multipliers, and the beats that enter the network.

    A layer that `lanes` does not name has one lane.
    """
    found = [1]
    for layer in graph.layers:
        if isinstance(layer, Matrix):
            found.append(layer.macs // prod(lanes.get(layer.name, (1, 1))))
    return max(found + [entry_beats(graph, entry, lanes) for entry in graph.inputs])


def pace(graph: Graph, lanes: Mapping[str, Lanes], skipped: Mapping[str, int] = MappingProxyType({})) -> int:
    """Clocks per frame of the slowest layer with lanes, or of the network's inputs, if more; 0 without such layers.

    `skipped` has those of layers that do not multiply all their zeros.
    """
    found = [
        skipped.get(layer.name) or cycles_at(graph, layer, lanes.get(layer.name, (1, 1)))
        for layer in graph.layers
        if isinstance(layer, Planned)
    ]
    return max(found + [entry_beats(graph, entry, lanes) for entry in graph.inputs]) if found else 0


def pace_around(graph: Graph, layer: Layer, lanes: Mapping[str, Lanes]) -> int:
    """The pace of the part of `graph` that is connected with `layer`."""
    found, left = set[str](), [layer]
    while left:
        one = left.pop()
        if one.name not in found:
            found.add(one.name)
            left += [*(graph.by_name[name] for name in one.inputs), *graph.readers[one.name]]
    inputs = tuple(entry for entry in graph.inputs if entry.name in found)
    layers = tuple(other for other in graph.layers if other.name in found)
    return pace(Graph(inputs, layers, tuple(name for name in graph.outputs if name in found)), lanes)


def entry_lanes(graph: Graph, entry: Input, lanes: Mapping[str, Lanes]) -> int:
    """Elements in one beat of an input: as its first reader with lanes of its own wants them, if they fit a pixel."""
    layer: Layer = entry
    while graph.readers[layer.name]:
        source, layer = layer, graph.readers[layer.name][0]
        if isinstance(layer, Planned):
            wanted = in_lanes(layer, source.channels, *lanes.get(layer.name, (1, 1)))
            return wanted if entry.channels % wanted == 0 else 1
    return 1


def enough_lanes(elements: int, least: int, most: int, pace: int) -> int:
    """The fewest lanes, `least` or another divisor of `most`, at which `elements` per frame keep up with the pace.

    `most` if no number keeps up. Without a pace data has the lanes that it comes with.
    """
    wide_enough = (lanes for lanes in (least, *divisors(most)) if elements <= lanes * pace)
    return next(wide_enough, most) if pace else least


def entry_beats(graph: Graph, entry: Input, lanes: Mapping[str, Lanes]) -> int:
    """Clocks per frame in which an input enters."""
    return prod(entry.shape) // entry_lanes(graph, entry, lanes)


def fastest(graph: Graph) -> int:
    """The smallest interval that every layer can reach, in clocks per frame; an input sends a pixel a clock at best."""
    entering = (prod(entry.shape) // entry.channels for entry in graph.inputs)
    return max([1, *entering, *(least_cycles(graph, layer) for layer in graph.layers)])


def slowest(graph: Graph) -> int:
    """The interval of one lane in every layer, in clocks per frame: no plan needs to be slower."""
    return max([fastest(graph), pace(graph, {}), *(entry_beats(graph, entry, {}) for entry in graph.inputs)])


def least_cycles(graph: Graph, layer: AnyLayer) -> int:
    """The fewest clocks per frame in which `layer` can do its work, at as many lanes as it may have."""
    sources = [graph.by_name[name] for name in layer.inputs]
    if isinstance(layer, Gather):
        return max(prod(layer.shape), prod(sources[0].shape)) // gather_lanes(layer, sources[0].shape)
    if isinstance(layer, Join) and isinstance(layer, Passing):
        return prod(layer.shape) // gcd(*(source.channels for source in sources))
    if isinstance(layer, Planned):
        return min(cycles_at(graph, layer, pair) for pair in choices(layer, sources[0].shape))
    if isinstance(layer, Join | Pointwise | Move):
        return 1
    assert_never(layer)


def gather_lanes(layer: Gather, x_shape: tuple[int, ...]) -> int:
    """The most elements that stay together in aligned groups; the numbers of lanes that do are its divisors."""
    if not isinstance(layer.move, Take):
        return layer.move.together(x_shape)
    index, whole = layer.move.indices.array.reshape(-1), gcd(x_shape[-1], layer.channels)
    return next(lanes for lanes in reversed(divisors(whole)) if _keeps_together(index, lanes))


def _keeps_together(index: Ints, lanes: int) -> bool:
    """True if each group of `lanes` outputs is an aligned group of inputs in order, or all fill."""
    rows = index.reshape(-1, lanes)
    steps = rows - rows[:, :1]
    aligned = (rows[:, 0] % lanes == 0) & (steps == np.arange(lanes)).all(axis=1)
    return bool((aligned | (rows == -1).all(axis=1)).all())


def cycles_at(graph: Graph, layer: Planned, lanes: Lanes) -> int:
    """Clocks per frame of a layer of the graph at these lanes."""
    return layer_cycles(layer, graph.source_of(layer).shape, *lanes)
