# SPDX-License-Identifier: Apache-2.0
"""The C++ library: its hand-written headers, and which of them each one includes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources


@cache
def carried(name: str) -> str:
    """A hand-written file of the library."""
    return resources.files("bitwright").joinpath("hls_templates/hls", name).read_text(encoding="utf-8")


def needed(headers: Iterable[str]) -> list[str]:
    """`headers` and those that they include, directly or not, in alphabetical order."""
    found, left = set[str](), set(headers)
    while left:
        name = left.pop()
        found.add(name)
        left |= _includes(name) - found
    return sorted(found)


@cache
def _includes(name: str) -> frozenset[str]:
    return frozenset(re.findall(r'#include [<"](bw_\w+\.hpp)', carried(name)))
