# SPDX-License-Identifier: Apache-2.0
"""Files of onnxruntime's `quantize_dynamic`: the codes of their weights are kept, their activations calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import bitwright as bw
from bitwright.compress import float_net, quantize
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import integer
from tests.compress.nets import graph, node, normal
from tests.exported import differences

NODES = [
    node("Conv", "x k b", "h", pads=[1, 1, 1, 1]),
    node("Relu", "h", "r"),
    node("Conv", "r k2", "h2"),
    node("Flatten", "h2", "f"),
    node("Gemm", "f w v", "g", transB=1),
    node("Relu", "g", "rg"),
    node("MatMul", "rg u", "m"),
    node("Add", "m z", "y"),
]
WEIGHTS = {
    "k": normal(3, 2, 3, 3),
    "b": normal(3),
    "k2": normal(2, 3, 1, 1),
    "w": normal(5, 32),
    "v": normal(5),
    "u": normal(5, 4),
    "z": normal(4),
}
MODEL = graph(NODES, WEIGHTS, sample=[2, 4, 4])
X = normal(60, 2, 4, 4)


def dynamic(tmp_path: Path, kind: QuantType, per_channel: bool) -> onnx.ModelProto:
    """The model as onnxruntime writes it."""
    onnx.save(MODEL, tmp_path / "float.onnx")
    made = tmp_path / "dynamic.onnx"
    quantize_dynamic(tmp_path / "float.onnx", made, weight_type=kind, per_channel=per_channel)
    return onnx.load(made)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("kind", [QuantType.QInt8, QuantType.QUInt8])
def test_codes_of_weights_are_kept_and_activations_calibrated(
    tmp_path: Path, kind: QuantType, per_channel: bool
) -> None:
    model = dynamic(tmp_path, kind, per_channel)
    held = {entry.name: numpy_helper.to_array(entry).astype(np.int64) for entry in model.graph.initializer}
    state = quantize(model, X, weights=3)
    assert set(state.weights) == {f"{name}_quantized_real" for name in ("k", "k2", "w", "u")}
    for name, (coded,) in state.weights.items():
        short = name.removesuffix("_quantized_real")
        np.testing.assert_array_equal(coded.codes, held[f"{short}_quantized"] - held[f"{short}_zero_point"])
        np.testing.assert_array_equal(coded.scale.reshape(-1), held_scale(model, short))
    assert {act.type.bits for act in state.acts.values()} == {8}
    assert differences(state.graph(), bw.load(state.onnx())) == []
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": X})
    assert ((bw.run(state.graph(), X) - wanted) ** 2).mean() < 2e-3 * wanted.var()


def held_scale(model: onnx.ModelProto, name: str) -> np.ndarray:
    """The scale of a weight, as the file has it."""
    (entry,) = (entry for entry in model.graph.initializer if entry.name == f"{name}_scale")
    return numpy_helper.to_array(entry).reshape(-1)


def test_a_weight_that_is_changed_is_quantised_anew(tmp_path: Path) -> None:
    net = float_net(dynamic(tmp_path, QuantType.QInt8, per_channel=False))
    halved = net.replace(k_quantized_real=net.constants["k_quantized_real"] / 3)
    state = quantize(halved, X, weights=3)
    types = {name: coded.type for name, (coded,) in state.weights.items()}
    assert types["k_quantized_real"] == integer(3, signed=True, narrow=True)
    assert types["w_quantized_real"] == integer(8, signed=True)
    assert halved != net


def test_a_rule_for_a_weight_that_came_as_codes_is_refused_and_a_pattern_passes_it_over(tmp_path: Path) -> None:
    model = dynamic(tmp_path, QuantType.QInt8, per_channel=False)
    with pytest.raises(BitwrightError) as refusal:
        quantize(model, X, config={"w_quantized_real": {"weights": 3}})
    assert str(refusal.value) == ("config: 'w_quantized_real': has no weights to quantise\n  hint: leave out weights")
    state = quantize(model, X, config={"*": {"activations": 5}})
    assert {act.type.bits for act in state.acts.values()} == {5}


def test_a_product_without_its_scales_is_refused_by_name(tmp_path: Path) -> None:
    model = dynamic(tmp_path, QuantType.QInt8, per_channel=False)
    for each in model.graph.node:
        if each.name == "Conv_h_quant_scales_mul":
            each.input[1] = "x_scale"
    with pytest.raises(BitwrightError) as refusal:
        float_net(model)
    assert str(refusal.value) == (
        "model: node 'x_QuantizeLinear' (DynamicQuantizeLinear): the model is quantised already\n"
        "  hint: give the float model, or compile this one as it is"
    )
