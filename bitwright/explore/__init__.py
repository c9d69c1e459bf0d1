# SPDX-License-Identifier: Apache-2.0
"""Exploration: a float ONNX model and a labelled set in, one result per design out, and the Pareto front.

    with output.new_folder(out) as write:
        results = sweep(model, data, write, weights=range(2, 9), part="xc7z020", jobs=2, progress=show)

`model` is the path of a float ONNX file; `data` a mapping with `x`, `y` and perhaps `calibration`. Each `Result` has
`point` (`weight_bits`, `activation_bits`, `label`, `key`), `accuracy`, `macs`, `weight_memory_bits`, `lut`, `ff`,
`dsp`, `bram`, `uram`, `cost`, `interval_cycles`, `fits`, `on_front`, and `file`, the path of its ONNX in the folder,
beside `results.csv`, `front.svg` and `samples.npz`. `trade_off` has the clocks and
resources of one network instead, plan by plan.

    found = table(net, calibration, bits=range(2, 9), cycles=2000, part="xc7z020")
    best = allocate(found, budget={"lut": 9000})

The widths of each weight and tensor by themselves, within a budget: `best.state` is the network, and `best.candidates`
are the designs that were made and measured on the way to it.

    found = shrink(net, calibration, budget={"lut": 9000, "cycles": 2000}, weights=4, activations=4)

takes channels out of a float network, `found.net`, until its design is within a budget.

    pick("swept", "accuracy>=0.97, min lut", "out")
    check("swept", "3f09c1d2")["same"]

A design of the folder of a sweep as ONNX and as hardware; its scores and its price found once more.
"""

from bitwright.explore.allocation import Allocation, Candidate, allocate
from bitwright.explore.checking import check
from bitwright.explore.grid import sweep
from bitwright.explore.picking import pick
from bitwright.explore.points import Result
from bitwright.explore.shrinking import Shrunk, Tried, shrink
from bitwright.explore.space import Point, uniform
from bitwright.explore.tabling import Tabled, table
from bitwright.report.front import trade_off

__all__ = [
    "Allocation",
    "Candidate",
    "Point",
    "Result",
    "Shrunk",
    "Tabled",
    "Tried",
    "allocate",
    "check",
    "pick",
    "shrink",
    "sweep",
    "table",
    "trade_off",
    "uniform",
]
