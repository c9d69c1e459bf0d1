# SPDX-License-Identifier: Apache-2.0
"""Backends print a project as files: a name, and the module whose `generate` does it, loaded on demand."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from bitwright.backends.project import Project
from bitwright.ir.stages import begins

BACKENDS = {"hls": "bitwright.backends.hls.project", "verilog": "bitwright.backends.verilog.project"}
NAMES = {"hls": "C++", "verilog": "Verilog"}
"""What is said of them."""


def generate(backend: str, project: Project) -> Mapping[str, str]:
    """Every file of the project in the language of `backend` (a key of `BACKENDS`), path -> text; touches no disk."""
    begins(f"printing the {NAMES[backend]} project")
    files: Mapping[str, str] = import_module(BACKENDS[backend]).generate(project)
    return files
