# SPDX-License-Identifier: Apache-2.0
"""Rewrites of float networks compute the same function, and do what they are for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright import run
from bitwright.compress import FloatNet, float_net, outputs_of, quantize
from bitwright.compress.transforms import TRANSFORMS
from bitwright.compress.transforms.chains import Draft, columns
from bitwright.compress.transforms.widen import widen
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw

Array = NDArray[Any]


def assert_same(net: FloatNet, rewritten: FloatNet, x: Array) -> None:
    """Both compute the same, within the rounding of float32."""
    for one, other in zip(outputs_of(net, [x]), outputs_of(rewritten, [x]), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", TRANSFORMS)
def test_random_networks_compute_the_same(name: str, seed: int) -> None:
    draw = Draw(seed)
    net = float_net(draw.model())
    before = {key: array.copy() for key, array in net.constants.items()}
    rewritten = TRANSFORMS[name](net)
    assert_same(net, rewritten, draw.samples())
    assert all(np.array_equal(before[key], net.constants[key]) for key in before)


PAIRS = {
    "dense": ([node("Gemm", "x w b", "h"), node("Relu", "h", "r"), node("Gemm", "r v c", "y", transB=1)], [4], (4, 5)),
    "products": (
        [node("MatMul", "x w", "m"), node("Add", "m b", "h"), node("LeakyRelu", "h", "r"), node("MatMul", "r v", "y")],
        [4],
        (4, 5),
    ),
}


def spread(*shape: int, axis: int, seed: int = 0) -> Array:
    """Weights of unlike sizes along an axis."""
    sizes = [1] * len(shape)
    sizes[axis] = -1
    return normal(*shape, seed=seed) * np.geomspace(0.05, 5, shape[axis], dtype=np.float32).reshape(sizes)


IMAGE = {
    "w": spread(6, 2, 3, 3, axis=0),
    "b": normal(6),
    "slope": np.abs(normal(6, 1, 1, seed=4)),
    "d": spread(6, 1, 3, 3, axis=0, seed=1)[::-1].copy(),
    "e": normal(6, seed=2),
    "v": normal(24, 3, seed=3),
    "shape": np.array([0, -1]),
}
STEM = [node("Conv", "x w b", "h"), node("PRelu", "h slope", "p")]
DEPTHWISE = [node("Conv", "p d e", "i", group=6, pads=[1, 1, 1, 1]), node("Relu", "i", "r")]
HEAD = [node("MaxPool", "r", "q", kernel_shape=[2, 2], strides=[2, 2]), node("Reshape", "q shape", "f")]


def image(nodes: list[Any], **changed: Array) -> FloatNet:
    return float_net(graph([*nodes, node("MatMul", "f v", "y")], IMAGE | changed, sample=[2, 6, 6]))


def ranges(net: FloatNet) -> list[tuple[Array, Array]]:
    """The largest weights of each channel at both ends of every chain."""
    draft = Draft(net)
    found = []
    for chain in draft.chains(through_depthwise=False):
        maker, count = draft.layers[chain.maker], draft.channels(draft.layers[chain.maker])
        made = np.moveaxis(net.constants[maker.weight], maker.axis, 0)
        read = columns(draft, draft.layers[chain.reader])
        found.append((np.abs(made.reshape(count, -1)).max(axis=1), np.abs(read.reshape(count, -1)).max(axis=1)))
    return found


@pytest.mark.rows("R018")
@pytest.mark.parametrize("name", PAIRS)
def test_equalised_dense_layers_have_the_ranges_of_what_reads_them(name: str) -> None:
    nodes, sample, shape = PAIRS[name]
    turned = (3, 5) if name == "dense" else (5, 3)
    constants = {"w": spread(*shape, axis=1), "b": normal(5), "v": normal(*turned), "c": normal(3)}
    net = float_net(graph(nodes, constants, sample=sample))
    equal = TRANSFORMS["equalise"](net)
    ((first, second),) = ranges(equal)
    np.testing.assert_allclose(first, second, rtol=1e-5)
    assert first.max() / first.min() < ranges(net)[0][0].max() / ranges(net)[0][0].min()
    assert_same(net, equal, normal(50, 4))


def test_pairs_reach_through_activations_depthwise_layers_pools_and_flattening() -> None:
    net = image([*STEM, *DEPTHWISE, *HEAD])
    equal = TRANSFORMS["equalise"](net)
    assert len(ranges(net)) == 2
    for first, second in ranges(equal):
        np.testing.assert_allclose(first, second, rtol=5e-3)
    assert_same(net, equal, normal(20, 2, 6, 6))


@pytest.mark.parametrize(
    "between",
    [
        [node("Clip", "p low high", "r")],
        [node("Sigmoid", "p", "r")],
        [node("Relu", "p", "a"), node("Relu", "a", "b2"), node("Add", "a b2", "r")],
    ],
    ids=["bounded", "curved", "read twice"],
)
def test_what_is_not_homogeneous_or_read_twice_is_left_alone(between: list[Any]) -> None:
    bounds = {"low": np.zeros((), np.float32), "high": np.asarray(6, np.float32)}
    net = image([*STEM, *between, *HEAD], v=normal(24, 3), **bounds)
    assert ranges(net) == []
    assert all(TRANSFORMS[name](net) == net for name in ("equalise", "ocs"))


def test_dead_channels_keep_their_weights() -> None:
    weight = IMAGE["w"].copy()
    weight[2] = 0
    net = image([*STEM, *DEPTHWISE, *HEAD], w=weight)
    equal = TRANSFORMS["equalise"](net)
    assert all(np.isfinite(array).all() for array in equal.constants.values())
    assert_same(net, equal, normal(20, 2, 6, 6))


@pytest.mark.rows("R011")
def test_splitting_halves_the_largest_weights_and_nothing_else() -> None:
    head = normal(24, 3, seed=3)
    head[9] = [40, -1, 2]
    net = image([*STEM, *DEPTHWISE, *HEAD], v=head)
    halved = TRANSFORMS["ocs"](net)
    assert np.abs(halved.constants["v"]).max() == 20
    assert [halved.constants[name].shape[0] for name in "wbded"] == [7, 7, 7, 7, 7]
    np.testing.assert_array_equal(halved.constants["v"][8:12], head[8:12] / 2)  # channel 2: its four places
    np.testing.assert_array_equal(halved.constants["v"][12:16], head[8:12] / 2)
    np.testing.assert_array_equal(halved.constants["w"][2:4], IMAGE["w"][[2, 2]])
    assert_same(net, halved, normal(20, 2, 6, 6))


@pytest.mark.rows("R015")
@pytest.mark.parametrize("seed", range(5))
def test_a_widened_layer_without_its_copies_is_the_layer(seed: int) -> None:
    times = np.random.default_rng(seed).integers(1, 4, size=6)
    net = image([*STEM, *DEPTHWISE, *HEAD])
    draft = Draft(net)
    (chain,) = draft.chains(through_depthwise=True)
    widen(draft, chain, times)
    wide = draft.done()
    assert_same(net, wide, normal(20, 2, 6, 6))
    first = np.cumsum(times) - times
    np.testing.assert_array_equal(wide.constants["w"][first], net.constants["w"])
    blocks = wide.constants["v"].reshape(int(times.sum()), 4, 3)
    np.testing.assert_allclose(np.add.reduceat(blocks, first).reshape(24, 3), net.constants["v"], rtol=1e-6)


@pytest.mark.rows("R013")
def test_a_small_window_is_taken_in_by_a_large_one_beside_it() -> None:
    """A convolution of single pixels in one of three by three is exact; one at other places stays."""
    small = {"s": normal(6, 2, 1, 1, seed=8), "t": normal(6, seed=9)}
    sums = [node("Add", "m l", "h"), node("Relu", "h", "y")]
    beside = node("Conv", "x s t", "m", strides=[2, 2])
    for pads, ops in (([1, 1, 1, 1], ["Conv", "Relu"]), ([1, 0, 1, 2], ["Conv", "Conv", "Add", "Relu"])):
        wide = node("Conv", "x w b", "l", pads=pads, strides=[2, 2])
        net = float_net(graph([wide, beside, *sums], IMAGE | small, sample=[2, 6, 6]))
        made = TRANSFORMS["absorb"](net)
        assert [each.op for each in made.nodes] == ops
        assert_same(net, made, normal(20, 2, 6, 6))


@pytest.mark.rows("R063")
def test_a_channel_that_is_a_multiple_of_another_is_merged_into_it() -> None:
    weight, bias = normal(6, 2, 3, 3, seed=5), normal(6, seed=6)
    weight[4], bias[4] = 2.5 * weight[1], 2.5 * bias[1]
    weight[5], bias[5] = -weight[0], -bias[0]  # behind a Relu it is another channel
    nodes = [node("Conv", "x w b", "h"), node("Relu", "h", "r"), *HEAD]
    net = float_net(graph([*nodes, node("MatMul", "f v", "y")], IMAGE | {"w": weight, "b": bias}, sample=[2, 6, 6]))
    one = TRANSFORMS["merge"](net)
    assert one.constants["w"].shape[0] == 5
    assert_same(net, one, normal(20, 2, 6, 6))
    assert TRANSFORMS["merge"](one) == one


def test_a_split_channel_is_merged_again() -> None:
    constants = {"w": normal(6, 2, 3, 3), "b": normal(6), "v": normal(96, 3)}
    nodes = [node("Conv", "x w b", "h"), node("Relu", "h", "r"), node("Flatten", "r", "f"), node("MatMul", "f v", "y")]
    net = float_net(graph(nodes, constants, sample=[2, 6, 6]))
    again = TRANSFORMS["merge"](TRANSFORMS["ocs"](net))
    assert again.constants["w"].shape == (6, 2, 3, 3)
    np.testing.assert_array_equal(again.constants["v"], constants["v"])


NORM = {name: normal(6, seed=10 + k) for k, name in enumerate(("gamma", "beta", "mean"))}
NORM["variance"] = np.abs(normal(6, seed=14)) + 1


@pytest.mark.rows("R013")
@pytest.mark.parametrize("bias", ["", " b"])
def test_a_normalisation_is_folded_into_the_layer_before_it(bias: str) -> None:
    stem = [node("Conv", "x w" + bias, "h"), node("BatchNormalization", "h gamma beta mean variance", "p", epsilon=0.1)]
    net = image([*stem, node("Relu", "p", "r"), *HEAD], **NORM)
    folded = TRANSFORMS["fuse"](net)
    assert [each.op for each in folded.nodes] == ["Conv", "Relu", "MaxPool", "Reshape", "MatMul"]
    assert "gamma" not in folded.constants
    assert_same(net, folded, normal(20, 2, 6, 6))


def test_a_normalisation_of_a_tensor_that_others_read_stays() -> None:
    stem = [node("Conv", "x w b", "h"), node("BatchNormalization", "h gamma beta mean variance", "n")]
    net = image([*stem, node("Add", "n h", "r"), *HEAD], **NORM)
    assert TRANSFORMS["fuse"](net) == net


TROUBLES = {
    "a sum of a number before the flattening": [node("Add", "p one", "r")],
    "a sum of an image": [node("Add", "p field", "r")],
    "a convolution of groups": [node("Conv", "p g", "q2", group=2, pads=[1, 1, 1, 1]), node("Relu", "q2", "r")],
    "a convolution transposed": [node("ConvTranspose", "p t", "q2", pads=[1, 1, 1, 1]), node("Relu", "q2", "r")],
    "a weight of two layers": [
        node("Conv", "p k", "q2", pads=[1, 1, 1, 1]),
        node("Relu", "q2", "q3"),
        node("Conv", "q3 k", "r", pads=[1, 1, 1, 1]),
    ],
    "a normalisation between": [node("BatchNormalization", "p gamma beta mean variance", "r")],
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_stands_between_is_kept_or_ends_the_chain(trouble: str, name: str) -> None:
    constants = {
        "one": np.asarray(0.7, np.float32),
        "field": normal(6, 4, 4, seed=5),
        "g": normal(6, 3, 3, 3, seed=6),
        "t": normal(6, 6, 3, 3, seed=7),
        "k": normal(6, 6, 3, 3, seed=8),
    }
    net = image([*STEM, *TROUBLES[trouble], *HEAD], **constants, **NORM)
    assert_same(net, TRANSFORMS[name](net), normal(20, 2, 6, 6))


@pytest.mark.parametrize("bits", [4, 8])
def test_a_rewritten_network_is_quantised_as_well(bits: int) -> None:
    net = image([*STEM, *DEPTHWISE, *HEAD])
    x = normal(64, 2, 6, 6)
    wanted = outputs_of(net, [x])[0]
    errors = {}
    for transforms in ((), ("fuse", "equalise"), ("ocs",)):
        state = quantize(
            net,
            x,
            transforms=transforms,
            weights=bits,
            activations=12,
            per_channel=False,
            rounding="nearest",
            correct="none",
        )
        errors[transforms] = float(((run(state.graph(), x) - wanted) ** 2).mean())
    assert errors["fuse", "equalise"] < 0.5 * errors[()]
    assert errors["ocs",] < 1.5 * errors[()]
