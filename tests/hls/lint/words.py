# SPDX-License-Identifier: Apache-2.0
"""Rules that a word gives away: C++14 without the standard library, floating point, virtual functions or a heap."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.hls.lint.source import Finding, Project

INCLUDED = ("ap_axi_sdata.h", "ap_int.h", "hls_stream.h", "type_traits")
TRAITS = "conditional|enable_if|is_same|is_base_of|integral_constant|true_type|false_type"
"""What of <type_traits> may be used: types for the compiler, nothing that becomes hardware."""
WORDS = [
    ("floating point", r"\b(?:float|double)\b|\b\d+\.\d*(?:e[-+]?\d+)?\b|\b\d+e[-+]?\d+\b"),
    ("virtual", r"\b(?:virtual|dynamic_cast|typeid)\b"),
    ("memory", r"\b(?:new|delete|malloc|calloc|realloc|free|alloca)\b"),
    ("standard library", rf"\bstd\s*::\s*(?!(?:{TRAITS})\b)\w+"),
    ("loop bounds", r"\b(?:while|goto|do)\b"),
    ("C++14", r"\b(?:try|throw|catch|using\s+namespace)\b|#\s*define\b"),
]


def word_rules(project: Project) -> Iterator[Finding]:
    """Words outside of comments and strings, and includes."""
    for path, text in project.texts.items():
        for number, line in enumerate(text.split("\n"), 1):
            included = re.match(r"\s*#include <([^>]*)>", line)
            if included and included[1] not in INCLUDED:
                yield Finding(path, number, "standard library", f"includes <{included[1]}>")
            if re.match(r"\s*#(?:include|pragma)\b", line):
                continue
            code = re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
            for rule, pattern in WORDS:
                for word in re.findall(pattern, code):
                    yield Finding(path, number, rule, f"'{word}'")
