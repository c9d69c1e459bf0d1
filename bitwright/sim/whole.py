# SPDX-License-Identifier: Apache-2.0
"""A whole model: what the host computes before, an engine, what the host computes after."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, run_host
from bitwright.ir.host_ops import Affine
from bitwright.ir.layers import Layer
from bitwright.ir.weights import Ints
from bitwright.sim.engines import Built
from bitwright.sim.fast.prefix import narrowest
from bitwright.sim.threads import spread

Array = NDArray[Any]


PIECE = 1 << 26
"""Bytes of inputs that are on their way at once."""
CACHED = 1 << 22
"""Bytes of a piece with its integers, of 64 bits, that mostly stay in a cache from host to engine to host."""
FIRST = 4
"""By how much the piece that tells how long the others take is smaller."""


def outputs(
    net: Graph, feeds: Mapping[str, Array], engine: Built, done: Callable[[int], None] = lambda samples: None
) -> list[Array]:
    """The model's outputs for its inputs by name, by an engine that is ready for `net`.

    Inputs may lie on the disk: a piece of them is read at a time, and `done` is told how many samples there are so far.
    """
    samples = len(next(iter(feeds.values())))
    made: list[Array] = []
    ready, lock = 0, Lock()

    def part(start: int, stop: int) -> None:
        nonlocal ready
        some = {name: np.asarray(array[start:stop]) for name, array in feeds.items()}
        found = leaving(net, engine.run(run_host(net.entry, some)).outputs)
        if (start, stop) == (0, samples):
            made.extend(found)
        else:
            rows = [len(array) // (stop - start) for array in found]  # of a sample, on the first axis of an output
            if not made:  # the first piece, before all others
                each = zip(rows, found, strict=True)
                made.extend(np.empty((samples * count, *array.shape[1:]), array.dtype) for count, array in each)
            for count, whole, array in zip(rows, made, found, strict=True):
                whole[start * count : stop * count] = array
        with lock:
            ready += stop - start
            done(ready)

    given = sum(array[:1].nbytes for array in feeds.values())
    if not samples:
        part(0, 0)
    elif not engine.in_threads:
        for some in _pieces(samples, [given], PIECE):
            part(some.start, some.stop)
    else:
        ends = (*net.inputs, *(net.by_name[name] for name in net.outputs))
        most = max(1, CACHED // (given + sum(8 * prod(layer.shape) for layer in ends)))
        if samples <= most:
            part(0, samples)
        else:
            spread(part, samples, max(1, most // FIRST), most)
    return made


def codes(net: Graph, feeds: Mapping[str, Array], engine: Built) -> list[Ints]:
    """The integers that leave the accelerator, int64, for the model's inputs by name."""
    return [np.asarray(array, dtype=np.int64) for array in engine.run(entering(net, feeds)).outputs]


def entering(net: Graph, feeds: Mapping[str, Array]) -> list[Ints]:
    """The integers that enter the accelerator, channels last, for the model's inputs by name, each `kept`."""
    samples = len(next(iter(feeds.values())))
    found: list[list[Array]] = [[] for _ in net.inputs]
    for some in _pieces(samples, [array[:1].nbytes for array in feeds.values()], CACHED):
        made = run_host(net.entry, {name: np.asarray(array[some]) for name, array in feeds.items()})
        for parts, layer, array in zip(found, net.inputs, made, strict=True):
            parts.append(kept(layer, array))
    return [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in found]


def kept(layer: Layer, codes: Array) -> Array:
    """Integers of a layer in the narrowest type that holds its own, where that holds them; else in 64 bits."""
    narrow = np.iinfo(narrowest(layer.type))
    within = not codes.size or (narrow.min <= int(codes.min()) and int(codes.max()) <= narrow.max)
    return codes.astype(narrow.dtype if within else np.int64, copy=False)


def leaving(net: Graph, codes: Sequence[Ints]) -> list[Array]:
    """The model's outputs for the integers that left the accelerator."""
    parts, narrow = [], _takes_narrow(net.exit)
    for some in _pieces(len(codes[0]), [8 * array[:1].size for array in codes], CACHED):
        wide = [array[some] if narrow else np.asarray(array[some], dtype=np.int64) for array in codes]
        parts.append(run_host(net.exit, dict(zip(net.exit.inputs, wide, strict=True))))
    return parts[0] if len(parts) == 1 else [np.concatenate(part) for part in zip(*parts, strict=True)]


def _takes_narrow(host: HostGraph) -> bool:
    """True if a line in float64 is all that codes enter; what else the host makes of them may be longer than they."""
    codes = set(host.inputs)
    first = [step.does for step in host.steps if codes & set(step.inputs)]
    lines = all(isinstance(does, Affine) and does.scale.array.dtype == np.float64 for does in first)
    return lines and not codes & set(host.outputs)


def _pieces(samples: int, sizes: Sequence[int], size: int) -> Iterator[slice]:
    """Samples of at most `size` bytes, of a sample `sizes`, but at least one; one piece where there are none."""
    most = max(1, size // max(sum(sizes), 1))
    for start in range(0, max(samples, 1), most):
        yield slice(start, min(start + most, samples))
