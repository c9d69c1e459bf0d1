# SPDX-License-Identifier: Apache-2.0
"""What can be said of weights by themselves."""

from __future__ import annotations

import numpy as np

from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain


def by_magnitude(evidence: Evidence, grain: Grain) -> Array:
    """The sum of the magnitudes: what is small is least missed.

    Han, Pool, Tran, Dally: "Learning both weights and connections for efficient neural networks", NeurIPS 2015, arXiv
    1506.02626; R048, R052, R069. Of blocks: Mao, Han, Pool, Li, Liu, Wang, Dally: "Exploring the regularity of sparse
    structure in convolutional neural networks", CVPR workshops 2017, arXiv 1705.08922; R058.
    """
    return grain.pooled(np.abs(evidence.weight))


CRITERIA = {"magnitude": Criterion(by_magnitude, "weights")}
