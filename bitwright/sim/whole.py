# SPDX-License-Identifier: Apache-2.0
"""A whole model: what the host computes before, an engine, what the host computes after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.host import run_host
from bitwright.ir.weights import Ints
from bitwright.sim.engines import Built

Array = NDArray[Any]


PIECE = 1 << 26
"""Bytes of inputs that are on their way at once."""


def outputs(
    net: Graph, feeds: Mapping[str, Array], engine: Built, done: Callable[[int], None] = lambda samples: None
) -> list[Array]:
    """The model's outputs for its inputs by name, by an engine that is ready for `net`.

    Inputs may lie on the disk: a piece of them is read at a time, and `done` is told how many samples there are so far.
    """
    samples = len(next(iter(feeds.values())))
    size = max(1, PIECE // max(sum(array[:1].nbytes for array in feeds.values()), 1))
    parts = []
    for start in range(0, samples, size):
        some = {name: np.asarray(array[start : start + size]) for name, array in feeds.items()}
        parts.append(leaving(net, engine.run(run_host(net.entry, some)).outputs))
        done(min(start + size, samples))
    return parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]


def entering(net: Graph, feeds: Mapping[str, Array]) -> list[Ints]:
    """The integers that enter the accelerator, channels last, for the model's inputs by name."""
    return [np.asarray(array, dtype=np.int64) for array in run_host(net.entry, feeds)]


def leaving(net: Graph, codes: Sequence[Ints]) -> list[Array]:
    """The model's outputs for the integers that left the accelerator."""
    return run_host(net.exit, dict(zip(net.exit.inputs, codes, strict=True)))
