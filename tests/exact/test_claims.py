# SPDX-License-Identifier: Apache-2.0
"""Claims proved again: those of every graph hold, and one that was changed is the one that does not."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bitwright.exact.certificate import certify
from bitwright.exact.claims import claiming, proved_claims
from bitwright.exact.forms import Factors, Form, MultiplyShift, Thresholds
from bitwright.exact.ranges import ranges
from bitwright.exact.requantise import forms as proved_forms
from bitwright.frontend.build import Net
from bitwright.ir.functions import function_of
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Input, Layer, Requantise, Rounding, Table
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Weights
from bitwright.planning.candidates import cheapest
from tests.exact.test_pairs import layers as pair_of
from tests.ir.graphs import random_graph

ONE = {"scale": ONES, "zero": ZEROS}
EVERY_LINE = {"layer", "op", "inputs", "graph_sha256", "x_range", "y_range"}
S8 = integer(8, signed=True)


def chain() -> Graph:
    """Dense, requantiser, reshape, table: three claims and a move."""
    net = Net()
    sums = net.dense(net.input("x", (4,), "u4"), np.random.default_rng(0).integers(-7, 8, (3, 4)), name="fc")
    codes = net.rescale(sums, "u4", multiplier=[Fraction(1, 5), Fraction(1, 7), Fraction(-1, 6)], offset=2, name="act")
    net.table(net.reshape(codes, 1, 1, 3, name="move"), "s4", "sigmoid", ("affine", "16", "-8"), name="curve")
    return net.graph()


def joined() -> Graph:
    """Two operands of unequal scales, and the requantiser of their sum."""
    join, act = pair_of(Fraction(0.7), Fraction(0.41), Fraction(1, 3), S8, 3, Rounding.HALF_UP)
    entries = tuple(Input(name=name, inputs=(), shape=(2,), type=S8, **ONE) for name in "xy")
    return Graph(entries, (join, act), ("q",))


def with_layer(graph: Graph, changed: Layer) -> Graph:
    return replace(graph, layers=tuple(changed if old.name == changed.name else old for old in graph.layers))


def one_more(values: Weights, place: int = -1) -> Weights:
    """`values`, of which one is greater by 1."""
    array = values.array.copy()
    array.reshape(-1)[place] += 1
    return Weights(array)


def of_kind(graph: Graph, kind: type[Form]) -> Form:
    layer, reached = graph.by_name["act"], ranges(graph)["fc"]
    assert isinstance(layer, Requantise)
    return next(form for form in proved_forms(layer, reached.lo, reached.hi) if isinstance(form, kind))


@pytest.mark.parametrize("seed", range(24))
def test_every_claim_of_a_graph_holds(seed: int) -> None:
    graph = random_graph(seed, joins=seed % 2 == 0)
    forms, sums = cheapest(graph)
    lines = certify(graph, forms, ranges(graph), sums)
    names = [line["layer"] for line in lines if line.keys() > EVERY_LINE]
    assert [layer.name for layer in claiming(graph)] == names == proved_claims(graph, forms, sums)


def test_moves_claim_nothing() -> None:
    graph = chain()
    assert [layer.name for layer in claiming(graph)] == ["fc", "act", "curve"] != list(graph.by_name)
    assert proved_claims(graph, *cheapest(graph)) == ["fc", "act", "curve"]
    assert proved_claims(graph, {}, {}) == ["fc"]


@pytest.mark.parametrize("field", ["m", "c", "low", "high", "t", "first", "falling"])
def test_a_changed_form_proves_nothing(field: str) -> None:
    graph = chain()
    forms, sums = cheapest(graph)
    form = of_kind(graph, MultiplyShift if field in ("m", "c", "low", "high") else Thresholds)
    assert proved_claims(graph, forms | {"act": form}, sums) == ["fc", "act", "curve"]
    wrong = replace(form, **{field: one_more(getattr(form, field), 0)})
    assert proved_claims(graph, forms | {"act": wrong}, sums) == ["fc", "curve"]


def test_an_accumulator_that_is_too_narrow_is_not_proved() -> None:
    graph = chain()
    reached = ranges(graph)["fc"].type
    for kind, proved in ((reached, True), (IntType(reached.lo + 1, 99), False), (IntType(-99, reached.hi - 1), False)):
        found = with_layer(graph, replace(graph.by_name["fc"], type=kind))
        assert ("fc" in proved_claims(found, *cheapest(found))) is proved


def test_a_table_is_proved_by_its_function() -> None:
    graph = chain()
    curve = graph.by_name["curve"]
    assert isinstance(curve, Table)
    forms, sums = cheapest(graph)
    wrong = replace(forms["curve"], entries=one_more(curve.entries, 3))  # type: ignore[arg-type]
    assert proved_claims(graph, forms | {"curve": wrong}, sums) == ["fc", "act"]
    for changed in (
        replace(curve, entries=one_more(curve.entries, 3)),
        replace(curve, function=function_of("sigmoid", ("affine", "16", "-7"))),
        replace(curve, high=6),
        replace(curve, shift=1),
    ):
        assert proved_claims(with_layer(graph, changed), *cheapest(with_layer(graph, changed))) == ["fc", "act"]


def test_short_factors_of_a_sum_are_proved_with_their_form() -> None:
    graph = joined()
    forms, sums = cheapest(graph)
    form, factors = forms["q"], sums["add"]
    assert isinstance(form, MultiplyShift)
    assert proved_claims(graph, forms, sums) == ["q"]
    (ma,), (mb,) = factors.factors
    wrong = [
        Factors(factors=((ma + 1,), (mb,)), type=factors.type),
        Factors(factors=((ma,), (-mb,)), type=factors.type),
        replace(factors, type=IntType(factors.type.lo, factors.type.hi - 1)),
        Factors(factors=((ma,),), type=factors.type),
    ]
    assert [proved_claims(graph, forms, {"add": one}) for one in wrong] == [[]] * 4
    changed = [
        replace(form, c=one_more(form.c, 1)),  # in one channel of two
        replace(form, s=form.s + 1),
        replace(form, high=one_more(form.high)),
        replace(form, product=replace(form.product, lo=form.product.lo + 1)),
    ]
    assert [proved_claims(graph, {"q": one}, sums) for one in changed] == [[]] * 4
    assert proved_claims(graph, forms, {}) == []  # the form of the short factors is not that of the sum itself
