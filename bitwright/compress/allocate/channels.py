# SPDX-License-Identifier: Apache-2.0
"""Widths for the output channels of each layer, which have the layer's goal in the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration
from bitwright.compress.choices import WeightChoice
from bitwright.compress.coded import Coded, nearest_codes
from bitwright.compress.network import FloatNet, Layer

Array = NDArray[Any]
LEAST = 2
"""Bits that every channel has."""


def shared_out(ranges: Array, goal: int, most: int) -> NDArray[np.int64]:
    """Whole bits for channels of these ranges, the goal in the mean: each next bit goes where most of an error is left.

    The squared error of uniform codes is the range's square over 4^bits, but for a factor; what each bit takes off it
    is less than what the one before took, and so no other sharing has less in the sum.
    """
    bits = np.full(len(ranges), LEAST)
    errors = np.square(ranges.astype(np.float64)) / 4.0**LEAST
    for _ in range(len(ranges) * (goal - LEAST)):
        channel = int(np.argmax(np.where(bits < most, errors, -1.0)))
        bits[channel] += 1
        errors[channel] /= 4
    return bits


def by_channel(calibration: Calibration, goals: Mapping[str, int], choice: WeightChoice, most: int) -> FloatNet:
    """The network whose weights are codes of a width for each output, with a goal for each weight by its name.

    Ranges and kinds of scales are as in `choice`; codes are the nearest. Weights that are codes already stay so.
    """
    net = calibration.net
    coded: dict[str, Coded] = {}
    for layer in net.layers:
        if layer.weight not in coded and net.given(layer.weight) is None:
            coded[layer.weight] = _coded(calibration, layer, goals[layer.weight], choice, most)
    held = net.replace(**{name: each.value for name, each in coded.items()})
    return replace(held, coded={**net.coded, **coded})


def _coded(calibration: Calibration, layer: Layer, goal: int, choice: WeightChoice, most: int) -> Coded:
    array = calibration.net.constants[layer.weight]
    widths = shared_out(calibration.weight_scale(layer, replace(choice, bits=goal)).reshape(-1), goal, most)
    codes, scale = np.zeros(array.shape, np.int32), np.ones(layer.along(widths, array).shape, np.float32)
    kinds = {bits: replace(choice, bits=bits) for bits in map(int, np.unique(widths))}
    for bits, kind in kinds.items():
        rows, step = layer.along(widths == bits, array), calibration.weight_scale(layer, kind)
        codes = np.where(rows, nearest_codes(array, step, kind.type), codes)
        scale = np.where(rows, step, scale)
    return Coded(codes, scale, tuple(kinds[int(bits)].type for bits in widths))
