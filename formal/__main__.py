# SPDX-License-Identifier: Apache-2.0
"""`python -m formal [MODULE ...]`: proves every flow-control module and catches its mutants; exit 1 on a failure.

Then the second opinion: Icarus compiles the library and simulates each module and its netlist against its meaning.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from formal.library import ROOT, source
from formal.paths import found_paths
from formal.proofs import Proof, Question, proofs, questions
from formal.sby import Answer, ask, find_tools
from formal.simulate import compile_library, faults, find_icarus
from formal.streams import STREAMS, Stream

BUILD = ROOT / "build" / "formal"


def main(modules: list[str]) -> int:
    """Proves and simulates `modules`, all if empty; prints a line for each answer. The number of failures."""
    find_tools()
    chosen = [proof for proof in proofs() if not modules or proof.module in modules]
    streams = [stream for stream in STREAMS if not modules or stream.module in modules]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = _prove(chosen, pool)
        try:
            find_icarus()
        except BitwrightError as error:
            print(f"\nnot simulated: {error}")
            failures += "CI" in tools.environment()
        else:
            failures += _simulate(streams, pool)
    print(f"\n{failures} failures" if failures else "\nall is proved, every mutant is caught")
    return failures


def _prove(chosen: list[Proof], pool: ThreadPoolExecutor) -> int:
    """Asks all questions of the chosen proofs and reports the answers in order; the number of failures."""
    asked = [(proof, [(q, pool.submit(ask, q, BUILD / q.folder)) for q in questions(proof)]) for proof in chosen]
    return sum(
        _report(proof, [(question, future.result()) for question, future in pending]) for proof, pending in asked
    )


def _report(proof: Proof, answers: list[tuple[Question, Answer]]) -> int:
    """Prints two lines for each size, one for the mutants and one for the paths, then what failed and why."""
    print()
    for question, answer in answers:
        match question.mode:
            case "prove":
                shown = answer.verdict == "PASS"
                how = f"proved: {question.depth} clocks, {answer.steps}-induction" if shown else "NOT PROVED"
                print(f"{proof.module} {question.size_text}")
                _line(how, answer.seconds)
            case "bmc" if not question.mutant:
                print(f"{proof.module} {question.size_text}")
                _line(f"{answer.verdict} within {question.depth} clocks, no induction", answer.seconds)
            case "cover":
                _line(f"covers reached: {answer.reached}, within {question.depth} clocks", answer.seconds)
    mutants = [answer for question, answer in answers if question.mutant]
    caught = sum(answer.verdict == "FAIL" for answer in mutants)
    print(proof.module)
    _line(f"mutants caught: {caught} of {len(mutants)}", sum(answer.seconds for answer in mutants))
    failed = [(question, answer) for question, answer in answers if answer.verdict != question.wanted]
    for question, answer in failed:
        print(f"\n{question.folder}: {answer.verdict} where {question.wanted} is wanted\n{answer.log}\n")
    paths = found_paths(proof, source(proof.module), BUILD / proof.module / "paths")
    if paths != proof.paths:
        print(f"\n{proof.module}: the paths are {paths}, {proof.paths} are stated\n")
    return len(failed) + (paths != proof.paths)


def _line(how: str, seconds: float) -> None:
    """Prints what was found, and the processor's seconds that it took."""
    print(f"    {how:50} {seconds:6.1f} s", flush=True)


def _simulate(streams: list[Stream], pool: ThreadPoolExecutor) -> int:
    """Compiles the library, simulates each module and its netlist, prints a line for each; the number of failures."""
    said = compile_library()
    print("\n" + ("\n".join(said) or "Icarus compiles every module of the library"))
    found = pool.map(lambda stream: faults(stream, BUILD / stream.name), streams)
    for stream, fault in zip(streams, found, strict=True):
        said += fault
        held = "as written and as a netlist: its meaning, and the same in every clock"
        print(f"{stream.name:15} {'; '.join(fault) or held}", flush=True)
    return len(said)


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
