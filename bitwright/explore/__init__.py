# SPDX-License-Identifier: Apache-2.0
"""Exploration: designs of a float network by the thousand, each exact and priced; those that no other one beats.

    found = sweep("net.onnx", data, "swept", weights=range(2, 9), activations=range(2, 9), per_layer=True)
    pick("swept", "accuracy>=0.97, min lut", "picked")

`data` has `calibration`, `validation` and `y_validation`, by which designs are chosen, and `x` and `y`, for those that
are picked. What is found is kept in the folder as it comes, `found.records` has it, and `swept(folder)` has it again,
which shows itself in a notebook; `docs/exploring.md` is the guide. `trade_off` has the clocks and resources of one
network instead, plan by plan.

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
from bitwright.explore.picking import pick
from bitwright.explore.shrinking import Shrunk, Tried, shrink
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.sweeping import sweep
from bitwright.explore.swept import swept
from bitwright.explore.tabling import Tabled, table
from bitwright.report.front import trade_off

__all__ = [
    "Allocation",
    "Axis",
    "Candidate",
    "Design",
    "Shrunk",
    "Space",
    "Tabled",
    "Tried",
    "allocate",
    "check",
    "pick",
    "shrink",
    "sweep",
    "swept",
    "table",
    "trade_off",
]
