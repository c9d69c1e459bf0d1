# SPDX-License-Identifier: Apache-2.0
"""What moves values, by the places it moves them from; and interpolation, a matrix along each axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bitwright.audit.replay import function_of
from bitwright.audit.resizing import taps_of
from bitwright.compress.execute import FAST
from bitwright.reading.model import Node

Array = NDArray[Any]
MOVED = frozenset("DepthToSpace Expand Gather Pad Slice SpaceToDepth Split Tile".split())
"""Operators that only move values, or put one beside them."""


def moved(node: Node, opset: int) -> Callable[[Sequence[Any]], Sequence[Tensor]]:
    """A node that moves the values of its first operand: place 0 is that of what is put beside them."""
    attributes = {name: value for name, value in node.attributes.items() if name != "value"}
    moves = function_of(replace(node, attributes=attributes), opset, FAST)
    held: dict[tuple[Any, ...], list[Tensor]] = {}

    def places(x: Tensor, others: list[Array | None]) -> list[Tensor]:
        key = (x.shape, *(None if other is None else other.tobytes() for other in others))
        if key not in held:
            held.clear()  # of the shape before: a run has one shape, or two
            index = np.arange(1, x.numel() + 1).reshape(x.shape)
            held[key] = [torch.from_numpy(np.ascontiguousarray(found)) for found in moves([index, *others])]
        return held[key]

    def apply(operands: Sequence[Any]) -> Sequence[Tensor]:
        x, *others = operands
        arrays = [other.detach().cpu().numpy() if isinstance(other, Tensor) else other for other in others]
        beside = torch.zeros((), dtype=x.dtype, device=x.device)
        if node.op == "Pad":
            beside = beside + float(_beside(node, arrays))
            arrays = [*arrays[:1], *(None for _ in arrays[1:2]), *arrays[2:]]
        flat = torch.cat([beside.reshape(1), x.reshape(-1)])
        return [flat[index.to(x.device)] for index in places(x, arrays)]

    return apply


def _beside(node: Node, others: Sequence[Array | None]) -> Any:
    """What a Pad puts around its operand."""
    given = others[1] if len(others) > 1 else None
    return node.attributes.get("value", 0) if given is None else given.reshape(-1)[0]


def resize(attributes: Mapping[str, Any], x: Tensor, *others: Any) -> Tensor:
    """Interpolation: the pixels around each place times their weights, one axis after the other."""
    arrays = [other.detach().cpu().numpy() if isinstance(other, Tensor) else other for other in others]
    for axis, (pixels, weights) in taps_of(attributes, tuple(x.shape), *arrays).items():
        matrix = np.zeros((len(pixels), x.shape[axis]), np.float32)
        np.add.at(matrix, (np.arange(len(pixels))[:, None], pixels), weights)
        x = (x.movedim(axis, -1) @ torch.from_numpy(matrix).to(x).T).movedim(-1, axis)
    return x
