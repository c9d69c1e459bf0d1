# SPDX-License-Identifier: Apache-2.0
"""Training: what it learns from, at which rates, the same every time, and on from where it was stopped."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import distil, fit, trainable
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.distil import LOSSES  # noqa: E402
from bitwright.compress.torch.fit import _groups  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]

NODES = [
    node("Gemm", "x a p", "h", transB=1),
    node("Relu", "h", "r"),
    node("Dropout", "r", "d", ratio=0.25),
    node("Gemm", "d b q", "z", transB=1),
    node("Softmax", "z", "y", axis=1),
]
NET = graph(
    NODES, {"a": normal(12, 6), "p": np.zeros(12, np.float32), "b": normal(3, 12), "q": normal(3)}, sample=[6], opset=11
)
X = normal(96, 6, seed=1)
Y = (X[:, 0] > 0) + (X[:, 1] + X[:, 2] > 0).astype(np.int64)


def network(**options: Any) -> Any:
    return trainable(NET, **{"weights": "lsq:3", "activations": "lsq:3", "calibration": X, **options})


def correct(module: Any) -> float:
    with torch.no_grad():
        return float((module.logits(torch.from_numpy(X)).numpy().argmax(1) == Y).mean())


def test_a_network_learns_its_labels() -> None:
    module = network(scale="po2")
    before = correct(module)
    seen: list[tuple[int, int, float]] = []
    losses = fit(module, (X, Y), epochs=40, lr=5e-2, batch=32, progress=lambda *step: seen.append(step))
    assert len(losses) == 40 and losses[-1] < losses[0] / 4
    assert before < 0.6 < 0.85 < correct(module)
    assert [step[:2] for step in seen] == [(k + 1, 120) for k in range(120)]
    assert not module.training


def test_without_labels_it_learns_from_the_float_network() -> None:
    for kind in ("kd", "logits"):
        module, x = network(weights=6, activations=6), torch.from_numpy(X)
        wanted = trainable(NET).eval().logits(x).detach()
        with torch.no_grad():
            module.tensor("b").mul_(1.5)
        before = float(LOSSES[kind](module.eval().logits(x).detach(), wanted, 1.0))
        fit(module, X, epochs=40, lr=2e-2, aids=[distil(kind, weight=0.3)])
        assert float(LOSSES[kind](module.logits(x).detach(), wanted, 1.0)) < before / 4


def test_values_are_learnt_too() -> None:
    model = graph([node("Gemm", "x a", "y")], {"a": normal(6, 2)}, sample=[6])
    module = trainable(model)
    wanted = X @ normal(6, 2, seed=5)
    assert fit(module, (X, wanted), epochs=200, lr=5e-2)[-1] < 1e-3
    np.testing.assert_allclose(module.float_net().constants["a"], normal(6, 2, seed=5), atol=0.05)


def test_an_aid_of_ones_own_is_added() -> None:
    def small(outputs: Any, teacher: Any, y: Any, taps: Any) -> Any:
        assert outputs.shape == teacher.shape == (len(y), 3) and torch.equal(taps["z"], outputs)
        return 100 * outputs.square().mean()

    module, x = network(), torch.from_numpy(X)
    before = float(module.eval().logits(x).detach().square().mean())
    fit(module, (X, Y), epochs=20, lr=2e-2, aids=[small])
    assert float(module.logits(x).detach().square().mean()) < before / 4


def test_a_teacher_of_ones_own_is_learnt_from() -> None:
    calls: list[int] = []

    def teacher(x: Any) -> Any:
        calls.append(len(x))
        return x[:, :3]

    module = network(weights=8, activations=8)
    losses = fit(module, X, epochs=9, lr=2e-2, aids=[distil("logits", weight=1, teacher=teacher)])
    assert calls == [96] and losses[-1] < losses[0] / 2


def test_the_same_seed_gives_the_same_network_and_another_gives_another() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(states))  # of no account
        module = network(dropout=True)
        fit(module, (X, Y), epochs=2, batch=32, seed=seed)
        states.append(module.state())
    assert states[0] == states[1] != states[2]


def test_random_numbers_of_others_are_left_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    fit(network(dropout=True), (X, Y), epochs=1)
    assert torch.equal(torch.rand(3), wanted)


def test_rates_are_relative_to_each_tensor() -> None:
    module = network()
    groups = {id(group["params"][0]): group["lr"] for group in _groups(module, 1e-2)}
    sizes = {name: float(t.detach().square().mean().sqrt()) for name, t in module.named_parameters()}
    middle = float(np.median([size for size in sizes.values() if size]))
    for name, parameter in module.named_parameters():
        share = 1 if name.startswith("constants.") else 0.5
        assert groups[id(parameter)] == pytest.approx(1e-2 * share * (sizes[name] or 0.1 * middle))


class _Stop:
    """A progress that is stopped by Ctrl-C at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, step: int, total: int, loss: float) -> None:
        if step == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("weights", ["lsq:3", "inq:4"])
@pytest.mark.parametrize("same", [False, True])
def test_a_training_that_was_stopped_goes_on_to_the_same_end(tmp_path: Path, weights: str, same: bool) -> None:
    options: dict[str, Any] = {"epochs": 5, "batch": 40, "lr": 1e-2, "seed": 3, "aids": [distil("kd")]}
    whole = network(weights=weights, dropout=True)
    losses = fit(whole, (X, Y), **options)
    file = tmp_path / "training.npz"
    module = network(weights=weights, dropout=True)
    for at in (8, 11):  # in the middle of the third epoch, and in that of the fourth
        with pytest.raises(KeyboardInterrupt):
            fit(module, (X, Y), checkpoint=file, progress=_Stop(at), **options)
        module = module if same else network(weights=weights, dropout=True)
    assert fit(module, (X, Y), checkpoint=file, **options) == losses
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name
    assert module.state() == whole.state()
    assert [path.name for path in tmp_path.iterdir()] == ["training.npz"]
    again = network(weights=weights, dropout=True)
    assert fit(again, (X, Y), checkpoint=file, progress=_Stop(1), **options) == losses  # nothing is left to do
    assert again.state() == whole.state()


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "c.npz"
    fit(network(), (X, Y), epochs=1, checkpoint=file)
    before = file.read_bytes()
    others: list[tuple[Any, Any, dict[str, Any]]] = [
        (network(weights="lsq:4"), (X, Y), {}),
        (network(), (X, Y[::-1].copy()), {}),
        (network(), (X, Y), {"lr": 1e-3}),
        (network(), (X, Y), {"aids": [distil("kd")]}),
    ]
    for module, data, options in others:
        with pytest.raises(BitwrightError) as error:
            fit(module, data, **{"epochs": 1, "checkpoint": file, **options})
        assert str(error.value) == (
            f"{file}: is of another training: the network, the data or an option differs\n"
            "  hint: give another file, or remove this one"
        )
    assert file.read_bytes() == before


def test_a_file_that_is_no_checkpoint_is_left_alone(tmp_path: Path) -> None:
    whole = tmp_path / "whole.npz"
    fit(network(), (X, Y), epochs=1, checkpoint=whole)
    np.savez(tmp_path / "other.npz", x=X)
    files = {"text": b"epochs: 3", "half": whole.read_bytes()[:900], "other.npz": (tmp_path / "other.npz").read_bytes()}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BitwrightError) as error:
            fit(network(), (X, Y), epochs=1, checkpoint=tmp_path / name)
        assert str(error.value) == (
            f"{tmp_path / name}: is no checkpoint of a training\n  hint: give another file, or remove this one"
        )
        assert (tmp_path / name).read_bytes() == content


def test_a_checkpoint_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        fit(network(), (X, Y), epochs=1, checkpoint=tmp_path / "no" / "c.npz")
    assert str(error.value) == (
        f"{tmp_path / 'no' / 'c.npz'}: cannot be written: No such file or directory\n"
        "  hint: give a path that can be written"
    )


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no labels": (
        X,
        {},
        "fit: labels are needed, and the data has none\n"
        "  hint: give (x, y), or aids=[distil('kd')], which learns from the float network",
    ),
    "fewer labels": ((X, Y[:9]), {}, "fit: 9 labels for 96 samples\n  hint: give one for each"),
    "labels of text": (
        (X, np.array(["a"] * 96)),
        {},
        "fit: labels of type <U1 and shape (96,)\n"
        "  hint: give whole numbers in one row for classes, or real numbers shaped as the output",
    ),
    "a class too many": (
        (X, Y + 1),
        {},
        "fit: labels from 1 to 3 for outputs of shape (N, 3)\n  hint: labels are classes, counted from 0",
    ),
    "values of another shape": (
        (X, normal(96, 2)),
        {},
        "fit: values of shape (N, 2) for outputs of shape (N, 3)\n  hint: give real numbers shaped as the output",
    ),
    "data of another shape": (
        (X[:, :5], Y),
        {},
        "training data for input 'x': shape (96, 5), where the model takes (N, 6)\n  hint: samples stack on axis 0",
    ),
    "three arrays": (
        (X, Y, Y),
        {},
        "fit: a tuple of 3 as data\n  hint: give (x, y), or x alone: one array, or a list of one for each input",
    ),
    "no epochs": ((X, Y), {"epochs": 0}, "fit: epochs 0 cannot be used\n  hint: give a whole number, at least 1"),
    "a batch of halves": (
        (X, Y),
        {"batch": 1.5},
        "fit: batch 1.5 cannot be used\n  hint: give a whole number, at least 1",
    ),
    "a rate": (
        (X, Y),
        {"lr": 2},
        "fit: lr 2 cannot be used\n  hint: give a share of each tensor's size, for example 0.002",
    ),
    "an aid by its name": (
        (X, Y),
        {"aids": ["kd"]},
        "fit: 'kd' among the aids cannot be used\n  hint: give functions, as distil('kd') makes one",
    ),
    "an aid alone": (
        (X, Y),
        {"aids": distil("kd")},
        "fit: Distil(kind='kd', weight=0.5, temperature=1.0) for aids cannot be used\n"
        "  hint: give a list, as [distil('kd')]",
    ),
    "a checkpoint": ((X, Y), {"checkpoint": 3}, "fit: checkpoint 3 cannot be used\n  hint: give the path of a file"),
    "a progress": (
        (X, Y),
        {"progress": True},
        "fit: progress True cannot be used\n  hint: give a function of (steps done, steps in all, loss)",
    ),
    "more than all": (
        (X, Y),
        {"aids": [distil("kd", weight=0.6), distil("logits", weight=0.6)]},
        "fit: aids of 1.2 of the loss cannot be used\n  hint: give weights whose sum is at most 1",
    ),
}


@pytest.mark.parametrize("data, options, message", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_learnt_is_one_message(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        fit(network(), data, **options)
    assert str(error.value) == message


def test_what_no_distillation_is_is_one_message() -> None:
    for options, message in (
        ({"kind": "fitnets"}, "there is no distillation 'fitnets'\n  hint: choose kd or logits"),
        ({"kind": "kd", "weight": 0}, "weight 0 cannot be used\n  hint: give more than 0, and at most 1: the share"),
        ({"kind": "kd", "temperature": -1}, "temperature -1 cannot be used\n  hint: give more than 0"),
    ):
        with pytest.raises(BitwrightError) as error:
            distil(**options)  # type: ignore[arg-type]
        assert str(error.value).startswith(f"distil: {message}")


def test_what_is_no_module_of_ours_is_refused() -> None:
    with pytest.raises(BitwrightError) as error:
        fit(torch.nn.Linear(2, 2), (X, Y))
    assert str(error.value) == (
        "fit: a Linear in place of a network to train\n  hint: make it by bitwright.compress.trainable"
    )


def test_a_loss_that_is_not_finite_ends_it() -> None:
    module = network()
    with torch.no_grad():
        module.tensor("q")[0] = float("inf")
    with pytest.raises(BitwrightError) as error:
        fit(module, (X, Y))
    assert str(error.value) == (
        "fit: the loss is not finite after 0 steps\n"
        "  hint: use a smaller lr, or look for values in the data that are not finite"
    )


def test_distillation_without_pytorch_is_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    module = network()
    monkeypatch.setitem(sys.modules, "torch", None)
    aid = distil("kd", weight=0.25)
    assert aid.share == 0.25
    with pytest.raises(BitwrightError) as error:
        fit(module, X, aids=[aid])
    assert str(error.value) == "fit: PyTorch is not installed\n  hint: pip install 'bitwright[torch]'"


@pytest.mark.rows("R146", "R151")
def test_nothing_is_to_be_learnt_from_equal_outputs() -> None:
    x, y = torch.from_numpy(normal(8, 5)), torch.from_numpy(normal(8, 5, seed=1))
    assert float(LOSSES["kd"](x, x, 3.0)) == pytest.approx(0, abs=1e-6) and float(LOSSES["logits"](x, x, 1.0)) == 0
    assert float(LOSSES["logits"](x, y, 1.0)) == pytest.approx(float(0.5 * ((x - y) ** 2).sum(1).mean()))


@pytest.mark.rows("R147")
def test_at_high_temperatures_distillation_is_that_of_logits() -> None:
    x, y = (torch.from_numpy(normal(8, 5, seed=seed)).double() for seed in (0, 1))
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    assert float(LOSSES["kd"](x, y, 1e3)) == pytest.approx(float(LOSSES["logits"](x, y, 1.0)) / 5, rel=0.01)
