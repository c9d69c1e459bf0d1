# SPDX-License-Identifier: Apache-2.0
"""The text form: what it looks like, that it reads back, and what its parser says of bad lines."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, TensorSpec
from bitwright.ir.layers import Dense, Input
from bitwright.ir.parsing import parse
from bitwright.ir.per_channel import ZEROS, PerChannel
from bitwright.ir.printing import constants, print_graph
from bitwright.ir.source import Source
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from tests.ir.graphs import random_graph

TEXT = """\
source file=mlp.onnx
before inputs=("in 0") outputs=("in 0") specs=(((4), uint8))
"in 0": u8 (4) = input() scale=(1/255) zero=(0)
fc: s11[-510..765] (2) = dense("in 0") scale=(1/510, 1/3) zero=(0) source=(/fc) weights=((1, 0, 2, -2), (1, 1, 0, 1))
outputs (fc)
"""
GRAPH = Graph(
    (
        Input(
            name="in 0",
            inputs=(),
            shape=(4,),
            type=IntType(0, 255),
            scale=PerChannel.made(Fraction(1, 255)),
            zero=ZEROS,
        ),
    ),
    (
        Dense(
            name="fc",
            inputs=("in 0",),
            shape=(2,),
            type=IntType(-510, 765),
            scale=PerChannel.made((Fraction(1, 510), Fraction(1, 3))),
            zero=ZEROS,
            source=("/fc",),
            weights=Weights(np.array([[1, 0, 2, -2], [1, 1, 0, 1]])),
        ),
    ),
    ("fc",),
    before=HostGraph(("in 0",), (), ("in 0",), (TensorSpec((4,), "uint8"),)),
    source=Source("mlp.onnx"),
)


@pytest.mark.parametrize("seed", range(120))
def test_text_reads_back_to_an_equal_graph(seed: int) -> None:
    graph = random_graph(seed)
    text = print_graph(graph)
    assert parse(text, constants(graph)) == graph
    assert len(text.splitlines()) <= len(graph.layers) + len(graph.before.steps) + len(graph.after.steps) + 5


def test_the_text_of_a_small_graph() -> None:
    assert print_graph(GRAPH) == TEXT
    assert parse(TEXT) == GRAPH


def test_long_values_stand_as_digests() -> None:
    fc = replace(GRAPH.layers[0], weights=Weights(np.arange(40).reshape(2, 20)))  # type: ignore[call-arg]
    graph = Graph((replace(GRAPH.inputs[0], shape=(20,)),), (fc,), ("fc",))
    assert "weights=<2x20 u6[0..39] #" in print_graph(graph)
    assert parse(print_graph(graph), constants(graph)) == graph
    assert list(constants(graph).values()) == [fc.weights]


def test_names_from_hostile_models_are_quoted() -> None:
    name = 'a"b\n= c: <d> \u2028 (é)'
    layer = replace(GRAPH.layers[0], name=name)
    graph = replace(GRAPH, layers=(layer,), outputs=(name,))
    assert len(print_graph(graph).splitlines()) == 5
    assert parse(print_graph(graph)) == graph


def test_html_escapes_names() -> None:
    graph = replace(GRAPH, layers=(replace(GRAPH.layers[0], name="<script>"),), outputs=("<script>",))
    assert graph._repr_html_() == (
        "<table><tr><th>layer</th><th>op</th><th>type</th><th>shape</th><th>reads</th></tr>"
        "<tr><td>in 0</td><td>input</td><td>u8</td><td>4</td><td></td></tr>"
        "<tr><td>&lt;script&gt;</td><td>dense</td><td>s11[-510..765]</td><td>2</td><td>in 0</td></tr></table>"
    )


PRINT = "\n  hint: print a graph to see how it is written"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("= dense", "= eval", "line 4: expected one of input, dense, conv, maxpool, sumpool, sum, multiply, concat, "),
        ("weights=((1, 0, 2, -2), (1, 1, 0, 1))", "", "line 4: expected the fields name, inputs, "),
        ("1/510, 1/3", "1/510 1/3", f"line 4: expected ',', found 1/3{PRINT}"),
        ("(1, 1, 0, 1))", "(1, 1, 0, 1)", f"line 4: expected ',', found the end{PRINT}"),
        ("zero=(0) source", "zero=(0) zero=(0) source", f"line 4: expected a field of dense once, found zero{PRINT}"),
        ("zero=(0) source", "size=(0) source", f"line 4: expected a field of dense once, found size{PRINT}"),
        ("s11[-510..765]", "s11[5..]", "line 4: 's11[5..]' is not an integer type; examples: u8, s4, s4n, bipolar, "),
        ("(1, 1, 0, 1))", "(1, 1))", "line 4: "),
        ("(4) =", "(((((((((4))))))))) =", f"line 3: expected at most 8 nested lists, found ({PRINT}"),
        ("(4) =", "(0x4) =", f"line 3: expected ',', found x4{PRINT}"),
        ("(4) =", "<4 #abc> =", f"line 3: expected the digest of a given constant, found #abc{PRINT}"),
        (
            "source file",
            "sources file",
            "line 1: expected source, before, outputs, after, a layer or a host step, found ",
        ),
        ("outputs (fc)", "outputs (fc", f"line 5: expected ',', found the end{PRINT}"),
        ("outputs (fc)", "outputs {fc}", f"line 5: expected a value, found {{fc}}{PRINT}"),
        ('"in 0": u8', '"in \\x": u8', f'line 3: expected a JSON string, found "in \\x"{PRINT}'),
    ],
)
def test_a_bad_line_is_named(old: str, new: str, expected: str) -> None:
    assert old in TEXT
    with pytest.raises(BitwrightError) as error:
        parse(TEXT.replace(old, new))
    assert str(error.value).startswith(expected)
