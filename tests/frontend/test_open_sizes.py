# SPDX-License-Identifier: Apache-2.0
"""Sizes that a file leaves open are filled in by the name of an input or of a dimension."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bitwright
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import Net, grid, outputs_of

WAY = "with numbers throughout; in Python load(..., shapes={...})"


def model(*shape: int | str | None, batch: int | str = "N") -> onnx.ModelProto:
    """A convolution between two quantisers."""
    net = Net(1)
    net.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])]
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 2, 2, 2, step=1, span=3)))
    net.quant(y, 2.0, bits=5.0)
    return net.proto()


@pytest.mark.parametrize(
    "shapes",
    [
        {"x": (1, 2, 4, 6)},
        {"x": "1x2x4x6"},
        {"x": (7, 2, 4, 6)},
        {"H": 4, "W": 6},
        {"H": "4", "W": "6", "N": 1},
        {"x": "1x2x4x6", "H": 4},
    ],
)
def test_open_sizes_filled_in(shapes: dict[str, Any]) -> None:
    filled, fixed = bitwright.load(model(2, "H", "W"), shapes=shapes), bitwright.load(model(2, 4, 6))
    x = np.random.default_rng(0).normal(size=(5, 2, 4, 6)).astype(np.float32)
    assert filled.inputs[0].shape == (4, 6, 2)
    np.testing.assert_array_equal(outputs_of(filled, x)[0], outputs_of(fixed, x)[0])


def test_sizes_without_a_name_are_filled_in_by_the_input() -> None:
    assert bitwright.load(model(2, None, None), shapes={"x": (1, 2, 5, 5)}).inputs[0].shape == (5, 5, 2)


def test_an_input_without_a_shape_is_given_one() -> None:
    proto = model(2, 4, 4)
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert bitwright.load(proto, shapes={"x": (1, 2, 3, 3)}).inputs[0].shape == (3, 3, 2)


def test_a_name_is_the_same_size_in_every_input() -> None:
    net = Net(2)
    net.inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "C"]) for name in ("x", "y")]
    net.quant(net.add("Add", *(net.quant(name, 0.25) for name in ("x", "y"))), 0.5)
    graph = bitwright.load(net.proto(), shapes={"x": (1, 3)})
    assert [layer.shape for layer in graph.inputs] == [(3,), (3,)]


@pytest.mark.parametrize(
    ("shapes", "error"),
    [
        (
            {},
            f"model: input 'x': has an unknown size: ['N', 2, 'H', '?']\n  hint: fill it in: --shape x=1x2xHx?, {WAY}",
        ),
        (
            {"H": 4},
            f"model: input 'x': has an unknown size: ['N', 2, 4, '?']\n  hint: fill it in: --shape x=1x2x4x?, {WAY}",
        ),
        (
            {"x": (1, 3, 4, 4)},
            "--shape x: 1x3x4x4 does not fit 1x2x4x?\n"
            "  hint: only sizes that the model leaves open can be given, each the same everywhere",
        ),
        (
            {"x": (2, 4, 4)},
            "--shape x: 2x4x4 does not fit 2x2x4x?\n"
            "  hint: only sizes that the model leaves open can be given, each the same everywhere",
        ),
        (
            {"x": (1, 2, 4, 4), "H": 5},
            "--shape H: 5 does not fit 4\n"
            "  hint: only sizes that the model leaves open can be given, each the same everywhere",
        ),
        (
            {"y": (1, 2)},
            "--shape y: model has no input and no dimension of this name\n"
            "  hint: its inputs are 'x'; its named dimensions are 'N', 'H'",
        ),
        (
            {"x": "1x2x?x4"},
            "--shape x: '1x2x?x4' is no shape\n  hint: for example 1x3x96x96 for an input, or 96 for a dimension",
        ),
        ({"x": ()}, "--shape x: () is no shape\n  hint: for example 1x3x96x96 for an input, or 96 for a dimension"),
        ({"x": -1}, "--shape x: (-1,) is no shape\n  hint: for example 1x3x96x96 for an input, or 96 for a dimension"),
    ],
)
def test_sizes_that_cannot_be_filled_in(shapes: dict[str, Any], error: str) -> None:
    with pytest.raises(BitwrightError) as refused:
        bitwright.load(model(2, "H", None), shapes=shapes)
    assert str(refused.value) == error


def test_a_saved_graph_has_its_shapes(tmp_path: Any) -> None:
    from bitwright.ir import files

    files.save(bitwright.load(model(2, 4, 4)), tmp_path / "net.bw")
    for option, asked in (("--shape", {"shapes": {"x": (1, 2)}}), ("--outputs", {"outputs": ["x"]})):
        with pytest.raises(BitwrightError) as refused:
            bitwright.load(tmp_path / "net.bw", **asked)
        thing = next(iter(asked))
        assert str(refused.value) == (f"{option}: a saved graph has its {thing}\n  hint: give the ONNX file instead")
