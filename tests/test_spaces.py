# SPDX-License-Identifier: Apache-2.0
"""A space as data: what is said of a network, of groups and of layers, and every refusal by its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bitwright.compress import FloatNet, float_net
from bitwright.explore.space import Space
from bitwright.explore.space_file import read_space
from bitwright.explore.spaces import of_network, space_of
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

FLOAT = Path(__file__).parents[1] / "examples" / "digits" / "digits_float.onnx"
Said = list[tuple[str, tuple[Any, ...], tuple[str, ...]]]


@pytest.fixture(scope="module")
def net() -> FloatNet:
    return float_net(FLOAT)


def said(space: Space) -> Said:
    return [(axis.name, axis.values, axis.names) for axis in space.axes]


def test_one_choice_for_the_network(net: FloatNet) -> None:
    space = space_of(net, of_network({"weights": (8, 2, 4), "activations": (3,), "part": ("xczu3eg", "xc7z020")}))
    assert said(space) == [
        ("weights", (2, 4, 8), ()),
        ("activations", (3,), ()),
        ("part", ("xczu3eg", "xc7z020"), ()),
    ]


def test_a_choice_for_each_layer_and_tensor(net: FloatNet) -> None:
    space = space_of(net, of_network({"weights": (2, 3), "activations": (4, 5), "cycles": (100, 900)}, each=True))
    assert [axis.name for axis in space.axes] == [
        "cycles",
        *(f"weights of {name}.weight" for name in ("conv1", "conv2", "dense1", "dense2")),
        *(f"activations of {name}" for name in ("image", "relu1", "relu2", "relu3")),
    ]
    assert space.axes[0].values == (900, 100)  # what is slow is cheap
    assert {axis.names for axis in space.axes[1:]} == {
        *((f"{name}.weight",) for name in ("conv1", "conv2", "dense1", "dense2")),
        *((name,) for name in ("image", "relu1", "relu2", "relu3")),
    }


def test_layers_go_over_groups_and_groups_over_the_network(net: FloatNet, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        "layers:\n"
        "  conv2: {weights: 1-2}\n"
        "  'dense*': {sparsity: [0, 0.5, '2:4', 0.9 in 4x2]}\n"
        "  dense1: {sparsity: 0.75}\n"
        "groups:\n"
        "  stem: {names: [conv1, conv2, relu1], weights: [4, 3], activations: 5}\n"
        "network: {weights: 2-4, activations: 8, range: [mse, max], correct: [none, bias]}\n"
    )
    assert said(space_of(net, read_space(file))) == [
        ("weights", (2, 3, 4), ("dense1.weight", "dense2.weight")),
        ("activations", (8,), ("relu2", "relu3")),
        ("range", ("mse", "max"), ()),
        ("correct", ("none", "bias"), ()),
        ("weights of stem", (3, 4), ("conv1.weight",)),
        ("activations of stem", (5,), ("image", "relu1")),
        ("weights of conv2.weight", (1, 2), ("conv2.weight",)),
        ("sparsity of dense2.weight", ("0.9 in 4x2", 0.5, "2:4", 0), ("dense2.weight",)),
        ("sparsity of dense1.weight", (0.75,), ("dense1.weight",)),
    ]


def test_a_layer_has_the_zeros_that_it_can_have(net: FloatNet) -> None:
    space = space_of(net, of_network({"sparsity": ("2:4", 0)}, each=True))
    assert [axis.values for axis in space.axes] == [(0,), ("2:4", 0), ("2:4", 0), ("2:4", 0)]  # conv1 reads one channel


def test_a_weight_of_two_layers_is_one_axis() -> None:
    nodes = [node("MatMul", "x w", "a"), node("Relu", "a", "r"), node("MatMul", "r w", "y")]
    shared = float_net(graph(nodes, {"w": normal(4, 4)}, sample=[4]))
    space = space_of(shared, of_network({"weights": (2, 3)}, each=True))
    assert [axis.name for axis in space.axes] == ["weights of w"]


LAYERS = "for example `layers: {'*': {weights: 2-8, activations: 2-8}}`"


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({}, f"space: holds no axes\n  hint: give some, {LAYERS}"),
        ({"layer": {"*": {"weights": 4}}}, "space: has 'layer', which is none of network, groups, layers\n"
         f"  hint: the nearest are 'layers'; {LAYERS}"),
        ({"network": 8}, f"space: network: is 8, where options belong\n  hint: {LAYERS}"),
        ({"layers": {"conv1": 8}}, f"space: layers 'conv1': is 8, where options belong\n  hint: {LAYERS}"),
        ({"network": {"weigths": 4}}, "space: network: has no option 'weigths'\n  hint: the nearest are 'weights'"),
        ({"network": {"weights": "1-17"}},
         "space: network: 17 cannot be used for weights\n  hint: choose 1 to 16 bits"),
        ({"network": {"weights": "8-2"}},
         "space: network: '8-2' cannot be used for weights\n  hint: choose 1 to 16 bits"),
        ({"network": {"weights": []}}, "space: network: has no values for weights\n  hint: give at least one"),
        ({"network": {"weights": True}},
         "space: network: True cannot be used for weights\n  hint: choose 1 to 16 bits"),
        ({"network": {"correct": [["bias"]]}},
         "space: network: ['bias'] cannot be used for correct\n  hint: choose none or bias"),
        ({"network": {"per_channel": "no"}},
         "space: network: 'no' cannot be used for per_channel\n  hint: choose true or false"),
        ({"network": {"sparsity": 124}}, "space: network: 124 cannot be used for sparsity\n"
         "  hint: give a share below 1 as 0.5, n of m as '2:4', or a share of blocks as '0.8 in 4x2'"),
        ({"layers": {"conv1": {"cycles": 100}}},
         "space: layers 'conv1': cycles is of the whole network\n  hint: put it under 'network'"),
        ({"layers": {"conv7": {"weights": 4}}}, "space: layers 'conv7': 'conv7' names nothing that is quantised\n"
         "  hint: the nearest are 'conv2', 'conv1', 'conv2.weight'"),
        ({"layers": {"relu3": {"weights": 4}}},
         "space: layers 'relu3': names no weights to quantise\n  hint: leave out weights"),
        ({"groups": {"g": {"weights": 4}}}, "space: groups 'g': has None for names\n"
         "  hint: give a list of them, for example `stem: {names: [conv1, conv2], weights: 2-8}`"),
        ({"groups": {"g": {"names": ["conv1"]}}},
         f"space: groups 'g': says nothing\n  hint: give it options, {LAYERS}"),
    ],
)  # fmt: skip
def test_what_no_space_says(net: FloatNet, held: Mapping[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        space_of(net, read_space(held))
    assert str(refusal.value) == message


def test_a_file_is_plain_and_bounded(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("network: &a {weights: 4}\nlayers: {x: *a}\n")
    with pytest.raises(BitwrightError, match="line 2: is no YAML that is taken: an alias is not taken"):
        read_space(file)
    file.write_text("network: {weights: 4, weights: 5}\n")
    with pytest.raises(BitwrightError, match="'weights' is there twice"):
        read_space(file)
    file.write_text("#" * 300_000)
    with pytest.raises(BitwrightError, match="has more than 262144 bytes\n  hint: a pattern stands for many layers"):
        read_space(file)
