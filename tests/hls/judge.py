# SPDX-License-Identifier: Apache-2.0
"""What is left of a C++ project in LLVM's IR: the arguments of its processes, and the arrays that loops carry.

Clang lowers the project with its processes out of line; all but the top is internal, and optimisation takes every
argument away that is a constant or that leads to one. `judge(files)` says what remains and should not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import llvmlite.binding as llvm

from tests.hls.lint.source import STREAM
from tests.hls.programs import TEMPLATES, write

LOWER = "-m ziglang c++ -std=c++14 -S -emit-llvm -O1 -g0 -fno-exceptions -fno-discard-value-names -w".split()
CONSTRUCTED = re.compile(r"_ZN3hls6stream.*C[12]EPKc")


def judge(files: Mapping[str, str]) -> list[str]:
    """Arguments that are no streams, and arrays that a loop loads and stores without a stated distance."""
    kernels = "\n".join(text for path, text in files.items() if path.startswith("kernels/"))
    lowered = _lowered(files)
    module = _optimised(lowered)
    functions = {function.name: function for function in module.functions if not function.is_declaration}
    regions = [name for name in functions if "_network" in name or "_top" in name]
    found = {said for name in regions for said in _arguments(functions[name], functions)}
    for name, function in functions.items():
        found |= {said for said in _carried(function, _body(kernels, _called(name)), _called(name))}
    for function in llvm.parse_assembly(lowered).functions:
        name = _called(function.name)
        found |= {said for said in _only_stated(function, _body(kernels, name), name)}
    return sorted(found)


def products(files: Mapping[str, str]) -> int:
    """The multiplications that are left in all processes."""
    functions = _optimised(_lowered(files)).functions
    return sum(
        each.opcode == "mul" for function in functions for block in function.blocks for each in block.instructions
    )


def _lowered(files: Mapping[str, str]) -> str:
    main = next(line.partition("=")[2] for line in files["hls_config.cfg"].splitlines() if line.startswith("syn.file"))
    with tempfile.TemporaryDirectory(prefix="bitwright-judge-") as folder:
        own = {path: text for path, text in files.items() if not path.startswith(("host/", "tb/"))}
        write(Path(folder), own | {"stub/hls_stream.h": STREAM})
        paths = ["-Istub", f"-I{TEMPLATES / 'host'}", "-Ikernels", "-I.", "-Xclang", "-disable-llvm-passes"]
        command = [sys.executable, *LOWER, *paths, main, "-o", "top.ll"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return (Path(folder) / "top.ll").read_text(encoding="utf-8")


def _optimised(text: str) -> llvm.ModuleRef:
    """Every function internal but the top; processes are never inlined."""
    called = set(re.findall(r"call .*?@(_ZN2bw\w+)\(", "".join(_regions_of(text))))
    lines = []
    for line in text.split("\n"):
        name = re.match(r"define [^@]*@(\w+)\(", line)
        if name and not name[1].endswith("_top") and "_top" not in name[1]:
            line = re.sub(r"define (?:linkonce_odr )?", "define internal ", line).replace(" comdat", "")
            if name[1] in called or "_network" in name[1]:
                line = re.sub(r" (#\d+ (?:align \d+ )?\{)$", r" noinline \1", line)
        lines.append(line)
    module = llvm.parse_assembly("\n".join(lines))
    llvm.initialize_native_target()
    machine = llvm.Target.from_triple(llvm.get_default_triple()).create_target_machine()
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_unrolling = tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module


def _regions_of(text: str) -> Iterator[str]:
    """The bodies of functions that only call processes: the top and the network."""
    for body in re.findall(r"^define .*?^\}$", text, re.M | re.S):
        head = body.partition("(")[0]
        if re.search(r"_network|_top", head):
            yield body


def _called(name: str) -> str:
    """The name of a function of the library in its source."""
    mangled = re.match(r"_ZN2bw(\d+)(\w+)", name)
    return mangled[2][: int(mangled[1])] if mangled else name


def _body(kernels: str, function: str) -> str:
    found = re.search(rf"^void {function}\(.*?^\}}$", kernels, re.M | re.S)
    return found[0] if found else ""


def _arguments(region: llvm.ValueRef, functions: Mapping[str, llvm.ValueRef]) -> Iterator[str]:
    """What a region gives to its processes beside streams, buffers of its own, and what it was given."""
    streams, calls = {str(argument) for argument in region.arguments}, []
    for block in region.blocks:
        for instruction in block.instructions:
            operands = list(instruction.operands)
            if instruction.opcode == "alloca" and re.search(r"= alloca \[\d+ x", str(instruction)):
                streams.add(str(instruction))
            if instruction.opcode == "call" and CONSTRUCTED.fullmatch(operands[-1].name):
                streams.add(str(operands[0]))
            elif instruction.opcode == "call" and operands[-1].name in functions:
                calls.append(operands)
    for *given, process in calls:
        for argument in given:
            if str(argument) not in streams:
                said = argument.name or str(argument)
                yield f"{_called(process.name)} is given '{said.rpartition('@')[2]}', which is no stream"


def _carried(function: llvm.ValueRef, body: str, name: str) -> Iterator[str]:
    """Arrays that live across the iterations of a loop, are loaded and stored in it, and have no stated distance."""
    inside = _in_loops(function)
    stated = set(re.findall(r"DEPENDENCE variable=(\w+) .*distance=", body))
    registers = set(re.findall(r"ARRAY_PARTITION variable=(\w+)(?:\.\w+)? complete", body))
    for array, uses in _uses(function, inside).items():
        source = re.sub(r"(?:\.i|\d|\.sroa)*$", "", array.split(".")[0])
        declared = re.search(rf" {source}(?:\[[^\]]+\])+(?: = \{{\}})?;", body)
        if declared and uses >= {"load", "store"} and source not in stated | registers:
            yield f"{name} loads and stores '{source}' in a loop, at no stated distance"


def _only_stated(function: llvm.ValueRef, body: str, name: str) -> Iterator[str]:
    """Arrays with a stated distance that no loop both loads and stores, as the source has it: before optimisation.

    What a constant leaves out of the source for this instance has no use at all.
    """
    stated = re.findall(r"DEPENDENCE variable=(\w+) .*distance=", body)
    uses = _uses(function, _in_loops(function)) if stated else {}
    for source in stated:
        if uses.get(source) and not uses[source] >= {"load", "store"}:
            yield f"{name} states a distance for '{source}', which no loop loads and stores"


def _in_loops(function: llvm.ValueRef) -> set[str]:
    """The blocks that are reached from themselves."""
    after: dict[str, set[str]] = {}
    for block in function.blocks:
        *_, last = block.instructions
        after[_label(block)] = set(re.findall(r"label %([\w.-]+)", str(last)))
    found = set()
    for start in after:
        reached, left = set[str](), set(after[start])
        while left:
            name = left.pop()
            reached.add(name)
            left |= after[name] - reached
        if start in reached:
            found.add(start)
    return found


def _label(block: llvm.ValueRef) -> str:
    """The name of a block as branches spell it, a number if it has none; that of the first one may be missing."""
    found = re.match(r"\s*([\w.-]+):", str(block))
    return found[1] if found else block.name


def _key(value: llvm.ValueRef) -> str:
    """The name of a value, or all of it where it has none."""
    return value.name or str(value)


def _uses(function: llvm.ValueRef, inside: set[str]) -> dict[str, set[str]]:
    """For each array of the function how loops use it; an array that lives within an iteration is not carried."""
    origin: dict[str, set[str]] = {}
    uses: dict[str, set[str]] = {}
    for block in function.blocks:
        for instruction in block.instructions:
            operands = [_key(operand) for operand in instruction.operands]
            known = set[str]().union(*(origin.get(o, ()) for o in operands))
            if instruction.opcode == "alloca":
                origin[instruction.name] = {instruction.name}
                uses[instruction.name] = set()
            elif instruction.opcode in ("getelementptr", "bitcast", "select", "phi") and known:
                origin[_key(instruction)] = known
            elif _label(block) in inside and known:
                _note(instruction, operands, origin, uses)
    return {name: found for name, found in uses.items() if "local" not in found}


def _note(
    instruction: llvm.ValueRef, operands: list[str], origin: Mapping[str, set[str]], uses: dict[str, set[str]]
) -> None:
    def add(use: str, operand: str) -> None:
        for array in origin.get(operand, ()):
            uses[array].add(use)

    if instruction.opcode in ("load", "store"):
        add(instruction.opcode, operands[-1])
    elif instruction.opcode == "call":
        callee = operands[-1]
        for place, operand in enumerate(operands[:-1]):
            if operand not in origin:
                continue
            if "lifetime" in callee:
                add("local", operand)
            elif "llvm.memcpy" in callee:
                add("load" if place else "store", operand)
            else:
                add("store" if "sret" in str(instruction) and not place else "load", operand)
