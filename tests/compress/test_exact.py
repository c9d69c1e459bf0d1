# SPDX-License-Identifier: Apache-2.0
"""What `exact` promises: every number of the float32 execution of a written file is the integers'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.api import to_codes
from bitwright.assessing import assessed
from bitwright.audit.replay import Replay
from bitwright.compress import State, calibrate, quantised, quantize
from bitwright.compress.acts import fake
from bitwright.compress.execute import inputs_of, prepared, results
from bitwright.compress.options import EXACT
from bitwright.compress.sites import Edge, key
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Requantise
from bitwright.reading.read import read_model
from bitwright.sim.reference import compute
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Array, Draw, any_state
from tests.exported import execute

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


def inner(net: Graph, x: Array) -> dict[str, Array]:
    """The codes of every requantiser for some samples, laid out as in a file."""
    values = dict(zip((layer.name for layer in net.inputs), to_codes(net, [x]), strict=True))
    for layer in net.layers:
        values[layer.name] = compute(net, layer, *(values[name] for name in layer.inputs))
    made = {layer.name: values[layer.name] for layer in net.layers if isinstance(layer, Requantise)}
    return {name: np.moveaxis(codes, -1, 1) if codes.ndim == 4 else codes for name, codes in made.items()}


def check(state: State, x: Array) -> None:
    """onnxruntime and NumPy give the outputs of the integers, and in between their codes."""
    net, data = state.graph(), state.onnx()
    written = onnx.load_from_string(data)
    (entry,), (output,) = written.graph.input, written.graph.output
    exact = bw.run(net, x)
    _, (found,) = execute(written, {entry.name: x})
    np.testing.assert_array_equal(found, exact)
    wanted = inner(net, x[:4])
    replay = Replay(read_model(data), [output.name, *wanted])
    for place, sample in enumerate(x[:4]):
        made = replay.run([sample])
        np.testing.assert_array_equal(made[output.name], exact[place].reshape(-1))
        assert len(made) > 1
        for name, codes in wanted.items():
            if name in made:  # one that changes no code is no node
                kind = net.by_name[name].type  # the node behind it clips to that
                np.testing.assert_array_equal(made[name].clip(kind.lo, kind.hi), codes[place].reshape(-1), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int, exact: str) -> None:
    draw = Draw(seed)
    check(quantize(draw.model(), draw.samples(), weights=3 + seed, activations=8 - seed, exact=exact), draw.samples())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 28))
def test_any_state_of_powers_of_two(seed: int) -> None:
    draw = Draw(seed)
    check(any_state(draw, po2=True), draw.samples())


@pytest.mark.parametrize("exact", EXACT)
@pytest.mark.parametrize("bits", [8, 4])
def test_digits(bits: int, exact: str) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        calibration, x = file["calibration"], file["x"]
    state = quantize(DIGITS / "digits_float.onnx", calibration, weights=bits, activations=bits, exact=exact)
    check(state, x[:60])
    scales = [*(act.scale for act in state.acts.values()), *(c.scale for (c,) in state.weights.values())]
    mantissas = np.concatenate([np.frexp(scale)[0].reshape(-1) for scale in scales])
    assert (mantissas == 0.5).all() == (exact == "po2")


def test_layers_whose_sums_pass_float32_are_told_and_are_exact_all_the_same() -> None:
    x = normal(40, 64)
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("MatMul", "r v", "y")]
    model = graph(nodes, {"w": normal(64, 16), "v": normal(16, 3)}, sample=[64])
    calibrated = calibrate(model, [x])
    narrow, broad = (quantised(calibrated, weights=bits, activations=bits, exact="po2") for bits in (8, 12))
    assert (narrow.wide(), broad.wide()) == ((), ("MatMul_h", "MatMul_y"))
    check(broad, x)
    said = [assessed(calibrated, state, None, file="q.onnx", options={}).findings for state in (narrow, broad)]
    assert [finding.where for finding in said[1]] == ["layer 'MatMul_h'", "layer 'MatMul_y'"] and not said[0]
    assert said[1][0].what == "its sums may pass 2^24, beyond which float32 does not hold every integer"


def module(state: State, x: Array) -> Array:
    """The float32 network with weights and biases as they are coded, and quantisers that round to real values."""
    net = state.net
    constants = dict(net.constants) | {name: coded.value for name, (coded,) in state.weights.items()}
    acts = {edge: state.acts[site.tensor] for site in net.sites for edge in site.edges}
    steps, _ = prepared(net, [x])
    values = {**constants, **inputs_of(net, [x])}
    for step in steps:
        edges = [Edge(key(step[0]), place) for place in range(len(step[0].inputs))]
        operands = [values[name] for name in step[0].inputs]
        operands = [
            fake(acts[edge], array) if edge in acts else array for edge, array in zip(edges, operands, strict=True)
        ]
        if step[0].op in ("Conv", "ConvTranspose"):
            (coded,), act = state.weights[step[0].inputs[1]], acts[edges[0]]
            scales = np.resize(coded.scale.astype(np.float64), len(operands[2]))  # groups may share them
            grid = act.scale.astype(np.float64) * scales
            operands[2] = (np.rint(operands[2] / grid) * grid).astype(np.float32)
        values.update(results(step, operands, len(x)))
    return np.asarray(values[net.outputs[0]])


PLAIN = graph(
    [
        node("Conv", "x a b", "h", pads=[1, 1, 1, 1]),
        node("Relu", "h", "r"),
        node("Conv", "r c d", "g", pads=[1, 1, 1, 1]),
        node("Add", "g r", "s"),
        node("LeakyRelu", "s", "l", alpha=0.125),
        node("Conv", "l e f", "o"),
        node("Flatten", "o", "y"),
    ],
    {"a": normal(8, 2, 3, 3), "b": normal(8), "c": normal(8, 8, 3, 3), "d": normal(8), "e": normal(10, 8, 4, 4),
     "f": normal(10)},
    sample=[2, 4, 4],
)  # fmt: skip


@pytest.mark.parametrize("zero", ["auto", "always"])
def test_a_float32_module_of_powers_of_two_equals_the_integers(zero: str) -> None:
    x = normal(64, 2, 4, 4)
    calibrated = calibrate(PLAIN, [x])
    equal = {}
    for exact in EXACT:
        state = quantised(calibrated, exact=exact, zero=zero, rounding="nearest", correct="none")
        equal[exact] = np.array_equal(module(state, x), bw.run(state.graph(), x))
    assert equal == {"audit": False, "po2": True}


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_transposed_convolution_whose_groups_share_scales(per_channel: bool) -> None:
    nodes = [
        node("ConvTranspose", "x a b", "h", group=2, strides=[2, 2]),
        node("Relu", "h", "r"),
        node("Conv", "r c d", "o", group=4),
        node("Flatten", "o", "y"),
    ]
    weights = {"a": normal(2, 2, 3, 3), "b": normal(4, seed=1), "c": normal(4, 1, 2, 2), "d": normal(4, seed=2)}
    x = normal(20, 2, 4, 4)
    state = quantize(graph(nodes, weights, sample=[2, 4, 4]), x, exact="po2", per_channel=per_channel, correct="none")
    np.testing.assert_array_equal(module(state, x), bw.run(state.graph(), x))
