# SPDX-License-Identifier: Apache-2.0
"""A graph of the shape of MobileNet v1 at 224 x 224, with random weights: a large problem for the solver of plans."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Input, Layer, Requantise, Reshape, Rounding, SumPool
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights

REAL: dict[str, Any] = {"scale": (Fraction(1),), "zero": (Fraction(0),)}
CHANNELS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Output channels and stride of its blocks, each a depthwise and a pointwise convolution."""


def mobilenet(bits: int = 4) -> Graph:
    """The graph, with weights and activations of `bits` bits."""
    rng, code = np.random.default_rng(0), integer(bits, signed=False)
    entry = Input(name="x", inputs=(), shape=(224, 224, 3), type=integer(8, signed=False), **REAL)
    chain: list[Layer] = [entry]

    def random(*shape: int) -> Weights:
        return Weights(rng.integers(-(1 << bits - 1), 1 << bits - 1, shape))

    def requantised(layer: Layer) -> None:
        slope = {
            "multiplier": (Fraction(1, layer.type.hi // 8),),
            "offset": (Fraction(0),),
            "low": (0,),
            "high": (code.hi,),
        }
        head = {"name": f"act{len(chain)}", "inputs": (layer.name,), "shape": layer.shape, "type": code}
        chain.extend([layer, Requantise(**head, **slope, rounding=Rounding.HALF_EVEN, **REAL)])

    def convolution(channels: int, kernel: int, stride: int, groups: int) -> None:
        x = chain[-1]
        size, pad = -(-x.shape[0] // stride), kernel // 2
        first = (size - 1) * stride + kernel - x.shape[0] - pad
        weights = Weights(
            rng.integers(-(1 << bits - 1), 1 << bits - 1, (channels, kernel, kernel, x.channels // groups))
        )
        most = int(np.abs(weights.array).sum(axis=(1, 2, 3)).max()) * x.type.hi
        head = {"name": f"conv{len(chain)}", "inputs": (x.name,), "shape": (size, size, channels)}
        window = {"strides": (stride, stride), "pads": (first, first, pad, pad), "groups": groups}
        requantised(Conv(**head, type=IntType(-most, most), weights=weights, **window, **REAL))

    convolution(32, 3, 2, 1)
    for channels, stride in CHANNELS:
        convolution(chain[-1].channels, 3, stride, chain[-1].channels)
        convolution(channels, 1, 1, 1)
    x, window = chain[-1], {"kernel": (7, 7), "strides": (1, 1)}
    requantised(
        SumPool(name="pool", inputs=(x.name,), shape=(1, 1, 1024), type=IntType(0, 49 * code.hi), **window, **REAL)
    )
    chain.append(Reshape(name="flat", inputs=(chain[-1].name,), shape=(1024,), type=code, **REAL))
    weights = random(1000, 1024)
    most = int(np.abs(weights.array).sum(axis=1).max()) * code.hi
    chain.append(Dense(name="fc", inputs=("flat",), shape=(1000,), type=IntType(-most, most), weights=weights, **REAL))
    return verify(Graph((entry,), tuple(chain[1:]), ("fc",)))
