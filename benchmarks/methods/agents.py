# SPDX-License-Identifier: Apache-2.0
"""Strategies of searching, on one space and one evaluation, with as many evaluations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

from benchmarks.exploring_price import maker_of
from benchmarks.exploring_search import Searched, run, searching
from benchmarks.methods.material import CYCLES, Material
from benchmarks.methods.store import Found
from bitwright.compress import Options, calibrate
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.score import scoring
from bitwright.explore.strategies import BY_TABLE, DEFAULT, STRATEGIES

EVALUATIONS = 80
BITS = (2, 3, 4, 8)
"""Of each weight and of each tensor."""
BUDGET = 4
"""The LUTs of the design of so many bits everywhere are what a design may take."""
ASKED = (OBJECTIVES["accuracy"], OBJECTIVES["lut"])


def rows() -> Iterator[tuple[str, str]]:
    """Cases and methods, the default first."""
    names = [DEFAULT, *(name for name in STRATEGIES if name != DEFAULT)]
    return ((f"{EVALUATIONS} evaluations", name) for name in names)


@cache
def _searched(material: Material) -> Searched:
    """The space, its prices, sensitivities and budget; designs that any strategy asked for are known to the next."""
    parts = replace(material.source, validation=True).parts(material.network, material.seed)
    calibration = calibrate(material.net, [parts.calibration])
    maker = maker_of(calibration, CYCLES[material.network], BITS)
    found = searching(maker, scoring(calibration.net, [parts.x], parts.y, seed=material.seed), ASKED, material.seed)
    uniform = maker.space.design([BITS.index(BUDGET)] * len(maker.space.axes))
    limit = found.record(uniform).figures["lut"]
    found.problem = replace(found.problem, budget={"lut": limit})
    return found


def measured(material: Material, case: str, method: str) -> Found:
    """The front and the best design within the budget; what runs for the table are evaluations like others."""
    found = _searched(material)
    records, _ = run(method, found, EVALUATIONS - (found.sensed if BY_TABLE.get(method) else 0))
    limit = found.problem.budget["lut"]
    within = [each for each in records if each.figures["lut"] <= limit]
    told = {"evaluations": len(records), "budget": limit, "volume": 100 * found.worth(within)}
    if not within:
        return {"refused": "found no design within the budget"}
    best = max(within, key=lambda each: (each.score.value, -each.figures["lut"]))
    made = replace(found.evaluation.maker, options=Options()).made(best.design)
    return {**material.judged(made.state.graph()), **told}
