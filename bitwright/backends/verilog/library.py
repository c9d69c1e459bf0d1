# SPDX-License-Identifier: Apache-2.0
"""The Verilog library: what its hand-written modules are told, and which others each one instantiates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

PACKAGE = "bw_pkg"
ULTRA = {"bw_fifo_ultra": "bw_fifo_block", "bw_reorder_ultra": "bw_reorder", "bw_window_ultra": "bw_window"}
"""Modules that differ from another one in that their memory is in UltraRAM: made of its text, for what needs them."""
RAM = re.compile(r"bw_ram #\((.*?)(, \.Style\(\"block\"\))?\) u_")
PARAMETER = re.compile(r"^  parameter (?:int|bit|logic)(?: signed)?(?: \[(.+?)-1:0\])? +(\w+) +=(.*)$", re.MULTILINE)
STYLE = re.compile(r"// (Lut|Ternary|Dsp|Xnor|Shifts): ")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a module: a number, one bit, or as many bits as `width` says, an expression of others.

    Its comment names the `style` that looks at it, if only one does (`// Dsp: ...`).
    """

    name: str
    is_bit: bool
    width: str
    style: str = ""


@cache
def text_of(name: str) -> str:
    """The text of a module."""
    if name in ULTRA:
        return _in_ultra(name, text_of(ULTRA[name]))
    return files("bitwright").joinpath(f"hls_templates/verilog/{name}.sv").read_text(encoding="utf-8")


def _in_ultra(name: str, text: str) -> str:
    """The module `name`, as that of `text` but for its RAM, of which there is one."""
    text = re.sub(rf"\b{ULTRA[name]}\b", name, text).replace("block RAM", "UltraRAM")
    text, found = RAM.subn(r'bw_ram #(\1, .Style("ultra")) u_', text)
    assert found == 1, f"{name} has {found} memories"
    licence, title, rest = text.split("\n", 2)
    return (
        f"{licence}\n{title}\n// Made of {ULTRA[name]}.sv: the same but for its memory, which is in UltraRAM.\n{rest}"
    )


@cache
def parameters_of(name: str) -> tuple[Parameter, ...]:
    """The parameters in the head of a module, in their order, without those that follow from others."""
    text = text_of(name)
    head = text[text.index(f"\nmodule {name} #(") : text.index("\n) (")]
    found = PARAMETER.finditer(head)
    return tuple(
        Parameter(each[2], not each[1] and " int " not in each[0], each[1] or "", _style(each[3]))
        for each in found
        if "do not override" not in each[3]
    )


def _style(rest: str) -> str:
    found = STYLE.search(rest)
    return found[1] if found else ""


def needed(modules: Iterable[str]) -> list[str]:
    """`modules` and those that they instantiate, directly or not, in alphabetical order, the package first."""
    found, left = set[str](), set(modules)
    while left:
        name = left.pop()
        found.add(name)
        left |= _instantiates(name) - found
    return [PACKAGE, *sorted(found)]


@cache
def _instantiates(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"^ +(bw_\w+) #\(", text_of(name), flags=re.MULTILINE))
