# SPDX-License-Identifier: Apache-2.0
"""Float networks rewritten before they are quantised: one function per rewrite, by name in `TRANSFORMS`.

Each computes the same function, within the rounding of float32, for all inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bitwright.compress.network import FloatNet
from bitwright.compress.transforms.equalise import equalise
from bitwright.compress.transforms.fuse import fuse
from bitwright.compress.transforms.widen import split_outliers

__all__ = ["TRANSFORMS", "Transform", "transformed"]

Transform = Callable[[FloatNet], FloatNet]

TRANSFORMS: Mapping[str, Transform] = {"fuse": fuse, "equalise": equalise, "ocs": split_outliers}
"""The rewrites by their name on the command line."""


def transformed(net: FloatNet, names: Iterable[str]) -> FloatNet:
    """The network after these rewrites, one after the other."""
    for name in names:
        net = TRANSFORMS[name](net)
    return net
