# SPDX-License-Identifier: Apache-2.0
"""Nearest resizes: taken exactly where every pixel's neighbour is the one that a repetition gives."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import Array, Net, outputs_of
from tests.frontend.refusing import refusal

PLACES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners")
MODES = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
LENGTH = 5


def resized(place: str, mode: str, factor: int) -> Array:
    """What ONNX makes of 0, 1, ..., 4."""
    node = helper.make_node(
        "Resize", ["x", "", "s"], ["y"], mode="nearest", nearest_mode=mode, coordinate_transformation_mode=place
    )
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("x", 1, [1, 1, 1, LENGTH])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.float32([1, 1, 1, factor]), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    x = np.arange(LENGTH, dtype=np.float32).reshape(1, 1, 1, LENGTH)
    return np.asarray(ReferenceEvaluator(model).run(None, {"x": x})[0])


def network(place: str, mode: str, factor: int) -> Net:
    net = Net(1, 1, LENGTH, opset=19)
    y = net.add(
        "Resize",
        net.quant(net.x, 1.0),
        "",
        net.const([1.0, 1.0, 1.0, factor]),
        mode="nearest",
        nearest_mode=mode,
        coordinate_transformation_mode=place,
    )
    net.quant(y, 0.5)
    return net


@pytest.mark.parametrize(("place", "mode", "factor"), [*product(PLACES, MODES, (2, 3))])
def test_a_resize_is_a_repetition_or_refused(place: str, mode: str, factor: int) -> None:
    wanted, net = resized(place, mode, factor), network(place, mode, factor)
    if np.array_equal(wanted.reshape(-1), np.repeat(np.arange(LENGTH), factor)):
        x = np.arange(LENGTH, dtype=np.float32).reshape(1, 1, 1, LENGTH)
        np.testing.assert_array_equal(outputs_of(load_onnx(net.proto()), x)[0], wanted)
    else:
        assert refusal(net.proto()) == (
            f"model: node 'resize1' (Resize): takes another neighbour than a repetition by {factor} does "
            f"('{place}', '{mode}')\n  hint: export it with 'asymmetric' and 'floor'"
        )


def test_other_places() -> None:
    assert refusal(network("tf_crop_and_resize", "floor", 2).proto()) == (
        "model: node 'resize1' (Resize): places its pixels by 'tf_crop_and_resize'\n"
        "  hint: export it with 'asymmetric' and 'floor'"
    )
