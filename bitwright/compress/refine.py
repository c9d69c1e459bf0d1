# SPDX-License-Identifier: Apache-2.0
"""A quantised network walked beside the float one: its weights rounded for the inputs they meet, its biases corrected.

Each layer sees what the layers before it, as they are quantised, make of the calibration data.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import gathered, walk
from bitwright.compress.calibrate import Calibration
from bitwright.compress.choices import Choices, WeightChoice, read_by
from bitwright.compress.coded import Coded
from bitwright.compress.columns import View
from bitwright.compress.correct import Correction, held, with_biases
from bitwright.compress.grid import grid_of
from bitwright.compress.network import FloatNet
from bitwright.compress.round import ROUNDINGS, Problem
from bitwright.compress.round.reach import reached
from bitwright.compress.state import State
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


def refined(state: State, calibration: Calibration, choices: Choices, correction: Correction | None) -> State:
    """The state with other codes for its weights, but for those that came as codes, and with its biases corrected.

    Types and quantisers stay as they are, and scales, or they are larger where that makes the layer less wrong. A
    weight of several layers is rounded for the first of them.
    """
    with np.errstate(all="ignore"):  # what is beyond float32 is refused by its layer
        side = calibration.side
        refiner = _Refiner(state, calibration, choices, correction)
        walk(state.net, [array[: side.samples] for array in calibration.data], refiner, state.acts)
    net = with_biases(state.net, refiner.shifts)
    return replace(state, net=net, weights={**state.weights, **refiner.coded})


class _Refiner:
    """Decides each layer's codes, and what is added to its bias."""

    def __init__(self, state: State, calibration: Calibration, choices: Choices, correction: Correction | None) -> None:
        self.coded: dict[str, tuple[Coded, ...]] = {}
        self.shifts: dict[str, Array] = {}
        self._state, self._calibration, self._choices, self._correction = state, calibration, choices, correction
        self._side = calibration.side
        self._read = read_by(state.net)
        self._grid = grid_of(state.net, ChainMap(self.coded, dict(state.weights)), state.acts)

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The value of the layer's codes, which are chosen for these inputs."""
        name = view.layer.weight
        if name not in self.coded:
            bases = self._state.weights[name]
            keeps = self._calibration.coded(name, self._choices.weights[name])
            self.coded[name] = (self._rounded(view, inputs, bases),) if keeps is None else bases
        return np.asarray(sum(coded.value for coded in self.coded[name]))

    def shift(self, view: View, mean: Array) -> Array | None:
        """What the correction adds to the bias, and what this then is from a whole step of its accumulator."""
        if self._correction is None:
            return None
        name, weight = view.layer.name, view.layer.weight
        tensor = self._read.get(name, "")
        act = self._choices.acts.get(tensor)
        if self._calibration.keeps(weight, self._choices.weights[weight], tensor, act):
            return None
        shift = self._correction(self._side.means[name], mean)
        if self._state.bias_grid:
            shift = self._grid.nearest(view.layer, held(self._state.net, view.node), shift)
        self.shifts[name] = shift
        return shift

    def _rounded(self, view: View, inputs: Sequence[Array], bases: tuple[Coded, ...]) -> Coded:
        (coded,) = bases
        name, choice, corrected = view.layer.name, self._choices.weights[view.layer.weight], bool(self._correction)
        if not is_chosen(self._calibration, view, choice, corrected=corrected):
            return coded
        columns = gathered(view, inputs, self._side.picked[name])
        problem = problem_of(self._state.net, view, coded, choice, columns, self._side.outputs[name])
        return rounded(problem, self._calibration, view, coded, choice, corrected=corrected)


def is_chosen(calibration: Calibration, view: View, choice: WeightChoice, *, corrected: bool) -> bool:
    """Whether the codes of a layer depend on its inputs; if not, they are the nearest."""
    return choice.rounding != "nearest" or (corrected and len(calibration.weight_scales(view.layer, choice)) > 1)


def problem_of(
    net: FloatNet, view: View, coded: Coded, choice: WeightChoice, columns: Array, outputs: Array
) -> Problem:
    """What is asked of a layer's codes: of some columns of its inputs, and what the float layer makes of them."""
    weight = view.rows(view.weight)
    return Problem(
        weight=weight,
        inputs=columns,
        outputs=outputs,
        scale=view.rows(coded.scale),
        low=_ends(view, coded, "lo"),
        high=_ends(view, coded, "hi"),
        mask=weight != 0 if choice.bits > 1 else np.ones((1, 1, 1), np.bool_),  # what was pruned stays so
        offset=view.offset(net.constants),
        rectified=view.rectified,
        signs=choice.bits == 1,
        where=f"{net.file}: layer '{view.layer.name}'",
    )


def rounded(
    problem: Problem, calibration: Calibration, view: View, coded: Coded, choice: WeightChoice, *, corrected: bool
) -> Coded:
    """The codes that a choice's rounding finds, and the scale that makes the layer least wrong."""
    if choice.rounding != "nearest":
        _check_reach(problem)
    scales = calibration.weight_scales(view.layer, choice)
    places = view.rows(np.arange(coded.scale.size).reshape(coded.scale.shape))[:, :, 0]
    codes, scale = reached(problem, scales, places, ROUNDINGS[choice.rounding], corrected)
    return replace(coded, codes=view.array(codes), scale=scale)


def _check_reach(problem: Problem) -> None:
    """Refuse numbers of which float32 does not hold the sums of products."""
    largest = max(float(np.abs(array).max(initial=0)) for array in (problem.inputs, problem.outputs))
    if not largest**2 * problem.inputs.shape[-1] < np.finfo(np.float32).max:
        raise BitwrightError(
            f"reads or makes numbers up to {largest:.1e}, of which float32 holds no sums of products",
            where=problem.where,
            hint="scale the data and the weights, or round to the nearest (--rounding nearest)",
        )


def _ends(view: View, coded: Coded, end: Literal["lo", "hi"]) -> Array:
    """The lowest or the highest code of each weight."""
    if not isinstance(coded.type, tuple):
        return np.full((1, 1, 1), getattr(coded.type, end), np.float32)
    ends = np.array([getattr(kind, end) for kind in coded.type], np.float32)
    return view.rows(view.layer.along(ends, view.weight))
