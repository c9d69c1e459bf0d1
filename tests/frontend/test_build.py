# SPDX-License-Identifier: Apache-2.0
"""`Net`: the real values that layers claim are those of the integers they make; what is refused, and how."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, get_type_hints

import numpy as np
import pytest

import bitwright as bw
from bitwright.design import random_codes
from bitwright.exact.rounding import round_exact
from bitwright.ir.layers import LAYERS, Layer, Rounding
from bitwright.ir.per_channel import ONES, PerChannel
from bitwright.ir.types import IntType
from bitwright.sim import reference

Array = np.ndarray[Any, Any]
HALF = Fraction(1, 2)


def exact(values: Any) -> Array:
    """The same array with Fractions for numbers."""
    array = np.asarray(values)
    return np.array([Fraction(value) for value in array.reshape(-1).tolist()], dtype=object).reshape(array.shape)


def real(layer: Layer, codes: Array) -> Array:
    """What integers of a layer are worth."""
    return np.array(layer.scale.values, dtype=object) * (exact(codes) - np.array(layer.zero.values, dtype=object))


def values(net: bw.Net, *layers: Layer, seed: int = 0) -> list[Array]:
    """The real values of layers for random inputs, samples on axis 0."""
    net.output(*layers)
    graph = net.graph()
    codes = random_codes(graph, 5, seed)
    known = {layer.name: array for layer, array in zip(graph.inputs, codes, strict=True)}
    known |= dict(zip(graph.outputs, reference.run(graph, codes), strict=True))
    return [real(layer, known[layer.name]) for layer in layers]


def windows(x: Array, kernel: tuple[int, int], pads: tuple[int, int, int, int]) -> Array:
    """(samples, rows, columns, kernel h, kernel w, channels) of a real image with zeros around it."""
    top, left, bottom, right = pads
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=Fraction(0))
    height, width = padded.shape[1] - kernel[0] + 1, padded.shape[2] - kernel[1] + 1
    return np.stack(
        [
            np.stack([padded[:, r : r + kernel[0], c : c + kernel[1]] for c in range(width)], axis=1)
            for r in range(height)
        ],
        axis=1,
    )


def draw(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).integers(-3, 4, shape)


def test_a_dense_layer_is_worth_the_product_of_real_values() -> None:
    net = bw.Net()
    x = net.input("x", (3, 6), "u4", scale=Fraction(2, 7), zero=HALF)
    weights, steps = draw(4, 6), [1, 0.5, Fraction(1, 3), 2]
    y = net.dense(x, weights, weight_scale=steps)
    before, after = values(net, x, y)
    assert (after == before @ (exact(weights) * exact(steps)[:, None]).T).all()


def test_a_padded_convolution_pads_with_nothing() -> None:
    net, pads = bw.Net(), (1, 0, 2, 1)
    x = net.input("x", (4, 5, 2), "s4", scale=0.25, zero=-3)
    weights = draw(3, 2, 3, 2)
    y = net.conv(x, weights, pads=pads)
    before, after = values(net, x, y)
    assert y.pad_value == -3
    assert (after == np.tensordot(windows(before, (2, 3), pads), exact(weights), ((3, 4, 5), (1, 2, 3)))).all()


def test_a_filter_for_each_channel_keeps_scales_per_channel() -> None:
    net = bw.Net()
    x = net.input("x", (4, 4, 2), "u4", scale=[0.5, Fraction(1, 3)], zero=[2, 5])
    weights = draw(4, 2, 2, 1)
    y = net.conv(x, weights, groups=2)
    before, after = values(net, x, y)
    seen = windows(before, (2, 2), (0, 0, 0, 0))[..., [0, 0, 1, 1]]
    assert (after == (seen * exact(weights)[..., 0].transpose(1, 2, 0)).sum(axis=(3, 4))).all()


def test_a_pool_is_worth_its_sum_and_an_average_by_its_scale() -> None:
    net = bw.Net()
    x = net.input("x", (4, 4, 2), "u4", scale=[0.5, Fraction(1, 3)], zero=[2, 5])
    total = net.sum_pool(x, (2, 2), (1, 1))
    mean = net.sum_pool(x, (2, 2), (1, 1), scale=x.scale / 4)
    before, sums, means = values(net, x, total, mean)
    expected = windows(before, (2, 2), (0, 0, 0, 0)).sum(axis=(3, 4))
    assert (sums == expected).all() and (means == expected / 4).all()


def test_joins_are_worth_what_they_join() -> None:
    net = bw.Net()
    a = net.input("a", (2, 3), "s4", scale=[Fraction(3, 8), 0.5, 1], zero=1)
    b = net.input("b", (2, 3), "u4/3", zero=[HALF, 0, 4])
    c = net.input("c", (2, 3), "s3.1", zero=-1)
    d = net.input("d", (2, 3), "u4[3..15]")
    made = (net.sum(a, b, c), net.multiply(c, d), net.concat(a, b), net.sum(c, c, factors=(3, [1, -1, 2])))
    x, y, z, w, total, product, both, weighted = values(net, a, b, c, d, *made)
    assert (total == x + y + z).all() and (product == z * w).all()
    assert (both == np.concatenate([x, y], axis=-1)).all() and (weighted == z * [4, 2, 5]).all()


def test_what_only_moves_keeps_real_values() -> None:
    net = bw.Net()
    x = net.input("x", (2, 3, 2), "s4", scale=[0.5, 3], zero=[1, 2])
    turned = net.gather(x, net.places(x).transpose(1, 0, 2)[..., ::-1])
    flat, largest = net.reshape(x), net.max_pool(x, (2, 1))
    before, swapped, row, most = values(net, x, turned, flat, largest)
    assert (swapped == before.transpose(0, 2, 1, 3)[..., ::-1]).all()
    assert (row == before.reshape(5, 12)).all() and (most == before.max(axis=1, keepdims=True)).all()


@pytest.mark.parametrize("zero", [0, 3])
@pytest.mark.parametrize("rounding", ["half_even", "floor"])
def test_codes_are_the_nearest_to_the_real_value(zero: int, rounding: str) -> None:
    net = bw.Net()
    x = net.input("x", (7, 2), "s6", scale=[0.125, Fraction(1, 3)], zero=HALF)
    steps, gain, bias = [Fraction(1, 5), HALF], [1, -2], [0.3, 1]
    y = net.requantise(x, "s4", scale=steps, zero=zero, gain=gain, bias=bias, rounding=rounding)
    before, after = values(net, x, y)
    rounded = (before * exact(gain) + exact(bias)) / np.array(steps, dtype=object)
    nearest = np.vectorize(lambda v: round_exact(Rounding(rounding), v), otypes=[object])(rounded)
    assert (after == np.clip(nearest, -8 - zero, 7 - zero) * np.array(steps, dtype=object)).all()


def test_a_table_is_a_function_of_the_real_value() -> None:
    net = bw.Net()
    x = net.input("x", (16,), "s4.2", zero=2)
    y = net.table(x, "u8/255", ("leaky_relu", "1/4"), ("affine", "1/2", "1/8"), zero=7)
    before, after = values(net, x, y)
    expected = [round(255 * (HALF * (v if v >= 0 else v / 4) + Fraction(1, 8))) for v in before.reshape(-1)]
    assert after.reshape(-1).tolist() == [Fraction(min(max(code, -7), 248), 255) for code in expected]


def test_there_is_a_method_for_every_kind_of_layer() -> None:
    made = {get_type_hints(method).get("return") for method in vars(bw.Net).values() if callable(method)}
    assert set(LAYERS.values()) <= made


def test_a_name_and_a_type_may_be_stated() -> None:
    net = bw.Net("named")
    x = net.input("x", (2,), "u4")
    y = net.dense("x", [[1, 1]], name="fc", type="s12", scale=3, zero=1, source=("/fc",))
    assert (y.name, y.type, y.scale, y.zero, y.source) == (
        "fc",
        IntType(-2048, 2047),
        PerChannel.made(3),
        ONES,
        ("/fc",),
    )
    assert net[x] is x and net["fc"] is y and net.graph().source.file == "named"
    assert net.dense("fc", [[1]]).name == "dense1"


def test_it_runs_compiles_and_verifies_by_its_codes() -> None:
    net = bw.Net("small")
    net.requantise(net.dense(net.input("x", (4,), "u4"), draw(3, 4)), "s4", scale=2, bias=[1, 2, 3])
    graph = net.graph()
    codes = random_codes(graph, 6, 1)[0]
    made = bw.run(graph, codes)
    assert made.dtype == np.int64 and (made == bw.run(graph, codes, codes=True)).all()
    report = bw.verify(graph, codes, made, engines=("reference",))
    assert report["golden"]["equal"] == made.size and report["model"] == "small"
    assert [row["name"] for row in bw.compile(graph).report()["layers"]] == ["dense0", "act1"]


def test_integers_that_are_no_codes_are_refused() -> None:
    net = bw.Net()
    net.dense(net.input("x", (2,), "bipolar"), [[1, 1]])
    with pytest.raises(bw.BitwrightError) as refused:
        bw.run(net.graph(), np.array([[0, 1]]))
    assert str(refused.value) == (
        "input 'x': reaches 0..1, its type is bipolar\n"
        "  hint: the graph takes codes: the real values over the scale, plus the zero point"
    )


REFUSED: dict[str, tuple[Callable[[bw.Net], Any], str, str]] = {
    "name": (lambda net: net.input("x", (2,), "u4"), "layer 'x': an earlier layer has the same name", "of its own"),
    "unknown": (lambda net: net.reshape("y"), "network 'n': 'y' is no layer of it", "its layers: x, image"),
    "type": (lambda net: net.input("z", (2,), "i8"), "input 'z': 'i8' is not a type", "s16.8, u8, u8/255"),
    "range": (lambda net: net.input("z", (2,), "u4[5..1]"), "input 'z': 'u4[5..1]' is not a type", "u4[3..15]"),
    "floats": (
        lambda net: net.dense("x", [[0.5, 1]]),
        "layer 'dense0': has weights that are no integers",
        "weight_scale=scale",
    ),
    "ragged": (lambda net: net.dense("x", [[1], [1, 2]]), "layer 'dense0': has weights in rows of unequal", "outputs"),
    "axes": (lambda net: net.dense("x", [1, 2]), "layer 'dense0': has weights of shape (2,)", "(outputs, inputs)"),
    "features": (lambda net: net.dense("x", [[1] * 3]), "layer 'dense0': weights read 3 features, 'x' has 2", "inputs"),
    "no image": (lambda net: net.conv("x", [[[[1]]]]), "layer 'conv0': reads 'x' of shape (2)", "a window moves"),
    "too large": (lambda net: net.max_pool("image", (5, 5)), "layer 'maxpool0': its window does not fit", "smaller"),
    "pads": (lambda net: net.sum_pool("image", (2, 2), pads=(1, 1)), "layer 'sumpool0': pads are (1, 1)", "(top, left"),
    "strides": (lambda net: net.conv("image", [[[[1, 1]]]], strides=2), "layer 'conv0': strides are 2", "(down, acr"),
    "mixed": (
        lambda net: net.conv("image", [[[[1, 1]]]]),
        "layer 'conv0': would mix channels of different scales",
        "state `scale` and `zero`",
    ),
    "moved": (
        lambda net: net.gather("image", [[0], [1]]),
        "layer 'gather0': would mix channels of different scales or zero points",
        "requantise its input",
    ),
    "numbers": (
        lambda net: net.requantise("x", "u4", bias=[1, 2, 3]),
        "requantiser of 'x': is given 3 numbers for 2 channels",
        "one per channel",
    ),
    "nan": (
        lambda net: net.requantise("x", "u4", bias=float("nan")),
        "requantiser of 'x': nan is not a number, nor a row of them",
        "finite floats",
    ),
    "scale": (lambda net: net.requantise("x", "u4", scale=0), "requantiser of 'x': has the scale 0", "positive"),
    "rounding": (
        lambda net: net.requantise("x", "u4", rounding="up"),
        "layer 'act0': there is no rounding 'up'",
        "half_even, half_away",
    ),
    "table": (
        lambda net: net.table("image", "u4", "sigmoid"),
        "layer 'table0': is the same function of every channel",
        "to one scale first",
    ),
    "weighted": (
        lambda net: net.sum(net.requantise("x", "u4", scale=2), "x", factors=(1, 2)),
        "layer 'sum1': would mix channels of different scales",
        "state `scale`",
    ),
    "zero point": (
        lambda net: net.conv(net.input("half", (2, 2, 1), "u4", zero=0.5), [[[[1]]]], pads=(1, 1, 1, 1)),
        "layer 'conv0': would mix channels of different fractions of codes, as the zero point 1/2 is one",
        "state",
    ),
    "nothing": (lambda net: bw.Net().graph(), "graph: has no inputs or no outputs", "at least one of each"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_is_refused(case: str) -> None:
    act, what, hint = REFUSED[case]
    net = bw.Net("n")
    net.input("x", (2,), "u4")
    net.input("image", (4, 4, 2), "u4", scale=[1, 2])
    with pytest.raises(bw.BitwrightError) as refused:
        act(net)
    first, second = str(refused.value).split("\n")
    assert first.startswith(what) and hint in second
