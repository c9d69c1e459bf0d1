# SPDX-License-Identifier: Apache-2.0
"""Compression: a float ONNX model and calibration data in, a quantised network as a value out.

    state = quantize(model, calibration, weights=4, activations=4)        `Options` has all choices
    state.graph()                  the integer graph            state.save(path)        the same as ONNX

`model` is a path, bytes, an `onnx.ModelProto` or a `FloatNet`; `calibration` holds one float array per model input,
samples on axis 0. What cannot be honoured raises `BitwrightError`. A sweep calls `calibrate` once and `quantised` for
every choice.
"""

from bitwright.compress.calibrate import Calibration, calibrate, check_arrays
from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.encode import encode
from bitwright.compress.execute import outputs_of
from bitwright.compress.factor import FACTORISERS, factored
from bitwright.compress.findings import Finding, findings
from bitwright.compress.network import FloatNet, float_net
from bitwright.compress.options import BITS, WEIGHT_BITS, Options
from bitwright.compress.prune import CRITERIA, SCHEDULES, cubic, pruned
from bitwright.compress.prune.shrink import shrunk
from bitwright.compress.prune.slimming import slim
from bitwright.compress.prune.worth import CHANNELS
from bitwright.compress.qat import fit, trainable
from bitwright.compress.quantise import quantised, quantize
from bitwright.compress.ranges import RANGES
from bitwright.compress.round import ROUNDINGS, Problem
from bitwright.compress.scales import SCALES
from bitwright.compress.state import ActQuant, Coded, State
from bitwright.compress.training import Distil, Training, distil
from bitwright.compress.transforms import TRANSFORMS

__all__ = [
    "BITS",
    "CHANNELS",
    "CORRECTIONS",
    "CRITERIA",
    "FACTORISERS",
    "RANGES",
    "ROUNDINGS",
    "SCALES",
    "SCHEDULES",
    "TRANSFORMS",
    "WEIGHT_BITS",
    "ActQuant",
    "Calibration",
    "Coded",
    "Distil",
    "Finding",
    "FloatNet",
    "Options",
    "Problem",
    "State",
    "Training",
    "calibrate",
    "check_arrays",
    "cubic",
    "distil",
    "encode",
    "factored",
    "findings",
    "fit",
    "float_net",
    "outputs_of",
    "pruned",
    "quantised",
    "quantize",
    "shrunk",
    "slim",
    "trainable",
]
