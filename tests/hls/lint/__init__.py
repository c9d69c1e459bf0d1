# SPDX-License-Identifier: Apache-2.0
"""The rules that make generated HLS C++ synthesisable, checked by a walk over Clang's syntax tree.

`lint(files)` gives the findings of a project, none if it is clean. What the vendor's tool never sees (`host/`, `tb/`)
is not looked at. The rules by name: C++14, standard library, floating point, virtual, memory, recursion, loop bounds,
loop label, loop pragma, loop over frames, pragma place, integer width, top, process arguments, stream name, stream
depth, stream ends.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.hls.lint.dataflow import dataflow_rules, member_rules
from tests.hls.lint.functions import function_rules
from tests.hls.lint.loops import loop_rules
from tests.hls.lint.pragmas import pragma_rules
from tests.hls.lint.source import Finding, parse
from tests.hls.lint.words import word_rules

RULES = (word_rules, function_rules, loop_rules, pragma_rules, dataflow_rules, member_rules)


def lint(files: Mapping[str, str]) -> list[Finding]:
    """What breaks a rule in a generated project (path -> text), by file and line."""
    with parse(files) as project:
        return sorted({*project.diagnostics, *(finding for rules in RULES for finding in rules(project))})
