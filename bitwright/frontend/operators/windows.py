# SPDX-License-Identifier: Apache-2.0
"""The attributes of convolutions and pools: kernel, strides, dilations, pads, in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bitwright.ir.window import Pads, Pair, Window
from bitwright.reading.model import Node
from bitwright.reading.sizes import check_size


def window_of(node: Node, kernel: Sequence[int], size: Pair, rank: int) -> Window:
    """The window of `node` on an image of (height, width) `size`; a signal (rank 3) has height 1."""
    if len(kernel) != 2 or min(kernel) < 1:
        raise node.error(f"has a kernel of {list(kernel)}", f"give {rank - 2} positive numbers")
    bare = Window((kernel[0], kernel[1]), _pair(node, "strides", rank), _pair(node, "dilations", rank))
    window = replace(bare, pads=_pads(node, bare, size, rank))
    check_size(node, window.padded(size))
    return window


def pool_window(node: Node, shape: tuple[int, ...]) -> tuple[Window, Pair]:
    """The window of a pool without its ceil_mode over a tensor of ONNX `shape`, and the (height, width) of that."""
    rank = len(shape)
    kernel = [int(k) for k in node.attributes["kernel_shape"]]
    kernel = [1, *kernel] if rank == 3 else kernel
    size = (1, shape[2]) if rank == 3 else (shape[2], shape[3])
    return window_of(node, kernel, size, rank), size


def largest_window(node: Node, shape: tuple[int, ...]) -> tuple[Window, Pair]:
    """The window of a MaxPool with its ceil_mode, and the (height, width) of what it reads."""
    window, size = pool_window(node, shape)
    return (window.ceiled(size) if node.attributes.get("ceil_mode", 0) else window), size


def _pair(node: Node, name: str, rank: int) -> Pair:
    values = [int(v) for v in node.attributes.get(name, [1] * (rank - 2))]
    if len(values) != rank - 2 or min(values) < 1:
        raise node.error(f"has {name} {values}", f"give {rank - 2} positive numbers")
    return (1, values[0]) if rank == 3 else (values[0], values[1])


def _pads(node: Node, window: Window, size: Pair, rank: int) -> Pads:
    mode = node.attributes.get("auto_pad", "NOTSET")
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        return _same_pads(mode, window, size)
    if mode not in ("NOTSET", "VALID", ""):
        raise node.error(f"has auto_pad '{mode}'", "use NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    values = [int(v) for v in node.attributes.get("pads", [0] * 2 * (rank - 2))] if mode != "VALID" else []
    values = values or [0] * 2 * (rank - 2)
    if len(values) != 2 * (rank - 2) or min(values) < 0:
        raise node.error(f"has pads {values}", f"give {2 * (rank - 2)} numbers that are not negative")
    return (0, values[0], 0, values[1]) if rank == 3 else (values[0], values[1], values[2], values[3])


def _same_pads(mode: str, window: Window, size: Pair) -> Pads:
    """Pads that make as many windows as there are strides in the image, the odd pixel at the end or at the front."""
    ends = []
    for reach, stride, length in zip(window.reach, window.strides, size, strict=True):
        total = max((-(-length // stride) - 1) * stride + reach - length, 0)
        small = total // 2
        ends.append((small, total - small) if mode == "SAME_UPPER" else (total - small, small))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]
