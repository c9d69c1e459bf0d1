# SPDX-License-Identifier: Apache-2.0
"""Reference operations of the layers that join, gather or sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.layers import Concat, Gather, Join, Multiply, Sum

Array = NDArray[Any]


def join(layer: Join) -> Callable[..., Array]:
    """The operation of a layer with several operands, in int64."""
    match layer:
        case Sum():
            return lambda *x: np.add.reduce(
                [v.astype(np.int64) * np.array(f) for v, f in zip(x, layer.factors, strict=True)]
            )
        case Multiply():
            return lambda a, b: (a.astype(np.int64) - layer.zeros[0]) * (b.astype(np.int64) - layer.zeros[1])
        case Concat():
            return lambda *x: np.concatenate([v.astype(np.int64) for v in x], axis=-1)


def gather(layer: Gather) -> Callable[..., Array]:
    """Elements of the flattened sample in another order, `fill` where the index is -1."""
    index = layer.indices.array
    missing = index < 0

    def apply(x: Array) -> Array:
        flat = x.reshape(len(x), -1).astype(np.int64)
        return np.asarray(np.where(missing, layer.fill, flat[:, np.maximum(index, 0)]))

    return apply
