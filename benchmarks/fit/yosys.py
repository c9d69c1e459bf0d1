# SPDX-License-Identifier: Apache-2.0
"""Cells that Yosys makes of instances of the module library, each module counted by itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files as package_files
from typing import Any

import numpy as np

from bitwright.design import Design
from bitwright.hardware.cells import Family
from bitwright.sim import synth, tools
from bitwright.sim.lint import written

LIBRARY = package_files("bitwright").joinpath("hls_templates/verilog")
INSTANCE = re.compile(r"^  (bw_\w+) #\((.*?)\n?  ?\) (u_\w+) \(", re.MULTILINE | re.DOTALL)
RESOURCES = ("lut", "ff", "dsp", "bram")
NOTHING = (0,) * len(RESOURCES)
DERIVED = ("AddrW", "KW", "Weights", "OutW")
"""Parameters that follow from others."""


@dataclass(frozen=True)
class Instance:
    """A module of the library with its parameters as text, and the text of the file that it reads, if any."""

    module: str
    parameters: str
    content: str = ""


@dataclass(frozen=True)
class Module:
    """A module as Yosys derived it: its parameters, the cells of its own, and the modules that it holds."""

    name: str
    parameters: Mapping[str, Any]
    own: tuple[int, ...]
    holds: Mapping[str, int]


Modules = dict[str, Module]
"""Derived name -> module."""


def total(modules: Mapping[str, Module], name: str) -> tuple[int, ...]:
    """Cells of a module and of everything in it."""
    module = modules[name]
    below = [np.array(total(modules, held)) * count for held, count in module.holds.items()]
    return tuple(int(count) for count in sum(below, np.array(module.own)))


def instances(made: Design) -> dict[str, Instance]:
    """The instances of a design's top by name."""
    files = made.files("verilog")
    found = {}
    for module, parameters, name in INSTANCE.findall(files[f"{made.name}_top.sv"]):
        content = "".join(files[f"weights/{path}.hex"] for path in re.findall(r'WeightDir, "/(\w+)\.hex"', parameters))
        found[name] = Instance(module, " ".join(parameters.split()), content)
    return found


def count(
    wanted: Sequence[Instance], known: Mapping[str, Module], family: Family = "xcup"
) -> tuple[Modules, list[str]]:
    """The modules that `wanted` need beyond those `known`, and the derived name of each of `wanted`.

    All stand in one top with no connections, and what is known is a black box: a hierarchy that is kept optimises no
    ports, so that each module is made alone.
    """
    return _made(wanted, known, f"synth_xilinx -family {family} -noiopad -noclkbuf -top top")


def elaborated(wanted: Sequence[Instance], known: Mapping[str, Module]) -> Modules:
    """The same modules with what they hold, but with no cells of their own yet: that takes no time."""
    return _made(wanted, known, "proc", counting=False)[0]


def _made(
    wanted: Sequence[Instance], known: Mapping[str, Module], make: str, *, counting: bool = True
) -> tuple[Modules, list[str]]:
    texts, hexes = [], {}
    for index, instance in enumerate(wanted):
        parameters = instance.parameters
        if instance.content:
            path = f"{sha256(instance.content.encode()).hexdigest()[:16]}.hex"
            hexes[path] = instance.content
            parameters = re.sub(r'\{WeightDir, "[^"]*"\}', f'"{path}"', parameters)
        texts.append(f"  (* keep *) {instance.module} #({parameters}) u_{index} ();")
    needed = _needed({instance.module for instance in wanted})
    files = {f"{name}.sv": LIBRARY.joinpath(f"{name}.sv").read_text(encoding="utf-8") for name in needed}
    files |= hexes | {"top.sv": "module top;\n" + "\n".join(texts) + "\nendmodule\n"}
    names = [re.sub(r"\W", "?", name) for name, module in known.items() if module.name in needed]
    files["known.ys"] = "\n".join(["select -none", *(f"select -add {name}" for name in names)]) + "\n"
    read = f"read_verilog -sv {' '.join(f'{name}.sv' for name in needed)} top.sv; hierarchy -top top"
    skip = "script known.ys; blackbox; select -clear"
    script = f"{read}; {skip}; {make}; write_json netlist.json"
    with written(files) as folder:
        tools.run([tools.yosys().path, "-q", "-p", script], what="synthesising samples", cwd=folder)
        netlist = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
    cells = netlist["top"]["cells"]
    own = {name for name, module in netlist.items() if name in known or not synth.is_primitive(module)}
    made = {name: _module(name, netlist[name], own, hexes, counting) for name in own - {"top"} if name not in known}
    return made, [cells[f"u_{index}"]["type"] for index in range(len(wanted))]


def alone(modules: Iterable[Module]) -> list[Instance]:
    """An instance of each module with its parameters, derived ones left out."""
    return [
        Instance(module.name, ", ".join(f".{k}({_text(v)})" for k, v in module.parameters.items() if k not in DERIVED))
        for module in modules
    ]


def _text(value: Any) -> str:
    """A parameter as Verilog: a number, a long one in binary digits, or a string."""
    if isinstance(value, int):
        return str(value)
    return f"{len(value)}'b{value}" if re.fullmatch("[01]+", value) else f'"{value}"'


def _module(name: str, module: Mapping[str, Any], own: Set[str], hexes: Mapping[str, str], counting: bool) -> Module:
    kinds = Counter(cell["type"] for cell in module["cells"].values())
    holds = {kind: number for kind, number in kinds.items() if kind in own}
    cells = {kind: number for kind, number in kinds.items() if kind not in own}
    counted = synth.resources(cells) if counting else dict.fromkeys(RESOURCES, 0)
    parameters = {key: _value(text) for key, text in module.get("parameter_default_values", {}).items()}
    if "File" in parameters:
        parameters["Content"] = hexes[parameters.pop("File").strip()]
    short = re.sub(r".*\\(bw_\w+).*", r"\1", name)
    return Module(short, parameters, tuple(counted[key] for key in RESOURCES), holds)


def _value(text: str) -> Any:
    """A parameter of a netlist: binary digits are a number, 32 of them a signed one."""
    if not re.fullmatch("[01]+", text):
        return text
    value = int(text, 2)
    return value - (1 << 32) if len(text) == 32 and text[0] == "1" else value


def _needed(names: Iterable[str]) -> list[str]:
    """The package, `names` and every module that they instantiate."""
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        found.add(name)
        text = LIBRARY.joinpath(f"{name}.sv").read_text(encoding="utf-8")
        waiting |= set(re.findall(r"^ +(bw_\w+) #\(", text, flags=re.MULTILINE)) - found
    return ["bw_pkg", *sorted(found)]
