# SPDX-License-Identifier: Apache-2.0
"""How fast designs are evaluated, beside what the engine alone takes for the same networks; milliseconds of one core.

    python -m benchmarks.explore rate [--only NAME] [--designs N] [--samples N] [--data DIR] [--resnet MODEL.onnx]

Random designs of 2, 4, 6 or 8 bits for each weight and each tensor: the engine alone prepares and runs their networks
on all samples, then `Evaluation` makes, encodes, prices and scores them, with nothing shared. Then designs as a search
asks for them when it is some hundred designs old, each a step or two from a uniform one, with these for rivals and
with what they share. DIR has `cifar_jpeg.npz`, the images of ResNet-8; it and its MODEL are not part of this
repository.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.exploring_price import CYCLES, MILLI, calibrated, maker_of
from benchmarks.quantise import Network, networks
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.filling import filled
from bitwright.explore.metrics import accuracy
from bitwright.explore.objectives import objective
from bitwright.explore.record import Task
from bitwright.explore.score import scoring
from bitwright.explore.space import Design
from bitwright.ir.graph import Graph
from bitwright.sim.engines import ENGINES, FAST
from bitwright.sim.fast.tails import PAIRED, TAILS
from bitwright.sim.whole import outputs

BITS = (2, 4, 6, 8)


def taken(does: Callable[[Any], object], items: Iterable[Any]) -> float:
    """Milliseconds of each of the items, on average."""
    times = []
    for item in items:
        start = process_time()
        does(item)
        times.append(process_time() - start)
    return MILLI * float(np.mean(times))


def forget() -> None:
    """Have the engine know nothing of the networks before."""
    TAILS.found.clear()
    PAIRED.found.clear()


def neighbours(evaluation: Evaluation, count: int) -> list[Task]:
    """Designs a step or two from uniform ones, in the order of what they begin with; their rivals are the uniform."""
    space, rng = evaluation.maker.space, np.random.default_rng(1)
    uniforms = [evaluation(Task(design)) for design in list(space.uniforms())[::4]]
    found: list[Design] = []
    for _ in range(count):
        places = list(space.places(uniforms[int(rng.integers(len(uniforms)))].design))
        for axis in rng.choice(len(places), 2, replace=False):
            most = len(space.axes[axis].values) - 1
            places[axis] = min(max(places[axis] + int(rng.choice([-1, 1])), 0), most)
        found.append(space.design(places))
    return [Task(design, tuple(uniforms)) for design in sorted(found, key=space.places)]


def measured(network: Network, designs: int, samples: int) -> None:
    """A line for one network."""
    maker = maker_of(calibrated(network), CYCLES[network.name], BITS)
    net, space, rng = maker.calibration.net, maker.space, np.random.default_rng(0)
    _, x, y = network.data(0)
    score = scoring(net, x[:samples], y[:samples])
    objectives = (score.metric.objective, objective("cost"))
    alone = Evaluation(maker, filled(maker), score, objectives, memory=0)
    tasks = [Task(space.design([int(rng.integers(len(a.values))) for a in space.axes])) for _ in range(designs)]
    graphs = [maker.glimpsed(task.design).state.graph() for task in tasks]

    def engine(graph: Graph) -> float:
        feeds = dict(zip(graph.entry.inputs, score.arrays, strict=True))
        return accuracy(outputs(graph, feeds, ENGINES[FAST].build(graph, None))[0], score.wanted[0])

    def rest(task: Task) -> object:
        made = maker.glimpsed(task.design)
        return made.state.graph(), alone.prices.figures(made)

    forget()
    by_engine, around = taken(engine, graphs), taken(rest, tasks)
    forget()
    complete = taken(alone, tasks)
    shared = replace(alone, memory=1 << 28)
    waiting = neighbours(shared, 6 * designs)
    for task in waiting[::2]:
        shared(task)
    searched = taken(shared, waiting[1::2])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    share, times = 100 * by_engine / complete, complete / searched
    print(f"{network.name:11} engine alone {by_engine:6.1f}  a design {complete:6.1f} ({share:3.0f} %)", end="  ")
    print(
        f"all but the engine {around:5.1f}  in a search {searched:6.1f} ({times:.1f} times)  {peak:.2f} GB", flush=True
    )


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--designs", type=int, default=40)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--data", type=Path, help="where cifar_jpeg.npz is")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny as ONNX")
    given = parser.parse_args(arguments)
    images = given.data / "cifar_jpeg.npz" if given.data else None
    for network in networks(given.resnet, images):
        if given.only in ("", network.name):
            measured(network, given.designs, given.samples)
