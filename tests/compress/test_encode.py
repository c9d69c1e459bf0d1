# SPDX-License-Identifier: Apache-2.0
"""The laws of a quantised network: its graph holds its codes, and is the one that its file is read as."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import ActQuant, Coded, State, encode, float_net, outputs_of, quantize
from bitwright.compress.network import Layer
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType, integer
from tests.compress.nets import Floats, graph, node, normal
from tests.compress.random_nets import Array, Draw
from tests.exported import differences


def drawn(seed: int) -> tuple[State, Draw, Floats]:
    """A quantised network, how it was drawn, and its samples; every choice of `seed`."""
    draw = Draw(seed)
    model, x = draw.model(), draw.samples()
    weights, activations = (int(bits) for bits in draw.rng.integers(3, 9, 2))
    per_channel, free, least = draw.rng.random(3) < 0.5
    options = {"range": "mse" if least else "max", "scale": "free" if free else "po2"}
    state = quantize(model, x, weights=weights, activations=activations, per_channel=bool(per_channel), **options)
    return state, draw, x


def shown(layer: Layer, codes: Array, draw: Draw) -> Array:
    """The codes of a layer as the graph orders them: channels last."""
    if layer.op == "Conv":
        return codes.transpose(0, 2, 3, 1)
    rows = codes if layer.axis == 0 else codes.T
    if layer.weight in draw.order:
        return rows.reshape(-1, *draw.order[layer.weight]).transpose(0, 2, 3, 1).reshape(len(rows), -1)
    return rows


def weights(net: Graph) -> dict[str, Array]:
    """The weights by the name of their node."""
    return {layer.source[-1]: layer.weights.array for layer in net.layers if isinstance(layer, Conv | Dense)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24))
def test_the_graph_of_a_state_is_the_one_that_its_file_is_read_as(seed: int) -> None:
    state, draw, x = drawn(seed)
    net = encode(state)
    again = bw.load(state.onnx())
    assert differences(net, again) == []
    np.testing.assert_array_equal(bw.run(net, x), bw.run(again, x))
    makers = {name: maker.name for maker in state.net.nodes for name in maker.outputs}
    for held in (
        weights(net),
        {layer.name: layer.weights.array for layer in again.layers if isinstance(layer, Conv | Dense)},
    ):
        for layer in state.net.layers:
            (coded,), name = state.weights[layer.weight], makers[layer.name]
            if not net.removed:
                np.testing.assert_array_equal(held[name], shown(layer, coded.codes, draw), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(24, 32))
def test_the_graph_computes_what_the_state_says(seed: int) -> None:
    draw = Draw(seed)
    model, x = draw.model(), draw.samples()
    weights = quantize(model, x, weights=4, per_channel=True).weights
    coded = float_net(model).replace(**{name: basis.value for name, (basis,) in weights.items()})
    state = State(coded, weights, quantize(coded, x, activations=16, range="max").acts)
    exact, wanted = bw.run(state.graph(), x), outputs_of(coded, [x])[0]
    assert ((exact - wanted) ** 2).mean() <= 1e-6 * (wanted**2).mean()


DENSE = graph([node("Gemm", "x w b", "h"), node("Relu", "h", "r"), node("MatMul", "r v", "y")],
              {"w": normal(4, 3), "b": normal(3, seed=1), "v": normal(3, 2)}, sample=[4])  # fmt: skip
X = normal(40, 4)


def state_of(bits: int = 4, *, bias_grid: bool = False) -> State:
    made = quantize(DENSE, X, weights=bits, activations=bits, per_channel=True)
    return replace(made, bias_grid=bias_grid)


def test_codes_need_not_be_the_nearest() -> None:
    state = state_of()
    (coded,) = state.weights["w"]
    moved = Coded(np.clip(coded.codes[::-1] + 1, -7, 7).astype(np.int32), coded.scale, coded.type)
    net = State(state.net, {**state.weights, "w": (moved,)}, state.acts).graph()
    np.testing.assert_array_equal(weights(net)["Gemm_h"], moved.codes.T)
    np.testing.assert_array_equal(weights(bw.load(bw.to_onnx(net)))["Gemm_h"], moved.codes.T)


def test_a_quantiser_may_have_any_range_and_a_zero_point() -> None:
    state = state_of()
    odd = ActQuant(IntType(-3, 11), np.float32(0.125).reshape(()), np.float32(2).reshape(()))
    net = State(state.net, state.weights, {**state.acts, "r": odd}).graph()
    layer = next(layer for layer in net.layers if isinstance(layer, Requantise))
    assert (layer.type, layer.zero, layer.low, layer.high) == (
        IntType(2, 11),
        PerChannel.made(2),
        (2,),
        (11,),
    )  # behind the Relu


def test_biases_on_the_grid_are_whole_steps_of_their_accumulators() -> None:
    free, on_grid = state_of().graph(), state_of(bias_grid=True).graph()
    found = []
    for net in (free, on_grid):
        layer = next(layer for layer in net.layers if isinstance(layer, Requantise))
        found.append([(b / m).denominator for m, b in zip(layer.multiplier.values, layer.offset.values, strict=True)])
    assert max(found[0]) > 1
    assert found[1] == [1, 1, 1]
    assert differences(on_grid, bw.load(bw.to_onnx(on_grid))) == []


def test_a_bias_with_a_factor_is_not_put_on_the_grid() -> None:
    model = graph([node("Gemm", "x w b", "y", beta=0.5)], {"w": normal(4, 3), "b": normal(3)}, sample=[4])
    state = replace(quantize(model, X), bias_grid=True)
    with pytest.raises(BitwrightError) as refusal:
        state.graph()
    assert str(refusal.value) == (
        "model: node 'Gemm_y' (Gemm): has factors alpha and beta beside a bias on the grid\n"
        "  hint: fold them into its constants"
    )


def test_several_bases_are_refused_by_the_name_of_the_weight() -> None:
    state = state_of()
    twice = State(state.net, {**state.weights, "w": state.weights["w"] * 2}, state.acts)
    with pytest.raises(BitwrightError) as refusal:
        twice.graph()
    assert str(refusal.value) == (
        "model: weight 'w': is a sum of 2 coded weights\n"
        "  hint: give one code for each weight; sums of several are not supported yet"
    )


def test_codes_outside_their_type_or_of_another_shape_are_refused() -> None:
    state = state_of()
    (coded,) = state.weights["w"]
    for codes in (coded.codes + np.int32(9), coded.codes[:2]):
        with pytest.raises(BitwrightError) as refusal:
            State(state.net, {**state.weights, "w": (Coded(codes, coded.scale, coded.type),)}, state.acts)
        assert str(refusal.value) == (
            f"model: weight 'w': has codes of shape {codes.shape} that reach {codes.min()}..{codes.max()}\n"
            "  hint: the weight is of shape (4, 3), the codes of -7..7"
        )


def test_a_state_needs_codes_for_every_weight() -> None:
    state = state_of()
    with pytest.raises(BitwrightError) as refusal:
        State(state.net, {"w": state.weights["w"]}, state.acts)
    assert str(refusal.value) == (
        "model: the quantised weights and tensors are not those of the network\n"
        "  hint: give codes for the weight of every layer, and a quantiser for every site"
    )


def test_equal_states_are_equal_and_the_parts_tell_others_apart() -> None:
    state = state_of()
    assert state == state_of() and hash(state) == hash(state_of())
    (coded,) = state.weights["w"]
    assert coded == Coded(coded.codes.copy(), coded.scale.copy(), integer(4, signed=True, narrow=True))
    assert coded != Coded(coded.codes, coded.scale, integer(4, signed=True))
    assert state != replace(state, bias_grid=True)
    assert {state.acts["x"], ActQuant(**{k: getattr(state.acts["x"], k) for k in ("type", "scale", "zero")})} == {
        state.acts["x"]
    }


# The network


def test_networks_are_equal_by_content_whatever_file_they_come_from() -> None:
    one, two = float_net(DENSE), float_net(DENSE.SerializeToString())
    assert one == two and hash(one) == hash(two)
    other = one.replace(b=one.constants["b"] + 1)
    assert other != one and other.replace(b=one.constants["b"]) == one
    with pytest.raises(ValueError, match="read-only"):
        one.constants["b"][0] = 1


def test_only_constants_that_are_there_can_be_replaced_and_only_by_their_like() -> None:
    net = float_net(DENSE)
    for name, array, held in (("b", normal(4), "the shape (3,)"), ("z", normal(3), "no such constant")):
        with pytest.raises(BitwrightError) as refusal:
            net.replace(**{name: array})
        assert str(refusal.value) == (
            f"model: constant '{name}': {held}, where one of {array.shape} was given\n"
            "  hint: a network's constants can only be replaced by others of the same shape"
        )


def test_layers_show_their_weights_as_groups_of_outputs_by_terms() -> None:
    nodes = [
        node("Conv", "x k", "c", group=2, pads=[1, 1, 1, 1]),
        node("Flatten", "c", "f"),
        node("MatMul", "f w", "y"),
    ]
    net = float_net(graph(nodes, {"k": normal(6, 2, 3, 3), "w": normal(24, 5)}, sample=[4, 2, 2]))
    first, dense = net.layers
    assert (first.op, first.axis, first.groups, first.bias, first.source) == ("Conv", 0, 2, None, "x")
    assert (dense.op, dense.axis, dense.groups, dense.source) == ("MatMul", 1, 1, "f")
    k, w = net.constants["k"], net.constants["w"]
    np.testing.assert_array_equal(first.matrix(k), k.reshape(2, 3, 18))
    np.testing.assert_array_equal(dense.matrix(w), w.T[None])
