# SPDX-License-Identifier: Apache-2.0
"""A sweep from its folder alone: what it found, and what makes, prices and scores its designs again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from json import loads
from pathlib import Path

import numpy as np

from bitwright.explore.evaluate import Evaluation
from bitwright.explore.kept import Kept, kept
from bitwright.explore.price_file import of_dict
from bitwright.explore.score import Scoring
from bitwright.explore.settings import problem_in
from bitwright.explore.setup import DATA, MODEL, TABLE, Arrays, Setup
from bitwright.explore.strategies import Problem
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True)
class Again:
    """What is kept of a sweep, what was searched, and what makes and scores its designs again."""

    kept: Kept
    problem: Problem
    setup: Setup
    evaluation: Evaluation
    arrays: Arrays

    @property
    def test(self) -> Scoring | None:
        """What scores a design on the samples that the search did not see; None where there are none."""
        evaluation = self.evaluation
        return self.setup.test(evaluation.maker.calibration.net, self.arrays, evaluation.scoring.metric)


def again(folder: Path) -> Again:
    """The sweep in a folder; BitwrightError if there is none, or not all of it."""
    found = kept(folder)
    with np.load(io.BytesIO(_content(folder / DATA)), allow_pickle=False) as file:
        arrays = dict(file)
    setup, problem = Setup.of(found.settings), problem_in(found.settings)
    prices = of_dict(loads(_content(folder / TABLE)), str(folder / TABLE))
    maker = setup.maker(problem.space, setup.net(folder / MODEL), arrays, folder)
    return Again(found, problem, setup, setup.evaluation(maker, prices, problem.objectives, arrays), arrays)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        hint = "put it back, or sweep anew: designs are made again from it"
        raise BitwrightError(f"cannot be read: {error.strerror}", where=str(file), hint=hint) from error
