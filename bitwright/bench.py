# SPDX-License-Identifier: Apache-2.0
"""How fast a network runs: samples per second of each engine, of onnxruntime on the same file, and of each layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright import sessions
from bitwright.ir.graph import Graph
from bitwright.ir.host import TensorSpec
from bitwright.ir.layers import Matrix
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, Printed
from bitwright.sim.fast import native
from bitwright.sim.fast.prepare import prepare
from bitwright.sim.threads import processors

Array = NDArray[Any]
BATCHES = (1, 16, 64, 256, 1024)
"""Samples of one call; each is asked for its best."""
PATIENCE = 0.3
"""Seconds for which a batch is repeated."""
REPEATS = 50
"""Runs of each layer, of which the shortest counts."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Samples per second at the batch that suits best: from the model's inputs to its outputs, or codes to codes."""

    name: str
    samples_per_second: float
    batch: int


@dataclass(frozen=True, slots=True)
class LayerRate:
    """A layer in the engine fast: microseconds per sample, and the share of the machine's peak that it reaches."""

    layer: str
    op: str
    microseconds: float
    macs: int
    peak_share: float | None


def inputs_of(net: Graph, samples: int) -> list[Array]:
    """Random inputs as the model takes them, seeded."""
    rng = np.random.default_rng(0)
    if not net.before.inputs:  # the codes themselves
        pairs = [
            (layer, rng.integers(layer.type.lo, layer.type.hi + 1, (samples, *layer.shape))) for layer in net.inputs
        ]
        return [codes | 1 if layer.type.is_bipolar else codes for layer, codes in pairs]
    return [_drawn(rng, spec, samples) for spec in net.entry.specs]


def _drawn(rng: np.random.Generator, spec: TensorSpec, samples: int) -> Array:
    shape, dtype = (samples, *spec.shape), np.dtype(spec.dtype)
    if dtype.kind in "iu":
        low, high = max(np.iinfo(dtype).min, -128), min(np.iinfo(dtype).max, 127)
        return np.asarray(rng.integers(low, high, shape, endpoint=True).astype(dtype))
    return np.asarray(rng.random(shape) > 0.5 if dtype.kind == "b" else rng.standard_normal(shape).astype(dtype))


def rate_of(name: str, run: Callable[[Sequence[Array]], object], arrays: Sequence[Array]) -> Rate:
    """The best rate over the batches that `arrays` have samples for."""
    found = []
    for batch in (size for size in BATCHES if size <= len(arrays[0])):
        some = [array[:batch] for array in arrays]
        run(some)
        count, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < PATIENCE:
            run(some)
            count += 1
        found.append(Rate(name, batch * count / taken, batch))
        if taken > 4 * PATIENCE:
            break
    return max(found, key=lambda rate: rate.samples_per_second)


def engine_rates(net: Graph, name: str, design: Printed | None, arrays: Sequence[Array]) -> Iterator[Rate]:
    """The rate of an engine on the whole model, and on integers alone."""
    ready = ENGINES[name].build(net, design)

    def run(some: Sequence[Array]) -> object:
        return whole.outputs(net, dict(zip(net.entry.inputs, some, strict=True)), ready)

    yield rate_of(name, run, arrays)
    codes = whole.entering(net, dict(zip(net.entry.inputs, arrays, strict=True)))
    yield rate_of(f"{name}, codes to codes", ready.run, codes)


def onnxruntime_rate(net: Graph, arrays: Sequence[Array]) -> Rate | None:
    """That of onnxruntime on the source model with all its optimisations and as many threads; None if it cannot run."""
    try:
        held = sessions.opened(net, optimised=True, threads=processors())
    except sessions.Missing:
        return None
    fixed = [entry.shape[0] for entry in held.get_inputs() if isinstance(entry.shape[0], int)]

    def run(some: Sequence[Array]) -> object:
        return held.run(None, dict(zip(net.entry.inputs, some, strict=True)))

    return rate_of("onnxruntime", run, [array[: fixed[0]] for array in arrays] if fixed else arrays)


def layer_rates(net: Graph) -> tuple[list[LayerRate], float]:
    """Every step of the engine fast, and the machine's peak: products of bytes a second, measured in the same run."""
    library = native.library()
    program = prepare(net, library)
    peak = float(library.bw_peak(PATIENCE))
    rows = []
    for name, seconds in zip(program.layers, program.seconds(REPEATS) / program.chunk, strict=True):
        layer = net.by_name[name]
        macs = layer.macs if isinstance(layer, Matrix) else 0
        rows.append(LayerRate(name, layer.op, 1e6 * seconds, macs, macs / seconds / peak if macs else None))
    return rows, peak
