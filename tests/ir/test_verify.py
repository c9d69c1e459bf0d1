# SPDX-License-Identifier: Apache-2.0
"""Every rule of the verifier, its message verbatim."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import Relu
from bitwright.ir.layers import LAYERS as KINDS
from bitwright.ir.layers import (
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Rounding,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.moves import Repeat, Take
from bitwright.ir.per_channel import NONE, ONES, ZEROS, PerChannel
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window
from tests.ir.graphs import random_graph

U2, U8, S20 = integer(2, signed=False), integer(8, signed=False), integer(20, signed=True)


def common(name: str, reads: str, shape: tuple[int, ...], kind: IntType) -> dict[str, Any]:
    return {"name": name, "inputs": (reads,), "shape": shape, "type": kind, "scale": ONES, "zero": ZEROS}


X = Input(**common("x", "", (6, 6, 2), U2) | {"inputs": ()})
CONV = Conv(**common("conv", "x", (4, 4, 4), S20), window=Window((3, 3)), weights=Weights(np.ones((4, 3, 3, 2))))
QUANT = Requantise(
    **common("quant", "conv", (4, 4, 4), U2),
    multiplier=ONES,
    offset=ZEROS,
    rounding=Rounding.HALF_EVEN,
    low=(0,),
    high=(3,),
)
POOL = MaxPool(**common("pool", "quant", (2, 2, 4), U2), window=Window((2, 2), (2, 2)))
TABLE = Table(
    **common("table", "pool", (2, 2, 4), U2),
    entries=Weights(np.array([0, 1, 2, 3])),
    function=(),
    rounding=Rounding.FLOOR,
    low=0,
    high=3,
)
FLAT = Reshape(**common("flat", "table", (16,), U2))
DENSE = Dense(**common("dense", "flat", (3,), S20), weights=Weights(np.ones((3, 16))))
LAYERS: tuple[Layer, ...] = (CONV, QUANT, POOL, TABLE, FLAT, DENSE)
GRAPH = Graph((X,), LAYERS, ("dense",))


def message(graph: Graph) -> str:
    with pytest.raises(BitwrightError) as error:
        verify(graph)
    return str(error.value)


def changed(layer: Layer, **fields: Any) -> Graph:
    return replace(
        GRAPH, layers=tuple(replace(layer, **fields) if old.name == layer.name else old for old in GRAPH.layers)
    )


def test_a_valid_graph_comes_back_itself() -> None:
    assert verify(GRAPH) is GRAPH


def test_random_graphs_are_valid_and_have_every_kind() -> None:
    graphs = [random_graph(seed, joins=True) for seed in range(40)]
    assert {layer.op for graph in graphs for layer in (*graph.inputs, *graph.layers)} == set(KINDS)


CASES: list[tuple[Layer, dict[str, Any], str]] = [
    (CONV, {"shape": (4, 0, 4)}, "has the shape (4, 0, 4)\n  hint: every axis needs a length of at least 1"),
    (CONV, {"shape": ()}, "has the shape ()\n  hint: every axis needs a length of at least 1"),
    (
        CONV,
        {"type": IntType(0, 1 << 63)},
        "its type needs 64 bits\n  hint: integers of at most 63 bits are supported",
    ),
    (
        CONV,
        {"scale": PerChannel.made([1] * 3)},
        "scale has 3 values for 4 channels\n  hint: give one, or one per channel",
    ),
    (CONV, {"zero": NONE}, "zero has 0 values for 4 channels\n  hint: give one, or one per channel"),
    (
        CONV,
        {"inputs": ()},
        "reads 0 tensors\n  hint: an input reads none, a layer that does not join tensors reads one",
    ),
    (
        CONV,
        {"inputs": ("pool",)},
        "reads 'pool', which no earlier layer makes\n  hint: order the layers topologically, or add the missing input",
    ),
    (
        CONV,
        {"weights": Weights(np.ones((4, 3, 3)))},
        "weights have the shape (4, 3, 3)\n  hint: weights are (outputs, kernel height, kernel width, inputs / groups)",
    ),
    (CONV, {"groups": 3}, "4 outputs do not divide into 3 groups\n  hint: outputs are ordered by group"),
    (CONV, {"groups": 0}, "4 outputs do not divide into 0 groups\n  hint: outputs are ordered by group"),
    (
        CONV,
        {"groups": 2},
        "2 groups of 2 input channels, 'x' has 2\n"
        "  hint: weights are (outputs, kernel height, kernel width, inputs / groups)",
    ),
    (
        CONV,
        {"window": Window((3, 3), (0, 1))},
        "has the window (3, 3), strides (0, 1), dilations (1, 1), pads (0, 0, 0, 0)\n"
        "  hint: kernel, strides and dilations are at least 1, pads at least 0",
    ),
    (
        CONV,
        {"window": Window((3, 3), pads=(0, 0, -1, 0))},
        "has the window (3, 3), strides (1, 1), dilations (1, 1), pads (0, 0, -1, 0)\n"
        "  hint: kernel, strides and dilations are at least 1, pads at least 0",
    ),
    (
        CONV,
        {"window": Window((3, 3), dilations=(3, 1))},
        "its window does not fit (6, 6, 2)\n  hint: make the kernel smaller or the padding larger",
    ),
    (
        CONV,
        {"window": Window((3, 2))},
        "weights of 3x3 positions in a window of (3, 2)\n  hint: the window's kernel is that of the weights",
    ),
    (
        CONV,
        {"window": Window((3, 3), (3, 3))},
        "makes the shape (2, 2, 4), not (4, 4, 4)\n  hint: state the shape it makes",
    ),
    (CONV, {"pad_value": 1 << 63}, f"pads with {1 << 63}\n  hint: integers of at most 63 bits are supported"),
    (QUANT, {"shape": (4, 16)}, "makes the shape (4, 4, 4), not (4, 16)\n  hint: state the shape it makes"),
    (
        QUANT,
        {"multiplier": PerChannel.made([1] * 2)},
        "multiplier has 2 values for 4 channels\n  hint: give one, or one per channel",
    ),
    (QUANT, {"offset": NONE}, "offset has 0 values for 4 channels\n  hint: give one, or one per channel"),
    (
        QUANT,
        {"low": (0, 0, 2, 0), "high": (1,)},
        "a lower limit is above its upper limit\n  hint: low <= high in every channel",
    ),
    (QUANT, {"shift": 1}, "makes 1..4, its type is u2\n  hint: the type covers low..high plus shift"),
    (
        QUANT,
        {"type": BIPOLAR, "low": (-1,), "high": (1,)},
        "makes -1..1, its type is bipolar\n  hint: the type covers low..high plus shift",
    ),
    (
        QUANT,
        {"rounding": Rounding.LEVELS},
        "rounds by levels with 0 rows of levels\n  hint: levels go with 'levels'",
    ),
    (
        QUANT,
        {"levels": (ONES.values,)},
        "rounds by half_even with 1 rows of levels\n  hint: levels go with 'levels'",
    ),
    (
        QUANT,
        {"rounding": Rounding.LEVELS, "levels": ((Fraction(1), Fraction(0)),)},
        "its levels are ragged or not ascending\n  hint: sort each channel's levels; equal ones may repeat",
    ),
    (
        QUANT,
        {"rounding": Rounding.LEVELS, "levels": (*[ONES.values] * 3, ONES.values * 2)},
        "its levels are ragged or not ascending\n  hint: sort each channel's levels; equal ones may repeat",
    ),
    (POOL, {"type": U8}, "turns u2 into u8\n  hint: maxpool keeps the type of what it reads"),
    (POOL, {"shape": (2, 2, 3)}, "has 3 channels, 'quant' has 4\n  hint: pooling keeps the channels"),
    (POOL, {"shape": (3, 2, 4)}, "makes the shape (2, 2, 4), not (3, 2, 4)\n  hint: state the shape it makes"),
    (
        POOL,
        {"window": Window((2, 2), (2, 2), pads=(2, 0, 0, 0)), "shape": (3, 2, 4)},
        "a window lies wholly in the padding\n  hint: pad by less than the kernel",
    ),
    (
        TABLE,
        {"entries": Weights(np.array([0, 1, 2]))},
        "has 3 entries, 'pool' has the type u2\n  hint: one entry for each of 0..3",
    ),
    (
        TABLE,
        {"entries": Weights(np.array([0, 1, 2, 9]))},
        "makes 0..9, its type is u2\n  hint: the type covers every entry",
    ),
    (TABLE, {"low": 4}, "its lower limit is above its upper limit\n  hint: low <= high"),
    (FLAT, {"type": U8}, "turns u2 into u8\n  hint: reshape keeps the type of what it reads"),
    (FLAT, {"shape": (15,)}, "(2, 2, 4) cannot become (15)\n  hint: a reshape keeps the number of elements"),
    (
        DENSE,
        {"weights": Weights(np.ones((3, 15)))},
        "weights read 15 features, 'flat' has 16\n  hint: weights are (outputs, inputs)",
    ),
    (
        DENSE,
        {"weights": Weights(np.ones((0, 16)))},
        "weights have the shape (0, 16)\n  hint: weights are (outputs, inputs)",
    ),
    (DENSE, {"shape": (4,)}, "makes the shape (3), not (4)\n  hint: state the shape it makes"),
]


@pytest.mark.parametrize(("layer", "fields", "expected"), CASES)
def test_a_broken_layer_is_named(layer: Layer, fields: dict[str, Any], expected: str) -> None:
    assert message(changed(layer, **fields)) == f"layer {layer.name!r}: {expected}"


SUM = Sum(**common("sum", "x", (6, 6, 2), S20) | {"inputs": ("x", "x")}, factors=((2,), (1, -1)))
PRODUCT = Multiply(**common("product", "x", (6, 6, 2), S20) | {"inputs": ("x", "x")}, zeros=(1, 0))
JOINED = Concat(**common("joined", "x", (6, 6, 4), U2) | {"inputs": ("x", "x")})
PICKED = Gather(**common("picked", "x", (2, 1), U2), move=Take(Weights(np.array([[71], [-1]]))))
PLACE = ArgMax(**common("place", "x", (6, 6, 1), integer(1, signed=False)))
FITTING = "  hint: indices are -1 (fill) or places in the flattened input; axes and sizes fit those of the input"
SUMMED = SumPool(**common("summed", "x", (3, 3, 2), S20), window=Window((2, 2), (2, 2)))


@pytest.mark.parametrize("layer", [SUM, PRODUCT, JOINED, PICKED, SUMMED, PLACE, replace(PLACE, last=1)])
def test_joins_gathers_sum_pools_and_places_are_valid(layer: Layer) -> None:
    graph = Graph((X,), (layer,), (layer.name,))
    assert verify(graph) is graph


@pytest.mark.parametrize(
    ("layer", "fields", "expected"),
    [
        (SUM, {"inputs": ()}, "reads 0 tensors\n  hint: a sum or a concatenation has at least one operand"),
        (
            SUM,
            {"factors": ((1,),)},
            "has the wrong number of factors\n  hint: each operand has one factor, or one per channel",
        ),
        (
            SUM,
            {"factors": ((1,), (1, 2, 3))},
            "has the wrong number of factors\n  hint: each operand has one factor, or one per channel",
        ),
        (
            SUM,
            {"shape": (6, 12)},
            "reads tensors of other shapes than its own\n  hint: gather the operands into one shape first",
        ),
        (PRODUCT, {"inputs": ("x",)}, "reads 1 tensors\n  hint: a product has two factors"),
        (
            PRODUCT,
            {"shape": (72,)},
            "reads tensors of other shapes than its own\n  hint: gather the operands into one shape first",
        ),
        (
            JOINED,
            {"shape": (6, 6, 5)},
            "joins tensors that do not fit its shape\n  hint: all axes but the last agree, which add up",
        ),
        (
            PICKED,
            {"move": Take(Weights(np.array([[72], [0]])))},
            "does not make (2, 1) of 'x' of shape (6, 6, 2) by its take\n" + FITTING,
        ),
        (
            PICKED,
            {"move": Take(Weights(np.array([0, 1])))},
            "does not make (2, 1) of 'x' of shape (6, 6, 2) by its take\n" + FITTING,
        ),
        (
            PICKED,
            {"move": Repeat((1 << 20, 1 << 20, 1)), "shape": (6 << 20, 6 << 20, 2)},
            "does not make (6291456, 6291456, 2) of 'x' of shape (6, 6, 2) by its repeat\n" + FITTING,
        ),
        (
            JOINED,
            {"type": IntType(0, 2)},
            "holds values of u2, its type is u2[0..2]\n  hint: the type covers all that it holds",
        ),
        (
            PICKED,
            {"type": IntType(0, 2)},
            "holds values of u2, its type is u2[0..2]\n  hint: the type covers all that it holds",
        ),
        (PICKED, {"fill": -1}, "holds values of s1[-1..-1], its type is u2\n  hint: the type covers all that it holds"),
        (PLACE, {"shape": (6, 6, 2)}, "makes the shape (6, 6, 1), not (6, 6, 2)\n  hint: state the shape it makes"),
        (
            PLACE,
            {"type": IntType(0, 0)},
            "holds values of u1, its type is u1[0..0]\n  hint: the type covers all that it holds",
        ),
        (PLACE, {"last": 2}, "its `last` is 2\n  hint: 0: of equals the first wins, 1: the last"),
        (SUMMED, {"shape": (3, 3, 1)}, "makes the shape (3, 3, 2), not (3, 3, 1)\n  hint: state the shape it makes"),
    ],
)
def test_a_broken_join_is_named(layer: Layer, fields: dict[str, Any], expected: str) -> None:
    assert message(Graph((X,), (replace(layer, **fields),), (layer.name,))) == f"layer {layer.name!r}: {expected}"


def test_a_window_may_only_read_channels_of_an_image() -> None:
    flat = replace(X, shape=(72,))
    assert message(replace(GRAPH, inputs=(flat,))) == (
        "layer 'conv': reads 'x' of shape (72)\n  hint: a window moves over (height, width, channels)"
    )


def test_a_sign_may_make_bipolar_codes() -> None:
    sign = replace(QUANT, type=BIPOLAR, rounding=Rounding.SIGN, low=(-1,), high=(1,))
    graph = Graph((X,), (CONV, sign), ("quant",))
    assert verify(graph) is graph


def test_names_are_unique() -> None:
    twice = replace(GRAPH, layers=(*GRAPH.layers, DENSE))
    assert message(twice) == (
        "layer 'dense': an earlier layer has the same name\n  hint: give every layer a name of its own"
    )


def test_inputs_stand_on_their_own_list() -> None:
    assert message(replace(GRAPH, layers=(replace(X, name="y"), *GRAPH.layers))) == (
        "layer 'y': is 'input' on the wrong list\n  hint: inputs are Input layers, and only they are"
    )


@pytest.mark.parametrize("graph", [replace(GRAPH, outputs=()), Graph((), (), ("x",))])
def test_a_graph_has_inputs_and_outputs(graph: Graph) -> None:
    assert message(graph) == "graph: has no inputs or no outputs\n  hint: name at least one of each"


def test_outputs_are_layers() -> None:
    assert message(replace(GRAPH, outputs=("y",))) == (
        "graph: output 'y' is no layer\n  hint: outputs are the names of layers that leave"
    )


STEP = HostStep(does=Relu(), inputs=("a",), output="b")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HostGraph(("z",), (STEP,), ("b",)), "'a' is read before it is made\n  hint: order the steps"),
        (HostGraph(("a",), (STEP,), ("c",)), "'c' is read before it is made\n  hint: order the steps"),
        (
            HostGraph(("a",), (STEP,), ("b", "b")),
            "2 tensors cross the border, the graph has 1\n  hint: one for each, in order",
        ),
    ],
)
def test_a_broken_host_step_is_named(host: HostGraph, expected: str) -> None:
    text = message(replace(GRAPH, before=host))
    assert text.startswith(f"host steps before the accelerator: {expected}")


def test_the_steps_after_take_what_leaves() -> None:
    assert message(replace(GRAPH, after=HostGraph(("a", "c"), (STEP,), ("b",)))) == (
        "host steps after the accelerator: 2 tensors cross the border, the graph has 1\n  hint: one for each, in order"
    )
