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
from bitwright.compress import State, quantize
from bitwright.compress.options import EXACT
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
    narrow, broad = (quantize(model, x, weights=bits, activations=bits, exact="po2") for bits in (8, 12))
    assert (narrow.wide(), broad.wide()) == ((), ("MatMul_h", "MatMul_y"))
    check(broad, x)
    said = [assessed(state.net, state, [x], None, file="q.onnx", options={}).findings for state in (narrow, broad)]
    assert [finding.where for finding in said[1]] == ["layer 'MatMul_h'", "layer 'MatMul_y'"] and not said[0]
    assert said[1][0].what == "its sums may pass 2^24, beyond which float32 does not hold every integer"
