# SPDX-License-Identifier: Apache-2.0
"""The error bounds: float32 never leaves them in whatever order it sums, and wrong codes do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import erf
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.audit.bounds import EXACT
from bitwright.audit.curves import table_bounds
from bitwright.audit.reach import Reach, reaches
from bitwright.audit.terms import terms
from bitwright.frontend.build import Net
from bitwright.ir import functions
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Dense, Input, Requantise, Rounding, Table
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.trace import Arithmetic
from bitwright.ir.types import integer
from bitwright.ir.weights import Weights
from bitwright.sim import reference
from tests.audit.nets import backwards, blas, pairwise

Array = NDArray[Any]
OUT = 32
ORDERS = {"blas": blas, "backwards": backwards, "pairwise": pairwise}


def dense(
    k: int, bits: int, scales: tuple[float, float, float], bias: Array, seed: int, kind: Rounding = Rounding.HALF_EVEN
) -> Graph:
    """Codes -> matrix product -> requantiser with a float bias, all scales float32."""
    codes, narrow = integer(bits, signed=True), integer(bits, signed=True, narrow=True)
    weights = np.random.default_rng(seed).integers(narrow.lo, narrow.hi + 1, (OUT, k))
    sx, sw, sy = (float(np.float32(s)) for s in scales)
    net = Net()
    a = net.dense(net.input("x", (k,), codes, scale=sx), weights, weight_scale=sw, name="a")
    net.requantise(a, codes, scale=sy, bias=[float(b) for b in bias], rounding=kind, name="y")
    return net.graph()


def in_float32(graph: Graph, x: Array, bias: Array, product: Callable[..., Array]) -> Array:
    """The codes that a framework computes: dequantise, multiply, add the bias, divide, round, clip."""
    a, y = graph.layers
    assert isinstance(a, Dense) and isinstance(y, Requantise)
    sx = np.float32(float(graph.inputs[0].scale.of(0)))
    sw = np.float32(float(a.scale.of(0) / graph.inputs[0].scale.of(0)))
    left, right = x.astype(np.float32) * sx, a.weights.array.astype(np.float32).T * sw
    v = (product(left, right) + bias.astype(np.float32)) / np.float32(float(y.scale.of(0)))
    return np.rint(v).clip(y.low[0], y.high[0]).astype(np.int64)


def reach_of(graph: Graph, x: Array, bias: Array) -> tuple[Array, Reach]:
    """Our codes, and what float32 may give in their place."""
    values = {"x": x, "a": x @ graph.layers[0].weights.array.T, "y": reference.run(graph, [x])[0]}
    added = float(np.abs(bias).max()) / float(graph.by_name["y"].scale.of(0))
    found = reaches(graph, values, {"y": Arithmetic(added, 1)}, {})("y")
    assert found is not None
    return values["y"], found


def random_layer(k: int, bits: int, seed: int, rows: int = 500) -> tuple[Graph, Array, Array]:
    rng = np.random.default_rng(seed)
    sx, sw = rng.uniform(0.01, 0.1, 2)
    spread = sx * sw * 4 ** (bits - 1) * np.sqrt(k) / 3
    bias = rng.normal(size=OUT).astype(np.float32) * np.float32(spread / 10)
    graph = dense(k, bits, (sx, sw, 2 * spread / 2 ** (bits - 1)), bias, seed)
    top = 1 << (bits - 1)
    return graph, rng.integers(-top, top, (rows, k)), bias


@pytest.mark.parametrize(("k", "bits"), [(27, 8), (144, 4), (576, 8), (1152, 8)])
def test_no_order_of_summation_leaves_the_likely_bound(k: int, bits: int) -> None:
    graph, x, bias = random_layer(k, bits, seed=k)
    ours, reach = reach_of(graph, x, bias)
    for product in ORDERS.values():
        theirs = in_float32(graph, x, bias, product)
        assert reach.allows(theirs, certain=False).all()
        assert reach.allows(theirs, certain=True).all()
    assert (reach.error > 0).all() and (reach.lowest <= reach.low).all() and (reach.high <= reach.highest).all()
    assert (reach.low <= ours).all() and (ours <= reach.high).all()


@pytest.mark.parametrize(
    ("k", "bits", "caught", "surely"), [(27, 8, 0.999, 0.999), (576, 8, 0.995, 0.94), (144, 4, 0.9995, 0.999)]
)
def test_injected_errors_of_one_step_are_caught(k: int, bits: int, caught: float, surely: float) -> None:
    graph, x, bias = random_layer(k, bits, seed=k + 1)
    ours, reach = reach_of(graph, x, bias)
    inside = (ours > graph.by_name["y"].type.lo) & (ours < graph.by_name["y"].type.hi)
    for delta in (-1, 1):
        assert (~reach.allows(ours + delta, certain=False))[inside].mean() >= caught
        assert (~reach.allows(ours + delta, certain=True))[inside].mean() >= surely
        away = inside & ((reach.up if delta > 0 else reach.down) > 0.05)
        assert not reach.allows(ours + delta, certain=False)[away].any()


def test_a_code_on_the_wrong_side_of_a_near_step_is_not_explained() -> None:
    """Within the bound of a step, only the code across that step is allowed: the test demands direction and size."""
    graph, x, bias = random_layer(576, 8, seed=7, rows=2000)
    ours, reach = reach_of(graph, x, bias)
    near = (reach.up < reach.error) & (ours > -120) & (ours < 120)
    assert near.sum() > 20
    assert reach.allows(ours + 1, certain=False)[near].all()
    assert not reach.allows(ours - 1, certain=False)[near].any()
    assert not reach.allows(ours + 2, certain=False)[near].any()


@pytest.mark.parametrize("k", [64, 576])
def test_ties_everywhere(k: int) -> None:
    """Multipliers a hair beside a power of two: float32 often falls on the other side, always within the bound."""
    differ = 0
    for seed, hair in enumerate((1 - 2**-24, 1, 1 + 2**-23)):
        rng = np.random.default_rng(seed)
        bias = np.zeros(OUT, np.float32)
        graph = dense(k, 6, (0.1, 0.1, float(np.float32(0.1)) ** 2 * 2 * np.sqrt(k) * hair), bias, seed)
        x = rng.integers(-32, 32, (1000, k))
        ours, reach = reach_of(graph, x, bias)
        for product in ORDERS.values():
            theirs = in_float32(graph, x, bias, product)
            differ += int((theirs != ours).sum())
            assert reach.allows(theirs, certain=False).all()
    assert differ > 0


def test_powers_of_two_are_exact_and_leave_no_room() -> None:
    rng = np.random.default_rng(3)
    bias = rng.integers(-64, 64, OUT) / np.float32(64)
    graph = dense(64, 8, (0.125, 0.0625, 8), bias, seed=3)
    x = rng.integers(-128, 128, (500, 64))
    ours, reach = reach_of(graph, x, bias)
    assert (reach.value % 1 == 0.5).sum() > 10
    assert not reach.error.any()
    assert (reach.low == ours).all() and (reach.highest == ours).all()
    for product in ORDERS.values():
        assert (in_float32(graph, x, bias, product) == ours).all()


def test_beyond_24_bits_powers_of_two_are_not_exact() -> None:
    graph = dense(64, 16, (0.5, 0.5, 2.0**12), np.zeros(OUT), seed=1)
    x = np.full((1, 64), 32767)
    assert float(np.abs(terms(graph, "a", {"x": x}).size).min()) > EXACT
    assert (reach_of(graph, x, np.zeros(OUT))[1].error > 0).all()


def test_distances_are_those_to_the_next_steps() -> None:
    graph, x, bias = random_layer(27, 8, seed=5, rows=50)
    _, reach = reach_of(graph, x, bias)
    code = np.rint(reach.value)
    np.testing.assert_allclose(reach.up, code + 0.5 - reach.value)
    np.testing.assert_allclose(reach.down, reach.value - (code - 0.5))


@pytest.mark.parametrize(
    ("rounding", "value", "up", "down"),
    [
        (Rounding.FLOOR, 2.25, 0.75, 0.25),
        (Rounding.CEIL, 2.25, 0.75, 0.25),
        (Rounding.TO_ZERO, -2.25, 0.25, 0.75),
        (Rounding.FROM_ZERO, -2.25, 0.25, 0.75),
        (Rounding.HALF_AWAY, 2.25, 0.25, 0.75),
    ],
)
def test_steps_of_every_rounding(rounding: Rounding, value: float, up: float, down: float) -> None:
    graph = dense(1, 8, (1, 1, 1 / abs(value)), np.zeros(OUT), seed=0, kind=rounding)
    product = replace(graph.layers[0], weights=Weights(np.full((OUT, 1), np.sign(value), np.int64)))
    graph = Graph(graph.inputs, (product, graph.layers[1]), graph.outputs)
    _, reach = reach_of(graph, np.ones((1, 1), np.int64), np.zeros(OUT))
    np.testing.assert_allclose(reach.value, value, rtol=1e-7)
    np.testing.assert_allclose(reach.up, up, rtol=1e-6)
    np.testing.assert_allclose(reach.down, down, rtol=1e-6)


STEPS = {
    "affine": ("affine", "3/7", "-1/3"),
    "clip": ("clip", "-1", ""),
    "leaky_relu": ("leaky_relu", "1/10"),
    "elu": ("elu", "3/2"),
    "times_input": ("times_input",),
    "above": ("above", "1/3"),
    "power": ("power", "-3"),
}
ABOVE_ZERO = ("power", "sqrt", "log")
"""Steps of numbers above zero."""


@pytest.mark.parametrize("name", functions.STEPS)
def test_every_function_has_an_error_that_float32_keeps(name: str) -> None:
    codes = integer(8, signed=True)
    source = Input(
        name="x",
        inputs=(),
        shape=(1,),
        type=codes,
        scale=PerChannel.made(Fraction(1, 29)),
        zero=PerChannel.made(Fraction(3)),
    )
    words = STEPS.get(name, (name,))
    shift = (("affine", "1", "8"),) if name in ABOVE_ZERO else ()
    table = Table(
        name="y",
        inputs=("x",),
        shape=(1,),
        type=codes,
        scale=ONES,
        zero=ZEROS,
        entries=Weights(np.zeros(256, np.int64)),
        function=functions.function_of(*shift, words, ("affine", "100", "0")),
        rounding=Rounding.HALF_EVEN,
        low=-128,
        high=127,
    )
    q = np.arange(-128, 128)
    bounds = table_bounds(table, source, q)
    x = (q - 3).astype(np.float32) * np.float32(1 / 29)
    found = in_numpy(words, x + np.float32(8) if shift else x) * np.float32(100)
    assert (np.abs(found.astype(np.float64) - bounds.value) <= bounds.likely).all()
    assert (bounds.likely < 5e-6 * np.maximum(100, np.abs(bounds.value))).all()
    np.testing.assert_array_equal(bounds.likely, bounds.certain)


def in_numpy(step: tuple[str, ...], x: Array) -> Array:
    """A step in float32."""
    one = np.float32(1)
    numbers = [np.float32(float(Fraction(text))) for text in step[1:] if text]
    match step[0]:
        case "affine":
            return x * numbers[0] + numbers[1]
        case "clip":
            return np.maximum(x, numbers[0])
        case "leaky_relu":
            return np.where(x >= 0, x, x * numbers[0])
        case "elu":
            return np.where(x >= 0, x, numbers[0] * (np.exp(np.minimum(x, 0)) - one))
        case "sigmoid":
            return one / (one + np.exp(-x))
        case "softplus":
            return np.log(one + np.exp(x))
        case "erf" | "normal_cdf":
            root = np.float32(2**0.5) if step[0] == "normal_cdf" else one
            y = np.array([erf(value) for value in (x / root).tolist()], np.float32)
            return (one + y) / np.float32(2) if step[0] == "normal_cdf" else y
        case "times_input":
            return x * x
        case "above" | "power" | "softsign":
            sizes = one + np.abs(x)
            made = {"above": x * (x > 1 / 3), "power": one / np.maximum(x * x * x, one), "softsign": x / sizes}
            return made[step[0]]
        case name:
            return getattr(np, name)(x)
