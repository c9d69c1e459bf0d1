# SPDX-License-Identifier: Apache-2.0
"""The step of a recipe that trains: what it is, what it refuses before anything is done, and how it goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.cli import main
from bitwright.cli.signals import Stopped
from bitwright.compress import calibrate, cubic, distil, fit, float_net, trainable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.stages import heard
from bitwright.recipe import Kept, Material, follow, read_recipe
from bitwright.recipe.prune import Prune
from bitwright.recipe.quantise import Quantise
from bitwright.recipe.shrink import Shrink
from bitwright.recipe.train import Meanwhile, Train
from tests.compress.random_nets import Draw
from tests.needs import needs_package
from tests.test_recipe import DATA, FLOAT, written

with np.load(DATA) as held:
    CALIBRATION, X, Y = held["calibration"][:64], held["x"][:96], held["y"][:96]
MATERIAL = Material([CALIBRATION], [X], Y)
pytestmark = needs_package("torch")
pytest.importorskip("torch")


def refused(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(BitwrightError) as error:
        read_recipe(path)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{epochs: 0}", "epochs 0 cannot be used\n  hint: give a whole number, at least 1"),
        ("{lr: 2}", "lr 2.0 cannot be used\n  hint: give a share of each tensor's size, for example 0.002"),
        ("{distil: kt}", "there is no distillation 'kt'\n  hint: choose kd or logits"),
        ("{distil: kd, share: 2}",
         "weight 2.0 cannot be used\n  hint: give more than 0, and at most 1: the share of the loss"),
        ("{scale: power}", "'power' cannot be used for scale\n  hint: choose free or po2"),
        ("{scale: po2}", "says how to quantise, and has no quantisers\n"
         "  hint: give weights and activations, for example lsq:4 both, or leave it out"),
        ("{accumulator: 16}", "says how to quantise, and has no quantisers\n"
         "  hint: give weights and activations, for example lsq:4 both, or leave it out"),
        ("{weights: 4, activations: 4, accumulator: 99}",
         "an accumulator of 99 bits\n  hint: give 4 to 32 bits"),
        ("{weights: ternery, activations: lsq:4}",
         "there is no quantiser 'ternery' of weights\n  hint: did you mean 'ternary'? there are "),
        ("{weights: ternary}", "there is no quantiser None of activations\n  hint: there are "),
        ("{weights: true, activations: 4}",
         "True cannot be used for weights\n"
         '  hint: give a whole number or a name, in quotes where YAML reads a number: "2:4"'),
        ("{weights: 4, activations: 4, config: {conv1: {weight: 8}}}",
         "has no option 'weight'\n  hint: did you mean 'weights'? options are weights"),
        ("{prune: 0.5}", "0.5 cannot be used for prune\n  hint: give names with options"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_one_message_before_anything(options: str, message: str, tmp_path: Path) -> None:
    said = refused(tmp_path, f"- train: {options}\n- quantise\n")
    assert said.startswith(f"step 1, 'train': {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("{sparsty: 0.5}", "has no option 'sparsty'\n  hint: did you mean 'sparsity'? options are criterion, sparsity"),
        ("{criterion: obs, sparsity: 0.5}", "'obs' solves for weights, not while they train\n"
         "  hint: put a step 'prune' with it before this one, or use another"),
        ("{sparsity: 0.5, rule: never}", "'never' cannot be used for rule\n  hint: "),
        ("{}", "says not how many weights go\n  hint: give their share as sparsity, for example 0.8"),
    ],
)  # fmt: skip
def test_what_cannot_be_pruned_meanwhile_is_one_message(options: str, message: str, tmp_path: Path) -> None:
    said = refused(tmp_path, f"- train: {{prune: {options}}}\n- quantise\n")
    assert said.startswith(f"step 1, 'train', 'prune': {message}")


@pytest.mark.parametrize("block", [None, "1:4", "plan"])
def test_weights_that_go_while_a_network_trains(block: str | None, tmp_path: Path) -> None:
    net = float_net(FLOAT)
    text = (
        "- train: {epochs: 2, prune: {criterion: taylor, sparsity: 0.5, rule: feedback, scope: network}}\n- quantise\n"
    )
    if block:
        share = "" if ":" in block else "sparsity: 0.5, "
        text = f"- train: {{epochs: 2, prune: {{{share}block: '{block}'}}}}\n- quantise\n"
    made = read_recipe(written(tmp_path, text))[0].run(net, MATERIAL, None)
    module = trainable(net)
    if block:
        state = bw.quantize(net, CALIBRATION, weights=4, activations=4, rounding="nearest", correct="none")
        blocks = bw.compile(state.graph()).plan.blocks() if block == "plan" else block
        module.prune("magnitude", cubic(0.75 if ":" in block else 0.5), block=blocks)
    else:
        module.prune("taylor", cubic(0.5), scope="network", rule="feedback")
    fit(module, ([X], Y), epochs=2)
    assert made == module.float_net()
    weights = [module.float_net().constants[layer.weight] for layer in net.layers]
    assert np.concatenate([weight.ravel() == 0 for weight in weights]).mean() > 0.45


@pytest.mark.parametrize("step", ["train: {epochs: 3}", "prune: {criterion: taylor, sparsity: 0.5}"])
def test_what_needs_pytorch_says_so_before_anything(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    said = refused(tmp_path, f"- {step}\n- quantise\n")
    assert (
        said == f"step 1, '{step.partition(':')[0]}': PyTorch is not installed\n  hint: pip install 'bitwright[torch]'"
    )


def test_training_integers_ends_a_recipe_and_training_floats_does_not(tmp_path: Path) -> None:
    assert read_recipe(written(tmp_path, "- train: {weights: ternary, activations: 4}\n")) == (
        Train(weights="ternary", activations=4),
    )
    assert read_recipe(written(tmp_path, "- train: {lr: 1e-3}\n- quantise\n")) == (Train(lr=1e-3), Quantise())
    assert refused(tmp_path, "- train\n") == (
        "step 1: ends with a float network\n"
        "  hint: end with a step that quantises, for example `- quantise: {weights: 4, activations: 4}`"
    )


def test_the_steps_are_the_functions_of_that_name(tmp_path: Path) -> None:
    """Zeros are zeros to the end; integers are those that were trained."""
    net = float_net(FLOAT)
    sparse = Prune(sparsity=0.8).run(net, MATERIAL, None)
    tuned = Train(epochs=2, distil="kd", share=0.25, temperature=2.0).run(sparse, MATERIAL, None)
    module = trainable(sparse)
    module.keep_zeros()
    fit(module, ([X], Y), epochs=2, aids=[distil("kd", weight=0.25, temperature=2.0)])
    assert tuned == module.float_net() != sparse
    for layer in net.layers:
        before, after = (each.constants[layer.weight] for each in (sparse, tuned))  # type: ignore[union-attr]
        np.testing.assert_array_equal(before == 0, after == 0)
    asked: Any = {"weights": "ternary", "activations": "lsq:4", "scale": "po2", "accumulator": 9}
    made: Any = Train(epochs=1, **asked).run(sparse, MATERIAL, None)
    module = trainable(sparse, **asked, calibration=calibrate(sparse, [CALIBRATION]))
    module.keep_zeros()
    fit(module, ([X], Y), epochs=1)
    assert made.state == module.state() and made.calibration.net == made.state.net
    for name, (coded,) in made.state.weights.items():
        assert (coded.codes[sparse.constants[name] == 0] == 0).all()


def test_without_labels_only_the_float_network_can_teach() -> None:
    net = float_net(FLOAT)
    with pytest.raises(BitwrightError) as error:
        Train(epochs=1).run(net, Material([CALIBRATION], file="d.npz"), None)
    assert str(error.value) == (
        "d.npz: has no labels, without which 'train' cannot tell right from wrong\n"
        "  hint: save train=x beside y_train=y, integers, one per sample"
    )
    module = trainable(net)
    module.keep_zeros()
    fit(module, [CALIBRATION], epochs=1, aids=[distil("kd")])
    assert Train(epochs=1, distil="kd").run(net, Material([CALIBRATION]), None) == module.float_net()


def test_the_network_before_all_steps_is_the_teacher(tmp_path: Path) -> None:
    net = float_net(FLOAT)
    sparse = Prune(sparsity=0.8)
    made = follow([sparse, Train(epochs=1, distil="kd"), Quantise()], net, MATERIAL, Kept(tmp_path / "kept"))
    module = trainable(sparse.run(net, MATERIAL, None))
    module.keep_zeros()
    fit(module, ([X], Y), epochs=1, aids=[distil("kd", teacher=trainable(net).eval().logits)])
    assert made.result.calibration.net == module.float_net()
    assert repr(distil("kd", teacher=lambda x: x)) == repr(distil("kd", teacher=lambda x: -x))  # no addresses in a key


@pytest.mark.parametrize("last", [(Train(epochs=3, weights=3, activations=3),), (Train(epochs=3), Quantise())])
def test_a_training_that_was_killed_goes_on_to_the_same_end(
    last: tuple[Any, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, kept = float_net(FLOAT), Kept(tmp_path / "kept")
    steps: list[int] = []

    def said(self: Any, done: int, of: int, loss: float) -> None:
        steps.append(done)
        if len(steps) == 3:
            raise Stopped(2)

    monkeypatch.setattr("bitwright.recipe.train._Said.__call__", said)
    with pytest.raises(Stopped):
        follow(last, net, MATERIAL, kept)
    assert [path.suffix for path in kept.folder.iterdir()] == [".checkpoint"] and steps == [1, 2, 3]
    made = follow(last, net, MATERIAL, kept)
    assert steps[3:] == [3, 4, 5, 6]  # two steps an epoch, of which the first was done
    monkeypatch.undo()
    assert made.result.state == follow(last, net, MATERIAL, Kept(tmp_path / "other")).result.state


def test_what_takes_long_is_said_by_epochs() -> None:
    stages: list[str] = []
    with heard(stages.append):
        Train(epochs=2).run(float_net(FLOAT), MATERIAL, None)
    assert [stage.partition(",")[0] for stage in stages[-2:]] == [f"training: {n} of 2 epochs" for n in (1, 2)]


def test_a_quantiser_without_a_zero_takes_no_pruned_network() -> None:
    sparse = Prune(sparsity=0.5).run(float_net(FLOAT), MATERIAL, None)
    with pytest.raises(BitwrightError) as error:
        Train(epochs=1, weights="bwn", activations="lsq:4").run(sparse, MATERIAL, None)
    assert str(error.value) == (
        "digits_float.onnx: weight 'conv1.weight': 50% of it are zeros, and its quantiser has no code for them\n"
        "  hint: choose one that has, for example ternary or lsq:4, or do not prune"
    )


def test_the_command_trains(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = written(tmp_path, "- prune: {sparsity: 0.5}\n- train: {epochs: 2, weights: ternary, activations: lsq:4}\n")
    np.savez(tmp_path / "d.npz", calibration=CALIBRATION, train=X, y_train=Y, x=X, y=Y)
    out = str(tmp_path / "q.onnx")
    argv = ["compress", FLOAT, "--data", str(tmp_path / "d.npz"), "-o", out, "--recipe", str(recipe), "--json"]
    assert main(argv) == 0
    found = json.loads(capsys.readouterr().out)
    assert [step["step"] for step in found["steps"]] == ["prune", "train"]
    assert {row["weights"] for row in found["quantised"]["layers"]} == {"s2n"}
    assert found["steps"][1]["zeros"] >= 0.5 * 3592 * 0.99
    assert found["quantised"]["accuracy"] == np.mean(bw.run(bw.load(out), X).argmax(1) == Y)


def drawn(rng: np.random.Generator) -> list[Any]:
    """A recipe at random: up to two steps, then one that gives integers."""
    block = [None, "4x2", "plan"][rng.integers(3)]
    shapes = Shrink(macs=float(rng.uniform(0.5, 0.9)), criterion=str(rng.choice(["norm", "median", "thinet", "lasso"])))
    zeros = Prune(sparsity=float(rng.uniform(0.2, 0.9)), criterion=str(rng.choice(["magnitude", "obs"])), block=block)
    learns = Train(epochs=1, distil=str(rng.choice(["kd", "logits"])), prune=Meanwhile(sparsity=0.5))
    codes = str(rng.choice(["lsq:3", "ternary", "inq:4"]))
    ends = [
        Quantise(weights=int(rng.integers(2, 9)), share=4),
        Train(epochs=1, distil="kd", weights=codes, activations=4),
    ]
    first = [[shapes, zeros, learns][place] for place in rng.integers(0, 3, rng.integers(0, 3))]
    return [*first, ends[rng.integers(2)]]


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 60))])
def test_any_recipe_on_any_network_gives_the_integers_that_its_file_has(seed: int, tmp_path: Path) -> None:
    """Or says why not; and the second time it is done from what is kept, the last step aside."""
    draw, kept = Draw(seed), Kept(tmp_path / "kept")
    net, x, steps = float_net(draw.model()), draw.samples(), drawn(np.random.default_rng(seed))
    material = Material([x])
    try:
        made = follow(steps, net, material, kept)
    except BitwrightError as error:
        assert "no choice of channels leaves" in error.what or "fits no layer" in error.what
        return
    state = made.result.state
    codes = [bw.run(graph, x, codes=True) for graph in (state.graph(), bw.load(state.onnx()))]
    np.testing.assert_array_equal(*codes)
    again = follow(steps, net, material, kept)
    assert again.result.state == state and all(step.kept for step in again.steps[:-1])
