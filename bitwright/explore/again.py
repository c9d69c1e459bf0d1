# SPDX-License-Identifier: Apache-2.0
"""A sweep from its folder alone: what it found, and what makes, prices and scores its designs again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from json import loads
from pathlib import Path

import numpy as np

from bitwright.compress.fixed import NAMES
from bitwright.explore.evaluate import Evaluation
from bitwright.explore.folding import Folding
from bitwright.explore.kept import Kept, kept
from bitwright.explore.price_file import of_dict
from bitwright.explore.score import Scoring
from bitwright.explore.settings import FOLDED, problem_in
from bitwright.explore.setup import DATA, TABLE, Arrays, Setup
from bitwright.explore.strategies import Problem
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True)
class Again:
    """What is kept of a sweep, what was searched, and what makes and scores its designs again."""

    kept: Kept
    problem: Problem
    setup: Setup
    evaluation: Evaluation | Folding
    arrays: Arrays

    @property
    def test(self) -> Scoring | None:
        """What scores a design on the samples that the search did not see; None where there are none."""
        evaluation = self.evaluation
        return self.setup.test(evaluation.origin, self.arrays, evaluation.scoring.metric)


def again(folder: Path) -> Again:
    """The sweep in a folder; BitwrightError if there is none, or not all of it."""
    found = kept(folder)
    with np.load(io.BytesIO(_content(folder / DATA)), allow_pickle=False) as file:
        arrays = dict(file)
    setup, problem = Setup.of(found.settings), problem_in(found.settings)
    return Again(found, problem, setup, _evaluation(found, problem, setup, arrays), arrays)


def _evaluation(found: Kept, problem: Problem, setup: Setup, arrays: Arrays) -> Evaluation | Folding:
    """What makes and scores the designs, by what is in the folder."""
    folder = found.folder
    model = next((folder / name for name in NAMES if (folder / name).exists()), folder / NAMES[0])
    if found.settings.get(FOLDED):
        return setup.folding(problem.space, setup.fixed(model), problem.objectives, arrays)
    prices = of_dict(loads(_content(folder / TABLE)), str(folder / TABLE))
    maker = setup.maker(problem.space, setup.net(model), arrays, folder)
    return setup.evaluation(maker, prices, problem.objectives, arrays)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "put it back, or sweep anew: designs are made again from it"
        raise BitwrightError(f"cannot be read: {error.strerror}", where=str(file), hint=hint) from error
