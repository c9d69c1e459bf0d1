# SPDX-License-Identifier: Apache-2.0
"""The C++ library: its hand-written headers, and which of them each one includes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

ULTRA = re.compile(r"bw_(\w+)_ultra\.hpp")
"""A header whose function differs from that of another one in that its memory is in UltraRAM."""


@cache
def carried(name: str) -> str:
    """A hand-written file of the library, or what is made of one."""
    if found := ULTRA.fullmatch(name):
        return _in_ultra(found[1], carried(f"bw_{found[1]}.hpp"))
    return resources.files("bitwright").joinpath("hls_templates/hls", name).read_text(encoding="utf-8")


def _in_ultra(function: str, text: str) -> str:
    """The header of `function`_ultra, made of that of `function`: the same Shape, and the one array in UltraRAM."""
    found = re.search(rf"^(?:// .*\n)+template <.*>\nvoid {function}\([\s\S]*?^}}\n", text, re.MULTILINE)
    assert found, f"bw_{function}.hpp has no function {function}"
    memory = r"(#pragma HLS AGGREGATE variable=(\w+)\n)"
    body, arrays = re.subn(memory, r"\1#pragma HLS BIND_STORAGE variable=\2 type=ram_s2p impl=uram\n", found[0])
    assert arrays == 1, f"{function} has {arrays} memories"
    before, _, after = body.partition(f"void {function}(")
    indented = after.replace("\n" + " " * len(f"void {function}("), "\n" + " " * len(f"void {function}_ultra("), 1)
    return (
        "// SPDX-License-Identifier: Apache-2.0\n"
        f"// bw_{function}_ultra.hpp, made of bw_{function}.hpp: the same function, its memory in UltraRAM.\n"
        f'#pragma once\n\n#include "bw_{function}.hpp"\n\nnamespace bw {{\n\n'
        f"{before}void {function}_ultra({indented}\n}}  // namespace bw\n"
    )


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
