# SPDX-License-Identifier: Apache-2.0
"""PyTorch's own arithmetic: exact ties under `rounding="torch"`, and the quantised modules of the model collection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from bitwright import api
from bitwright.check import check
from bitwright.design import to_json
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Requantise, Rounding
from tests.frontend.nets import Net
from tests.needs import needs_cxx, needs_package

pytestmark = needs_package("torch")  # imported where it is used: it takes as long as all other imports together
MODELS = Path(__file__).parents[1].parent / "shared/models"
CODES = np.arange(-128, 128, dtype=np.int8)[None]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """PyTorch's threads wait longer for one another than these small networks compute."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fake_quantise(x: NDArray[np.float32], scale: float, zero: int) -> NDArray[np.float32]:
    import torch

    return torch.fake_quantize_per_tensor_affine(torch.from_numpy(x), scale, zero, -128, 127).numpy()


def rescaled(scale: np.float32, halvings: int, zero: int) -> Net:
    """Signed bytes of scale / 2**halvings, quantised again at `scale`: ties wherever they are odd halves of it."""
    net = Net(256, kind=TensorProto.INT8)
    net.qdq(net.dequantize(net.x, scale / np.float32(1 << halvings), 0, np.int8), scale, zero, np.int8)
    return net


def levels(graph: Graph) -> list[str]:
    return [layer.name for layer in graph.layers if isinstance(layer, Requantise) and layer.rounding is Rounding.LEVELS]


def assert_proved_again(graph: Graph, folder: Path) -> None:
    """The checker proves every line of the certificate."""
    (folder / "graph.bw").write_bytes(to_bytes(graph))
    (folder / "certificate.json").write_text(to_json(api.compile(graph).certificate))
    assert all(verdict.ok for verdict in check(folder))


@pytest.mark.parametrize("zero", [0, 7, -100])
@pytest.mark.parametrize("halvings", [1, 2, 3])
def test_exact_ties_go_where_fake_quantise_takes_them(halvings: int, zero: int) -> None:
    """At random scales x / s and x * (1 / s) differ for some ties, and ONNX then goes another way than PyTorch."""
    rng, elsewhere = np.random.default_rng(10 * halvings + zero % 7), 0
    for scale in rng.uniform(0.001, 3, 25).astype(np.float32):
        model = rescaled(scale, halvings, zero).proto()
        x = CODES.astype(np.float32) * (scale / np.float32(1 << halvings))
        wanted = fake_quantise(x, float(scale), zero)
        np.testing.assert_array_equal(api.run(api.load(model, rounding="torch"), CODES), wanted)
        elsewhere += int((api.run(api.load(model), CODES) != wanted).sum())
    assert elsewhere > 25


@pytest.mark.parametrize("zero", [0, 7])
def test_exact_ties_behind_a_leaky_relu(zero: int, tmp_path: Path) -> None:
    """A negative code at a scale that the slope halves three times: ties there, and none above zero."""
    import torch

    rng, elsewhere = np.random.default_rng(40 + zero), 0
    counted: list[Graph] = []
    for scale in rng.uniform(0.001, 3, 12).astype(np.float32):
        net = Net(256, kind=TensorProto.INT8)
        net.qdq(net.add("LeakyRelu", net.dequantize(net.x, scale, 0, np.int8), alpha=0.125), scale, zero, np.int8)
        real = torch.from_numpy(CODES.astype(np.float32) * scale)
        wanted = fake_quantise(torch.nn.functional.leaky_relu(real, 0.125).numpy(), float(scale), zero)
        graph = api.load(net.proto(), rounding="torch")
        np.testing.assert_array_equal(api.run(graph, CODES), wanted)
        elsewhere += int((api.run(api.load(net.proto()), CODES) != wanted).sum())
        counted += [graph] if levels(graph) else []
    assert elsewhere > 5
    assert_proved_again(counted[0], tmp_path)


def test_a_scale_without_a_reciprocal_is_refused() -> None:
    """1 / s is infinite in float32 below 2**-128; PyTorch itself makes no sense there."""
    net = rescaled(np.float32(2.0**-127), 1, 0)
    with pytest.raises(BitwrightError) as error:
        api.load(net.proto(), rounding="torch")
    assert str(error.value) == (
        "model: node 'quantizelinear1' (QuantizeLinear): has a scale whose reciprocal is no float32 number\n"
        "  hint: leave out the rounding of PyTorch"
    )
    assert api.load(net.proto()).source.rounding == "onnx"


def test_ties_beyond_float32_occur_nowhere() -> None:
    scale = np.float32(1e37)
    ours = api.run(api.load(rescaled(scale, 1, 0).proto(), rounding="torch"), CODES)
    with np.errstate(over="ignore"):
        x = CODES.astype(np.float32) * (scale / 2)
    there = np.isfinite(x)
    np.testing.assert_array_equal(ours[there], fake_quantise(x, float(scale), 0)[there])
    assert 100 < there.sum() < CODES.size


def test_a_scale_whose_ties_agree_costs_nothing() -> None:
    model = rescaled(np.float32(0.125), 1, 3).proto()
    assert api.load(model, rounding="torch").layers == api.load(model).layers


@needs_cxx
def test_ties_of_sums_and_of_a_clip_on_the_engine(tmp_path: Path) -> None:
    """Per channel; a clip whose bound is a tie; the certificate of levels in place of a rounding. float32 is exact."""
    import torch

    step, scale = np.float32(61 / 1024), 61 / 1024
    weights = np.array([[1, 0, 2], [-3, 1, 1], [5, -7, 2], [1, 1, -1]], dtype=np.float32)
    net = Net(3, kind=TensorProto.INT8)
    made = net.add("Gemm", net.dequantize(net.x, step / 2, 0, np.int8), net.weights(weights), transB=1)
    made = net.add("Clip", made, net.const(-np.inf), net.const(step * np.float32(28.5)))
    net.qdq(made, scale, 1, np.int8)
    x = np.random.default_rng(3).integers(-20, 20, (500, 3)).astype(np.int8)
    real = torch.nn.functional.linear(torch.from_numpy(x.astype(np.float32) * (step / 2)), torch.from_numpy(weights))
    wanted = fake_quantise(torch.clamp(real, max=float(step * np.float32(28.5))).numpy(), scale, 1)
    graph = api.load(net.proto(), rounding="torch")
    assert len(levels(graph)) == 1
    assert_proved_again(graph, tmp_path)
    np.testing.assert_array_equal(api.run(graph, x), wanted)
    np.testing.assert_array_equal(api.run(graph, x, engine="hls"), wanted)
    assert (api.run(api.load(net.proto()), x) != wanted).any()


def networks(pattern: str) -> list[Path]:
    return sorted(path.parent for path in MODELS.glob(f"{pattern}/model.onnx"))


def golden(folder: Path) -> dict[str, NDArray[np.float32]]:
    with np.load(folder / "golden.npz") as data:
        return dict(data)


def expect_only_boundary(
    folder: Path, wanted: NDArray[np.float32], x: NDArray[np.float32], rounding: str = "torch"
) -> None:
    """Every output is PyTorch's, but for elements that the audit finds at a boundary, one in a hundred at most."""
    verdict = api.verify(api.load(folder / "model.onnx", rounding=rounding), x, wanted)["golden"]
    assert verdict["equal"] + verdict["boundary"] == verdict["elements"] == wanted.size
    assert verdict["boundary"] <= wanted.size // 100


needs_collection = pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")


@needs_collection
@pytest.mark.parametrize("rounding", ["onnx", "torch"])
def test_the_outputs_of_the_quantised_modules_of_the_collection(rounding: str) -> None:
    """Brevitas modules, which divide by their scales, and one with fake quantisation; no exact tie parts the two."""
    found = [folder for folder in networks("*/*") if "outputs_torch" in golden(folder)]
    assert len(found) == 12
    for folder in found:
        data = golden(folder)
        expect_only_boundary(folder, data["outputs_torch"], data["inputs"], rounding)


@needs_collection
def test_the_modules_of_the_collection_with_fake_quantisation_at_every_quantiser() -> None:
    """Modules that onnxruntime quantised: those of which the collection has the parameters but no outputs.

    One of them holds a softmax inside and is no integer network.
    """
    import torch

    from tests.torch_qdq import QuantisedModule

    modules = [folder for folder in networks("*/*") if (folder / "state_dict.pt").exists()]
    found = [f for f in modules if "outputs_torch" not in golden(f) and f.name != "transformer_qdq_dq_s8"]
    assert len(found) == 12
    for folder in found:
        module, x = QuantisedModule(folder / "model.onnx"), golden(folder)["inputs"]
        with torch.no_grad():
            wanted = torch.cat([module(torch.from_numpy(sample[None])) for sample in x])
        expect_only_boundary(folder, wanted.numpy(), x)
