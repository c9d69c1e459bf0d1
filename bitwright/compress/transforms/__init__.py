# SPDX-License-Identifier: Apache-2.0
"""Float networks rewritten before they are quantised: one function per rewrite, by name in `TRANSFORMS`.

Each computes the same function, within the rounding of float32, for all inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bitwright.compress.family import Family
from bitwright.compress.network import FloatNet

__all__ = ["TRANSFORMS", "Transform", "transformed"]

Transform = Callable[[FloatNet], FloatNet]

TRANSFORMS: Family[Transform] = Family(__name__, "TRANSFORMS")
"""The rewrites by their name on the command line."""


def transformed(net: FloatNet, names: Iterable[str]) -> FloatNet:
    """The network after these rewrites, one after the other."""
    for name in names:
        net = TRANSFORMS[name](net)
    return net
