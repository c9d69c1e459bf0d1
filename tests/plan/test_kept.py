# SPDX-License-Identifier: Apache-2.0
"""What is kept of a layer for the next design: the same design with it and without, and nothing asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.design import Design
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.weights import Weights
from bitwright.planning import candidates, kept
from bitwright.planning.choices import CHOICES

DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "digits.onnx"
KEPT = (CHOICES, kept.KERNELS, kept.FRONTS)
FORMS = (candidates._proved, candidates._proved_pair)


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    forget()
    yield


def forget() -> None:
    for each in KEPT:
        each.found.clear()
    for form in FORMS:
        form.cache_clear()


def asked() -> list[int]:
    """How much was found, of each kind."""
    return [*(len(each.found) for each in KEPT), *(form.cache_info().misses for form in FORMS)]


def matrices(graph: Graph) -> list[Conv | Dense]:
    return [layer for layer in graph.layers if isinstance(layer, Conv | Dense)]


def changed(graph: Graph, index: int) -> Graph:
    """`graph` with narrower weights in one layer."""
    old = matrices(graph)[index]
    new = replace(old, weights=Weights(np.clip(old.weights.array, -1, 1)))
    return replace(graph, layers=tuple(new if layer is old else layer for layer in graph.layers))


def said(design: Design) -> object:
    return design.plan, design.price.total, design.kernels, design.planned, design.certificate


def test_a_design_that_differs_in_one_layer_asks_for_that_one() -> None:
    graph = bitwright.load(DIGITS)
    bitwright.compile(graph)
    found = asked()
    bitwright.compile(bitwright.load(DIGITS))
    assert asked() == found
    other = changed(graph, 1)
    warm = bitwright.compile(other)
    assert 0 < asked()[0] - found[0] <= 2, "once at the target, and once at the pace reached"
    forget()
    assert said(bitwright.compile(other)) == said(warm)


def test_names_and_real_values_are_no_part_of_a_price() -> None:
    """Other names and scales, so that what was kept serves, and every name in the design is still its own."""
    graph = bitwright.load(DIGITS)
    bitwright.compile(graph)
    found = asked()[0]
    names = {layer.name: f"other_{layer.name}" for layer in (*graph.inputs, *graph.layers)}
    half = PerChannel((Fraction(1, 2),))
    layers = tuple(
        replace(
            layer,
            name=names[layer.name],
            inputs=tuple(names[name] for name in layer.inputs),
            **({"scale": half} if isinstance(layer, Conv | Dense) else {}),
        )
        for layer in graph.layers
    )
    entering = tuple(replace(layer, name=names[layer.name]) for layer in graph.inputs)
    other = replace(graph, inputs=entering, layers=layers, outputs=tuple(names[name] for name in graph.outputs))
    design = bitwright.compile(replace(other, before=type(graph.before)(), after=type(graph.after)()))
    assert asked()[0] == found
    assert set(design.price.layers) == {layer.name for layer in layers}


def test_a_requantiser_that_has_no_form_is_named_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = bitwright.load(DIGITS)
    first = next(layer for layer in graph.layers if isinstance(layer, Requantise))

    def none(layer: Requantise, lo: object, hi: object) -> object:
        raise bitwright.BitwrightError("has no form", where=f"layer '{layer.name}'", hint="none")

    monkeypatch.setattr(candidates, "proved_forms", none)
    for _ in range(2):
        with pytest.raises(bitwright.BitwrightError, match=f"layer '{first.name}': has no form"):
            bitwright.compile(graph)


def held(value: object) -> Iterator[object]:
    """All that a key is made of."""
    if isinstance(value, tuple):
        yield from chain.from_iterable(map(held, value))
    elif is_dataclass(value):
        yield value
        yield from chain.from_iterable(held(getattr(value, entry.name)) for entry in fields(value))
    else:
        yield value


def test_no_weights_are_held_by_what_is_kept() -> None:
    bitwright.compile(bitwright.load(DIGITS))
    for each in KEPT:
        found = list(held(tuple(each.found.items())))
        assert len(found) > 50 and not [value for value in found if isinstance(value, Weights | np.ndarray)]


def test_the_oldest_is_forgotten() -> None:
    small: kept.Kept[int] = kept.Kept(2)
    assert [small.get(key, lambda key=key: key * key) for key in (1, 2, 3, 2)] == [1, 4, 9, 4]
    assert list(small.found) == [2, 3]
