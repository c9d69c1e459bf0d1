# SPDX-License-Identifier: Apache-2.0
"""The parts of a report of `verify`: rows of engines, claims that were proved again, the audit of other outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright import origin, sessions
from bitwright.audit import verdict
from bitwright.design import Design
from bitwright.exact.claims import claiming, proved_claims
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.planning.candidates import cheapest
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, REFERENCE, Built, Outcome

Array = NDArray[Any]


def ran(net: Graph, engine: Built, codes: Sequence[Ints]) -> Outcome:
    """What an engine gives for `codes`, kept in few bytes: that of several engines is there at once."""
    found = engine.run(codes)
    layers = (net.by_name[name] for name in net.outputs)
    return replace(found, outputs=[whole.kept(*pair) for pair in zip(layers, found.outputs, strict=True)])


def row(outcome: Outcome, expected: list[Ints]) -> dict[str, Any]:
    """What an engine gave, beside what was expected."""
    pairs = list(zip(outcome.outputs, expected, strict=True))
    found: dict[str, Any] = {
        "elements": sum(want.size for _, want in pairs),
        "mismatches": sum(int((got != want).sum()) if got.shape == want.shape else want.size for got, want in pairs),
        "seconds": round(outcome.seconds, 4),
        "build_seconds": round(outcome.build_seconds, 3),
    }
    return found | dict(outcome.counts)


def spot_check(net: Graph, codes: Sequence[Ints], outcome: Outcome) -> dict[str, Any]:
    """The row of the engine that measures the others: a tenth of its samples against the reference."""
    count = len(codes[0])
    some = np.sort(np.random.default_rng(0).permutation(count)[: max(1, count // 10)])
    expected = ENGINES[REFERENCE].build(net, None).run([array[some] for array in codes]).outputs
    return row(replace(outcome, outputs=[array[some] for array in outcome.outputs]), expected)


def certified(net: Graph, design: Design | None) -> dict[str, int]:
    """How many layers make a claim, and for how many it holds: with the forms of `design`, or of the cheapest."""
    forms, sums = (design.forms, design.sums) if design else cheapest(net)
    return {"layers": len(claiming(net)), "proved": len(proved_claims(net, forms, sums))}


def audited(run: verdict.Run, wanted: list[Array] | None, trace: bool) -> dict[str, Any]:
    """The keys `golden`, `audit` and, if asked for, `trace` of a report of `verify`."""
    result: dict[str, Any] = {"golden": None}
    if wanted is not None:
        result |= _compared(run, wanted)
    if trace:
        result["trace"] = _traced(run)
    return result


def _compared(run: verdict.Run, wanted: list[Array]) -> dict[str, Any]:
    """Counts, and what explains the differences or may be behind them."""
    audit = verdict.compare(run, wanted, lambda: origin.source(run.graph))
    golden = dict(audit.counts)
    if not origin.is_known(run.graph):
        return {"golden": golden, "audit": "unavailable"}
    found: dict[str, Any] = {"parts": [part.as_dict() for part in audit.parts]}
    if golden["unexplained"]:
        found["note"] = sessions.remark(run.graph, run.feeds, run.outputs, wanted)
    return {"golden": golden, "audit": found} if audit.parts or golden["unexplained"] else {"golden": golden}


def _traced(run: verdict.Run) -> list[dict[str, Any] | None]:
    """For each sample the first integer at which a float32 run parts."""
    source = origin.source(run.graph)
    if source is None:
        raise BitwrightError(
            "there is no source model to run in float32", where="--trace", hint="give the ONNX file itself"
        )
    firsts = verdict.first_parts(run, source)
    return [None if part is None else part.as_dict() for part in firsts]


def passed(report: Mapping[str, Any]) -> bool:
    """True if a report of `verify` holds no mismatch between engines, no unexplained element and no unproved claim."""
    mismatches = sum(row["mismatches"] for row in report["engines"].values())
    unproved = report["certificate"]["layers"] - report["certificate"]["proved"]
    return mismatches == unproved == 0 and (report["golden"] is None or report["golden"]["unexplained"] == 0)
