# SPDX-License-Identifier: Apache-2.0
"""The strictest open front end of SystemVerilog as a judge: what slang says of sources with all its warnings on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyslang import Bag, DiagnosticEngine, SourceManager, TextDiagnosticClient
from pyslang.analysis import AnalysisManager
from pyslang.ast import Compilation, CompilationOptions
from pyslang.syntax import SyntaxTree

ALLOWED = {
    "sign-compare": "a counter meets `W'(constant)`, which keeps the sign of `int`: as many bits on both sides",
    "sign-conversion": "the bits of a signed number enter a field of a bus, or leave one, at their own width",
    "arith-op-mismatch": "a sum or product that wraps at its width is the same bits with a sign and without",
    "useless-cast": "a module is written for all its parameters: what one size needs, the next does without",
}
"""The warnings that are no findings, and why. Another width of the two sides is a warning of its own, and a finding."""


def slang(files: Mapping[str, str], sources: Sequence[str], tops: Sequence[str]) -> str:
    """What slang says of `tops` over `sources` (paths in `files`, in order); empty if all is well.

    It elaborates and analyses whole hierarchies, and says every warning but those of `ALLOWED`. What is unused is
    Verilator's to say, who knows that a net called `unused_...` is meant to be.
    """
    manager, options = SourceManager(), CompilationOptions()
    options.topModules = set(tops)
    compilation = Compilation(Bag([options]))
    for path in sources:
        compilation.addSyntaxTree(SyntaxTree.fromText(files[path], manager, name=path, path=path))
    elaborated = compilation.getAllDiagnostics()
    compilation.freeze()
    analysis = AnalysisManager()
    analysis.analyze(compilation)
    engine, said = DiagnosticEngine(manager), TextDiagnosticClient()
    engine.addClient(said)
    unknown = engine.setWarningOptions(["everything", *(f"no-{name}" for name in ALLOWED)])
    for diagnostics in (unknown, elaborated, analysis.getDiagnostics()):
        engine.issue(diagnostics)
    return str(said.getString())
