# SPDX-License-Identifier: Apache-2.0
"""The committed digits network: what the example promises of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from bitwright import api
from bitwright.backends import generate
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Weights
from bitwright.output import new_folder
from bitwright.sim import reference, tools
from tests.needs import needs_package, needs_rtl
from tests.qonnx_op import evaluate

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
DEMO = Path(__file__).parents[1] / "bitwright" / "demo"


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(DIGITS / "digits.onnx")


@pytest.fixture(scope="module")
def data() -> Mapping[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return dict(file)


def test_pytorch_outputs_are_those_of_the_onnx(model: onnx.ModelProto, data: Mapping[str, NDArray[Any]]) -> None:
    assert data["outputs"].shape == (64, 10)
    np.testing.assert_array_equal(evaluate(model, data["inputs"]), data["outputs"])


def test_the_integers_are_those_of_pytorch(data: Mapping[str, NDArray[Any]]) -> None:
    net = api.load(DIGITS / "digits.onnx")
    np.testing.assert_array_equal(api.run(net, data["inputs"]), data["outputs"])


def test_every_output_is_an_8_bit_integer_times_one_scale(
    model: onnx.ModelProto, data: Mapping[str, NDArray[Any]]
) -> None:
    scale = constants(model)["quant4.scale"]
    codes = np.rint(data["outputs"] / scale)
    np.testing.assert_array_equal(codes.astype(np.float32) * scale, data["outputs"])
    assert -128 <= codes.min() < codes.max() <= 127


def test_accuracy_is_what_the_readme_says(model: onnx.ModelProto, data: Mapping[str, NDArray[Any]]) -> None:
    float_model = onnx.load(DIGITS / "digits_float.onnx")
    right = [int((evaluate(m, data["x"]).argmax(1) == data["y"]).sum()) for m in (model, float_model)]
    readme = (DIGITS / "README.md").read_text()
    assert f"{right[0]} of 360 test digits right" in readme
    assert f"{right[1]} of 360" in readme
    assert right[0] >= 0.95 * len(data["y"])


def test_half_of_the_second_convolution_is_pruned(model: onnx.ModelProto) -> None:
    weights = constants(model)["conv2.weight"]
    assert np.count_nonzero(weights) == weights.size // 2


def test_calibration_digits_are_not_test_digits(data: Mapping[str, NDArray[Any]]) -> None:
    assert data["calibration"].shape == (256, 1, 8, 8)
    test = {image.tobytes() for image in data["x"]}
    assert not test & {image.tobytes() for image in data["calibration"]}


def test_the_packaged_copies_are_the_same(data: Mapping[str, NDArray[Any]]) -> None:
    assert (DEMO / "digits.onnx").read_bytes() == (DIGITS / "digits.onnx").read_bytes()
    assert (DEMO / "digits.npz").read_bytes() == (DIGITS / "digits_data.npz").read_bytes()
    assert (DIGITS / "digits.onnx").stat().st_size < 200_000


@pytest.fixture(scope="module")
def trained() -> tuple[Graph, NDArray[np.float32], NDArray[np.int64]]:
    """A network trained afresh, 64 images, and the codes that PyTorch gives for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DIGITS)
        torch, training, export = (importlib.import_module(name) for name in ("torch", "train", "export"))
    _, network = training.train(float_epochs=3, quant_epochs=3, seed=1)
    _, _, images, labels = training.digits()
    images, labels = images[:64], labels[:64]
    with torch.no_grad():
        answers = network(torch.from_numpy(images)).numpy()
    scale = network.quant4.scale.detach().numpy()
    codes = np.rint(answers / scale).astype(np.int64)
    np.testing.assert_array_equal(codes.astype(np.float32) * scale, answers)
    assert (codes.argmax(1) == labels).mean() > 0.8
    net = api.load(export.export(network, "trained"))
    np.testing.assert_array_equal(api.run(net, images), answers)
    return net, images, codes


@needs_package("torch")
@needs_package("sklearn")
def test_a_network_trained_afresh_gives_pytorch_s_integers(trained: tuple[Any, ...]) -> None:
    net, images, codes = trained
    np.testing.assert_array_equal(reference.run(net, api.to_codes(net, images))[0], codes)


@needs_package("torch")
@needs_package("sklearn")
@needs_rtl
@pytest.mark.long
def test_a_network_trained_afresh_gives_pytorch_s_integers_in_rtl_under_cocotb(
    trained: tuple[Any, ...], tmp_path: Path
) -> None:
    net, images, codes = trained
    design = api.compile(net, cycles=600)
    project = replace(design.project(api.to_codes(net, images)), outputs=(Weights(codes),))
    with new_folder(tmp_path / "project") as write:
        write(generate("verilog", project))
    bench = tmp_path / "project" / "bench"
    tools.run([tools.make().path], what="running the cocotb bench", cwd=bench, env=tools.verilator_environment())
    cases = ElementTree.parse(bench / "results.xml").findall(".//testcase")
    assert len(cases) >= 4
    assert [
        case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None
    ] == []


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
