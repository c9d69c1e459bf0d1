# SPDX-License-Identifier: Apache-2.0
"""Compressed neural networks to FPGA accelerators, exact to the last bit.

The whole way, from a model to a verified accelerator:

    net = bitwright.load("model.onnx")
    y = bitwright.run(net, x)
    design = bitwright.compile(net, cycles=1000)
    report = bitwright.verify(net, x, outputs, engines=("reference", "hls", "rtl"))

From a float model:

    state = bitwright.quantize("float.onnx", calibration, weights=4, activations=4)
    net = state.graph()
"""

from bitwright import compress, explore
from bitwright._version import __version__
from bitwright.api import compile, engines, inspect, load, recheck, run, to_onnx, verify
from bitwright.compress import State, quantize
from bitwright.design import Design
from bitwright.frontend.build import Net
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.reuse import Session
from bitwright.rewriting import rewrite
from bitwright.torch_export import from_torch

__all__ = [
    "BitwrightError",
    "Design",
    "Graph",
    "LayerPlan",
    "Net",
    "Plan",
    "Session",
    "State",
    "__version__",
    "compile",
    "compress",
    "engines",
    "explore",
    "from_torch",
    "inspect",
    "load",
    "quantize",
    "recheck",
    "rewrite",
    "run",
    "to_onnx",
    "verify",
]
