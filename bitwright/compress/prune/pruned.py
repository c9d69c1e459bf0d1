# SPDX-License-Identifier: Apache-2.0
"""A float network with zeros in place of the weights that it misses least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.acts import FloatSide, float_side, gathered, walk
from bitwright.compress.calibrate import Calibration, check_arrays
from bitwright.compress.columns import View, views
from bitwright.compress.config import nearest_names
from bitwright.compress.correct import bias, with_biases
from bitwright.compress.network import FloatNet, float_net
from bitwright.compress.prune.criteria import CRITERIA, Criterion
from bitwright.compress.prune.evidence import Evidence
from bitwright.compress.prune.granularity import Block, Grain, grains, n_of_m
from bitwright.compress.prune.schedules import OneShot, Schedule
from bitwright.compress.round import Problem
from bitwright.compress.round.gptq import matched
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Data = NDArray[Any] | Sequence[NDArray[Any]] | Calibration | None


def pruned(
    model: str | Path | bytes | onnx.ModelProto | FloatNet,
    data: Data = None,
    *,
    criterion: str,
    sparsity: float | None = None,
    block: Block = None,
    schedule: Schedule | None = None,
) -> FloatNet:
    """The float network with a share of each layer's weights set to zero, those that a criterion misses least.

    `criterion` is a key of `CRITERIA`; `sparsity` the share of zeros, or a `schedule` for several rounds, each of which
    looks at the network that the one before left. `block` has what is removed together: single weights, "2:4", (rows,
    columns), or `plan.blocks()`; n of m needs no sparsity. With `data`, samples of the network's inputs, layer by layer
    the weights that are left make good what is missing, and biases keep the means. Zeros stay when it is quantised.
    """
    net = float_net(model)
    steps = _steps(criterion, sparsity, block, schedule)
    arrays = _arrays(net, data)
    units = grains(net, block)
    side = None if arrays is None else float_side(net, arrays)
    shifts: Mapping[str, Array] = {}
    for share in steps:
        pruner = Pruner(net, CRITERIA[criterion], units, share, side)
        net, shifts = pruner.alone() if arrays is None else pruner.on(arrays)
    return with_biases(net, shifts)


def zeros(net: FloatNet) -> dict[str, float]:
    """The share of zeros in the weight of each layer, by the weight's name."""
    return {layer.weight: float(np.mean(net.constants[layer.weight] == 0)) for layer in net.layers}


class Pruner:
    """One round: decides what of each weight is left, and what the rest becomes."""

    def __init__(
        self, net: FloatNet, criterion: Criterion, units: Mapping[str, Grain], sparsity: float, side: FloatSide | None
    ) -> None:
        self._net, self._criterion, self._units, self._sparsity = net, criterion, units, sparsity
        self._side = side
        self._weights: dict[str, Array] = {}
        self._shifts: dict[str, Array] = {}

    def alone(self) -> tuple[FloatNet, Mapping[str, Array]]:
        """The network, pruned without data, and no shifts."""
        for view in views(self._net).values():
            name = view.layer.weight
            if name in self._units and name not in self._weights:
                self._weights[name] = view.weight * self._mask(Evidence(view, view.weight, self._where(view)))
        return self._net.replace(**self._weights), {}

    def on(self, arrays: Sequence[Array]) -> tuple[FloatNet, Mapping[str, Array]]:
        """The network, each layer pruned for what it reads of those before it; and what its biases lack."""
        assert self._side is not None
        with np.errstate(all="ignore"):
            walk(self._net, [array[: self._side.samples] for array in arrays], self)
        return self._net.replace(**self._weights), self._shifts

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """What is left of a layer's weight, in least squares."""
        name = view.layer.weight
        if name in self._units and name not in self._weights:
            problem = self._problem(view, inputs)
            mask = self._mask(Evidence(view, view.weight, problem.where, problem))
            left = matched(replace(problem, mask=view.rows(mask)))
            self._weights[name] = view.array(left.astype(np.float32))
        return self._weights.get(name, view.weight)

    def shift(self, view: View, mean: Array) -> Array | None:
        """What keeps the means of the layer's channels."""
        assert self._side is not None
        self._shifts[view.layer.name] = bias(self._side.means[view.layer.name], mean)
        return self._shifts[view.layer.name]

    def _mask(self, evidence: Evidence) -> Array:
        grain = self._units[evidence.view.layer.weight]
        kept = grain.smallest(self._criterion(evidence, grain), self._sparsity)
        return grain.mask(kept, evidence.weight.shape)

    def _where(self, view: View) -> str:
        return f"{self._net.file}: layer '{view.layer.name}'"

    def _problem(self, view: View, inputs: Sequence[Array]) -> Problem:
        """What the layer reads, and what it should make of it; what is zero in the network so far stays so."""
        assert self._side is not None
        name, weight = view.layer.name, view.rows(view.weight)
        return Problem(
            weight=weight,
            inputs=gathered(view, inputs, self._side.picked[name]),
            outputs=self._side.outputs[name],
            scale=np.ones(1, np.float32),
            low=np.full(1, -np.inf, np.float32),
            high=np.full(1, np.inf, np.float32),
            mask=weight != 0,
            offset=view.offset(self._net.constants),
            rectified=view.rectified,
            where=self._where(view),
        )


def _steps(criterion: str, sparsity: float | None, block: Block, schedule: Schedule | None) -> list[float]:
    """The sparsity after each round."""
    if criterion not in CRITERIA:
        raise BitwrightError(
            f"there is no criterion '{criterion}'", where="prune", hint=nearest_names(criterion, set(CRITERIA))
        )
    if isinstance(block, str) and sparsity is None and schedule is None:
        n, m = n_of_m(block)
        sparsity = 1 - n / m
    made = _schedule(sparsity, schedule)
    return [made(time) for time in made.times]


def _schedule(sparsity: float | None, schedule: Schedule | None) -> Schedule:
    """The one that is given, or all at once."""
    if schedule is not None and sparsity is None:
        return schedule
    if schedule is None and sparsity is not None:
        return OneShot(sparsity)
    raise BitwrightError(
        "both a sparsity and a schedule" if schedule else "neither a sparsity nor a schedule",
        where="prune",
        hint="give the share of weights that is removed, or a schedule that ends with it",
    )


def _arrays(net: FloatNet, data: Data) -> Sequence[Array] | None:
    if data is None or isinstance(data, Calibration):
        return None if data is None else data.data
    arrays: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    check_arrays(net.inputs, arrays, "data")
    return arrays
