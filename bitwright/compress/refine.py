# SPDX-License-Identifier: Apache-2.0
"""A quantised network walked beside the float one: its weights rounded for the inputs they meet, its biases corrected.

Each layer sees what the layers before it, as they are quantised, make of the calibration data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import FloatSide, gathered, walk
from bitwright.compress.calibrate import Calibration
from bitwright.compress.coded import Coded
from bitwright.compress.columns import View
from bitwright.compress.correct import Correction, with_biases
from bitwright.compress.round import Problem, Rounding
from bitwright.compress.state import State
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


def refined(
    state: State, calibration: Calibration, roundings: Mapping[str, Rounding], correction: Correction | None
) -> State:
    """The state with other codes for the weights that have a rounding, and with its biases corrected.

    Scales, types and quantisers stay as they are. A weight of several layers is rounded for the first of them.
    """
    with np.errstate(all="ignore"):  # what is beyond float32 is refused by its layer
        side = calibration.side
        refiner = _Refiner(state, side, roundings, correction)
        walk(state.net, [array[: side.samples] for array in calibration.data], refiner, state.acts)
    net = with_biases(state.net, refiner.shifts)
    return replace(state, net=net, weights={**state.weights, **refiner.coded})


class _Refiner:
    """Decides each layer's codes, and what is added to its bias."""

    def __init__(
        self, state: State, side: FloatSide, roundings: Mapping[str, Rounding], correction: Correction | None
    ) -> None:
        self.coded: dict[str, tuple[Coded, ...]] = {}
        self.shifts: dict[str, Array] = {}
        self._state, self._side, self._roundings, self._correction = state, side, roundings, correction

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The value of the layer's codes, which are chosen for these inputs."""
        name = view.layer.weight
        if name not in self.coded:
            bases = self._state.weights[name]
            if name in self._roundings:
                bases = (self._rounded(view, inputs, bases),)
            self.coded[name] = bases
        return np.asarray(sum(coded.value for coded in self.coded[name]))

    def shift(self, view: View, mean: Array) -> Array | None:
        """What the correction adds to the bias."""
        if self._correction is None:
            return None
        self.shifts[view.layer.name] = self._correction(self._side.means[view.layer.name], mean)
        return self.shifts[view.layer.name]

    def _rounded(self, view: View, inputs: Sequence[Array], bases: tuple[Coded, ...]) -> Coded:
        (coded,) = bases
        name, weight = view.layer.name, view.rows(view.weight)
        problem = Problem(
            weight=weight,
            inputs=gathered(view, inputs, self._side.picked[name]),
            outputs=self._side.outputs[name],
            scale=view.rows(coded.scale),
            low=_ends(view, coded, "lo"),
            high=_ends(view, coded, "hi"),
            mask=weight != 0,  # what was pruned stays so
            offset=view.offset(self._state.net.constants),
            rectified=view.rectified,
            where=f"{self._state.net.file}: layer '{name}'",
        )
        _check_reach(problem)
        codes = self._roundings[view.layer.weight](problem)
        return replace(coded, codes=view.array(codes))


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
