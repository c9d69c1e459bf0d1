# SPDX-License-Identifier: Apache-2.0
"""Codes and shifts of biases chosen ahead: for what the float network gives a layer, once for each choice.

Rounding that sees what a design's own layers make takes a walk through the network for every design. Here each weight
is rounded for the float inputs of its layer, and what its codes shift is put back in the bias by the means of those
inputs; both depend on nothing but that weight and its choice, so that thousands of designs share a few. What the
quantisers of tensors do to the inputs is not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import gathered, walk
from bitwright.compress.calibrate import Calibration
from bitwright.compress.choices import Choices, WeightChoice
from bitwright.compress.coded import Coded
from bitwright.compress.columns import View, views
from bitwright.compress.correct import CORRECTIONS, held, with_biases
from bitwright.compress.grid import grid_of
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.options import Options
from bitwright.compress.refine import is_chosen, problem_of, rounded
from bitwright.compress.state import State

Array = NDArray[Any]
MEMORY = 1 << 27
"""Bytes of inputs that are kept, of all layers."""
COLUMNS = 4096
"""Columns of inputs that are kept of a layer, at most."""
Key = tuple[str, object, WeightChoice, bool]


@dataclass(frozen=True, eq=False)
class Ahead:
    """What chooses the codes of one float network's weights ahead, each when a design first asks for it."""

    calibration: Calibration
    _chosen: dict[Key, tuple[Coded, Array]] = field(default_factory=dict, repr=False)

    def refined(self, state: State, calibration: Calibration, choices: Choices, options: Options) -> State:
        """The state with other codes, and its biases corrected if it is asked for; `calibration` has the zeros in it.

        A weight of several layers is rounded for the first of them.
        """
        corrected = CORRECTIONS[options.correct] is not None
        weights, shifts = dict(state.weights), dict[str, Array]()
        for layer in state.net.layers:
            choice = choices.weights[layer.weight]
            if calibration.coded(layer.weight, choice) is None:
                coded, shifts[layer.name] = self._found(layer, state, calibration, choice, corrected)
                if weights[layer.weight] is state.weights[layer.weight]:
                    weights[layer.weight] = (coded,)
        if not corrected:
            return replace(state, weights=weights)
        if state.bias_grid:
            shifts = self._on_grid(state, weights, shifts)
        return replace(state, net=with_biases(state.net, shifts), weights=weights)

    def _found(
        self, layer: Layer, state: State, calibration: Calibration, choice: WeightChoice, corrected: bool
    ) -> tuple[Coded, Array]:
        """A layer's codes, and what they take from each channel's mean."""
        key = (layer.name, calibration.said(layer.weight), choice, corrected)
        if key not in self._chosen:
            held = self._inputs[layer.name]
            view = replace(held.view, weight=state.net.constants[layer.weight])
            (coded,) = state.weights[layer.weight]
            problem = problem_of(state.net, view, coded, choice, held.columns, held.outputs)
            if is_chosen(calibration, view, choice, corrected=corrected):
                coded = rounded(problem, calibration, view, coded, choice, corrected=corrected)
            made = view.rows(coded.value.astype(np.float32)) @ held.columns
            self._chosen[key] = coded, view.per_channel((held.outputs - made).mean(axis=2, dtype=np.float64))
        return self._chosen[key]

    def _on_grid(
        self, state: State, weights: Mapping[str, tuple[Coded, ...]], shifts: Mapping[str, Array]
    ) -> dict[str, Array]:
        grid = grid_of(state.net, weights, state.acts)
        views = ((self._inputs[name].view, shift) for name, shift in shifts.items())
        return {v.layer.name: grid.nearest(v.layer, held(state.net, v.node), shift) for v, shift in views}

    @cached_property
    def _inputs(self) -> Mapping[str, Kept]:
        """What each layer is given by the float network."""
        visitor = _Keeping(self.calibration.net)
        walk(self.calibration.net, self.calibration.data, visitor)
        return visitor.kept


class Kept(NamedTuple):
    """A layer, some columns of its inputs, and what it makes of them."""

    view: View
    columns: Array
    outputs: Array


class _Keeping:
    """Goes on with the float weights, and keeps what they are given."""

    def __init__(self, net: FloatNet) -> None:
        self.kept: dict[str, Kept] = {}
        shapes = [view.shape for view in views(net).values()]
        taken = sum(groups * (outputs + terms) * 4 for groups, outputs, terms in shapes)
        self._most = max(1, min(COLUMNS, MEMORY // taken))

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        total = sum(view.count(chunk) for chunk in inputs)
        picked = np.arange(total)
        if total > self._most:
            picked = np.sort(np.random.default_rng(len(self.kept)).choice(total, self._most, replace=False))
        columns = gathered(view, inputs, picked)
        self.kept[view.layer.name] = Kept(view, columns, view.rows(view.weight) @ columns)
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        return None
