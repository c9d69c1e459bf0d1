# SPDX-License-Identifier: Apache-2.0
"""A quantised network beside its float one: each layer's signal over its noise, what is clipped, what it gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import fake
from bitwright.compress.coded import ActQuant
from bitwright.compress.execute import Step, inputs_of, prepared, results
from bitwright.compress.fixed import Fixed
from bitwright.compress.network import FloatNet
from bitwright.compress.sites import Edge, key
from bitwright.compress.state import State
from bitwright.ir.types import IntType
from bitwright.reading.model import Node

Array = NDArray[Any]
WIDE = IntType(-(1 << 30), 1 << 30)
"""Codes that clip nothing."""
SAMPLES = 128
"""Samples that the figures of layers and tensors are taken of, at most."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What each layer and each quantiser does.

    By layers, the signal of the outputs over their noise in dB, None where nothing differs; by tensors, the share of
    values that their quantiser clips.
    """

    signal_to_noise: Mapping[str, float | None]
    clipped: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How much two networks agree.

    Of `scores` the share of samples with the same highest one, of `values` that of their variance that agrees.
    """

    kind: str
    share: float


def fidelity(net: FloatNet, state: State, arrays: Sequence[Array]) -> Fidelity:
    """Runs `net` and `state`, whose layers make tensors of the same names, on some of the samples."""
    some = [array[:SAMPLES] for array in arrays]
    layers = frozenset(layer.name for layer in net.layers)
    weights = {name: np.sum([coded.value for coded in bases], axis=0) for name, bases in state.weights.items()}
    sums = _Sums(state.acts)
    (steps, size), (coded, _) = prepared(net, some), prepared(state.net, some)
    sites = quantised_edges(state)
    for start in range(0, len(some[0]), size):
        chunk = [array[start : start + size] for array in some]
        wanted = _run(steps, net.constants, inputs_of(net, chunk), layers, {}, sums)
        found = _run(coded, {**state.net.constants, **weights}, inputs_of(net, chunk), layers, sites, sums)
        for name in layers:
            sums.compare(name, wanted[name].astype(np.float64), found[name].astype(np.float64))
    return sums.result()


def quantised_edges(state: State) -> dict[Edge, str]:
    """Where a quantised tensor is read, and which."""
    return {edge: site.tensor for site in state.net.sites if site.tensor in state.acts for edge in site.edges}


def agreement(wanted: Sequence[Array], found: Sequence[Array], scores: bool) -> Agreement:
    """How far `found` agree with `wanted`, the outputs of the float network, samples on axis 0."""
    if scores:
        labels = [array[0].reshape(len(array[0]), -1).argmax(axis=1) for array in (wanted, found)]
        return Agreement("scores", float(np.mean(labels[0] == labels[1])))
    pairs = [(ours.astype(np.float64), theirs.astype(np.float64)) for ours, theirs in zip(found, wanted, strict=True)]
    noise = sum(np.square(ours - theirs).sum() for ours, theirs in pairs)
    spread = sum(np.square(theirs - theirs.mean(axis=0)).sum() for _, theirs in pairs)
    return Agreement("values", float(max(0.0, 1 - noise / spread)) if spread else float(noise == 0))


def gives_scores(net: FloatNet | Fixed, outputs: Sequence[Array]) -> bool:
    """True if a network gives one score for each of some classes, as far as shapes tell."""
    if len(outputs) != 1:
        return False
    shape = outputs[0].shape[1:]
    return sum(size > 1 for size in shape) == 1 and all(shape != entry.shape[1:] for entry in net.inputs)


@dataclass(slots=True)
class _Sums:
    """Squares of signal and noise by layer, values and clipped ones by tensor, as far as both networks have run."""

    acts: Mapping[str, ActQuant]
    squares: dict[str, Array] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)

    def compare(self, name: str, wanted: Array, found: Array) -> None:
        """Adds what a layer made in the float network and in the quantised one."""
        both = [np.square(wanted).sum(), np.square(found - wanted).sum()]
        self.squares[name] = self.squares.get(name, 0) + np.array(both)

    def quantised(self, tensor: str, x: Array) -> Array:
        """What the quantiser of a tensor makes of it."""
        act = self.acts[tensor]
        made, clipped = fake(act, x), 0
        if not act.type.is_bipolar:  # a sign has no range
            clipped = int(np.count_nonzero(made != fake(replace(act, type=WIDE), x)))
        self.values[tensor] = self.values.get(tensor, 0) + np.array([clipped, x.size])
        return made

    def result(self) -> Fidelity:
        """Both as ratios."""
        ratios = {name: _decibel(*map(float, pair)) for name, pair in self.squares.items()}
        return Fidelity(ratios, {name: float(clipped / count) for name, (clipped, count) in self.values.items()})


def _decibel(signal: float, noise: float) -> float | None:
    return 10 * log10(signal / noise) if signal > 0 and noise > 0 else None


def _run(
    steps: Sequence[Step],
    constants: Mapping[str, Array],
    tensors: dict[str, Array],
    kept: frozenset[str],
    sites: Mapping[Edge, str],
    sums: _Sums,
) -> dict[str, Array]:
    """The `kept` tensors; others, and what `sites` quantise, are held until their last reader has them."""
    samples = len(next(iter(tensors.values())))
    left = Counter(name for node, _ in steps for name in node.inputs)
    codes: dict[str, Array] = {}
    for step in steps:
        node = step[0]
        operands = [tensors.get(name, constants.get(name)) for name in node.inputs]
        for position, name in _quantised(node, sites):
            if name not in codes:
                codes[name] = sums.quantised(name, tensors[name])
            operands[position] = codes[name]
        tensors.update(results(step, operands, samples))
        left.subtract(node.inputs)
        for name in {name for name in node.inputs if not left[name]} - kept:
            tensors.pop(name, None)
            codes.pop(name, None)
    return tensors


def _quantised(node: Node, sites: Mapping[Edge, str]) -> Iterator[tuple[int, str]]:
    """The inputs of a node that a quantiser comes before, and the tensors."""
    for position in range(len(node.inputs)):
        edge = Edge(key(node), position)
        if edge in sites:
            yield position, sites[edge]
