# SPDX-License-Identifier: Apache-2.0
"""A network walked node by node with all calibration samples: a layer's weight is chosen when its inputs are known.

The quantised network is walked beside what the float one made, which is computed once. The samples whose tensors do not
fit in `MEMORY` are left out, and of the columns that a layer multiplies no more than `COLUMNS` are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.coded import ActQuant
from bitwright.compress.columns import View, views
from bitwright.compress.execute import Step, inputs_of, prepared, results
from bitwright.compress.network import FloatNet
from bitwright.compress.operators import MATRIX
from bitwright.compress.sites import Edge, key
from bitwright.reading.model import Node

Array = NDArray[Any]
MEMORY = 1 << 30
"""Bytes of tensors that a walk holds at a time, about; and of columns and of outputs that it keeps."""
COLUMNS = 24_000
"""Columns of a layer that are kept, at most, drawn at random."""


class Visitor(Protocol):
    """What a walk asks at each layer."""

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight to go on with, when its inputs are known, chunk by chunk."""

    def shift(self, view: View, mean: Array) -> Array | None:
        """What to add to each channel of the layer's output, when its mean is known; None for nothing."""


@dataclass(frozen=True)
class FloatSide:
    """What the float network's layers made of `samples` samples: some columns' outputs, and each channel's mean.

    `picked` has the places of the columns among all of a layer, rising.
    """

    samples: int
    picked: Mapping[str, Array]
    outputs: Mapping[str, Array]
    means: Mapping[str, Array]


def float_side(net: FloatNet, arrays: Sequence[Array]) -> FloatSide:
    """Walks the float network, as many samples as fit."""
    one = walk(net, [array[:1] for array in arrays], _Record(len(net.layers)))
    samples = max(1, min(len(arrays[0]), MEMORY // (2 * one)))
    record = _Record(len(net.layers))
    walk(net, [array[:samples] for array in arrays], record)
    return FloatSide(samples, record.picked, record.outputs, record.means)


def gathered(view: View, inputs: Sequence[Array], picked: Array) -> Array:
    """Columns of all chunks by their places, (groups, terms, n)."""
    ends = np.cumsum([view.count(chunk) for chunk in inputs])
    cuts = np.searchsorted(picked, ends)
    parts = [
        view.columns(chunk, places - start)
        for chunk, places, start in zip(inputs, np.split(picked, cuts[:-1]), [0, *ends[:-1]], strict=True)
        if len(places)
    ]
    return np.concatenate(parts, axis=2)


class _Record:
    """Goes on with the float weights, and notes what they make."""

    def __init__(self, layers: int) -> None:
        self.layers = layers
        self.picked: dict[str, Array] = {}
        self.outputs: dict[str, Array] = {}
        self.means: dict[str, Array] = {}

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        groups, outputs, terms = view.shape
        total = sum(view.count(chunk) for chunk in inputs)
        fit = MEMORY // 4 // (groups * max(terms, outputs * self.layers))
        most = min(COLUMNS, max(fit, 1))
        name = view.layer.name
        picked = np.arange(total)
        if total > most:
            picked = np.sort(np.random.default_rng(len(self.picked)).choice(total, most, replace=False))
        self.picked[name] = picked
        self.outputs[name] = view.rows(view.weight) @ gathered(view, inputs, picked)
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        self.means[view.layer.name] = mean
        return None


class _Stop(NamedTuple):
    """One node of a walk: what computes it, the tensors it reads, those that nothing reads after it."""

    step: Step
    reads: tuple[str, ...]
    done: tuple[str, ...]


class _Chunk(NamedTuple):
    """The tensors of some samples that are held."""

    samples: int
    tensors: dict[str, Array]

    @property
    def bytes(self) -> int:
        """The memory that they take."""
        return sum(array.nbytes for array in self.tensors.values())

    def make(self, stop: _Stop, constants: Mapping[str, Array], weight: Array | None = None) -> None:
        """Computes a node, with another weight than its own where one is given."""
        operands = [self.tensors.get(name, constants.get(name)) for name in stop.reads]
        if weight is not None:
            operands[1] = weight
        self.tensors.update(results(stop.step, operands, self.samples))


def walk(net: FloatNet, arrays: Sequence[Array], visitor: Visitor, acts: Mapping[str, ActQuant] | None = None) -> int:
    """Runs `net` up to its last layer, with quantisers where `acts` has them; the bytes that it held at most."""
    steps, size = prepared(net, arrays)
    layers, most = views(net), 0
    parts = [[array[start : start + size] for array in arrays] for start in range(0, len(arrays[0]), size)]
    chunks = [_Chunk(len(part[0]), inputs_of(net, part)) for part in parts]
    for stop in _stops(net, steps, acts or {}):
        view = layers.get(key(stop.step[0]))
        if view is None:
            for chunk in chunks:
                chunk.make(stop, net.constants)
        else:
            _visit(net, stop, view, visitor, chunks)
        most = max(most, sum(chunk.bytes for chunk in chunks))
        for chunk, name in product(chunks, stop.done):
            chunk.tensors.pop(name, None)
    return most


def _visit(net: FloatNet, stop: _Stop, view: View, visitor: Visitor, chunks: Sequence[_Chunk]) -> None:
    """A layer, with the weight and the shift that the visitor wants."""
    weight = visitor.weight(view, [chunk.tensors[stop.reads[0]] for chunk in chunks])
    for chunk in chunks:
        chunk.make(stop, net.constants, weight)
    _shift(view, visitor, [chunk.tensors for chunk in chunks])


def _shift(view: View, visitor: Visitor, chunks: Sequence[dict[str, Array]]) -> None:
    """Each channel's mean, and what is to be added to it."""
    name = view.layer.name
    outputs = [np.moveaxis(tensors[name], view.channel_axis, -1) for tensors in chunks]
    channels = outputs[0].shape[-1]
    sums = [output.reshape(-1, channels).sum(axis=0, dtype=np.float64) for output in outputs]
    mean = np.sum(sums, axis=0) / sum(output.size // channels for output in outputs)
    shift = visitor.shift(view, mean)
    if shift is not None:
        for tensors, output in zip(chunks, outputs, strict=True):
            tensors[name] = np.moveaxis(output + shift.astype(np.float32), -1, view.channel_axis)


def _stops(net: FloatNet, steps: Sequence[Step], acts: Mapping[str, ActQuant]) -> list[_Stop]:
    """The way through a network up to its last layer; each quantiser is a node in front of its first reader."""
    sites = (site for site in net.sites if site.tensor in acts)
    twins = {edge: _quantiser(site.tensor, acts[site.tensor]) for site in sites for edge in site.edges}
    found: dict[str, tuple[Step, tuple[str, ...]]] = {}
    last = max(i for i, (node, _) in enumerate(steps) if node.op in MATRIX)
    for step in steps[: last + 1]:
        name, reads = key(step[0]), list(step[0].inputs)
        for position, tensor in enumerate(reads):
            twin = twins.get(Edge(name, position))
            if twin is not None:
                reads[position] = key(twin[0])
                found.setdefault(reads[position], (twin, (tensor,)))
        found[name] = step, tuple(reads)
    return _until_last_read(list(found.values()))


def _until_last_read(steps: Sequence[tuple[Step, tuple[str, ...]]]) -> list[_Stop]:
    final = {name: i for i, (step, reads) in enumerate(steps) for name in (*step[0].outputs, *reads)}
    done: dict[int, list[str]] = {}
    for name, index in final.items():
        done.setdefault(index, []).append(name)
    return [_Stop(step, reads, tuple(done.get(i, ()))) for i, (step, reads) in enumerate(steps)]


def _quantiser(tensor: str, act: ActQuant) -> Step:
    """A node that quantises a tensor; no tensor of a file has such a name as its output."""
    return Node(tensor, "Quant", "", (tensor,), (f"{tensor}\0",), {}, ""), lambda operands: [fake(act, operands[0])]


def fake(act: ActQuant, x: Array | None) -> Array:
    """What a quantiser makes of a tensor, as real numbers."""
    assert x is not None
    if act.type.is_bipolar:
        return np.where(x >= 0, act.scale, -act.scale)
    codes = np.rint(x / act.scale + act.zero)
    return np.asarray((codes.clip(act.type.lo, act.type.hi) - act.zero) * act.scale, dtype=np.float32)
