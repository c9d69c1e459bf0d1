# SPDX-License-Identifier: Apache-2.0
"""The network in PyTorch is the one in NumPy: every operator that the importer takes, and batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bitwright.compress import float_net, outputs_of
from bitwright.compress.operators import SUPPORTED
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.compress.test_layers import WHOLE, data, model
from tests.compress.test_operators import KINDS, network, whole
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.executor import Executor, key_of  # noqa: E402
from bitwright.compress.torch.operators import OPERATORS  # noqa: E402
from bitwright.compress.torch.places import MOVED  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]


def agree(given: onnx.ModelProto, *arrays: Array) -> Executor:
    """The module, whose outputs are those of the float network."""
    net = float_net(given)
    module = Executor(net).eval()
    with torch.no_grad():
        made = module(*map(torch.from_numpy, arrays))
    made = made if isinstance(made, tuple) else (made,)
    for found, wanted in zip(made, outputs_of(net, arrays), strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=2e-5)
    return module


@pytest.mark.parametrize("name", WHOLE)
def test_layers_are_those_of_the_float_network(name: str) -> None:
    agree(model(WHOLE[name], bias=WHOLE[name].op != "MatMul"), data(WHOLE[name], 3))


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_between_layers_are_those_of_the_float_network(kind: str) -> None:
    for seed in range(2):
        agree(*network(kind, seed, between=True))


SMALL = {
    "AveragePool": node("AveragePool", "r", "m", kernel_shape=[2, 3], pads=[1, 1, 0, 1], strides=[2, 1]),
    "AveragePool that counts pads": node(
        "AveragePool",
        "r",
        "m",
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        count_include_pad=1,
        ceil_mode=1,
        strides=[2, 2],
    ),
    "MaxPool": node("MaxPool", "r", "m", kernel_shape=[3, 2], pads=[2, 0, 1, 1], strides=[2, 2], ceil_mode=1),
    "MaxPool of automatic pads": node(
        "MaxPool", "a", "m", kernel_shape=[3, 3], auto_pad="SAME_LOWER", strides=[2, 2], dilations=[1, 1]
    ),
    "GlobalAveragePool": node("GlobalAveragePool", "r", "m"),
    "DepthToSpace": node("DepthToSpace", "a", "m", blocksize=2, mode="CRD"),
    "SpaceToDepth": node("SpaceToDepth", "a", "m", blocksize=2),
    "Cast": node("Cast", "a", "m", to=int(TensorProto.INT32)),
    "Celu": node("Celu", "a", "m", alpha=0.5),
    "Clip": node("Clip", "a low high", "m"),
    "Dropout": node("Dropout", "a", "m"),
    "Gelu": node("Gelu", "a", "m", approximate="tanh"),
    "HardSigmoid": node("HardSigmoid", "a", "m", alpha=0.3),
    "Identity": node("Identity", "a", "m"),
    "LeakyRelu": node("LeakyRelu", "a", "m", alpha=0.2),
    "Max": node("Max", "a b r", "m"),
    "Min": node("Min", "a b", "m"),
    "Div": node("Div", "a half", "m"),
    "Pow": node("Pow", "r two", "m"),
    "Pad around": node("Pad", "a pads value", "m"),
    "Pad of edges": node("Pad", "a pads", "m", mode="edge"),
    "Squeeze": node("Squeeze", "line", "m"),
    "Tile": node("Tile", "a times", "m"),
    "Expand": node("Expand", "line big", "m"),
    "ThresholdedRelu": node("ThresholdedRelu", "a", "m", alpha=0.2),
    "ArgMax": node("ArgMax", "a", "m", axis=1, select_last_index=1),
    "TopK": helper.make_node("TopK", ["a", "one"], ["m", "places"], axis=1),
    "LogSoftmax": node("LogSoftmax", "a", "m", axis=1),
    "Softmax": node("Softmax", "a", "m"),
    "ReduceMean of all": node("ReduceMean", "a", "m"),
    "Resize to nearest": helper.make_node("Resize", ["a", "", "scales"], ["m"], mode="nearest"),
    "Resize by cubics": helper.make_node("Resize", ["a", "", "scales"], ["m"], mode="cubic", exclude_outside=1),
    "Resize of corners": helper.make_node(
        "Resize", ["a", "", "scales"], ["m"], mode="linear", coordinate_transformation_mode="align_corners"
    ),
    **{op: node(op, "a", "m") for op in "Abs Ceil Elu Exp Floor HardSwish Mish Neg Relu Round Selu Sigmoid".split()},
    **{op: node(op, "a", "m") for op in "Sign Softplus Softsign Tanh Erf".split()},
    **{op: node(op, "r1", "m") for op in "Log Reciprocal Sqrt".split()},
    "Unsqueeze": node("Unsqueeze", "a last", "m"),
}
"""What the tests above have not, between a convolution and the output."""
NUMBERS = {"low": normal(1)[0] - 1, "high": np.float32(0.5), "half": np.full((4, 1, 1), 0.5), "two": np.float32(2)}
LISTS = {
    "pads": whole(0, 0, 1, 2, 0, 0, 0, 1),
    "times": whole(1, 2, 1, 3),
    "big": whole(1, 4, 6, 5),
    "one": whole(2),
    "last": whole(-1, 1),
}


@pytest.mark.parametrize("name", SMALL)
def test_operators_are_those_of_the_float_network(name: str) -> None:
    nodes = [
        node("Conv", "x k", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "r"),
        node("Conv", "x k", "b", pads=[1, 1, 1, 1]),
        node("Add", "r unit", "r1"),
        node("ReduceMax", "a rows", "line"),
        SMALL[name],
        node("Identity", "m", "y"),
    ]
    weights: dict[str, Array] = {"k": normal(4, 3, 3, 3) / 3, "unit": np.float32(1), "rows": whole(3)}
    weights |= {key: np.asarray(array, np.float32) for key, array in NUMBERS.items()}
    weights |= LISTS | {"value": np.float32(0.75), "scales": np.float32([1, 1, 1.5, 0.5])}
    agree(graph(nodes, weights, sample=[3, 6, 6], opset=20), normal(3, 3, 6, 6, seed=1))


def test_no_operator_is_missing() -> None:
    assert {*OPERATORS, *MOVED, "BatchNormalization", "Dropout", "Shape"} == SUPPORTED
    tested = {name.split()[0] for name in SMALL} | {
        step.op_type for kind in KINDS for step in network(kind, 0, between=True)[0].graph.node
    }
    tested |= {case.op for case in WHOLE.values()} | {"BatchNormalization", "Upsample"}
    assert tested >= SUPPORTED


def test_upsample_repeats_and_interpolates() -> None:
    for mode in ("nearest", "linear"):
        nodes = [node("Conv", "x k", "a"), node("Upsample", "a s", "y", mode=mode)]
        weights = {"k": normal(2, 1, 2, 2), "s": np.float32([1, 1, 2, 1.5])}
        agree(graph(nodes, weights, sample=[1, 5, 5], opset=9), normal(2, 1, 5, 5))


def normalised() -> onnx.ModelProto:
    nodes = [node("Conv", "x k", "a"), node("BatchNormalization", "a g b m v", "n"), node("Relu", "n", "y")]
    weights = {"k": normal(3, 2, 3, 3), "g": normal(3), "b": normal(3, seed=1), "m": normal(3, seed=2)}
    return graph(nodes, weights | {"v": np.abs(normal(3, seed=3))}, sample=[2, 6, 6])


def test_batch_statistics_are_taken_while_training_and_kept() -> None:
    x = normal(8, 2, 6, 6, seed=4)
    module = agree(normalised(), x)
    module.train()
    made = module.tensors(torch.from_numpy(x))
    values = made["n"].detach().movedim(1, 0).reshape(3, -1)
    np.testing.assert_allclose(values.mean(1).numpy(), normal(3, seed=1), atol=1e-5)
    sums = made["a"].detach().movedim(1, 0).reshape(3, -1)
    kept = 0.9 * normal(3, seed=2) + 0.1 * sums.mean(1).numpy()
    np.testing.assert_allclose(module.tensor("m").detach().numpy(), kept, rtol=1e-5)
    learnt = {name for name, held in module.constants.items() if held.requires_grad}
    assert learnt == {"k", "g", "b"}


def test_dropout_is_left_out_unless_it_is_asked_for() -> None:
    nodes = [node("MatMul", "x w", "a"), node("Dropout", "a", "y", ratio=0.5)]
    net = float_net(graph(nodes, {"w": normal(6, 8)}, sample=[6], opset=11))
    x = torch.from_numpy(normal(50, 6))
    plain, drops = Executor(net).train(), Executor(net, dropout=True).train()
    assert not (plain(x) == 0).any()
    assert 0.3 < (drops(x) == 0).float().mean() < 0.7
    assert torch.equal(drops.eval()(x), plain(x))


def test_names_of_any_spelling_are_parameters() -> None:
    names = ["a.b", "a%2Eb", "items", "training", "type"]
    assert len({key_of(name) for name in names}) == len(names)
    nodes = [node("Gemm", "x a.b items", "y")]
    module = agree(graph(nodes, {"a.b": normal(4, 3), "items": normal(3)}, sample=[4]), normal(2, 4))
    assert {name for name, _ in module.named_parameters()} == {"constants.a%2Eb", "constants.items%"}


def test_a_network_that_holds_its_batch_is_run_sample_by_sample() -> None:
    nodes = [node("Conv", "x k", "a"), node("Reshape", "a all", "f"), node("Gather", "f places", "g")]
    nodes += [node("Reshape", "g sample", "h"), node("MatMul", "h w", "y")]
    constants = {"k": normal(2, 1, 1, 1), "w": normal(8, 3), "all": whole(-1), "sample": whole(1, 8)}
    agree(graph(nodes, constants | {"places": np.arange(8)}, sample=[1, 2, 2], batch=1), normal(5, 1, 2, 2))


def test_gradients_are_those_of_differences() -> None:
    module = agree(*network("squeeze and excite", 0, between=True))
    x = torch.from_numpy(network("squeeze and excite", 0, between=True)[1])
    weight = module.tensor("ks")
    (slope,) = torch.autograd.grad(module(x).square().mean(), weight)
    step = torch.zeros_like(weight)
    step[0, 1] = 1e-2
    with torch.no_grad():
        weight += step
        above = module(x).square().mean()
        weight -= 2 * step
        below = module(x).square().mean()
    assert float(slope[0, 1]) == pytest.approx(float(above - below) / 2e-2, rel=0.05)


def test_an_operator_that_is_not_known_is_refused_by_its_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATORS, "Tanh")  # type: ignore[attr-defined]
    given = graph([node("MatMul", "x w", "a"), node("Tanh", "a", "y")], {"w": normal(3, 2)}, sample=[3])
    with pytest.raises(BitwrightError) as error:
        Executor(float_net(given))
    assert str(error.value).startswith(
        "model: node 'Tanh_y' (Tanh): cannot be trained yet\n  hint: supported: Abs, Add"
    )
