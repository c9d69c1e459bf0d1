# SPDX-License-Identifier: Apache-2.0
"""The engine fast beside onnxruntime (all optimisations), each on one core, the same file, its best batch.

    python benchmarks/fast.py [FOLDER of networks] [--layers]

Prints samples per second, their ratio, the median of several rounds in which both run, and the share of the machine's
int8 peak that the layers reach.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from pathlib import Path

import numpy as np

import bitwright as bw
from bitwright import bench
from bitwright.sim.fast import native

NETWORKS = (
    "tflite/ic_resnet8_int8",
    "tflite/kws_dscnn_int8",
    "tflite/ad_autoenc_int8",
    "qonnx_zoo/TFC_1W1A",
    "qonnx_zoo/TFC_2W2A",
)
SAMPLES = 1024
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="../shared/models", type=Path)
    parser.add_argument("--layers", action="store_true", help="show every layer")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    given = parser.parse_args()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    name = native.library().bw_name().decode()
    print(f"{platform.processor() or platform.machine()}, one core, {name}, numpy {np.__version__}")
    for network in (name for name in NETWORKS if given.only in name):
        net = bw.load(given.folder / network / "model.onnx")
        arrays = bench.inputs_of(net, SAMPLES)
        found: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            rates = [*bench.engine_rates(net, "fast", None, arrays), bench.onnxruntime_rate(net, arrays)]
            for rate in rates:
                if rate is not None:
                    found.setdefault(rate.name, []).append(rate.samples_per_second)
        medians = {name: statistics.median(values) for name, values in found.items()}
        text = ", ".join(f"{name} {rate:,.0f}/s" for name, rate in medians.items())
        ratio = f", {medians['fast'] / medians['onnxruntime']:.2f} x" if "onnxruntime" in medians else ""
        rows, peak = bench.layer_rates(net)
        products = [row for row in rows if row.macs]
        share = sum(row.macs for row in products) / sum(row.microseconds for row in products) * 1e6 / peak
        print(f"{network}: {text}{ratio}; products at {share:.0%} of {peak / 1e9:.0f} GMAC/s", flush=True)
        for row in rows if given.layers else ():
            print(f"    {row.layer[-40:]:40} {row.op:10} {row.microseconds:8.2f} us {row.peak_share or 0:6.0%}")


if __name__ == "__main__":
    main()
