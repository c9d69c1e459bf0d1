# SPDX-License-Identifier: Apache-2.0
"""Quantising after training: ranges from what calibration found, then codes and biases from what the layers meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration, calibrate
from bitwright.compress.choices import Choices, choose
from bitwright.compress.coded import Coded, nearest_codes
from bitwright.compress.config import Config, read_config
from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.network import FloatNet, Layer
from bitwright.compress.options import Given, Options
from bitwright.compress.refine import refined
from bitwright.compress.state import State
from bitwright.compress.transforms import transformed
from bitwright.ir.errors import BitwrightError
from bitwright.reading.exporting import exported

Configured = str | Path | Mapping[str, Any] | Config | None
"""Where choices for single layers are: a YAML file, or what one holds (`read_config`)."""


def quantize(
    model: str | Path | bytes | onnx.ModelProto | FloatNet | Any,
    data: NDArray[Any] | Sequence[NDArray[Any]],
    *,
    config: Configured = None,
    example: Any = None,
    **options: Unpack[Given],
) -> State:
    """The float `model`, quantised on `data`: one array, or one per input; samples on axis 0.

    A `torch.nn.Module` is exported with `example`, one input tensor or a tuple of them. `Options` has the choices for
    all layers, `config` those for single ones. Weights that came as codes keep them, in files whose activations are
    quantised by what each run shows.

    Weights are signed and narrow, with a scale per output channel or per tensor. Activations have a scale per tensor;
    they are unsigned where they cannot be negative, and at an input of the model whose data has none below zero; they
    have a zero point where that saves half a bit. Codes are chosen layer by layer for the inputs that the quantised
    network meets, and biases corrected.
    """
    Options(**options)
    rules = rules_of(config)
    model = as_file(model, example, "quantize")
    arrays: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    return quantised(calibrate(model, arrays), config=rules, **options)


def as_file(model: Any, example: Any, where: str, *, norms: bool = False) -> Any:
    """The model, a PyTorch module exported with its example, and its `norms` if asked for; `where` is who asks."""
    if hasattr(model, "named_modules"):
        if example is None:
            hint = "give one input of it as example, a tensor or a tuple of them"
            raise BitwrightError("a PyTorch module without an example", where=where, hint=hint)
        return exported(model, example, where, norms=norms)
    if example is not None:
        hint = "leave it out: an ONNX model says what it takes"
        raise BitwrightError("an example without a PyTorch module", where=where, hint=hint)
    return model


def quantised(calibration: Calibration, *, config: Configured = None, **options: Unpack[Given]) -> State:
    """`quantize` for a network that is calibrated already; one calibration serves many choices."""
    chosen = Options(**options)
    if chosen.transforms:
        calibration = calibrate(transformed(calibration.net, chosen.transforms), calibration.data)
    return quantised_by(choose(calibration.net, calibration.unsigned, chosen, rules_of(config)), calibration, chosen)


def quantised_by(choices: Choices, calibration: Calibration, chosen: Options) -> State:
    """The network with a choice for each weight and each tensor; of the options what is the same for all."""
    state = nearest(calibration, choices, bias_grid=chosen.exact == "po2")
    correction = CORRECTIONS[chosen.correct]
    if correction is None and all(choice.rounding == "nearest" for choice in choices.weights.values()):
        return state
    return refined(state, calibration, choices, correction)


def rules_of(config: Configured) -> Config | None:
    """The rules, read if they are not yet."""
    return config if config is None or isinstance(config, Config) else read_config(config)


def nearest(calibration: Calibration, choices: Choices, *, bias_grid: bool = False) -> State:
    """Every range by its rule, every weight to its nearest code, but for weights that came as codes."""
    net = calibration.net
    acts = {name: calibration.act_quant(name, choice) for name, choice in choices.acts.items()}
    coded = {}
    for layer in net.layers:
        choice = choices.weights[layer.weight]
        given = calibration.coded(layer.weight, choice)
        if given is not None:
            coded[layer.weight] = (given,)
        elif layer.weight not in coded:
            step, kind = calibration.weight_scale(layer, choice), choice.type
            if kind.is_bipolar:
                _check_signs(net, layer)
            coded[layer.weight] = (Coded(nearest_codes(net.constants[layer.weight], step, kind), step, kind),)
    return State(net, coded, acts, bias_grid=bias_grid)


def _check_signs(net: FloatNet, layer: Layer) -> None:
    """Refuse signs for an output that has zeros alone: each would be worth as much as the scale."""
    weight = net.constants[layer.weight]
    dead = np.flatnonzero(~np.moveaxis(weight, layer.axis, 0).reshape(weight.shape[layer.axis], -1).any(axis=1))
    if len(dead):
        raise BitwrightError(
            f"has zeros alone for output {dead[0]}, and no sign is 0",
            where=f"{net.file}: weight '{layer.weight}'",
            hint="give it 2 bits or more",
        )
