# SPDX-License-Identifier: Apache-2.0
"""The engines by name: each takes integers and gives integers, and all give the same."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bitwright.design import Design
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.sim import reference

ENGINES = ("reference", "hls", "rtl")


@dataclass(frozen=True)
class Outcome:
    """What an engine gave: outputs, wall seconds to run and to build, and its counts (`cycles_per_frame`, ...)."""

    outputs: list[Ints]
    seconds: float
    build_seconds: float = 0.0
    counts: Mapping[str, Any] = field(default_factory=dict)


def simulate(engine: str, net: Graph, codes: Sequence[Ints], *, design: Design | None) -> Outcome:
    """`codes` through `engine`; the compiled engines need a design."""
    if engine not in ENGINES:
        raise BitwrightError(
            f"there is no engine '{engine}'", where="engine", hint="known engines: " + ", ".join(ENGINES)
        )
    start = time.perf_counter()
    if engine == "reference":
        return Outcome(reference.run(net, codes), time.perf_counter() - start)
    assert design is not None
    return _hls(design, codes) if engine == "hls" else _rtl(design, codes)
