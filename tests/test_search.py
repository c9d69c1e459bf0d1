# SPDX-License-Identifier: Apache-2.0
"""A space of designs, the front of records, and the search that proposes, evaluates and looks closely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from bitwright.explore.objectives import OBJECTIVES, objective
from bitwright.explore.pareto import dominates, front_of, losses
from bitwright.explore.record import Failure, Outcome, Record, Score, Task
from bitwright.explore.search import search
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.strategies import STRATEGIES, Problem
from bitwright.ir.errors import BitwrightError

SPACE = Space(
    (
        Axis("weights:a", "weights", (2, 4, 8), ("a",)),
        Axis("weights:b", "weights", (2, 4), ("b",)),
        Axis("rounding", "rounding", ("nearest", "gptq")),
    )
)
ASKED = (OBJECTIVES["accuracy"], OBJECTIVES["lut"])


def record(design: Design, accuracy: float, lut: float, samples: int = 100, *, compiled: bool = False) -> Record:
    score = Score(value=accuracy, low=accuracy - 0.01, high=accuracy + 0.01, samples=samples, total=100)
    return Record(design=design, figures={"accuracy": accuracy, "lut": lut}, score=score, compiled=compiled)


def test_a_space_has_every_design_once_and_each_is_known_by_its_places() -> None:
    designs = list(SPACE.designs())
    assert len(designs) == SPACE.size == 12
    assert len({design.key for design in designs}) == 12
    assert all(SPACE.design(SPACE.places(design)) == design for design in designs)
    assert designs[0].choices == (("weights:a", 2), ("weights:b", 2), ("rounding", "nearest"))


def test_uniform_designs_move_all_axes_of_an_option_together() -> None:
    found = [(each["weights:a"], each["weights:b"], each["rounding"]) for each in SPACE.uniforms()]
    assert found == [(a, b, how) for a, b in ((2, 2), (4, 4), (8, 4)) for how in ("nearest", "gptq")]


@pytest.mark.parametrize("seed", range(20))
def test_a_front_is_what_nothing_dominates(seed: int) -> None:
    import random

    draw = random.Random(seed)
    designs = list(SPACE.designs())
    records = [record(each, draw.randrange(5) / 5, draw.randrange(5)) for each in designs]
    front = front_of(records, ASKED)
    at = [losses(each, ASKED) for each in front]
    assert at == sorted(at, key=lambda each: each[1])
    assert not any(dominates(a, b) for a in at for b in at)
    assert all(losses(each, ASKED) in at or any(dominates(a, losses(each, ASKED)) for a in at) for each in records)


def test_the_search_tells_in_the_order_it_was_asked_and_ends_with_a_final_front() -> None:
    tasks: list[Task] = []

    def evaluated(asked: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        for task in reversed(asked):
            tasks.append(task)
            bits = sum(value for _, value in task.design.choices if isinstance(value, int))
            if bits == 8:
                yield task, Failure(design=task.design, kind="refused", what="w", where="x", hint="h")
            else:
                found = record(task.design, bits / 12, bits, compiled=task.final)
                yield task, replace(found, figures={**found.figures, "lut": bits + task.final})

    problem = Problem(space=SPACE, objectives=ASKED, budget={}, evaluations=12)
    known = search(STRATEGIES["grid"](problem), problem, evaluated)
    assert list(known) == [each.key for each in SPACE.designs()]
    assert [task.key for task in tasks[:12]] == [each.key for each in reversed(list(SPACE.designs()))]
    front = front_of([each for each in known.values() if isinstance(each, Record)], ASKED)
    assert all(each.compiled for each in front)
    assert sum(task.final for task in tasks) == 10  # equal ones come to the front when the first of them gets dearer


def test_an_unknown_objective_is_refused_with_the_nearest() -> None:
    with pytest.raises(BitwrightError, match="no objective 'luts'") as refused:
        objective("luts")
    assert refused.value.hint.startswith("did you mean 'lut'? there are accuracy, lut, ")
