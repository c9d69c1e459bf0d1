# SPDX-License-Identifier: Apache-2.0
"""`from_torch`: PyTorch's fake quantisers of any width, to the last bit; what cannot be exported is refused."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.ir.types import IntType, integer
from tests.needs import needs_package

pytestmark = needs_package("torch")


def test_a_module_gives_the_integers_that_pytorch_gives() -> None:
    """A tensor of four bits with a zero point, weights of four narrow and two bits, a `FakeQuantize` of three bits."""
    import torch
    from torch.ao.quantization import FakeQuantize, MovingAverageMinMaxObserver, disable_observer

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 3, 3, padding=1, bias=False)
            self.linear = torch.nn.Linear(48, 5)
            self.quantiser = FakeQuantize(MovingAverageMinMaxObserver, quant_min=0, quant_max=7)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.fake_quantize_per_tensor_affine(x, 0.125, 3, 0, 15)
            scales, zeros = torch.tensor([0.02, 0.03, 0.05]), torch.zeros(3, dtype=torch.int32)
            kernel = torch.fake_quantize_per_channel_affine(self.conv.weight, scales, zeros, 0, -7, 7)
            x = self.quantiser(torch.relu(torch.nn.functional.conv2d(x, kernel, padding=1))).flatten(1)
            weight = torch.fake_quantize_per_tensor_affine(self.linear.weight, 0.1, 0, -2, 1)
            return torch.fake_quantize_per_tensor_affine(
                torch.nn.functional.linear(x, weight, self.linear.bias), 0.01, 0, -32, 31
            )

    torch.manual_seed(3)
    network = Network().train()
    x = torch.rand(40, 2, 4, 4) * 2 - 0.5
    network(x)
    with pytest.raises(bw.BitwrightError) as refused:
        bw.from_torch(network, x[:1])
    assert str(refused.value) == (
        "module Network: its fake quantiser 'quantiser' still observes\n"
        "  hint: fix the ranges first: module.apply(torch.ao.quantization.disable_observer)"
    )
    network.apply(disable_observer)
    net = bw.from_torch(network, x[:1])
    assert network.training
    expected = network.eval()(x).detach().numpy()
    assert len(np.unique(expected)) > 20
    np.testing.assert_array_equal(bw.run(net, x.numpy()), expected)
    assert bw.verify(net, x.numpy(), expected)["golden"]["equal"] == expected.size
    kinds = [layer.type for layer in net.layers if layer.op == "requantise"]
    assert kinds[-2:] == [integer(3, signed=False), integer(6, signed=True)]
    assert net.by_name["/Conv"].weights.type == IntType(-7, 7)


@pytest.mark.parametrize("quantised", [False, True])
def test_the_exporter_prints_nothing(quantised: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """It complained of a domain that a network without fake quantisers has no use for."""
    import torch

    from bitwright.reading.exporting import exported

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.linear(x))
            return torch.fake_quantize_per_tensor_affine(y, 0.125, 0, 0, 15) if quantised else y

    exported(Network(), torch.zeros(1, 4), "from_torch")
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_exported_is_refused_by_name() -> None:
    import torch

    class Decomposition(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.svd(x)[1]

    class Odd(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.fake_quantize_per_tensor_affine(x, 0.5, 0, -3, 9)

    with pytest.raises(bw.BitwrightError) as refused:
        bw.from_torch(Decomposition(), torch.zeros(1, 3, 3))
    assert str(refused.value) == (
        "module Decomposition: PyTorch cannot export it: "
        "Exporting the operator 'aten::linalg_svd' to ONNX opset version 13 is not supported\n"
        "  hint: export it to ONNX by the tool that quantised it, and load that file"
    )
    with pytest.raises(bw.BitwrightError) as refused:
        bw.from_torch(Odd(), torch.zeros(1, 3))
    assert str(refused.value) == (
        "fake quantiser: codes -3..9 are no range of whole bits\n"
        "  hint: for example quant_min=-8, quant_max=7, or -7 and 7, or 0 and 15"
    )


def test_what_is_no_module_or_no_example_of_it_is_refused() -> None:
    import torch

    hint = "export it to ONNX by the tool that quantised it, and load that file"
    with pytest.raises(bw.BitwrightError) as refused:
        bw.from_torch(torch.nn.Linear(4, 3), [torch.zeros(1, 4)])
    assert str(refused.value) == (
        "module Linear: PyTorch cannot export it: "
        f"linear(): argument 'input' (position 1) must be Tensor, not list\n  hint: {hint}"
    )
    with pytest.raises(bw.BitwrightError) as refused:
        bw.from_torch(None, torch.zeros(1, 4))
    assert str(refused.value) == (
        "from_torch: is a NoneType in place of a torch.nn.Module\n"
        "  hint: give the module, and load files by bitwright.load"
    )


def test_what_the_example_decides_is_a_warning_by_its_line() -> None:
    import torch

    class Choosing(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.fake_quantize_per_tensor_affine(x, 0.5, 0, -8, 7)
            weight = torch.fake_quantize_per_tensor_affine(torch.eye(3), 0.5, 0, -8, 7)
            return x @ weight if x.sum() > 0 else x

    with pytest.warns(UserWarning) as given:
        net = bw.from_torch(Choosing(), torch.ones(1, 3))
    assert net.layers[0].op == "dense"
    (warning,) = given
    line = Choosing.forward.__code__.co_firstlineno + 3
    assert str(warning.message) == (
        f"module Choosing: {__file__}:{line}: a value of the example decides here what is computed, and the export has"
        " that for every input; give an example that goes the way you mean, or write it with tensors (torch.where)"
    )


def test_a_float_module_is_quantised_by_its_example() -> None:
    import torch

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten()
    ).append(torch.nn.Linear(64, 3))
    module[1].running_mean.uniform_(-1, 1)
    x = torch.rand(32, 1, 4, 4)
    state = bw.quantize(module, x.numpy(), example=x[:1], weights=8, activations=8)
    wanted = module.eval()(x).detach().numpy()
    np.testing.assert_allclose(bw.run(state.graph(), x.numpy()), wanted, atol=0.02 * np.abs(wanted).max())
    with pytest.raises(bw.BitwrightError) as refused:
        bw.quantize(module, x.numpy())
    assert str(refused.value) == (
        "quantize: a PyTorch module without an example\n"
        "  hint: give one input of it as example, a tensor or a tuple of them"
    )


def test_every_part_of_a_module_stays_in_the_mode_that_it_had() -> None:
    import torch

    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sequential(torch.nn.BatchNorm1d(3)))
    network.train()
    network[1].eval()
    with pytest.raises(bw.BitwrightError):
        bw.from_torch(network, torch.zeros(2, 4))
    assert [part.training for part in network.modules()] == [True, True, False, False]
