# SPDX-License-Identifier: Apache-2.0
"""What bits of its own for each weight and tensor are worth: LUTs at the accuracy of the best uniform designs.

    python -m benchmarks.explore mixed [--only NAME] [--evaluations N] [--keep DIR]

Of each network and each of three seeds the default search is made, 2 to 8 bits, chosen by the validation data. At each
distance from the float network's accuracy: the cheapest uniform design, the cheapest of all that score no less (of
those that were made and compiled as picked ones are), and what both score on the test data, which nothing was chosen
by. Means of the seeds, and their standard errors.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

import numpy as np

from benchmarks.exploring_price import CYCLES
from benchmarks.quantise import Network, networks
from bitwright.explore.again import Again, again
from bitwright.explore.checking import score_of
from bitwright.explore.pareto import front_of, losses
from bitwright.explore.record import Record
from bitwright.explore.sweeping import sweep
from bitwright.planning.target import Target

NETWORKS = ("digits_cnn", "mnist5k_ds")
SEEDS = range(3)
WITHIN = (0.5, 1.0, 2.0, 4.0)
"""Points of accuracy that a uniform design may be behind the float network."""


@dataclass(frozen=True)
class Pair:
    """LUTs and test accuracies of a uniform design, and of the cheapest that scores no less on the validation data."""

    uniform: Record
    mixed: Record
    tests: tuple[float, float]

    @property
    def saved(self) -> float:
        """LUTs that the second has less, in percent."""
        return 100 * (1 - self.mixed.figures["lut"] / self.uniform.figures["lut"])


def swept(network: Network, seed: int, folder: Path, evaluations: int) -> Again:
    """The default search of one network, in a folder; one that is there goes on."""
    with np.load(network.images) as held:
        names = ("calibration", "validation", "x")
        arrays = {name: (held[name] / network.divisor).astype(np.float32) for name in names}
        arrays |= {name: held[name].astype(np.int64) for name in ("y_validation", "y")}
    target = Target(cycles=CYCLES[network.name])
    ways = {"per_layer": True, "objectives": ("lut",), "resume": folder.exists()}
    sweep(network.files[seed], arrays, folder, target=target, evaluations=evaluations, seed=seed, **ways)
    return again(folder)


def pairs(found: Again) -> list[Pair | None]:
    """For each distance from the float network the two designs; None where no uniform design is so near."""
    records = [each for each in found.kept.records if each.compiled]  # looked at closely, as picked ones are
    uniform = {design.key for design in found.problem.space.uniforms()}
    front = front_of(records, found.problem.objectives)
    _check_never_behind([each for each in records if each.design.key in uniform], front, found)
    return [_pair(found, records, uniform, points) for points in WITHIN]


def _pair(found: Again, records: Sequence[Record], uniform: Iterable[str], points: float) -> Pair | None:
    least = found.kept.settings["float"]["accuracy"] - points / 100
    near = [each for each in records if each.design.key in uniform and each.score.value >= least]
    if not near:
        return None
    lut: Callable[[Record], float] = lambda record: record.figures["lut"]  # noqa: E731
    one = min(near, key=lut)
    other = min((each for each in records if each.score.value >= one.score.value), key=lut)
    return Pair(one, other, (_tested(found, one), _tested(found, other)))


def _tested(found: Again, record: Record) -> float:
    assert found.test is not None
    return 100 * score_of(found.test, found.evaluation.maker.made(record.design).state.graph()).value


def _check_never_behind(uniform: Sequence[Record], front: Sequence[Record], found: Again) -> None:
    """Each uniform design is met, or beaten, by one on the front."""
    ours = [losses(each, found.problem.objectives) for each in front]
    for each in uniform:
        theirs = losses(each, found.problem.objectives)
        assert any(all(a <= b for a, b in zip(one, theirs, strict=True)) for one in ours), each.design.choices


def told(name: str, seeds: Sequence[Sequence[Pair | None]]) -> None:
    """A row for each distance at which every seed has a uniform design."""
    for points, row in zip(WITHIN, zip(*seeds, strict=True), strict=True):
        found = [pair for pair in row if pair is not None]
        if len(found) < len(row):
            continue
        columns = [
            [pair.uniform.figures["lut"] for pair in found],
            [pair.mixed.figures["lut"] for pair in found],
            [pair.saved for pair in found],
            *zip(*(pair.tests for pair in found), strict=True),
        ]
        cells = "  ".join(f"{np.mean(column):8.1f} ± {error(column):6.2f}" for column in columns)
        print(f"{name:11} {points:5}  {cells}", flush=True)


def error(values: Sequence[float]) -> float:
    """The standard error of a mean."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5)


def main(given: Sequence[str]) -> None:
    """Search, and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only")
    options.add_argument("--evaluations", type=int, default=300)
    options.add_argument("--keep", type=Path, help="a folder for the sweeps, which go on when it is given again")
    asked = options.parse_args(given)
    print(f"{os.cpu_count()} cores ({platform.machine()}), {asked.evaluations} designs a search")
    heads = ("LUT uniform", "LUT mixed", "less, %", "test uniform", "test mixed")
    print(f"{'network':11} {'within':>5}  {'  '.join(f'{head:>17}' for head in heads)}")
    with TemporaryDirectory() if asked.keep is None else nullcontext(str(asked.keep)) as place:
        for network in networks(None, None):
            if network.name not in (NETWORKS if asked.only is None else (asked.only,)):
                continue
            start = process_time()
            found = [
                pairs(swept(network, seed, Path(place, f"{network.name}_{seed}"), asked.evaluations)) for seed in SEEDS
            ]
            told(network.name, found)
            print(f"{network.name:11} {process_time() - start:.0f} s of one core", flush=True)
