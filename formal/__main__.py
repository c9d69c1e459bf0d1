# SPDX-License-Identifier: Apache-2.0
"""`python -m formal [MODULE ...]`: proves every flow-control module and catches its mutants; exit 1 on a failure."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from formal.proofs import Proof, Question, proofs, questions
from formal.sby import Answer, ask, find_tools

BUILD = Path(__file__).parents[1] / "build" / "formal"


def main(modules: list[str]) -> int:
    """Proves `modules`, all if empty, and prints a line for each size and for the mutants; the number of failures."""
    find_tools()
    chosen = [proof for proof in proofs() if not modules or proof.module in modules]
    failures = 0
    print(f"{'module':15} {'size':58} {'answer':36} {'processor':>9}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = [(proof, [(q, pool.submit(ask, q, BUILD / q.folder)) for q in questions(proof)]) for proof in chosen]
        for proof, pending in asked:
            failures += _report(proof, [(question, future.result()) for question, future in pending])
    print(f"{failures} failures" if failures else "everything is proved and every mutant is caught")
    return failures


def _report(proof: Proof, answers: list[tuple[Question, Answer]]) -> int:
    """Prints a line for each size and one for the mutants, then the log of each failure; the number of failures."""
    print()
    for question, answer in answers:
        match question.mode:
            case "prove":
                shown = answer.verdict == "PASS"
                how = f"proved: {question.depth} clocks, {answer.steps}-induction" if shown else "NOT PROVED"
                _line(proof.module, question.size_text, how, answer.seconds)
            case "cover":
                _line("", "", f"covers reached: {answer.reached}", answer.seconds)
    mutants = [answer for question, answer in answers if question.mutant]
    caught = sum(answer.verdict == "FAIL" for answer in mutants)
    _line("", "", f"mutants caught: {caught} of {len(mutants)}", sum(answer.seconds for answer in mutants))
    failed = [(question, answer) for question, answer in answers if answer.verdict != question.wanted]
    for question, answer in failed:
        print(f"\n{question.folder}: {answer.verdict} where {question.wanted} is wanted\n{answer.log}\n")
    return len(failed)


def _line(module: str, size: str, how: str, seconds: float) -> None:
    print(f"{module:15} {size:58} {how:36} {seconds:7.1f} s")


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
