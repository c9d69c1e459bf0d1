# SPDX-License-Identifier: Apache-2.0
"""Criteria of what goes: single weights, and channels, by each of them as much."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.methods.material import Material
from benchmarks.methods.store import Found
from bitwright.compress import CHANNELS, CRITERIA, pruned, shrunk
from bitwright.compress.prune.shrink import CRITERION
from bitwright.recipe.prune import Prune

SHARES = (50, 80, 90)
"""Per cent of the weights, or of the multiply-accumulates, that go."""
WEIGHTS = Prune(sparsity=0.5).criterion
"""The default."""


def rows() -> Iterator[tuple[str, str]]:
    """Cases and methods, the default first in each."""
    for share in SHARES:
        yield f"{share} % of the weights", WEIGHTS
        yield from ((f"{share} % of the weights", name) for name in CRITERIA if name != WEIGHTS)
    for share in SHARES:
        yield f"{share} % of the work, by channels", CRITERION
        yield from ((f"{share} % of the work, by channels", name) for name in CHANNELS if name != CRITERION)


def measured(material: Material, case: str, method: str) -> Found:
    """Cut, trained on, and quantised by the defaults."""
    share, (images, labels) = int(case.partition(" ")[0]) / 100, material.looked_at
    if "channels" in case:
        cut = shrunk(material.net, images, labels=labels, criterion=method, macs=1 - share)
    else:
        cut = pruned(material.net, images, labels=labels, criterion=method, sparsity=share)
    return material.trained(cut)
