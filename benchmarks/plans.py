# SPDX-License-Identifier: Apache-2.0
"""The solver of plans against the greedy rule of FINN, ten networks at three targets each, and its time.

python benchmarks/plans.py [--only 'tflite/*'] [--models DIR]

FINN's SetFolding raises SIMD and then PE of each layer by itself until its clocks are below the target. Both get the
same cost model, weight memories, arithmetic, uses of zeros and requantiser forms, at the interval that the rule
reaches; only the lanes are the rule's. Writes `benchmarks/plans.md` unless `--only` is given. Exits 1 if a plan of the
solver is not optimal or costs more, or if a graph of the shape of MobileNet v1 at 224 x 224 takes a second or more. DIR
holds FAMILY/NAME/model.onnx, `../shared/models` unless given.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path
from statistics import median
from textwrap import wrap
from time import process_time

from corpus import MODELS, load
from mobilenet import mobilenet
from networks import TARGETS

from bitwright.exact.ranges import ranges
from bitwright.hardware.lanes import Lanes, divisors, fastest, kernels_per_channel, layer_cycles, matrix_lanes, pace
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, MaxPool, SumPool
from bitwright.planning.candidates import Candidates, candidates
from bitwright.planning.devices import DEVICES
from bitwright.planning.price import WEIGHED, Scale, scale_of
from bitwright.planning.solver import Solution, solve

PAGE = Path(__file__).with_suffix(".md")
NETWORKS = {name: targets for name, targets in TARGETS.items() if name != "brevitas/dw_res_avgq_qonnx"}
NETWORKS["brevitas/prune_unstruct70_qonnx"] = (4608, 1152, 288)
del NETWORKS["deeploy/MLPerf_AnomalyDetection"]  # the network of tflite/ad_autoenc_int8, quantised by another tool
WIDEST_WORD = 36
"""Bits of the weights of one PE at which FINN stops to raise SIMD (mvau_wwidth_max)."""
MOBILE_TARGETS = (1_605_632, 802_816, 401_408, 200_704, 100_352)
SECONDS = 1.0


@dataclass(frozen=True)
class Row:
    """One network at one target: the interval of FINN's rule and its cost, and the solver's at that interval."""

    network: str
    target: int
    interval: int
    rule: float
    solver: Solution
    at_target: Solution
    seconds: float

    @property
    def cost(self) -> float:
        """Of the solver's plan, in percent of the part."""
        return _percent(self.solver)

    @property
    def passed(self) -> bool:
        """True if the solver's plan is optimal and costs no more."""
        return self.solver.certificate["status"] == "optimal" and self.cost <= self.rule * (1 + 1e-9)


def _percent(found: Solution) -> float:
    """The sum of the shares of the part, in percent."""
    return float(found.certificate["objective"]) / 10


def finn(graph: Graph, target: int) -> dict[str, Lanes]:
    """The lanes that FINN's rule gives; if they miss the target, those for the clocks that they reach."""
    planned = [layer for layer in graph.layers if isinstance(layer, Dense | Conv | MaxPool | SumPool)]
    lanes = {layer.name: _greedy(graph, layer, target) for layer in planned}
    reached = pace(graph, lanes)
    return lanes if reached <= target else {layer.name: _greedy(graph, layer, reached) for layer in planned}


def _greedy(graph: Graph, layer: Dense | Conv | MaxPool | SumPool, target: int) -> Lanes:
    """SIMD up through the divisors until the clocks are below the target, then PE."""
    shape, lanes = graph.by_name[layer.inputs[0]].shape, (1, 1)
    for lanes in _ladder(layer, shape[-1]):
        if layer_cycles(layer, shape, *lanes) < target:
            break
    return lanes


def _ladder(layer: Dense | Conv | MaxPool | SumPool, channels: int) -> Iterator[Lanes]:
    """The lanes in the order in which the rule tries them; a depthwise convolution and a pool have PE only."""
    if isinstance(layer, MaxPool | SumPool):
        yield from ((lanes, lanes) for lanes in divisors(layer.channels))
    elif per_channel := kernels_per_channel(layer, channels):
        yield from ((per_channel * lanes, 1) for lanes in divisors(channels))
    else:
        rows, columns = matrix_lanes(layer, channels)
        fits = [simd for simd in divisors(columns) if simd * layer.weights.type.bits <= WIDEST_WORD]
        yield from ((1, simd) for simd in fits)
        yield from ((pe, fits[-1]) for pe in divisors(rows)[1:])


def compare(network: str, graph: Graph, target: int) -> Row:
    """Rule and solver at the interval that the rule reaches, and the solver at the target."""
    offered, scale = candidates(graph, Plan(), ranges(graph)), scale_of(None)
    lanes = finn(graph, target)
    interval = max(pace(graph, lanes), fastest(graph))
    rule = _percent(solve(graph, interval, offered, scale, given=lanes))
    start = process_time()
    found = solve(graph, interval, offered, scale)
    seconds = process_time() - start
    return Row(network, target, interval, rule, found, solve(graph, target, offered, scale), seconds)


def mobile_times() -> list[tuple[int, Solution, float]]:
    """(target, plan, CPU seconds of the solver) for the graph of MobileNet's shape."""
    graph = mobilenet()
    offered: Candidates = candidates(graph, Plan(), ranges(graph))
    found = []
    for target in MOBILE_TARGETS:
        start = process_time()
        solution = solve(graph, target, offered, Scale(DEVICES["xcvu9p"].budget))
        found.append((target, solution, process_time() - start))
    return found


def page(rows: Sequence[Row], times: Sequence[tuple[int, Solution, float]]) -> str:
    """The text of `benchmarks/plans.md`."""
    heads = ["network", "target", "interval", "rule %", "solver %", "of the rule", "at the target %", "solver s"]
    lines = ["# Plans", "", *_prose(), "", _line(heads), _line(["---"] * len(heads))]
    for row in rows:
        cells = [row.network, f"{row.target:,}", f"{row.interval:,}", f"{row.rule:.1f}", f"{row.cost:.1f}"]
        cells += [
            f"{row.cost / row.rule:.2f}",
            f"{row.at_target.certificate['objective'] / 10:.1f}",
            f"{row.seconds:.2f}",
        ]
        lines.append(_line(cells))
    ratios = [row.cost / row.rule for row in rows]
    better, dearer = sum(ratio < 0.999 for ratio in ratios), sum(not row.passed for row in rows)
    said = f"The solver is cheaper in {better} of {len(rows)} and dearer in {dearer}; median {median(ratios):.2f}"
    said += " of the rule's cost. Where the interval is above the target, the rule found no lanes for it."
    lines += ["", *wrap(said, 120)]
    lines += ["", "A graph of the shape of MobileNet v1 at 224 x 224, 4 bits, costs in shares of an xcvu9p:", ""]
    lines += [_line(["target", "interval", "cost %", "gap", "solver s"]), _line(["---"] * 5)]
    for target, found, seconds in times:
        proof = found.certificate
        cells = [
            f"{target:,}",
            f"{found.interval:,}",
            f"{proof['objective'] / 10:.1f}",
            f"{proof['gap']:g}",
            f"{seconds:.2f}",
        ]
        lines.append(_line(cells))
    lines += ["", f"Median {median(seconds for *_, seconds in times):.2f} s."]
    return "\n".join(lines) + "\n"


def _prose() -> list[str]:
    tools = f"Python {platform.python_version()}, scipy {version('scipy')} (HiGHS)"
    text = f"""
        The solver of `planning/solver.py` against the rule of FINN's SetFolding, written by `benchmarks/plans.py`: per
        layer SIMD up through its divisors until the clocks are below the target or a word of weights has {WIDEST_WORD}
        bits, then PE. Both have the same cost model, weight memories, arithmetic, uses of zeros and requantiser forms:
        *rule* has the rule's lanes and the best of all else, *solver* is at the interval that the rule reached. Costs
        are the sum of the shares of an {WEIGHED}, in percent. *At the target*: the solver for the target itself, which
        may be hit exactly. CPU seconds of the solver alone, on {_machine()}; {tools}."""
    return wrap(" ".join(text.split()), 120)


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.is_file() else []
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="*")
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args(arguments)
    rows = []
    for name, targets in NETWORKS.items():
        if not fnmatch(name, options.only):
            continue
        graph = load(options.models / name)
        for target in targets:
            try:
                row = compare(name, graph, target)
            except BitwrightError as error:
                print(f"FAIL {name} {target}: {error}")
                return 1
            rows.append(row)
            said = f"rule {row.rule:.1f} %, solver {row.cost:.1f} % at {row.interval} clocks, {row.seconds:.2f} s"
            print(f"{'ok  ' if row.passed else 'FAIL'} {name} {target}: {said}", flush=True)
    times = mobile_times()
    slow = median(seconds for *_, seconds in times)
    print(f"{'ok  ' if slow < SECONDS else 'FAIL'} MobileNet's shape: median {slow:.2f} s")
    if options.only == "*":
        PAGE.write_text(page(rows, times), encoding="utf-8")
    return int(slow >= SECONDS or not all(row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
