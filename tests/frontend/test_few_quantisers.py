# SPDX-License-Identifier: Apache-2.0
"""Clips, sums and means between few quantisers: exact whatever their scales are, or refused with an offer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from bitwright import api
from bitwright.frontend.dialects.joined import Channel, small_factors
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import QONNX, Net, agree, grid, ops
from tests.needs import needs_cxx, needs_rtl

CHANNELS = 3
Kind = Callable[[Generator, Net, str], str]


def scale(rng: Generator, middle: float = 0.05) -> float:
    """A float32 number that is no power of two."""
    return float(np.float32(middle * rng.uniform(0.5, 2)))


def entered(rng: Generator, net: Net) -> str:
    """Codes of the input, as two kinds of producers write them."""
    step = scale(rng)
    if rng.random() < 0.5:
        return net.qdq(net.x, step, 0, np.int8)
    return net.quant(net.x, step, bits=float(rng.integers(4, 9)))


def convolved(rng: Generator, net: Net, x: str, *, bias: bool = True, depthwise: bool = False) -> str:
    """A convolution with a scale per channel and, often, a float bias."""
    size = int(rng.choice([1, 3]))
    shape = (CHANNELS, 1 if depthwise else CHANNELS, size, size)
    scales = np.reshape([scale(rng, 0.01) for _ in range(CHANNELS)], (CHANNELS, 1, 1, 1))
    kernel = net.quant(net.const(rng.normal(size=shape) * 0.5), scales, bits=float(rng.integers(4, 9)), narrow=1)
    added = [net.const(rng.normal(size=CHANNELS) * 0.3)] if bias else []
    return net.add("Conv", x, kernel, *added, group=CHANNELS if depthwise else 1, pads=[size // 2] * 4)


def relu(rng: Generator, net: Net, x: str) -> str:
    return net.add("Relu", x)


def limited(rng: Generator, net: Net, x: str) -> str:
    """A clip at both ends, as Clip or as Min and Max."""
    low, high = net.const(float(rng.choice([0.0, -0.3]))), net.const(float(rng.choice([1.0, 6.0, 0.7])))
    if rng.random() < 0.5:
        return net.add("Clip", x, low, high)
    return net.add("Min", high, net.add("Max", x, low))


def mean(rng: Generator, net: Net, x: str, pads: tuple[int, ...] = (0, 0, 0, 0)) -> str:
    match int(rng.integers(3)):
        case 0:
            return net.add("GlobalAveragePool", x)
        case 1:
            return net.add("AveragePool", x, kernel_shape=[2, 3], strides=[2, 1], pads=pads)
        case _:
            return net.add("ReduceMean", x, axes=[[2, 3], [3], [2]][int(rng.integers(3))], keepdims=1)


def mean_of_relu(rng: Generator, net: Net, x: str) -> str:
    return mean(rng, net, relu(rng, net, convolved(rng, net, x)), (0, 1, 0, 1))


def mean_of_clip(rng: Generator, net: Net, x: str) -> str:
    return mean(rng, net, limited(rng, net, convolved(rng, net, x)))


def mean_of_residual(rng: Generator, net: Net, x: str) -> str:
    y = net.quant(relu(rng, net, convolved(rng, net, x)), scale(rng), bits=7.0)
    return mean(rng, net, relu(rng, net, net.add("Add", convolved(rng, net, y), y)))


def depthwise_behind_relu(rng: Generator, net: Net, x: str) -> str:
    y = convolved(rng, net, relu(rng, net, convolved(rng, net, x)), depthwise=True)
    return limited(rng, net, y)


def depthwise_behind_clip(rng: Generator, net: Net, x: str) -> str:
    y = net.add("Clip", convolved(rng, net, x, bias=False), net.const(0.0), net.const(0.8))
    return relu(rng, net, convolved(rng, net, y, depthwise=True))


def normalised(rng: Generator, net: Net, x: str) -> str:
    y = relu(rng, net, convolved(rng, net, x))
    gamma, beta, centre = (net.const(rng.normal(size=CHANNELS)) for _ in range(3))
    y = net.add("BatchNormalization", y, gamma, beta, centre, net.const(rng.uniform(0.5, 2, CHANNELS)))
    return net.add("Mul", net.add("GlobalAveragePool", y), net.const(-1.5))


def sum_of_relus(rng: Generator, net: Net, x: str) -> str:
    left, right = (relu(rng, net, convolved(rng, net, x)) for _ in range(2))
    return mean(rng, net, net.add(str(rng.choice(["Add", "Sub"])), left, right))


def sum_with_codes(rng: Generator, net: Net, x: str) -> str:
    y = relu(rng, net, convolved(rng, net, x))
    return net.add("Sub", net.const(0.25), net.add("Add", x, y) if rng.random() < 0.5 else net.add("Sub", y, x))


def moved(rng: Generator, net: Net, x: str) -> str:
    y = net.add("ReduceMean", relu(rng, net, convolved(rng, net, x)), axes=[3], keepdims=0)
    return net.add("Flatten", net.add("Transpose", y, perm=[0, 2, 1]))


def doubled(rng: Generator, net: Net, x: str) -> str:
    """Sums of a tensor with itself, and differences: its parts meet themselves."""
    y = relu(rng, net, convolved(rng, net, x))
    twice = net.add("Add", y, y)
    return net.add("Add", twice, twice) if rng.random() < 0.5 else net.add("Sub", twice, y)


def larger_of_accumulators(rng: Generator, net: Net, x: str) -> str:
    left, right = (convolved(rng, net, x, bias=False) for _ in range(2))
    return net.add(str(rng.choice(["Max", "Min"])), left, right)


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        mean_of_relu,
        mean_of_clip,
        mean_of_residual,
        depthwise_behind_relu,
        depthwise_behind_clip,
        normalised,
        sum_of_relus,
        sum_with_codes,
        moved,
        doubled,
        larger_of_accumulators,
    )
}


def ended(rng: Generator, net: Net, y: str) -> str:
    """Codes that leave, of any rounding."""
    if rng.random() < 0.5:
        return net.qdq(y, scale(rng, 0.02), int(rng.integers(-5, 5)), np.int8)
    mode = str(rng.choice(["ROUND", "FLOOR", "CEIL", "HALF_UP"]))
    return net.quant(y, scale(rng, 0.02), bits=float(rng.integers(4, 9)), mode=mode)


def data(seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(6, CHANNELS, 4, 5)).astype(np.float32) * 3


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", KINDS)
def test_between_few_quantisers_every_code_is_exact(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(CHANNELS, 4, 5)
    ended(rng, net, KINDS[kind](rng, net, entered(rng, net)))
    agree(net, data(seed))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["mean_of_relu", "mean_of_clip", "depthwise_behind_relu", "moved", "sum_of_relus"])
def test_without_a_quantiser_behind_the_host_adds_the_parts(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = Net(CHANNELS, 4, 5)
    KINDS[kind](rng, net, entered(rng, net))
    agree(net, data(seed), exact=False)


def test_parts_of_powers_of_two_meet_on_one_grid_without_a_search() -> None:
    net = Net(CHANNELS, 4, 5)
    y = net.add("Conv", net.quant(net.x, 0.25), net.weights(grid(CHANNELS, CHANNELS, 1, 1, span=3), 0.5))
    y = net.add("Relu", net.add("Add", y, net.const(1 / 32)))
    net.quant(net.add("GlobalAveragePool", y), 0.125)
    graph = agree(net, grid(8, CHANNELS, 4, 5, span=8))
    assert ops(graph) == ["conv", "requantise", "multiply", "sum", "sumpool", "requantise"]


def turned(net: Net, y: str) -> str:
    return net.add("Transpose", y, perm=[0, 1, 3, 2])


def flipped(net: Net, y: str) -> str:
    ends = [net.const([value], np.int64) for value in (-1, -9, 2, -1)]
    return net.add("Slice", y, *ends)


def shuffled(net: Net, y: str) -> str:
    return net.add("Gather", y, net.const([2, 0, 1], np.int64), axis=1)


def short(net: Net, x: str) -> str:
    """A clip whose upper end falls on no integer."""
    return net.add("Clip", net.add("Mul", x, net.const(0.3137)), net.const(0.0), net.const(1.1))


@pytest.mark.parametrize("op", ["Add", "Sub"])
@pytest.mark.parametrize("move", [turned, flipped, shuffled])
def test_parts_in_unlike_orders_meet_element_by_element(move: Callable[[Net, str], str], op: str) -> None:
    """A sum with its own clip moved, of two clips, and of codes that are not clipped."""
    for kind in range(3):
        net = Net(CHANNELS, 4, 4)
        x = net.qdq(net.x, 0.0737, 3, np.int8)
        y = short(net, x)
        left = (y, net.add("Mul", y, net.const(0.7713)), x)[kind]
        net.qdq(net.add(op, left, move(net, y)), 0.05, 0, np.int8)
        agree(net, np.random.default_rng(kind).normal(size=(6, CHANNELS, 4, 4)).astype(np.float32) * 4)


def test_parts_of_two_matrices_meet_element_by_element() -> None:
    """One product has its rows as channels, the other its columns."""
    net = Net(CHANNELS, 4, 4)
    y = short(net, net.qdq(net.x, 0.07, 3, np.int8))
    weights = net.weights(grid(4, 4, step=1, span=2), 0.25)
    net.qdq(net.add("Add", net.add("MatMul", y, weights), net.add("MatMul", weights, y)), 0.05, 0, np.int8)
    agree(net, np.random.default_rng(0).normal(size=(6, CHANNELS, 4, 4)).astype(np.float32) * 4)


@pytest.mark.parametrize("op", ["Max", "Min"])
def test_the_larger_of_two_sums_of_parts_is_refused(op: str) -> None:
    """They are compared as integers, and these parts have no common grid; a limit of one number waits."""
    net = Net(CHANNELS, 4, 4)
    x = net.qdq(net.x, 0.07, 3, np.int8)
    means = [net.add("ReduceMean", each, axes=[3]) for each in (x, short(net, x))]
    net.qdq(net.add(op, *means), 0.05, 0, np.int8)
    with pytest.raises(BitwrightError) as refusal:
        api.load(net.proto())
    assert str(refusal.value) == (
        f"model: node '{op.lower()}6' ({op}): reads real values of node 'reducemean5' (ReduceMean) on the edge "
        "'reducemean5.out', which no common grid of 62 bits holds\n"
        "  hint: a quantiser there makes integers of them: --quantise reducemean5.out=s16.12"
    )


def test_a_clip_of_codes_is_as_fine_as_its_end() -> None:
    net = Net(2, 4, 4)
    y = net.add(
        "Conv", net.add("Clip", net.quant(net.x, 0.25, bits=6.0), net.const(0.1)), net.weights(np.ones((3, 2, 2, 2)))
    )
    net.quant(y, 0.375)
    agree(net, grid(6, 2, 4, 4, span=8))


@pytest.mark.parametrize("seed", range(8))
def test_small_factors_change_no_code(seed: int) -> None:
    """Beside every step, whatever the other parts are."""
    rng = np.random.default_rng(seed)
    ratios = [Fraction(float(np.float32(rng.uniform(-3, 3)))) for _ in range(1 + seed % 2)]
    ends = [(0, int(rng.integers(1, 17))) if seed % 2 else (-60, int(rng.integers(60)))] * len(ratios)
    steps = [Fraction(float(step)) for step in rng.uniform(-1e9, 1e9, 15)]
    factors = small_factors(Channel(steps, ratios, ends))
    assert factors is not None
    a, *others = factors
    assert a < 1 << 20
    for step, *more in product(steps, *(range(low, high + 1) for low, high in ends)):
        first = ceil(step - sum(r * q for r, q in zip(ratios, more, strict=True)))
        moved = sum(b * q for b, q in zip(others, more, strict=True))
        assert a * (first - 1) + moved < a * step <= a * first + moved


def test_a_step_that_the_parts_hit_leaves_no_factors() -> None:
    third = Fraction(float(np.float32(1 / 3)))
    assert small_factors(Channel([third * 2], [third], [(0, 3)])) is None
    assert small_factors(Channel([third * 2], [third], [(0, 0)])) == (1, 0)


# Too wide, and a quantiser on request


def deep(edges: dict[str, str]) -> Any:
    """Two convolutions behind one another, a ReLU and a float bias before each, and what `edges` asks for."""
    rng = np.random.default_rng(0)
    net = Net(CHANNELS, 4, 5)
    y = relu(rng, net, convolved(rng, net, entered(rng, net)))
    y = relu(rng, net, convolved(rng, net, y, depthwise=True))
    ended(rng, net, convolved(rng, net, y))
    return api.load(net.proto(), quantise=edges)


def test_a_tower_of_sums_has_no_more_parts_than_there_are_layers() -> None:
    rng = np.random.default_rng(0)
    net = Net(CHANNELS, 4, 5)
    y = relu(rng, net, convolved(rng, net, entered(rng, net)))
    for _ in range(60):
        y = net.add("Add", y, y)
    ended(rng, net, y)
    with pytest.raises(BitwrightError, match="need more than 63 bits"):
        api.load(net.proto())


def test_what_fits_on_no_grid_is_refused_by_edge_and_both_nodes_with_an_offer() -> None:
    with pytest.raises(BitwrightError) as refusal:
        deep({})
    assert str(refusal.value) == (
        "model: node 'conv9' (Conv): reads real values of node 'relu7' (Relu) on the edge 'relu7.out', which no "
        "common grid of 62 bits holds\n"
        "  hint: a quantiser there makes integers of them: --quantise relu7.out=u16.15"
    )


def test_the_offer_holds() -> None:
    for edge in ("relu7.out", "relu7"):
        graph = deep({edge: "u16.15"})
        (layer,) = [layer for layer in graph.layers if layer.name == "relu7.out_quantise"]
        assert str(layer.type) == "u16" and str(layer.scale.of(0)) == "1/32768"
        x = data(0)
        report = api.verify(graph, x, api.run(graph, x))
        assert api.passed(report)


@pytest.mark.parametrize("kind", ["s8.4", "u8/255", "s4n", "bipolar"])
def test_a_quantiser_on_an_edge_is_as_if_the_file_had_it(kind: str) -> None:
    net, held = Net(CHANNELS, 4, 5), Net(CHANNELS, 4, 5)
    for each in (net, held):
        rng = np.random.default_rng(1)
        y = relu(rng, each, convolved(rng, each, each.quant(each.x, 0.25)))
        if each is held and kind == "bipolar":
            y = each.add("BipolarQuant", y, each.const(1.0), domain=QONNX)
        elif each is held:
            step, bits, signed, narrow = {
                "s8.4": (1 / 16, 8.0, 1, 0),
                "u8/255": (1 / 255, 8.0, 0, 0),
                "s4n": (1.0, 4.0, 1, 1),
            }[kind]
            y = each.quant(y, step, bits=bits, signed=signed, narrow=narrow)
        each.quant(each.add("Add", convolved(rng, each, y), y), 0.125)
    made = api.load(net.proto(), quantise={"relu3.out": kind})
    np.testing.assert_array_equal(api.run(made, data(2)), api.run(api.load(held.proto()), data(2)))


def test_an_edge_that_is_not_there_is_refused_with_what_is_close() -> None:
    for edges, message in (
        (
            {"relu3.ot": "u8"},
            "--quantise relu3.ot: model has no node that makes 'relu3.ot'\n  hint: close to it: 'relu3.out', 'relu3'",
        ),
        ({"x": "s8.4"}, "--quantise x: is an input of the model\n  hint: give it a type: --input x=s8.4"),
        (
            {"relu3.out": "8"},
            "--quantise relu3.out: '8' is not a type\n"
            "  hint: for example s16.8, u8, u8/255, bipolar or s4n, up to 32 bits",
        ),
    ):
        rng = np.random.default_rng(1)
        net = Net(CHANNELS, 4, 5)
        ended(rng, net, relu(rng, net, convolved(rng, net, net.quant(net.x, 0.25))))
        with pytest.raises(BitwrightError) as refusal:
            api.load(net.proto(), quantise=edges)
        assert str(refusal.value) == message


# On the engines


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """One of each kind in one design, and its data."""
    rng = np.random.default_rng(5)
    net = Net(CHANNELS, 4, 5)
    x = net.quant(net.x, scale(rng), bits=6.0)
    kinds = (mean_of_relu, mean_of_clip, mean_of_residual, depthwise_behind_clip, sum_of_relus, larger_of_accumulators)
    outputs = tuple(net.quant(kind(rng, net, x), scale(rng, 0.02), bits=6.0) for kind in kinds)
    return api.compile(agree(net, data(5), outputs=outputs)), data(5)


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    _verified(side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    _verified(side_by_side, "rtl")


def _verified(side_by_side: Any, engine: str) -> None:
    design, x = side_by_side
    assert api.passed(api.verify(design.graph, x, None, engines=("reference", engine), design=design))
