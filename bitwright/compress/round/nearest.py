# SPDX-License-Identifier: Apache-2.0
"""Each weight to the code next to it, whatever the layer is given."""

from __future__ import annotations

import numpy as np

from bitwright.compress.round.problem import Codes, Problem


def nearest(problem: Problem) -> Codes:
    """The codes next to the weights; what the mask removes is zero."""
    return problem.codes(np.asarray(problem.weight))


ROUNDINGS = {"nearest": nearest}
