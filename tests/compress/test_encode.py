# SPDX-License-Identifier: Apache-2.0
"""The laws of a quantised network: its graph holds its codes, and is the one that its file is read as."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.compress import ActQuant, Coded, State, float_net, outputs_of, quantize
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from tests.compress.nets import Floats, graph, node, normal
from tests.compress.random_nets import Array, Draw
from tests.exported import differences


def weights(net: Graph) -> dict[str, Array]:
    """The weights by the name of their node."""
    return {layer.source[-1]: layer.weights.array for layer in net.layers if isinstance(layer, Conv | Dense)}


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
    odd = ActQuant(IntType(-3, 11), np.array(0.125, np.float32), np.array(2, np.float32))
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


def on_grid(model: onnx.ModelProto, x: Floats = X) -> tuple[Graph, list[int]]:
    """The graph of a model whose biases are on the grid, and the denominators of what is added to its accumulators."""
    state = replace(quantize(model, x, per_channel=True, scale="po2"), bias_grid=True)
    net = state.graph()
    assert differences(net, bw.load(state.onnx())) == []
    found = []
    for layer in net.layers:
        if isinstance(layer, Requantise) and isinstance(net.source_of(layer), Dense):
            ratios = zip(layer.multiplier.each(layer.channels), layer.offset.each(layer.channels), strict=True)
            found += [(offset / multiplier).denominator for multiplier, offset in ratios]
    return net, found


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.5), (0.75, 1.0), (0.75, 1.5), (2.0, 2.0)])
def test_a_bias_with_factors_is_whole_steps_of_the_sum_that_alpha_multiplies(alpha: float, beta: float) -> None:
    w, b = normal(4, 3), normal(3, seed=1)
    nodes = [node("Gemm", "x w b", "h", alpha=alpha, beta=beta), node("Relu", "h", "r"), node("MatMul", "r v", "y")]
    model = graph(nodes, {"w": w, "b": b, "v": normal(3, 2)}, sample=[4])
    net, found = on_grid(model)
    assert found == [1, 1, 1]
    wanted = outputs_of(float_net(model), [X])[0]
    assert ((bw.run(net, X) - wanted) ** 2).mean() < 1e-3 * (wanted**2).mean()


@pytest.mark.parametrize("op", ["Add b h", "Add h b", "Sub h b", "Sub b h"])
def test_the_constant_of_an_addition_behind_a_product_is_a_bias(op: str) -> None:
    name, one, other = op.split()
    nodes = [node("MatMul", "x w", "h"), node(name, f"{one} {other}", "s"), node("Relu", "s", "r"),
             node("MatMul", "r v", "y")]  # fmt: skip
    model = graph(nodes, {"w": normal(4, 3), "b": normal(1, 3, seed=1), "v": normal(3, 2)}, sample=[4])
    assert on_grid(model)[1] == [1, 1, 1]


def test_a_weight_of_several_bases_is_a_layer_for_each_and_their_sum() -> None:
    state = state_of()
    net = float_net(DENSE)
    (first,) = state.weights["w"]
    left = net.constants["w"] - first.value
    scale = np.abs(left).max(axis=0, keepdims=True)
    second = Coded(np.where(left < 0, -1, 1).astype(np.int32), scale, BIPOLAR)
    twice = State(net, {**state.weights, "w": (first, second)}, state.acts).graph()
    held = weights(twice)
    np.testing.assert_array_equal(held["Gemm_h"], first.codes.T)
    np.testing.assert_array_equal(held["Gemm_h_2"], second.codes.T)
    assert [layer.op for layer in twice.layers].count("sum") == 1
    again = bw.load(bw.to_onnx(twice))
    assert differences(twice, again) == []
    coded = net.replace(w=first.value + second.value)
    one = State(coded, state.weights, state.acts)
    apart, wanted = bw.run(twice, X), outputs_of(coded, [X])[0]
    assert ((apart - wanted) ** 2).mean() < ((bw.run(one.graph(), X) - wanted) ** 2).mean()


def test_a_sign_behind_a_function_is_written_as_one() -> None:
    nodes = [node("MatMul", "x w", "h"), node("LeakyRelu", "h", "s", alpha=0.25), node("MatMul", "s v", "y")]
    state = quantize(graph(nodes, {"w": normal(4, 3), "v": normal(3, 2)}, sample=[4]), X, weights=4, activations=4)
    sign = ActQuant(BIPOLAR, np.array(0.5, np.float32), np.array(0, np.float32))
    net = State(state.net, state.weights, {**state.acts, "s": sign}).graph()
    again = bw.load(bw.to_onnx(net))
    assert differences(net, again) == []
    assert again.by_name["s_quant"].type == BIPOLAR


def test_a_type_for_each_output() -> None:
    state = state_of()
    types = (BIPOLAR, TERNARY, integer(6, signed=True))
    codes = np.array([[1, 0, -32], [-1, 1, 31], [1, -1, 5], [1, 1, 0]], np.int32)
    coded = Coded(codes, np.full((1, 3), 0.5, np.float32), types)
    net = State(state.net, {**state.weights, "w": (coded,)}, state.acts).graph()
    np.testing.assert_array_equal(weights(net)["Gemm_h"], codes.T)
    with pytest.raises(BitwrightError) as refusal:
        State(state.net, {**state.weights, "w": (Coded(codes * 0, coded.scale, types),)}, state.acts)
    assert str(refusal.value) == (
        "model: weight 'w': has codes that reach 0..0\n  hint: their type, bipolar, has others"
    )


def test_codes_outside_their_type_or_of_another_shape_are_refused() -> None:
    state = state_of()
    (coded,) = state.weights["w"]
    what, axis = "has codes of shape", "the weight is of shape (4, 3), of which axis 1 counts the outputs"
    cases = {
        "has codes that reach 2..16\n  hint: their type, s4n, has others": (coded.codes + np.int32(9), coded.type),
        f"{what} (2, 3) and 1 types\n  hint: {axis}": (coded.codes[:2], coded.type),
        f"{what} (4, 3) and 2 types\n  hint: {axis}": (coded.codes, (TERNARY, TERNARY)),
    }
    for message, (codes, kind) in cases.items():
        with pytest.raises(BitwrightError) as refusal:
            State(state.net, {**state.weights, "w": (Coded(codes, coded.scale, kind),)}, state.acts)
        assert str(refusal.value) == f"model: weight 'w': {message}"
    with pytest.raises(BitwrightError) as refusal:
        State(state.net, {**state.weights, "w": ()}, state.acts)
    assert str(refusal.value) == (
        "model: weight 'w': is a sum of no codes\n  hint: give at least one code for each weight"
    )


@pytest.mark.parametrize(
    ("kind", "scale", "zero", "message"),
    [
        (BIPOLAR, 1, 1, "has a zero point beside a sign\n  hint: give 0 for the zero point"),
        (integer(4, signed=False), 1, 0.5, "has a zero point that is no integer\n  hint: give integer zero points"),
        (integer(4, signed=False), 0, 1, "has a scale that is not a positive number\n  hint: give positive scales"),
    ],
)
def test_quantisers_that_nothing_can_be_are_refused(kind: IntType, scale: float, zero: float, message: str) -> None:
    state = state_of()
    odd = ActQuant(kind, np.array(scale, np.float32), np.array(zero, np.float32))
    with pytest.raises(BitwrightError) as refusal:
        State(state.net, state.weights, {**state.acts, "r": odd})
    assert str(refusal.value) == f"model: tensor 'r': {message}"


def test_a_signal_far_from_zero_has_a_zero_point_outside_its_codes() -> None:
    x = (normal(40, 4) + 1000).astype(np.float32)
    model = graph([node("Gemm", "x w b", "y")], {"w": normal(4, 3), "b": normal(3)}, sample=[4])
    state = quantize(model, x, per_channel=True)
    step = np.float32((x.max() - x.min()) / 255)
    zero = np.float32(np.rint(-x.min() / step))
    far = ActQuant(integer(8, signed=False), np.asarray(step), np.asarray(zero))
    net = State(state.net, state.weights, {"x": far}).graph()
    assert differences(net, bw.load(bw.to_onnx(net))) == []
    (coded,) = state.weights["w"]
    wanted = outputs_of(state.net.replace(w=coded.value), [x])[0]
    assert np.abs(bw.run(net, x) - wanted).max() < 4 * float(step) * np.abs(coded.value).sum(axis=0).max()


def test_a_state_needs_codes_for_every_weight() -> None:
    state = state_of()
    with pytest.raises(BitwrightError) as refusal:
        State(state.net, {"w": state.weights["w"]}, state.acts)
    assert str(refusal.value) == (
        "model: the quantised weights and tensors are not those of the network\n"
        "  hint: give codes for the weight of every layer, and quantisers for sites alone"
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
