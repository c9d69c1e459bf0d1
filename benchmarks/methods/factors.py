# SPDX-License-Identifier: Apache-2.0
"""Layers as products of smaller ones, by each method with as many multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.methods.material import Material
from benchmarks.methods.store import Found
from bitwright.compress import FACTORISERS, factored
from bitwright.recipe.factor import Factor

SHARES = (75, 50)
"""Per cent of the multiply-accumulates that are left, at most."""
DEFAULT = Factor().method


def rows() -> Iterator[tuple[str, str]]:
    """Cases and methods, the default first in each."""
    names = [DEFAULT, *(name for name in FACTORISERS if name != DEFAULT)]
    return ((f"{share} % of the work left", name) for share in SHARES for name in names)


def measured(material: Material, case: str, method: str) -> Found:
    """Made of smaller layers, trained on, and quantised by the defaults."""
    share = int(case.partition(" ")[0]) / 100
    return material.trained(factored(material.net, [material.looked_at[0]], method=method, share=share))
