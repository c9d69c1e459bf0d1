# SPDX-License-Identifier: Apache-2.0
"""Whole networks at three targets each in Verilator: every integer, the interval and the latency that were planned.

python benchmarks/networks.py [--only 'tflite/*'] [--targets slow,middle,fast] [--frames 3] [--models DIR]

One line for each network and target. `bound` is what no schedule can undercut: products over multipliers, or the beats
at the boundary. Exits 1 if an integer differs (those of small networks under random stalls too), if the interval is not
exactly the planned one or more than the bound and 2 %, or if the latency is off by more than 1 %. DIR holds
FAMILY/NAME/{model.onnx,golden.npz,meta.json}, `../shared/models` unless given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from time import perf_counter

from corpus import LATENCY_ERROR, MODELS, feeds, load

import bitwright
from bitwright.api import to_codes
from bitwright.design import Design
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.weights import Ints
from bitwright.sim import reference, rtl

SPEEDS = ("slow", "middle", "fast")
TARGETS = {
    "brevitas/dw_res_avgq_qonnx": (9216, 1728, 64),
    "brevitas/dw_res_qonnx": (9216, 1728, 64),
    "deeploy/MLPerf_AnomalyDetection": (81920, 10240, 1280),
    "deeploy/MLPerf_KeywordSpotting": (102400, 25600, 1000),
    "hls4ml_examples/tiny_unet_chlast": (147456, 36864, 9216),
    "qonnx_zoo/TFC_1W1A": (6272, 784, 49),
    "qonnx_zoo/TFC_2W2A": (6272, 784, 49),
    "qonnx_zoo/kwsmlp_w3a3": (12544, 3136, 392),
    "tflite/ad_autoenc_int8": (81920, 10240, 1280),
    "tflite/ic_resnet8_int8": (147456, 9216, 2304),
    "tflite/kws_dscnn_int8": (64000, 16000, 1000),
}
"""Clocks per frame that are asked for: slow, middle, fast."""
SLACK = 0.02
STALLED_CLOCKS = 200_000
"""Networks whose frames take fewer clocks together run under random stalls too."""
STALL_SEED = 1


@dataclass(frozen=True)
class Measured:
    """One network at one target: what was planned, what Verilator counted, what differed."""

    bound: int
    planned: int
    interval: int | None
    planned_latency: int
    latency: int | None
    frames: int
    mismatches: int
    stalled: int | None  # mismatches under stalls; None if not run
    build_seconds: float
    run_seconds: float

    @property
    def passed(self) -> bool:
        """True if nothing differs and the clocks are those of the plan, close to the bound."""
        exact = self.mismatches == 0 and not self.stalled and self.interval == self.planned
        near = self.planned <= self.bound + max(1, SLACK * self.bound)
        return (
            exact and near and abs((self.latency or 0) - self.planned_latency) <= LATENCY_ERROR * self.planned_latency
        )

    def __str__(self) -> str:
        clocks = f"{self.bound:>7} {self.planned:>7} {self.interval or 0:>8} {self.planned_latency:>9}"
        wrong = f"{self.frames:>6} {self.mismatches:>6} {'-' if self.stalled is None else self.stalled:>7}"
        return f"{clocks} {self.latency or 0:>9} {wrong} {self.build_seconds:>7.1f} {self.run_seconds:>6.1f}"


HEAD = (
    f"     {'network':34} {'target':>7} {'bound':>7} {'planned':>7} {'measured':>8} {'latency':>9} {'measured':>9}"
    f" {'frames':>6} {'differ':>6} {'stalled':>7} {'build s':>7} {'run s':>6}"
)


def bound(design: Design) -> int:
    """Clocks per frame that no schedule undercuts: products over multipliers, beats in and out."""
    kernels, found = design.kernels, [design.kernels.stream(name).beats for name in design.kernels.inputs]
    found += [kernels.stream(name).beats for name in kernels.outputs]
    for layer in design.graph.layers:
        if isinstance(layer, Dense | Conv):
            plan = design.plan.layers[layer.name]
            found.append(layer.macs // (plan.pe * plan.simd))
    return max(found)


def measure(net: Graph, target: int, codes: Sequence[Ints]) -> Measured:
    """The network at `target` clocks per frame, built and run in Verilator on `codes`."""
    design = bitwright.compile(net, cycles=target)
    report = design.report()
    start = perf_counter()
    model = rtl.build(design.files("verilog"))
    built = perf_counter()
    found = model.run(codes)
    ran = perf_counter()
    wanted = reference.run(net, codes)
    frames = len(codes[0])
    stalled = None
    if frames * report["interval_cycles"] < STALLED_CLOCKS:
        stalled = differing(model.run(codes, seed=STALL_SEED).outputs, wanted)
    return Measured(
        bound=bound(design),
        planned=report["interval_cycles"],
        interval=found.cycles_per_frame,
        planned_latency=report["latency_cycles"],
        latency=found.latency_cycles,
        frames=frames,
        mismatches=differing(found.outputs, wanted),
        stalled=stalled,
        build_seconds=built - start,
        run_seconds=ran - built,
    )


def differing(found: Sequence[Ints], wanted: Sequence[Ints]) -> int:
    """How many integers differ."""
    return sum(int((ours != theirs).sum()) for ours, theirs in zip(found, wanted, strict=True))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*")
    parser.add_argument("--targets", default=",".join(SPEEDS))
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args(arguments)
    speeds = options.targets.split(",")
    if unknown := set(speeds) - set(SPEEDS):
        parser.error(f"unknown targets {', '.join(sorted(unknown))}; known: {', '.join(SPEEDS)}")
    print(HEAD)
    failures = 0
    for name, targets in TARGETS.items():
        if not fnmatch(name, options.only):
            continue
        net = load(options.models / name)
        codes = to_codes(net, feeds(options.models / name, options.frames))
        for speed, target in zip(SPEEDS, targets, strict=True):
            if speed in speeds:
                try:
                    row = measure(net, target, codes)
                    passed, said = row.passed, str(row)
                except bitwright.BitwrightError as error:
                    passed, said = False, f"  {error}"
                failures += not passed
                print(f"{'ok  ' if passed else 'FAIL'} {name:34} {target:>7} {said}", flush=True)
    print(f"{failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
