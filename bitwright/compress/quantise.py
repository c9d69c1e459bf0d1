# SPDX-License-Identifier: Apache-2.0
"""Quantising after training: every range from what calibration found, every weight to its nearest code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration, calibrate
from bitwright.compress.network import FloatNet
from bitwright.compress.ranges import RANGES
from bitwright.compress.scales import SCALES
from bitwright.compress.state import ActQuant, Coded, State
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import integer

BITS = range(2, 17)


def quantize(
    model: str | Path | bytes | onnx.ModelProto | FloatNet,
    data: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    weights: int = 8,
    activations: int = 8,
    per_channel: bool = False,
    range: str = "mse",
    scale: str = "free",
) -> State:
    """The float `model`, quantised with ranges from `data`: one array, or one per input; samples on axis 0.

    Weights are signed and narrow, with a scale per tensor or per output channel. Activations have a scale per tensor;
    they are unsigned where they cannot be negative, and at an input of the model whose data has none below zero.
    `range` is a key of `RANGES`, `scale` one of `SCALES`. Biases and batch normalisation stay exact.
    """
    check_options(weights=weights, activations=activations, range=range, scale=scale)
    arrays = [data] if isinstance(data, np.ndarray) else list(data)
    return quantised(
        calibrate(model, arrays),
        weights=weights,
        activations=activations,
        per_channel=per_channel,
        range=range,
        scale=scale,
    )


def quantised(
    calibration: Calibration,
    *,
    weights: int = 8,
    activations: int = 8,
    per_channel: bool = False,
    range: str = "mse",
    scale: str = "free",
) -> State:
    """`quantize` for a network that is calibrated already; one calibration serves many choices."""
    check_options(weights=weights, activations=activations, range=range, scale=scale)
    net = calibration.net
    inputs = {entry.name for entry in net.inputs}
    acts = {}
    for site in net.sites:
        at_input = site.tensor in inputs and bool((calibration.values[site.tensor].low >= 0).all())
        codes = integer(activations, signed=not (site.non_negative or at_input))
        found = calibration.act_scale(site.tensor, codes, range, scale)
        acts[site.tensor] = ActQuant(codes, found, np.zeros((), np.float32))
    codes = integer(weights, signed=True, narrow=True)
    coded = {}
    for layer in net.layers:
        if layer.weight not in coded:
            step = calibration.weight_scale(layer, codes, per_channel, range, scale)
            nearest = np.rint(net.constants[layer.weight] / step).clip(codes.lo, codes.hi).astype(np.int32)
            coded[layer.weight] = (Coded(nearest, step, codes),)
    return State(net, coded, acts)


def check_options(*, weights: int, activations: int, range: str, scale: str) -> None:
    """Refuse a width that is not offered, or a range method or kind of scale that is not known."""
    for name, bits in (("weights", weights), ("activations", activations)):
        if bits not in BITS:
            _refuse(name, f"{bits} bits", f"{BITS[0]} to {BITS[-1]} bits")
    if range not in RANGES:
        _refuse("range", repr(range), " or ".join(RANGES))
    if scale not in SCALES:
        _refuse("scale", repr(scale), " or ".join(SCALES))


def _refuse(option: str, given: str, choices: str) -> None:
    raise BitwrightError(f"{given} cannot be used for {option}", where="quantize", hint=f"choose {choices}")
