# SPDX-License-Identifier: Apache-2.0
"""What the channels that stay make good of those that go: weights by least squares, biases by means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from bitwright.compress.acts import FloatSide, float_side, walk
from bitwright.compress.columns import View
from bitwright.compress.correct import bias, with_biases
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.channels import Kept
from bitwright.compress.prune.facts import Array
from bitwright.compress.prune.least import least_squares
from bitwright.compress.prune.responses import places
from bitwright.compress.round import Problem
from bitwright.compress.round.gptq import matched
from bitwright.compress.round.problem import DAMPING
from bitwright.compress.sites import key
from bitwright.frontend.refusals import behind

SAMPLES = 2000
"""Columns that a layer of more terms is solved on, at most."""


def mended(net: FloatNet, kept: Kept, data: Sequence[Array]) -> FloatNet:
    """The network whose layers read the channels that stay alone, and make of them what they made of all.

    Layer by layer, on what the layers before it then give: the weights are those of least squares but for the means,
    which the biases keep. Nothing is taken out yet.
    """
    masks = read_masks(net, kept)
    side = float_side(net, data)
    solver = _Solver(net, masks, side)
    with np.errstate(all="ignore"):
        walk(net, [array[: side.samples] for array in data], solver)
    return with_biases(net.replace(**solver.weights), solver.shifts)


def read_masks(net: FloatNet, kept: Kept) -> dict[str, Array]:
    """Where each weight reads channels that stay."""
    masks = {layer.weight: np.ones(net.constants[layer.weight].shape, bool) for layer in net.layers}
    for group, held in zip(net.groups, kept, strict=True):
        for name, axis, channels in places(group, "reads"):
            np.moveaxis(masks[name], axis, 0)[~np.append(held, True)[channels]] = False
    return masks


def _reached(net: FloatNet, masks: Mapping[str, Array]) -> set[str]:
    """The layers that miss a channel, and those behind them."""
    first = {layer.name for layer in net.layers if not masks[layer.weight].all()}
    return first.union(key(node) for node in behind(net.nodes, first))


class _Solver:
    """Chooses each layer's weight when its inputs are known."""

    def __init__(self, net: FloatNet, masks: Mapping[str, Array], side: FloatSide) -> None:
        self.weights: dict[str, Array] = {}
        self.shifts: dict[str, Array] = {}
        self._net, self._masks, self._side = net, masks, side
        self._reached = _reached(net, masks)
        self._times = Counter(layer.weight for layer in net.layers)

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight of least squares, but for one that several layers read."""
        name = view.layer.weight
        if view.layer.name not in self._reached:
            return view.weight
        if name not in self.weights:
            self.weights[name] = self._solved(view, inputs) if self._times[name] == 1 else view.weight
        return self.weights[name]

    def _solved(self, view: View, inputs: Sequence[Array]) -> Array:
        problem = least_squares(self._net, self._side, view, inputs)
        mask = problem.mask & view.rows(self._masks[view.layer.weight])
        problem = replace(problem, inputs=_apart(problem.inputs), outputs=_apart(problem.outputs), mask=mask)
        found = matched(problem) if problem.terms <= problem.inputs.shape[2] else by_samples(problem)
        return view.array(found.astype(np.float32))

    def shift(self, view: View, mean: Array) -> Array | None:
        """What keeps the means of the layer's channels."""
        if view.layer.name not in self._reached:
            return None
        self.shifts[view.layer.name] = bias(self._side.means[view.layer.name], mean)
        return self.shifts[view.layer.name]


def _apart(rows: Array) -> Array:
    """Rows (groups, rows, n) without their means."""
    return np.asarray(rows - rows.mean(axis=2, keepdims=True))


def by_samples(problem: Problem) -> Array:
    """What `matched` gives, by the products of columns, where there are fewer of them than of terms.

    A weight that the mask removes in some outputs of a group alone is removed afterwards.
    """
    weight, inputs = problem.weight * problem.mask, problem.inputs[:, :, :SAMPLES]
    mean = np.square(inputs).sum(axis=(1, 2), keepdims=True) / problem.terms
    damping = np.where(mean > 0, mean * (DAMPING + problem.terms / inputs.shape[2]), 1)
    inputs = inputs * np.asarray(problem.mask.any(axis=1))[:, :, None]
    products = inputs.swapaxes(1, 2) @ inputs + damping * np.eye(inputs.shape[2], dtype=inputs.dtype)
    errors = problem.outputs[:, :, :SAMPLES] - weight @ inputs
    solved = np.linalg.solve(products, errors.swapaxes(1, 2))
    return np.asarray((weight + (inputs @ solved).swapaxes(1, 2)) * problem.mask)
