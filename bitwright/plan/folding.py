# SPDX-License-Identifier: Apache-2.0
"""Folding by a simple rule: the fewest multipliers per layer whose clocks fit the target."""

from __future__ import annotations

from math import prod

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer, MaxPool, SumPool
from bitwright.plan.plan import LayerPlan

BLOCK_RAM_BITS = 8192
"""Weights beyond this many bits, and deep enough to be worth it, go to block RAM."""


def divisors(number: int) -> list[int]:
    """The divisors of `number`, ascending."""
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]


def matrix_lanes(layer: Dense | Conv, in_channels: int) -> tuple[int, int]:
    """(rows, columns) whose divisors are the legal PE and SIMD: lanes never straddle a group or a pixel."""
    if isinstance(layer, Dense):
        return layer.weights.array.shape[0], in_channels
    return layer.channels // layer.groups, in_channels // layer.groups


def kernels_per_channel(layer: Layer, in_channels: int) -> int:
    """How many outputs each input channel of a depthwise convolution has; 0 if `layer` is none."""
    depthwise = isinstance(layer, Conv) and layer.groups == in_channels > 1
    return layer.channels // in_channels if depthwise else 0


def in_lanes(layer: Layer, in_channels: int, pe: int, simd: int) -> int:
    """Elements in one input beat of `layer`: its SIMD, or the channels that a depthwise convolution has in its PE."""
    per_channel = kernels_per_channel(layer, in_channels)
    return max(1, pe // per_channel) if per_channel else simd


def layer_cycles(layer: Layer, in_shape: tuple[int, ...], pe: int, simd: int) -> int:
    """Clocks per frame of a layer at `pe` and `simd`: products over lanes, or the beats that enter it, if more."""
    lanes = in_lanes(layer, in_shape[-1], pe, simd)
    match layer:
        case Dense():
            return max(layer.macs // (pe * simd), prod(in_shape) // lanes)
        case Conv():
            return max(layer.macs // (pe * simd), _entering(layer, in_shape) // lanes)
        case MaxPool() | SumPool():
            return max(prod(layer.shape) * prod(layer.kernel), _entering(layer, in_shape)) // simd
        case _:
            return 1


def starts_beyond(layer: Conv | MaxPool | SumPool, height: int, width: int) -> bool:
    """True if the last window starts below or right of the image, wholly in the padding: then it is padded before."""
    row, column = ((size - 1) * stride for size, stride in zip(layer.shape[:2], layer.strides, strict=True))
    return row - layer.pads[0] >= height or column - layer.pads[1] >= width


def _entering(layer: Conv | MaxPool | SumPool, in_shape: tuple[int, ...]) -> int:
    """Elements that enter the layer's window, with the padding where it is put around the image before."""
    height, width, channels = in_shape
    top, left, bottom, right = layer.pads if starts_beyond(layer, height, width) else (0, 0, 0, 0)
    return (height + top + bottom) * (width + left + right) * channels


def choices(layer: Layer, in_shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Every legal (pe, simd) of a layer.

    The PE of a depthwise convolution are some of one channel's kernels, or all kernels of several channels.
    """
    match layer:
        case Dense() | Conv():
            rows, cols = matrix_lanes(layer, in_shape[-1])
            if per_channel := kernels_per_channel(layer, in_shape[-1]):
                whole = [per_channel * lanes for lanes in divisors(in_shape[-1])]
                return [(pe, 1) for pe in (*divisors(per_channel)[:-1], *whole)]
            return [(pe, simd) for pe in divisors(rows) for simd in divisors(cols)]
        case MaxPool() | SumPool():
            return [(lanes, lanes) for lanes in divisors(layer.channels)]
        case _:
            return [(1, 1)]


def fold(graph: Graph, target: int) -> dict[str, LayerPlan]:
    """For every matrix layer and pool the cheapest folding of at most `target` clocks per frame.

    Cheapest is the smallest PE x SIMD, then the fewest accumulators. BitwrightError names a layer that cannot reach it.
    """
    plans: dict[str, LayerPlan] = {}
    for layer in graph.layers:
        if not isinstance(layer, Dense | Conv | MaxPool | SumPool):
            continue
        in_shape = graph.by_name[layer.inputs[0]].shape
        legal = choices(layer, in_shape)
        fitting = [lanes for lanes in legal if layer_cycles(layer, in_shape, *lanes) <= target]
        if not fitting:
            best = min(layer_cycles(layer, in_shape, *lanes) for lanes in legal)
            raise BitwrightError(
                f"needs at least {best} clocks per frame, {target} were asked for",
                where=f"layer '{layer.name}'",
                hint=f"ask for --cycles {best} or more",
            )
        pe, simd = min(fitting, key=lambda lanes: (lanes[0] * lanes[1], lanes[0]))
        memory = _memory(layer, pe, simd)
        plans[layer.name] = LayerPlan(pe=pe, simd=simd, memory="block" if memory else "lut")
    return plans


def fastest(graph: Graph) -> int:
    """The smallest interval that every layer can reach, in clocks per frame."""
    best = 1
    for layer in graph.layers:
        if layer.inputs:
            in_shape = graph.by_name[layer.inputs[0]].shape
            best = max(best, min(layer_cycles(layer, in_shape, *lanes) for lanes in choices(layer, in_shape)))
    return best


def _memory(layer: Layer, pe: int, simd: int) -> bool:
    """True if a layer's weights belong in block RAM: many bits, and more than 64 words."""
    if not isinstance(layer, Dense | Conv):
        return False
    size = layer.weights.array.size
    return size * layer.weights.type.bits > BLOCK_RAM_BITS and size // (pe * simd) > 64
