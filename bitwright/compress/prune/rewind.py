# SPDX-License-Identifier: Apache-2.0
"""What weights go on with when others were pruned, and when masks have come to rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.family import Family
from bitwright.compress.network import FloatNet

Array = NDArray[Any]
Rewind = Callable[[FloatNet, FloatNet, np.random.Generator], FloatNet]
"""(the network before the rounds, what pruning left of the trained one, draws) -> what goes on."""
REWINDS: Family[Rewind] = Family("bitwright.compress.prune", "BACK")
"""By name."""
WINDOW, DISTANCE = 5, 0.1
"""Masks that are compared, and by what share of the weights they may differ to be at rest."""


def rewound(start: FloatNet, left: FloatNet, draws: np.random.Generator) -> FloatNet:
    """What they were before the rounds, early in training: all constants, and weights where they are left.

    Frankle, Carbin: "The lottery ticket hypothesis: finding sparse, trainable neural networks", ICLR 2019, arXiv
    1803.03635; R089.
    """
    held = {name: array for name, array in start.constants.items() if array.dtype.kind == "f"}
    masks = {layer.weight: left.constants[layer.weight] != 0 for layer in left.layers}
    return left.replace(**{name: array * masks.get(name, np.float32(1)) for name, array in held.items()})


def kept_on(start: FloatNet, left: FloatNet, draws: np.random.Generator) -> FloatNet:
    """What they are: only the rate of training begins anew.

    Renda, Frankle, Carbin: "Comparing rewinding and fine-tuning in neural network pruning", ICLR 2020, arXiv
    2003.02389; R090.
    """
    return left


def drawn_anew(start: FloatNet, left: FloatNet, draws: np.random.Generator) -> FloatNet:
    """Drawn anew, as wide as a layer's terms ask for: what counts is which weights there are.

    Liu, Sun, Zhou, Huang, Darrell: "Rethinking the value of network pruning", ICLR 2019, arXiv 1810.05270; R091.
    """
    made = {}
    for layer in left.layers:
        held = left.constants[layer.weight]
        spread = np.sqrt(2 * held.shape[layer.axis] / held.size)
        made[layer.weight] = (draws.normal(0, spread, held.shape) * (held != 0)).astype(np.float32)
    return left.replace(**made)


def settled(masks: Sequence[Array]) -> bool:
    """True if each two of the last masks differ in few weights."""
    last = masks[-WINDOW:]
    return len(last) == WINDOW and max(distance(one, other) for one in last for other in last) < DISTANCE


def distance(one: Array, other: Array) -> float:
    """The share of weights of which one mask keeps what the other takes."""
    return float(np.mean(one != other))


BACK = {"weights": rewound, "rate": kept_on, "scratch": drawn_anew}
