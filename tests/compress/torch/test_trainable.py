# SPDX-License-Identifier: Apache-2.0
"""The module, the saved file and the integers are one network: with po2 to the last element, for every quantiser."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import Coded, calibrate, fit, float_net, trainable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import TERNARY, integer
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw
from tests.compress.test_layers import WHOLE, data, model
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch import ACTIVATIONS, BITS, QUANTISERS  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]


def outputs(module: Any, *arrays: Array) -> Array:
    with torch.no_grad():
        made: Array = module.eval()(*map(torch.from_numpy, arrays)).numpy()
    return made


def moved(module: Any, seed: int) -> Any:
    """The module after some steps that lead nowhere: no scale is where calibration had it."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter *= 1 + 0.1 * torch.randn(parameter.shape, generator=random)
                parameter += 0.02 * torch.randn(parameter.shape, generator=random) * (parameter.ndim > 1)
    return module


def spelt(name: str, bits: int) -> str:
    return name if name in BITS else f"{name}:{bits}"


def assert_exact(module: Any, x: Array) -> None:
    state = module.state()
    net, again = state.graph(), bw.load(state.onnx())
    got = bw.run(again, x)
    np.testing.assert_array_equal(bw.run(net, x), got)
    np.testing.assert_array_equal(outputs(module, x), got.reshape(outputs(module, x).shape))


@pytest.mark.parametrize("name", QUANTISERS)
def test_with_po2_the_module_is_its_integers_for_each_quantiser_of_weights(name: str) -> None:
    draw = Draw(sum(map(ord, name)))
    acts = list(ACTIVATIONS)[len(name) % len(ACTIVATIONS)]
    module = trainable(
        draw.model(), weights=spelt(name, 3), activations=spelt(acts, 4), scale="po2", calibration=draw.samples()
    )
    assert_exact(moved(module, 1), draw.samples())


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_with_po2_the_module_is_its_integers_for_each_quantiser_of_activations(name: str) -> None:
    for seed in (3, 4):
        draw = Draw(seed)
        spelling = spelt(name, 2 + seed % 3)
        module = trainable(draw.model(), weights="lsq:4", activations=spelling, scale="po2", calibration=draw.samples())
        assert_exact(moved(module, seed), draw.samples())


def test_with_po2_functions_that_float32_bends_are_exact_too() -> None:
    """0.2 x of a HardSigmoid is a tie in float32 where the number that a file holds for 0.2 is above it."""
    for function in ("HardSigmoid", "HardSwish", "Selu", "LeakyRelu", "Tanh"):
        nodes = [node("Conv", "x k", "h"), node(function, "h", "s"), node("Conv", "s l", "y")]
        model = graph(nodes, {"k": normal(6, 2, 1, 1), "l": normal(4, 6, 3, 3)}, sample=[2, 6, 6])
        x = normal(200, 2, 6, 6)
        assert_exact(trainable(model, weights=6, activations=5, scale="po2", calibration=x), x)


def test_with_po2_sums_beyond_those_of_float32_are_exact_too() -> None:
    model = graph([node("Gemm", "x a b", "y")], {"a": normal(200, 8), "b": normal(8)}, sample=[200])
    module = trainable(model, weights=16, activations=16, scale="po2", calibration=normal(40, 200))
    assert module.state().wide() == ("Gemm_y",)
    assert_exact(module, normal(40, 200))
    assert module.train()(torch.from_numpy(normal(4, 200))).dtype is torch.float32


def test_with_free_scales_nothing_but_rounding_is_between_them() -> None:
    draw = Draw(5)
    module = moved(trainable(draw.model(), weights=4, activations=4, calibration=draw.samples()), 1)
    x = draw.samples()
    got = bw.run(bw.load(module.state().onnx()), x)
    made = outputs(module, x)
    near = np.isclose(made, got.reshape(made.shape), rtol=1e-5, atol=1e-6)
    assert near.mean() > 0.95


def test_widths_differ_by_layer() -> None:
    nodes = [node("Gemm", "x a", "p"), node("Relu", "p", "q"), node("Gemm", "q b", "y")]
    model = graph(nodes, {"a": normal(6, 5), "b": normal(5, 3)}, sample=[6])
    config = {"Gemm_y": {"weights": 5, "activations": 6}}
    module = trainable(
        model, weights="ternary", activations="lsq:3", scale="po2", calibration=normal(40, 6), config=config
    )
    state = module.state()
    assert [state.weights[name][0].type for name in "ab"] == [TERNARY, integer(5, signed=True, narrow=True)]
    assert [state.acts[name].type.bits for name in "xq"] == [3, 6]
    assert "(a): Lsq(s2n)" in str(module) and "(b): Lsq(s5n)" in str(module)
    assert_exact(module, normal(40, 6))


def test_one_scale_for_a_weight() -> None:
    model = graph([node("Conv", "x k b", "y")], {"k": normal(4, 2, 3, 3), "b": normal(4)}, sample=[2, 5, 5])
    config = {"k": {"per_channel": False}}
    x = normal(20, 2, 5, 5)
    for name in ("lsq:4", "twn", "bwn", "dorefa:3"):
        module = trainable(model, weights=name, activations=4, scale="po2", calibration=x, config=config)
        (coded,) = module.state().weights["k"]
        assert coded.scale.size == 1
        assert_exact(module, x)


@pytest.mark.parametrize("name", WHOLE)
def test_biases_are_whole_steps_in_each_kind_of_layer(name: str) -> None:
    case = WHOLE[name]
    x = data(case)
    for weights in ("lsq:3", "residual:2"):
        module = trainable(
            model(case, bias=case.op != "MatMul"), weights=weights, activations=4, scale="po2", calibration=x
        )
        assert_exact(module, x)


def test_constants_that_are_added_to_a_layer_are_whole_steps() -> None:
    nodes = [node("Conv", "x k", "a"), node("Add", "more a", "b"), node("Sub", "b less", "y")]
    weights = {"k": normal(3, 2, 3, 3), "more": normal(3, 1, 1), "less": normal(1, 3, 1, 1, seed=1)}
    x = normal(20, 2, 5, 5)
    module = trainable(graph(nodes, weights, sample=[2, 5, 5]), weights=3, activations=4, scale="po2", calibration=x)
    assert_exact(moved(module, 0), x)


def test_weights_that_came_as_codes_stay_as_they_are() -> None:
    codes = Coded(np.arange(-9, 9, dtype=np.int32).reshape(6, 3), np.float32([[0.5, 1, 2]]), integer(5, signed=True))
    net = float_net(graph([node("Gemm", "x w b", "y")], {"w": codes.value, "b": normal(3)}, sample=[6]))
    net, x = replace(net, coded={"w": codes}), normal(30, 6)
    module = moved(trainable(net, weights=2, activations=4, scale="po2", calibration=x), 0)
    assert not module.tensor("w").requires_grad and module.tensor("b").requires_grad
    assert module.state().weights["w"] == (codes,)
    assert_exact(module, x)


@pytest.mark.parametrize("accumulator", [None, 12])
def test_integers_that_enter_may_stay_as_they_are(accumulator: int | None) -> None:
    nodes = [node("Cast", "x", "f", to=1), node("Gemm", "f a b", "y")]
    given = graph(nodes, {"a": normal(6, 5), "b": normal(5)}, sample=[6])
    given.graph.input[0].type.tensor_type.elem_type = 2
    x = np.random.default_rng(0).integers(0, 256, (30, 6)).astype(np.uint8)
    module = trainable(
        given,
        weights=4,
        activations=4,
        scale="po2",
        calibration=x,
        config={"f": {"activations": "float"}},
        accumulator=accumulator,
    )
    assert not module.acts
    assert_exact(module, x)
    (layer,) = (layer for layer in module.graph().layers if layer.op == "dense")
    assert (layer.type.bits <= 12) == (accumulator == 12)


def test_a_module_of_pytorch_is_trained_as_it_is_exported() -> None:
    torch.manual_seed(0)
    given = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(36, 3))
    x = normal(40, 2, 5, 5)
    module = trainable(given, torch.zeros(1, 2, 5, 5), weights=8, activations=8, scale="po2", calibration=x)
    assert_exact(module, x)
    np.testing.assert_allclose(outputs(module, x), outputs(given, x), atol=0.05)


def batch_normalised() -> Any:
    torch.manual_seed(0)
    made = torch.nn.Sequential(
        torch.nn.Conv2d(2, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.25),
        torch.nn.Flatten(),
        torch.nn.Linear(36, 3),
    )
    for _ in range(5):
        made(torch.randn(30, 2, 5, 5) * 2 + 1)
    return made


def test_norms_of_a_module_are_kept_for_training_from_scratch() -> None:
    given, x = batch_normalised(), normal(60, 2, 5, 5)
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    plain, module = (trainable(given, torch.zeros(1, 2, 5, 5), norms=norms) for norms in (False, True))
    assert [[step.op for step in net.net.nodes][1] for net in (plain, module)] == ["Relu", "BatchNormalization"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in given.state_dict().items()) and given.training
    np.testing.assert_allclose(outputs(module, x), outputs(given, x), rtol=1e-4, atol=1e-5)
    fit(module, (x, normal(60, 3)), epochs=2)
    (mean,) = (name for name in module.net.constants if "running_mean" in name)
    assert not np.array_equal(module.float_net().constants[mean], before["1.running_mean"].numpy())
    for scale in ("po2", "free"):
        quantised = trainable(module.float_net(), weights=4, activations=4, scale=scale, calibration=x)
        fit(quantised, (x, normal(60, 3)), epochs=2)
        report = bw.verify(bw.load(quantised.state().onnx()), x, outputs(quantised, x), engines=("reference",))
        assert bw.api.passed(report)


@pytest.mark.parametrize("opset", [13, 17])
def test_an_export_that_trains_is_one_that_infers(opset: int) -> None:
    given, x, file = batch_normalised(), normal(60, 2, 5, 5), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            given,
            (torch.zeros(4, 2, 5, 5),),
            file,
            training=torch.onnx.TrainingMode.TRAINING,
            do_constant_folding=False,
            opset_version=opset,
            dynamo=False,
            input_names=["x"],
            dynamic_axes={"x": {0: "N"}},
        )
    module = trainable(file.getvalue(), dropout=True)
    np.testing.assert_allclose(outputs(module, x), outputs(given, x), rtol=1e-4, atol=1e-5)
    module.train()
    assert (module.tensors(torch.from_numpy(x))[drops(module)] == 0).float().mean() > 0.5
    assert_exact(trainable(file.getvalue(), weights=4, activations=4, scale="po2", calibration=x), x)


def drops(module: Any) -> str:
    (name,) = (step.outputs[0] for step in module.net.nodes if step.op == "Dropout")
    return str(name)


def test_a_copy_is_a_module_of_its_own() -> None:
    module = trainable(batch_normalised(), torch.zeros(1, 2, 5, 5), norms=True)
    copied = copy.deepcopy(module).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    module.eval()
    copied(torch.randn(9, 2, 5, 5))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    changed = [name for name, tensor in copied.state_dict().items() if not torch.equal(tensor, before[name])]
    assert [name.rpartition("running_")[2] for name in sorted(changed)] == ["mean", "var"]


def test_a_float_module_is_quantised_when_it_is_trained(tmp_path: Path) -> None:
    model, x = graph([node("Gemm", "x a", "y")], {"a": normal(6, 5)}, sample=[6]), normal(40, 6)
    module = trainable(model)
    with torch.no_grad():
        module.tensor("a").mul_(2)
    np.testing.assert_array_equal(module.float_net().constants["a"], normal(6, 5) * 2)
    assert module.quantize(x, weights=4) == bw.quantize(module.float_net(), x, weights=4)
    quantised = trainable(module.float_net(), weights=4, activations=4, calibration=x)
    quantised.save(tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").read_bytes() == quantised.state().onnx()


def test_gradients_reach_every_parameter_that_is_learnt() -> None:
    draw = Draw(9)
    module = trainable(draw.model(), weights=4, activations="pact:4", scale="po2", calibration=draw.samples())
    module.train()(torch.from_numpy(draw.samples())).square().mean().backward()
    for name, parameter in module.named_parameters():
        assert not parameter.requires_grad or parameter.grad is not None, name


def test_a_state_leaves_the_module_as_it_was() -> None:
    draw = Draw(10)
    module = trainable(draw.model(), weights="inq:4", activations=4, calibration=draw.samples()).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    assert module.state() == module.state()
    assert module.training and all(part.training for part in module.weights.values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


def listed(names: Mapping[str, Any]) -> str:
    return ", ".join(spelt(name, 4) for name in names)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown quantiser": (
        {"weights": "lsk:4"},
        "trainable: there is no quantiser 'lsk:4' of weights\n"
        f"  hint: did you mean 'lsq'? there are {listed(QUANTISERS)}",
    ),
    "one of weights for activations": (
        {"activations": "ttq"},
        f"trainable: there is no quantiser 'ttq' of activations\n  hint: there are {listed(ACTIVATIONS)}",
    ),
    "none for activations": (
        {"activations": None},
        f"trainable: there is no quantiser None of activations\n  hint: there are {listed(ACTIVATIONS)}",
    ),
    "no bits": (
        {"weights": "lsq"},
        "trainable: 'lsq' cannot be used for weights\n  hint: write 'lsq:4'; bits are 1 to 16",
    ),
    "bits of what has its own": (
        {"weights": "ternary:3"},
        "trainable: 'ternary:3' cannot be used for weights\n  hint: write 'ternary'",
    ),
    "bits that are no number": (
        {"activations": "lsq:many"},
        "trainable: 'lsq:many' cannot be used for activations\n  hint: write 'lsq:4'; bits are 1 to 16",
    ),
    "no data": (
        {"calibration": None},
        "trainable: quantisers without calibration data\n"
        "  hint: give some samples as calibration: scales begin where they are best for these",
    ),
    "quantisers left out": (
        {"weights": None, "activations": None},
        "trainable: calibration without quantisers\n"
        "  hint: give weights and activations, for example 'lsq:4' both, or leave it out",
    ),
    "a scale": (
        {"scale": "log"},
        "quantize: 'log' cannot be used for scale\n  hint: choose free or po2",
    ),
    "an example beside a file": (
        {"example": 1},
        "trainable: an example without a PyTorch module\n  hint: leave it out: an ONNX model says what it takes",
    ),
    "data of another shape": (
        {"calibration": normal(4, 5)},
        "calibration data for input 'x': shape (4, 5), where the model takes (N, 6)\n  hint: samples stack on axis 0",
    ),
    "a layer that is not there": (
        {"config": {"conv*": {"weights": 3}}},
        "config: 'conv*': names nothing that is quantised\n  hint: there are 'Gemm_y', 'a', 'x', 'y'",
    ),
}


@pytest.mark.parametrize("given, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_one_message(given: dict[str, Any], message: str) -> None:
    net = graph([node("Gemm", "x a", "y")], {"a": normal(6, 5)}, sample=[6])
    with pytest.raises(BitwrightError) as error:
        trainable(net, **{"weights": "lsq:4", "activations": "lsq:4", "calibration": normal(9, 6), **given})
    assert str(error.value) == message


def test_a_float_module_has_no_state() -> None:
    with pytest.raises(BitwrightError) as error:
        trainable(graph([node("Gemm", "x a", "y")], {"a": normal(6, 5)}, sample=[6])).state()
    assert str(error.value) == (
        "model: state: has no quantisers\n  hint: give trainable quantisers, or use quantize(data) of the module"
    )


def test_a_calibration_of_another_network_is_refused() -> None:
    model = graph([node("Gemm", "x a", "y")], {"a": normal(6, 5)}, sample=[6])
    found = calibrate(model, [normal(9, 6)])
    module = trainable(found.net, weights=4, activations=4, calibration=found)
    assert module.state() == trainable(model, weights=4, activations=4, calibration=normal(9, 6)).state()
    with pytest.raises(BitwrightError) as error:
        trainable(model, weights=4, activations=4, calibration=found)
    assert str(error.value) == (
        "trainable: a calibration of another network\n"
        "  hint: give the network of the calibration, calibration.net, as the model"
    )


def test_without_pytorch_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BitwrightError) as error:
        trainable("net.onnx")
    assert str(error.value) == "trainable: PyTorch is not installed\n  hint: pip install 'bitwright[torch]'"


def test_nothing_of_it_is_imported_before_it_is_called() -> None:
    code = "import sys, bitwright as bw; bw.compress.trainable; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
