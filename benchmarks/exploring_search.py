# SPDX-License-Identifier: Apache-2.0
"""How soon a search is done: the hypervolume of accuracy and cost after so many evaluations, strategy by strategy.

    python -m benchmarks.explore search [--only NAME] [--seeds 0,1,2] [--strategies evolve,nsga2] [--evaluations N]

Of each network 2 to 8 bits for each weight and each tensor are searched, scored on validation images with the codes
that a search chooses ahead. The volume is up to the worst uniform designs, in shares of the box of all uniform ones.
The default is given a quarter of the others' evaluations. Before it begins its table of sensitivities is measured: so
many networks are run too, on the same images.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.exploring_price import CYCLES, maker_of
from benchmarks.quantise import Network, networks
from bitwright.compress import Options, calibrate
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.filling import filled
from bitwright.explore.hypervolume import hypervolume
from bitwright.explore.making import Maker
from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.explore.pareto import losses
from bitwright.explore.record import Record, Task
from bitwright.explore.score import Scoring, scoring
from bitwright.explore.sensing import ledger_of, sense
from bitwright.explore.space import Design
from bitwright.explore.strategies import DEFAULT, STRATEGIES, Problem

ASKED = (OBJECTIVES["accuracy"], OBJECTIVES["cost"])
NAMES = ("digits_cnn", "mnist5k_ds")
EVALUATIONS, SHARE = 1_000, 4
MILLI = 1e3


@dataclass
class Searched:
    """A network that designs are made of: each is evaluated once, whoever asks."""

    evaluation: Evaluation
    problem: Problem
    sensed: int

    def __post_init__(self) -> None:
        self.known: dict[Design, Record] = {}
        uniform = np.array(
            [losses(self.record(each), self.problem.objectives) for each in self.problem.space.uniforms()]
        )
        self.low, self.span = uniform.min(axis=0), np.ptp(uniform, axis=0)

    def record(self, design: Design) -> Record:
        """What is found of a design, all samples seen."""
        if design not in self.known:
            self.known[design] = self.evaluation(Task(design))
        return self.known[design]

    def worth(self, records: Sequence[Record]) -> float:
        """The hypervolume of a front."""
        at = {tuple((np.array(losses(each, self.problem.objectives)) - self.low) / self.span) for each in records}
        return hypervolume(at, (1.0, 1.0))


def searched(network: Network, seed: int, evaluations: int) -> Searched:
    """A network with its prices and sensitivities."""
    images, _, _ = network.data(seed)
    with np.load(network.images) as held:
        x, y = (held["validation"] / network.divisor).astype(np.float32), held["y_validation"]
    calibration = calibrate(network.files[seed], [images])
    maker = replace(maker_of(calibration, CYCLES[network.name]), options=Options())
    scored = scoring(calibration.net, [x], y, seed=seed)
    found = searching(maker, scored, ASKED, seed)
    found.problem = replace(found.problem, evaluations=evaluations)
    return found


def searching(maker: Maker, scored: Scoring, asked: tuple[Objective, ...], seed: int) -> Searched:
    """The designs of a maker, with prices and sensitivities."""
    prices, sensed = filled(maker), sense(maker, scored)
    problem = Problem(
        space=maker.space,
        objectives=asked,
        budget={},
        evaluations=EVALUATIONS,
        seed=seed,
        ledger=ledger_of(maker, prices, sensed),
    )
    return Searched(Evaluation(maker, prices, scored, asked), problem, 1 + len(sensed.effects))


def run(strategy: str, found: Searched, evaluations: int) -> tuple[list[Record], float]:
    """The records in their order, and the seconds that the strategy itself took."""
    spent, records = 0.0, dict[Design, Record]()

    def timed(step: Callable[[], Sequence[Design] | None]) -> Sequence[Design]:
        nonlocal spent
        start = process_time()
        designs = step() or []
        spent += process_time() - start
        return designs

    start = process_time()
    search = STRATEGIES[strategy](replace(found.problem, evaluations=evaluations))
    spent += process_time() - start
    while designs := timed(search.ask):
        told = [found.record(each) for each in designs]
        records |= dict(zip(designs, told, strict=True))
        timed(lambda told=told: search.tell(told))
    return list(records.values()), spent


def measured(network: Network, seed: int, strategies: Sequence[str], evaluations: int) -> None:
    """A line a strategy, and how the default compares."""
    found = searched(network, seed, evaluations)
    marks = [evaluations // 10, evaluations // 5, evaluations // SHARE, evaluations // 2, evaluations]
    for strategy in strategies:
        most = evaluations // (SHARE if strategy == DEFAULT else 1)
        records, spent = run(strategy, found, most)
        volumes = "  ".join(f"{found.worth(records[:mark]):.4f}" for mark in marks if mark <= most)
        counted = ""
        if strategy == DEFAULT:
            kept = records[: max(most - found.sensed, 0)]
            counted = f"; with the {found.sensed} of its table counted {found.worth(kept):.4f}"
        took = f"{spent / len(records) * MILLI:.1f} ms a design"
        print(f"{network.name:11} {seed:4} {strategy:9} {volumes}  {took}{counted}", flush=True)
    uniform = found.worth([found.record(each) for each in found.problem.space.uniforms()])
    print(f"{network.name:11} {seed:4} uniform designs {uniform:.4f}", flush=True)


def main(given: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="one network")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--strategies", default=f"{DEFAULT},nsga2")
    parser.add_argument("--evaluations", type=int, default=EVALUATIONS)
    parser.add_argument("--data", type=Path, help="a folder with cifar_jpeg.npz")
    parser.add_argument("--resnet", type=Path, help="the float ResNet-8 of MLPerf Tiny")
    asked = parser.parse_args(given)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print("network     seed strategy  volume after 1/10, 1/5, 1/4, 1/2, all of the evaluations; its own time")
    images = asked.data and asked.data / "cifar_jpeg.npz"
    for network in networks(asked.resnet, images):
        if asked.only in ("", network.name) and (network.name in NAMES or asked.only or asked.resnet):
            for seed in map(int, asked.seeds.split(",")):
                measured(network, seed, asked.strategies.split(","), asked.evaluations)
