# SPDX-License-Identifier: Apache-2.0
"""What a plan may choose from for each requantiser: its proved forms, and shorter factors for the sums in front."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from bitwright.exact.forms import Factors, Form, Lookup, MultiplyShift
from bitwright.exact.pairs import pair_forms
from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.requantise import forms as proved_forms
from bitwright.exact.requantise import refusal
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Requantise, Sum, Table
from bitwright.ir.weights import Weights
from bitwright.planning.form_cost import cheapest_first

FORMS = 1 << 7
"""Requantisers, and sums before one, whose proved forms are kept."""
TWO_OPERAND = "two_operand"
"""How a plan names the form of a requantiser whose sum is computed with shorter factors."""
Ends = tuple[Weights, Weights]
"""The lowest and the highest integers of each channel, as what can be a key."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """The forms of each requantiser and table, by its name, and the factors of each sum that has shorter ones, by its.

    `joined` has the requantisers behind such sums: their one form is proved together with the factors.
    """

    forms: Mapping[str, tuple[Form, ...]]
    sums: Mapping[str, Factors]
    joined: Mapping[str, tuple[MultiplyShift]]


def candidates(graph: Graph, plan: Plan, reached: Mapping[str, Ranges]) -> Candidates:
    """The proved forms of each layer that needs one, cheapest first; `plan` may ask for a sum without short factors."""
    pairs = joined_forms(graph, plan, reached)
    joined = {name: (form,) for name, (_, form) in pairs.items()}
    alone = {layer.name: candidate_forms(graph, layer, reached) for layer in graph.layers if layer.name not in pairs}
    sums = {graph.by_name[name].inputs[0]: factors for name, (factors, _) in pairs.items()}
    return Candidates({name: forms for name, forms in alone.items() if forms} | joined, sums, joined)


def cheapest(graph: Graph) -> tuple[dict[str, Form], dict[str, Factors]]:
    """The form of each requantiser and table, and the factors of sums, that a plan without wishes takes.

    A layer that has no proved form is left out.
    """
    reached = ranges(graph)
    pairs = joined_forms(graph, Plan(), reached)
    found: dict[str, Form] = {name: form for name, (_, form) in pairs.items()}
    for layer in graph.layers:
        with suppress(BitwrightError):
            if layer.name not in pairs and (offered := candidate_forms(graph, layer, reached)):
                found[layer.name] = offered[0]
    return found, {graph.by_name[name].inputs[0]: factors for name, (factors, _) in pairs.items()}


def refused(graph: Graph) -> list[BitwrightError]:
    """What a plan would say of the requantisers that no hardware can be proved for."""
    reached = ranges(graph)
    layers = [layer for layer in graph.layers if isinstance(layer, Requantise)]
    found = [(layer, refusal(layer, reached[layer.inputs[0]].lo, reached[layer.inputs[0]].hi)) for layer in layers]
    if not any(error for _, error in found):
        return []
    pairs = joined_forms(graph, Plan(), reached)
    return [error for layer, error in found if error and layer.name not in pairs]


def _joined(graph: Graph, plan: Plan, layer: Requantise) -> Sum | None:
    """The sum of two operands that `layer` alone reads, if its plan leaves it free to be computed with it."""
    join = graph.source_of(layer)
    if not isinstance(join, Sum) or len(join.inputs) != 2:
        return None
    wanted = plan.layers.get(layer.name, LayerPlan()).form
    alone = len(graph.readers[join.name]) == 1 and join.name not in graph.outputs
    return join if alone and wanted in ("", TWO_OPERAND) else None


def joined_forms(graph: Graph, plan: Plan, reached: Mapping[str, Ranges]) -> dict[str, tuple[Factors, MultiplyShift]]:
    """Requantisers that only a sum of two operands feeds, with shorter factors for that sum, proved for every pair."""
    found = {}
    for layer in graph.layers:
        if not isinstance(layer, Requantise) or (join := _joined(graph, plan, layer)) is None:
            continue
        made = _kept_pair(join, layer, *(reached[name] for name in join.inputs))
        if made is not None and made[0].type.bits < reached[join.name].type.bits:
            found[layer.name] = made
    return found


def candidate_forms(graph: Graph, layer: AnyLayer, reached: Mapping[str, Ranges]) -> tuple[Form, ...]:
    """The proved forms of a requantiser or table, cheapest first; none for other layers."""
    match layer:
        case Requantise():
            return cheapest_first(_kept_forms(layer, reached[layer.inputs[0]]))
        case Table():
            return (Lookup(kind="table", lo=graph.source_of(layer).type.lo, entries=layer.entries),)
    if isinstance(layer, AnyLayer):
        return ()
    assert_never(layer)


def _kept_forms(layer: Requantise, reached: Ranges) -> tuple[Form, ...]:
    """The proved forms of a requantiser over what reaches it; BitwrightError names it if there is none."""
    return _proved(replace(layer, inputs=("x",), source=()), *_ends(reached))


def _kept_pair(join: Sum, layer: Requantise, a: Ranges, b: Ranges) -> tuple[Factors, MultiplyShift] | None:
    """Shorter factors for a sum, and a shift for the requantiser behind it, if any are proved."""
    join, layer = replace(join, inputs=("a", "b"), source=()), replace(layer, inputs=("sum",), source=())
    return _proved_pair(join, layer, _ends(a), _ends(b))


def _ends(reached: Ranges) -> Ends:
    return Weights(reached.lo), Weights(reached.hi)


@lru_cache(FORMS)
def _proved(layer: Requantise, lo: Weights, hi: Weights) -> tuple[Form, ...]:
    return proved_forms(layer, lo.array, hi.array)


@lru_cache(FORMS)
def _proved_pair(join: Sum, layer: Requantise, a: Ends, b: Ends) -> tuple[Factors, MultiplyShift] | None:
    return pair_forms(join, layer, *(Ranges(lo.array, hi.array) for lo, hi in (a, b)))
