# SPDX-License-Identifier: Apache-2.0
"""A tour of exploring, cell by cell: search a small network, look at the front, pick a design, verify it.

python examples/explore/tour.py [FOLDER]
"""

# %% Data: samples to calibrate on, to choose designs by, and to score the chosen one on, once
import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

import bitwright as bw

HERE = Path(__file__).parent
FOLDER = Path(sys.argv[1] if len(sys.argv) > 1 else mkdtemp())
with np.load(HERE.parent / "digits/digits_data.npz") as file:
    x, y, calibration = file["x"], file["y"], file["calibration"]
data = {"calibration": calibration, "validation": x[:180], "y_validation": y[:180], "x": x[180:], "y": y[180:]}

# %% Search: bits of its own for each weight and each tensor, by accuracy and LUTs
found = bw.explore.sweep(
    HERE.parent / "digits/digits_float.onnx",
    data,
    FOLDER / "swept",
    weights=range(2, 5),
    activations=range(2, 5),
    per_layer=True,
    objectives=("lut",),
    evaluations=20,
)
print(found)  # in a notebook, `found` alone draws the front

# %% Pick: the fewest LUTs at an accuracy; written as ONNX, as C++ and as SystemVerilog
picked = bw.explore.pick(FOLDER / "swept", "accuracy>=0.9, min lut", FOLDER / "picked")
for split, score in picked["scores"].items():
    print(f"{split}: {score['value']:.3f} ({score['low']:.3f} to {score['high']:.3f})")

# %% Verify: the integers of the fast engine are those of the reference; and every number is found again
net = bw.load(FOLDER / "picked/model.onnx")
rows = bw.verify(net, x[:20], engines=("reference", "fast"))["engines"]
print({name: row["mismatches"] for name, row in rows.items()})
print("the same again:", bw.explore.check(FOLDER / "swept", picked["id"])["same"])
