# SPDX-License-Identifier: Apache-2.0
"""The constants that a file holds: right as rationals and as floating point, at every integer there is."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction
from math import log
from random import Random

import numpy as np
import pytest

import bitwright as bw
from bitwright.backends.onnx import curves, forms
from bitwright.backends.onnx.arithmetic import Line, Row, Slope
from bitwright.backends.onnx.curves import find_curve
from bitwright.backends.onnx.export import to_onnx
from bitwright.backends.onnx.forms import _attained
from bitwright.backends.onnx.held import Held
from bitwright.backends.onnx.lines import find_line, find_slope, roundest
from bitwright.backends.onnx.ruled import find_ruled
from bitwright.exact.meaning import evaluate, limits
from bitwright.exact.rounding import round_exact
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import steps
from bitwright.exact.tabulate import tabulate
from bitwright.ir.functions import function_of
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Requantise, Rounding, Table
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Ints
from bitwright.sim import reference
from tests.exact.meaning import codes as meant
from tests.exact.meaning import random_layer, reachable
from tests.exported import execute
from tests.layers.nets import Net

S8, U4 = integer(8, signed=True), integer(4, signed=False)
WIDTH = 700
ROUNDINGS = [Rounding.HALF_EVEN, Rounding.HALF_AWAY, Rounding.FLOOR, Rounding.CEIL, Rounding.TO_ZERO]


def requantiser(seed: int, kind: IntType) -> Requantise:
    """Four channels with random float32 slopes, one of them falling, and random offsets."""
    rng, net = np.random.default_rng(seed), Net()
    slopes = [Fraction(float(np.float32(v))) for v in rng.uniform(0.2, 1.5, 4) * kind.count / WIDTH]
    slopes[1] = -slopes[1]
    offsets = [Fraction(int(v), 1024) for v in rng.integers(-4000, 4000, 4)]
    rounding, shift = ROUNDINGS[seed % len(ROUNDINGS)], int(rng.integers(0, 3))
    x = net.input("x0", (4,), IntType(-WIDTH, WIDTH))
    net.rescale(x, kind, multiplier=slopes, offset=offsets, rounding=rounding, shift=shift)
    layer = net.graph().layers[0]
    assert isinstance(layer, Requantise)
    return layer


def grid() -> Ints:
    """Every integer that the four channels can be given."""
    return np.repeat(np.arange(-WIDTH, WIDTH + 1)[:, None], 4, axis=1)


def exactly(form: Line | Slope, a: int, row: Row) -> int:
    """The code before the clip by the constants as rationals."""
    value = (row.factor * a + row.add) / row.step
    if isinstance(form, Line):
        return round_exact(Rounding.HALF_EVEN, value) + form.zero
    return round_exact(form.rounding, value)


@pytest.mark.parametrize("rounding", [r for r in Rounding if r not in (Rounding.SIGN, Rounding.LEVELS)])
def test_lines_whose_steps_are_not_listed_are_right_wherever_they_are_found(rounding: Rounding) -> None:
    random, found = Random(f"export ruled {rounding}"), 0
    for _ in range(120):
        layer, lo, hi = random_layer(random, rounding)
        offset = np.array([random.randint(-50, 50) for _ in lo])
        a = reachable(lo, hi)
        held = Held(offset, int(np.abs(a - offset).max()), wide=True)
        if form := find_ruled(Ruled(layer, lo, hi), held):
            low, high = limits(layer)
            got = form.codes(held.view(a)).clip(low.min(), high.max())
            np.testing.assert_array_equal(got, meant(layer, a), err_msg=repr((layer, lo, hi)))
            found += 1
    assert found > 15


def test_a_layer_of_more_codes_than_can_be_listed_is_written_and_read_again() -> None:
    rng, net = np.random.default_rng(5), Net()
    x = net.input("x0", (8,), integer(16, signed=True))
    y = net.dense(x, rng.integers(-127, 128, (640, 8)))
    slopes = [Fraction(float(np.float32(v))) / Fraction(float(np.float32(987.6))) for v in rng.uniform(1, 9, 640)]
    net.rescale(y, integer(16, signed=True), multiplier=slopes, offset=[Fraction(0)], rounding=Rounding.HALF_EVEN)
    graph = net.graph()
    codes = rng.integers(-32768, 32768, (4, 8))
    model = to_onnx(graph)
    (entry,) = model.graph.input
    _, (got,) = execute(model, {entry.name: codes.astype(np.float32)})
    (wanted,) = reference.run(graph, [codes])
    np.testing.assert_array_equal(got, wanted)
    (again,) = reference.run(bw.load(model), [codes])
    np.testing.assert_array_equal(again, wanted)


def test_codes_of_more_bits_than_a_carrier_are_lines_without_their_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 channels of 2^20 steps took 4 s to be looked at, one by one."""
    monkeypatch.delattr(forms, "steps")
    rng, net = np.random.default_rng(6), Net()
    x = net.input("x0", (16,), integer(24, signed=True))
    slopes = [Fraction(float(np.float32(v))) for v in rng.uniform(0.05, 0.06, 16)]
    net.rescale(x, integer(20, signed=True), multiplier=slopes, offset=[Fraction(0)], rounding=Rounding.HALF_EVEN)
    graph = net.graph()
    codes = rng.integers(-(1 << 23), 1 << 23, (50, 16))
    model = to_onnx(graph)
    _, (got,) = execute(model, {model.graph.input[0].name: codes.astype(np.float32)})
    np.testing.assert_array_equal(got, reference.run(graph, [codes])[0])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "bound"), [(S8, 5000), (U4, 5000), (S8, 1 << 22)], ids=str)
@pytest.mark.parametrize("seed", range(15))
def test_constants_are_right_as_rationals_and_as_floats(seed: int, kind: IntType, bound: int) -> None:
    layer = requantiser(seed, kind)
    ends = np.full(4, -WIDTH), np.full(4, WIDTH)
    found = steps(layer, *ends)
    offset = np.array([0, 3, -17, 250])
    held = Held(offset, bound, wide=False)
    wanted = np.array([evaluate(layer, row) for row in grid()])
    forms = [find_line(layer, found, held, np.int8, uniform=False), find_slope(layer, found, held)]
    assert None not in forms or layer.rounding is Rounding.TO_ZERO or bound > 5000  # no line around 0; no room
    for form, bits in zip(forms, (24, 53), strict=True):
        if form is None:
            continue
        codes = form.codes(held.view(grid())).clip(kind.lo, kind.hi)
        np.testing.assert_array_equal(codes, wanted)
        for channel, row in enumerate(form.rows):
            assert (abs(row.factor) * held.bound + abs(row.add)) * row.add.denominator <= 1 << bits
            rational = [exactly(form, int(a) - int(offset[channel]), row) for a in grid()[:, 0]]
            np.testing.assert_array_equal(np.clip(rational, kind.lo, kind.hi), wanted[:, channel])


def test_one_step_size_for_all_channels_where_it_is_asked_for() -> None:
    layer = requantiser(0, U4)
    found = steps(layer, np.full(4, -WIDTH), np.full(4, WIDTH))
    held = Held(np.zeros(4, dtype=np.int64), WIDTH, wide=False)
    free = find_line(layer, found, held, np.uint8, uniform=False)
    assert free is not None
    assert len({row.step for row in free.rows}) == 4
    assert find_line(layer, found, held, np.uint8, uniform=True) is None


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [("-1", "1", "0"), ("5/2", "17/2", "8"), ("7", "9", "8"), ("1/3", "1/2", "3/8"), ("-9", "-7", "-8")],
)
def test_the_roundest_number_between_two(low: str, high: str, wanted: str) -> None:
    assert roundest(Fraction(low), Fraction(high)) == Fraction(wanted)


def test_which_sums_two_operands_make() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        f, g = (int(v) for v in rng.integers(-9, 10, 2))
        x, y = (sorted(int(v) for v in rng.integers(-6, 7, 2)) for _ in range(2))
        made = {f * a + g * b for a in range(x[0], x[1] + 1) for b in range(y[0], y[1] + 1)}
        for total in range(-60, 61):
            assert _attained(total, [(f, *x), (g, *y)]) == (total in made)


def halves(offset: Fraction) -> Graph:
    """(a + b) / 2 + offset to the nearest, ties to even, over factors too large for float32; an odd zero point."""
    net = Net()
    total = net.sum(net.input("x0", (3,), S8), net.input("x1", (3,), S8), factors=(1 << 21, 1 << 21))
    net.rescale(total, S8, multiplier=Fraction(1, 1 << 22), offset=offset, shift=1)
    return net.graph()


def test_ties_that_no_pair_of_operands_makes_are_free() -> None:
    graph = halves(Fraction(1, 4))
    codes = [np.arange(-128, 127).reshape(-1, 3), np.random.default_rng(4).integers(-128, 128, (85, 3))]
    model = to_onnx(graph)
    feeds = {entry.name: x.astype(np.float32) for entry, x in zip(model.graph.input, codes, strict=True)}
    np.testing.assert_array_equal(execute(model, feeds)[1][0], reference.run(graph, codes)[0])


def test_ties_that_are_made_keep_their_codes_or_are_refused() -> None:
    with pytest.raises(bw.BitwrightError) as error:
        to_onnx(halves(Fraction(0)))
    assert error.value.what == "no float64 arithmetic has its steps over integers up to 536870912"


def sigmoid_table(scale: Fraction) -> tuple[Table, Graph]:
    net = Net()
    net.table(net.input("x0", (3,), "s5"), S8, ("affine", "1", "0"), "tanh")
    graph = net.graph()
    function = function_of(("affine", str(scale), "0"), "sigmoid", ("affine", "100", "0"))
    limits = {"rounding": Rounding.HALF_EVEN, "low": -128, "high": 127, "shift": 0}
    entries = tabulate(function, graph.inputs[0].type, scale=Fraction(1), zero=Fraction(0), **limits)
    layer = graph.layers[0]
    assert isinstance(layer, Table)
    return Table(**{**_fields(layer), "function": function, "entries": entries}), graph


def _fields(layer: Table) -> dict[str, object]:
    return {name: getattr(layer, name) for name in ("name", "inputs", "shape", "type", "scale", "zero")} | {
        name: getattr(layer, name) for name in ("rounding", "low", "high", "shift")
    }


def test_a_table_keeps_its_distance_from_the_steps() -> None:
    """At +-8 the sigmoid lies as near above one step as below another: no constant makes room for both, a size does."""
    near = Fraction(float(np.float32(log(0.735 / 0.265) / 8 + 3e-7)))
    layer, graph = sigmoid_table(near)
    sized, plain = (find_curve(layer, graph.inputs[0], kind) for kind in (np.float32, np.float64))
    far, graph = sigmoid_table(near + Fraction(1, 1 << 12))
    as_it_is = find_curve(far, graph.inputs[0], np.float32)
    assert sized is not None and plain is not None and as_it_is is not None
    assert as_it_is.step == Fraction(float(np.float32(0.01))) != sized.step and plain.step == Fraction(0.01)


def test_sizes_of_a_large_table_are_tried_one_after_the_other() -> None:
    """All of them at once took 800 MB for a table over 16 bits."""
    net = Net()
    net.table(
        net.input("x0", (1,), integer(16, signed=True)), U4, ("affine", "1/4096", "0"), "sigmoid", ("affine", "15", "0")
    )
    graph = net.graph()
    (layer,) = graph.layers
    assert isinstance(layer, Table)
    curve = curves._curve(layer, graph.inputs[0], np.float32)
    assert curve is not None
    tracemalloc.start()
    made = curves._centred(curve, layer, graph.inputs[0], curves.NEAR)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made is not None and peak < 20 << 20
