# SPDX-License-Identifier: Apache-2.0
"""Compression: a float ONNX model and calibration data in, a quantised ONNX model (QONNX) out.

    quantize(model, calibration, *, weights=8, activations=8, per_channel=False, range="mse", scale="free")

`model` is an `onnx.ModelProto`, and so is the result; `calibration` holds one float array per model input, samples on
axis 0. What cannot be honoured raises `BitwrightError`. A sweep calls `calibrate` once and `apply_scheme` for every
`Scheme`. `read_float(path)` reads the model from a file.
"""

from bitwright.compress.calibrate import Calibration, calibrate, check_arrays, run_float
from bitwright.compress.ranges import RANGES
from bitwright.compress.reading import read_float
from bitwright.compress.rewrite import BITS, Scheme, apply_scheme, quantize
from bitwright.compress.scales import SCALES

__all__ = [
    "BITS",
    "RANGES",
    "SCALES",
    "Calibration",
    "Scheme",
    "apply_scheme",
    "calibrate",
    "check_arrays",
    "quantize",
    "read_float",
    "run_float",
]
