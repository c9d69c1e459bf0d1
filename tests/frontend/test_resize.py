# SPDX-License-Identifier: Apache-2.0
"""Resizes of any scale, by the nearest pixel and by interpolation: every way to place pixels, on every engine."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bitwright import api
from bitwright.audit.resizing import resize
from bitwright.frontend.lowering import load_onnx
from bitwright.frontend.operators.interpolation import simplest
from bitwright.ir.layers import Conv
from tests.frontend.nets import Array, Net, agree, grid, only, ops, outputs_of
from tests.frontend.refusing import Case, axes, check, chip, name_of, refusal
from tests.needs import needs_cxx, needs_rtl

PLACES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners")
MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
LENGTH = 6
OUTS = (1, 3, 4, 6, 9, 12, 18)
"""Lengths that LENGTH becomes by a scale of a small denominator."""


def scaled(net: Net, x: str, place: str, outs: tuple[int, ...], **attributes: Any) -> str:
    """The last axes of `x`, each LENGTH long, resized: by scales if float32 has them, as the oracle does not round."""
    sized = not {3, 6, 9, 18}.issuperset(outs)
    given = net.const([1, 2, *outs], np.int64) if sized else net.const([1, 1, *(out / LENGTH for out in outs)])
    inputs = ("", "", given) if sized else ("", given)
    return net.add("Resize", x, *inputs, coordinate_transformation_mode=place, **attributes)


def shifted(net: Net, y: str) -> None:
    """A quantiser that no sum of small rational weights reaches a tie of: the oracle has no exact ones."""
    net.quant(net.add("Add", y, net.const(1 / 1021)), 0.5, bits=8.0)


@pytest.mark.parametrize(("place", "mode", "out"), [*product(PLACES, MODES, OUTS)])
def test_the_nearest_pixel(place: str, mode: str, out: int) -> None:
    net = Net(2, LENGTH, opset=19)
    y = scaled(net, net.quant(net.x, 0.25), place, (out,), mode="nearest", nearest_mode=mode)
    net.quant(y, 0.5)
    agree(net, grid(2, 2, LENGTH, span=8))


@pytest.mark.parametrize(("place", "mode", "out"), [*product(PLACES, ("linear", "cubic"), OUTS)])
def test_an_interpolation_of_one_axis(place: str, mode: str, out: int) -> None:
    net = Net(2, LENGTH, opset=19)
    more = {"cubic_coeff_a": -0.5, "exclude_outside": 1} if mode == "cubic" and out % 4 else {}
    x = net.quant(net.x, 0.25, np.float32(out % 3), bits=7.0)
    shifted(net, scaled(net, x, place, (out,), mode=mode, **more))
    if (place, mode, out) != ("pytorch_half_pixel", "cubic", 1):  # the oracle takes -0.5 for the place 0 of its text
        agree(net, grid(2, 2, LENGTH, span=8))


@pytest.mark.parametrize("seed", range(16))
def test_an_interpolation_of_an_image(seed: int) -> None:
    """Of accumulators, of codes with a scale per channel, channels first or last, and read by a convolution."""
    rng = np.random.default_rng(seed)
    net = Net(2, LENGTH, LENGTH, opset=19)
    place, mode = str(rng.choice(PLACES)), ["linear", "cubic"][seed % 2]
    outs = tuple(int(n) for n in rng.choice(OUTS, 2))
    x = net.quant(net.quant(net.x, 0.25), np.reshape([0.25, 0.5 if seed % 3 else 0.25], (1, 2, 1, 1)), bits=6.0)
    if seed % 4 == 0:
        x = net.add("Conv", x, net.weights(rng.integers(-3, 4, (2, 2, 1, 1)), 0.5), net.const([0.5, -0.25]))
    y = scaled(net, net.add("Relu", x) if seed % 5 == 0 else x, place, outs, mode=mode)
    if seed % 4 == 1:
        y = net.add("Conv", y, net.weights(rng.integers(-3, 4, (3, 2, 1, 1)), 0.5))
    shifted(net, y)
    agree(net, grid(1, 2, LENGTH, LENGTH, span=8, seed=seed))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_named_axes_and_channels_last(mode: str) -> None:
    made = []
    for named in (True, False):
        net = Net(LENGTH, LENGTH, 2, opset=19)
        scales = net.const([1.5, 2.0] if named else [1.0, 2.0, 1.5, 1.0])
        x = net.quant(net.x, 0.25, bits=6.0)
        shifted(net, net.add("Resize", x, "", scales, mode=mode, **({"axes": [-2, 1]} if named else {})))
        made.append(outputs_of(load_onnx(net.proto()), grid(2, LENGTH, LENGTH, 2, span=8))[0])
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("op", ["Upsample", "Resize"])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_operators_of_old_files(op: str, mode: str) -> None:
    """They place their pixels as 'asymmetric' does, and take the one before."""
    made = []
    for old in (True, False):
        net = Net(2, LENGTH, LENGTH, opset=(9 if op == "Upsample" else 10) if old else 19)
        x, scales = net.quant(net.x, 0.25, bits=6.0), net.const([1.0, 1.0, 2.0, 1.5])
        new = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        y = net.add(op, x, scales, mode=mode) if old else net.add("Resize", x, "", scales, mode=mode, **new)
        net.quant(y, 0.375, bits=6.0)
        made.append(outputs_of(load_onnx(net.proto()), grid(2, 2, LENGTH, LENGTH, span=8))[0])
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("scales", [(0.5, 1.0), (1.0, 0.6), (0.75, 1.7), (0.4, 0.9), (0.3, 0.99), (1.5, 2 / 3)])
def test_an_old_resize_that_shrinks_takes_the_pixel_behind(scales: tuple[float, float]) -> None:
    """As onnxruntime does, in the graph and in the replay of the audit."""
    net = Net(2, LENGTH, LENGTH - 1, opset=10)
    net.quant(net.add("Resize", net.quant(net.x, 0.25, bits=6.0), net.const([1, 1, *scales]), mode="nearest"), 0.375)
    graph = load_onnx(net.proto())
    session = _session(scales)
    x = grid(3, 2, LENGTH, LENGTH - 1, span=8)
    base = Net(2, LENGTH, LENGTH - 1)
    base.quant(base.quant(base.x, 0.25, bits=6.0), 0.375)
    small = outputs_of(load_onnx(base.proto()), x)[0]
    wanted = np.concatenate([session.run(None, {"x": row[None]})[0] for row in small])
    np.testing.assert_array_equal(outputs_of(graph, x)[0], wanted)
    np.testing.assert_array_equal(resize({"mode": "nearest"}, small, np.float32([1, 1, *scales])), wanted)


def _session(scales: tuple[float, float]) -> Any:
    """onnxruntime's Resize of opset 10."""
    runtime = pytest.importorskip("onnxruntime")
    graph = helper.make_graph(
        [helper.make_node("Resize", ["x", "s"], ["y"], mode="nearest")],
        "old",
        [helper.make_tensor_value_info("x", 1, [1, 2, LENGTH, LENGTH - 1])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.float32([1, 1, *scales]), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 10)], ir_version=5)
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_a_bilinear_resize_is_one_depthwise_convolution_with_small_weights() -> None:
    net = Net(2, 16, 16, opset=19)
    y = net.add("Resize", net.quant(net.x, 0.25, bits=6.0), "", net.const([1.0, 1.0, 2.0, 2.0]), mode="linear")
    net.quant(y, 0.25, bits=6.0)
    graph = load_onnx(net.proto())
    conv = only(graph, Conv)
    assert ops(graph) == ["gather", "conv", "requantise"]
    assert (conv.groups, conv.weights.array.shape, int(conv.weights.array.max())) == (2, (8, 3, 3, 1), 9)


def test_a_scale_is_the_simplest_fraction_nearest_to_it() -> None:
    for fraction in map(Fraction, ("4/3", "2/3", "7/5", "1/10", "33/65", "2")):
        assert simplest(float(np.float32(float(fraction)))) == fraction
    assert float(simplest(float(np.float32(np.pi)))) == float(np.float32(np.pi))


@pytest.mark.parametrize("seed", range(12))
def test_the_replay_of_the_audit(seed: int) -> None:
    """In float32, beside ONNX's own in float64."""
    rng = np.random.default_rng(seed)
    place = str(rng.choice(PLACES))
    attributes = {"coordinate_transformation_mode": place, "mode": ["linear", "cubic", "nearest"][seed % 3]}
    attributes |= {"exclude_outside": 1} if seed % 4 == 0 and seed % 3 == 1 else {}
    sizes = np.array([1, 2, *rng.choice(OUTS if seed % 2 else (3, 9, 12), 2)])
    x = rng.normal(size=(1, 2, LENGTH, LENGTH)).astype(np.float32)
    scales = np.float32([1, 1, *(sizes[2:] / LENGTH)])
    names, given = (["x", "", "", "s"], [None, None, sizes]) if seed % 2 else (["x", "", "s"], [None, scales])
    node = helper.make_node("Resize", names, ["y"], **attributes)
    kind = 7 if seed % 2 else 1
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", 11, None), helper.make_tensor_value_info("s", kind, None)],
        [helper.make_tensor_value_info("y", 11, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x.astype(np.float64), "s": given[-1]})
    made = resize(attributes, x, *given)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def through(net: Net, *scales: float, **attributes: Any) -> str:
    return net.add("Resize", chip(net), "", net.const(scales), **attributes)


REFUSED: list[Case] = [
    (
        "resize1",
        lambda n: through(n, 1, 1, 2, 2, coordinate_transformation_mode="tf_crop_and_resize"),
        "places its pixels by 'tf_crop_and_resize'",
        "known ways: half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, "
        "tf_half_pixel_for_nn",
    ),
    (
        "resize1",
        lambda n: through(n, 1, 1, 2, 2, mode="lanczos"),
        "interpolates by 'lanczos'",
        "known modes: nearest, linear, cubic",
    ),
    (
        "resize1",
        lambda n: through(n, 1, 1, 2, 2, nearest_mode="down"),
        "takes the nearest pixel by 'down'",
        "known modes: round_prefer_floor, round_prefer_ceil, floor, ceil",
    ),
    (
        "resize1",
        lambda n: through(n, 1, 1, 0.5, 0.5, mode="linear", antialias=1),
        "smooths what it shrinks (antialias)",
        "export it without antialias",
    ),
    (
        "resize1",
        lambda n: n.add("Resize", chip(n), "", "", axes(n, 1, 2, 8, 8), keep_aspect_ratio_policy="not_larger"),
        "keeps the aspect ratio of its input",
        "export it with the sizes that come out",
    ),
    (
        "resize2",
        lambda n: n.add("Resize", n.add("Tanh", chip(n)), "", n.const([1, 1, 2, 2]), mode="linear"),
        "interpolates real values by 'linear'",
        "quantise the activation before it",
    ),
    (
        "resize1",
        lambda n: n.add("Resize", chip(n), "", "", axes(n, 1, 2, 4, 65537)),
        "holds 65537 elements",
        "at most 65536 elements are supported",
    ),
    (
        "resize2",
        lambda n: n.add(
            "Resize",
            n.add("Resize", chip(n), "", "", axes(n, 1, 2, 4, 2000)),
            "",
            "",
            axes(n, 1, 2, 4, 2999),
            mode="linear",
        ),
        "holds 2999 x 2000 elements",
        "at most 2097152 elements are supported",
    ),
    (
        "resize1",
        lambda n: through(n, 1, 1, 1.1, 1.2, coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        "scales by other than 1, yet no axis becomes longer or shorter",
        "onnxruntime then copies its input: remove the node, or give it sizes",
    ),
    (
        "upsample1",
        lambda n: n.add("Upsample", chip(n), n.const([1, 1, 0.5, 2]), mode="nearest"),
        "shrinks an axis",
        "an Upsample only enlarges: export it as a Resize",
    ),
    (
        "resize1",
        lambda n: through(n, 1, 1, 0.125, 1),
        "makes a tensor without elements",
        "export the model again",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_a_resize_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)


def test_a_pixel_that_float32_places_between_two() -> None:
    net = Net(2, 7, opset=19)
    way = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "round_prefer_ceil"}
    net.quant(net.add("Resize", net.quant(net.x, 0.25), "", "", axes(net, 1, 2, 4), **way), 0.5)
    assert refusal(net.proto()) == (
        "model: node 'resize1' (Resize): takes pixels that depend on how float32 rounds their places "
        "('asymmetric', 'round_prefer_ceil')\n  hint: export it with 'asymmetric' and 'floor', or with a whole factor"
    )


@pytest.fixture(scope="module")
def side_by_side() -> Any:
    """One of each kind in one design, and its data."""
    net = Net(2, LENGTH, LENGTH, opset=19)
    x = net.quant(net.x, 0.25, bits=6.0)
    made = [
        scaled(net, x, "half_pixel", (12, 12), mode="linear"),
        scaled(net, x, "align_corners", (4, 9), mode="linear"),
        scaled(net, x, "pytorch_half_pixel", (9, 3), mode="cubic"),
        scaled(net, x, "asymmetric", (4, 9), mode="nearest", nearest_mode="floor"),
    ]
    pixels = grid(3, 2, LENGTH, LENGTH, span=8)
    return api.compile(load_onnx(net.proto(*(net.quant(each, 0.375, bits=7.0) for each in made)))), pixels


@needs_cxx
def test_hls_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "hls")


@needs_rtl
def test_rtl_takes_one_of_each(side_by_side: Any) -> None:
    same(*side_by_side, "rtl")


def same(design: Any, pixels: Array, engine: str) -> None:
    assert api.passed(api.verify(design.graph, [pixels], None, engines=("reference", engine), design=design))
