# SPDX-License-Identifier: Apache-2.0
"""What a backend prints: one design with its kernels and a few test vectors."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import KernelGraph
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A design ready to be written: `name` is an identifier, `digest` names graph and plan, in line 1 of each file.

    `inputs` and `outputs` are test vectors in integers, one array per boundary stream, (samples, *shape), channels
    last; the outputs come from the reference engine.
    """

    name: str
    version: str
    model: str  # the source file's name, for comments
    digest: str
    graph: Graph
    kernels: KernelGraph
    clock_ns: float
    part: str | None
    inputs: tuple[Weights, ...]
    outputs: tuple[Weights, ...]
    hls_vendor: str = "vitis"
