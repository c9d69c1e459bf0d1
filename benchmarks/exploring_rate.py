# SPDX-License-Identifier: Apache-2.0
"""How fast designs are evaluated, beside what the engine alone takes for the same networks; milliseconds of one core.

    python -m benchmarks.explore rate [--only NAME] [--designs N] [--samples N] [--data DIR] [--resnet MODEL.onnx]

Random designs of 2, 4, 6 or 8 bits for each weight and each tensor: the engine alone prepares and runs their networks
on all samples, then `Evaluation` makes, encodes, prices and scores them, with nothing shared. Then designs as a search
asks for them when it is some hundred designs old, each a step or two from a uniform one, with these for rivals and
with what they share; the random designs with the same rivals, as `random` and the first generations of NSGA-II ask for
them; and designs in the order of a grid, of which a row differs in its last layers alone. DIR has `cifar_jpeg.npz`,
the images of ResNet-8; it and its MODEL are not part of this repository.
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
from bitwright.compress import Options
from bitwright.compress.encode import Encoder
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.filling import filled
from bitwright.explore.metrics import accuracy
from bitwright.explore.objectives import objective
from bitwright.explore.pareto import front_of
from bitwright.explore.record import Record, Task
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


def in_a_row(evaluation: Evaluation, count: int) -> list[Task]:
    """Designs of a grid that follow one another, from its middle on."""
    space = evaluation.maker.space
    sizes = [len(axis.values) for axis in space.axes]
    middle, found = [size // 2 for size in sizes], []
    for number in range(count):
        places, left = list(middle), number
        for axis in reversed(range(len(sizes))):
            places[axis], left = left % sizes[axis], left // sizes[axis]
            if not left:
                break
        found.append(Task(space.design(places)))
    return found


def neighbours(evaluation: Evaluation, count: int, uniforms: Sequence[Record]) -> list[Task]:
    """Designs a step or two from uniform ones, in the order of what they begin with; their rivals are the uniform."""
    space, rng = evaluation.maker.space, np.random.default_rng(1)
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
    maker = replace(maker_of(calibrated(network), CYCLES[network.name], BITS), options=Options())
    for design in maker.space.uniforms():  # each choice of a weight is made once, for all designs
        maker.glimpsed(design)
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

    encoder = Encoder(net, 1 << 28)

    def rest(task: Task) -> object:
        made = maker.glimpsed(task.design)
        return encoder.graph(made.state), alone.prices.figures(made)

    forget()
    by_engine = taken(engine, graphs)
    forget()
    complete = taken(alone, tasks)
    shared = replace(alone, memory=1 << 28)
    uniforms = front_of([shared(Task(design)) for design in space.uniforms()], objectives)
    waiting = neighbours(shared, 6 * designs, uniforms)
    for task in waiting[::2]:
        shared(task)
        rest(task)
    around = taken(rest, waiting[1::2])
    searched = taken(shared, waiting[1::2])
    drawn = taken(shared, [Task(task.design, tuple(uniforms)) for task in tasks])
    rowed = taken(shared, in_a_row(shared, 2 * designs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    share = 100 * by_engine / complete
    times = [f"{took:.1f} ({complete / took:.1f} times)" for took in (searched, drawn, rowed)]
    print(f"{network.name:11} engine alone {by_engine:6.1f}  a design {complete:6.1f} ({share:3.0f} %)", end="  ")
    print(f"all but the engine {around:5.1f}  in a search {times[0]}, drawn {times[1]}, in a row {times[2]}", end="  ")
    print(f"{peak:.2f} GB", flush=True)


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
