# SPDX-License-Identifier: Apache-2.0
"""Quantising after training: ranges from what calibration found, then codes and biases from what the layers meet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration, calibrate
from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.network import FloatNet
from bitwright.compress.options import Given, Options
from bitwright.compress.refine import refined
from bitwright.compress.round import ROUNDINGS
from bitwright.compress.state import ActQuant, Coded, State
from bitwright.ir.types import integer


def quantize(
    model: str | Path | bytes | onnx.ModelProto | FloatNet,
    data: NDArray[Any] | Sequence[NDArray[Any]],
    **options: Unpack[Given],
) -> State:
    """The float `model`, quantised on `data`: one array, or one per input; samples on axis 0; `Options` has choices.

    Weights are signed and narrow, with a scale per output channel or per tensor. Activations have a scale per tensor;
    they are unsigned where they cannot be negative, and at an input of the model whose data has none below zero. Codes
    are chosen layer by layer for the inputs that the quantised network meets, and biases corrected.
    """
    Options(**options)
    arrays = [data] if isinstance(data, np.ndarray) else list(data)
    return quantised(calibrate(model, arrays), **options)


def quantised(calibration: Calibration, **options: Unpack[Given]) -> State:
    """`quantize` for a network that is calibrated already; one calibration serves many choices."""
    chosen = Options(**options)
    state = _nearest(calibration, chosen)
    rounding, correction = ROUNDINGS[chosen.rounding], CORRECTIONS[chosen.correct]
    if chosen.rounding == "nearest" and correction is None:
        return state
    return refined(state, calibration, dict.fromkeys(state.weights, rounding), correction)


def _nearest(calibration: Calibration, chosen: Options) -> State:
    """Every range by its rule, every weight to its nearest code."""
    net = calibration.net
    inputs = {entry.name for entry in net.inputs}
    acts = {}
    for site in net.sites:
        at_input = site.tensor in inputs and bool((calibration.values[site.tensor].low >= 0).all())
        codes = integer(chosen.activations, signed=not (site.non_negative or at_input))
        found = calibration.act_scale(site.tensor, codes, chosen.range, chosen.scale)
        acts[site.tensor] = ActQuant(codes, found, np.zeros((), np.float32))
    codes = integer(chosen.weights, signed=True, narrow=True)
    coded = {}
    for layer in net.layers:
        if layer.weight not in coded:
            step = calibration.weight_scale(layer, codes, chosen.per_channel, chosen.range, chosen.scale)
            nearest = np.rint(net.constants[layer.weight] / step).clip(codes.lo, codes.hi).astype(np.int32)
            coded[layer.weight] = (Coded(nearest, step, codes),)
    return State(net, coded, acts, bias_grid=chosen.exact == "po2")
