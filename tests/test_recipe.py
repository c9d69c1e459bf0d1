# SPDX-License-Identifier: Apache-2.0
"""Recipes: one message for each mistake, steps that are done once, and a command that leaves nothing half-written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import bitwright as bw
from bitwright.cli import main
from bitwright.cli.signals import Stopped
from bitwright.compress import (
    CHANNELS,
    CRITERIA,
    ROUNDINGS,
    SCHEDULES,
    FloatNet,
    calibrate,
    float_net,
    pruned,
    quantised,
    shrunk,
)
from bitwright.compress.allocate import ALLOCATORS
from bitwright.compress.allocate.costs import OF_WIDTHS
from bitwright.compress.allocate.error import ERRORS
from bitwright.compress.codes import shared
from bitwright.compress.config import nearest_names
from bitwright.explore.pricing import PRICED
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import Kept, Material, follow, read_recipe, steps
from bitwright.recipe.prune import Prune
from bitwright.recipe.quantise import Quantise
from bitwright.recipe.read import name_of
from bitwright.recipe.shrink import Shrink
from bitwright.recipe.step import Place
from bitwright.recipe.steps import STEPS
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw
from tests.needs import needs_package

ROOT = Path(__file__).parents[1]
FLOAT = str(ROOT / "examples/digits/digits_float.onnx")
DATA = str(ROOT / "examples/digits/digits_data.npz")
EXAMPLE = "for example `- quantise: {weights: 4, activations: 4}`"
OPTIONS = ", ".join(
    "weights activations per_channel range rounding correct scale zero exact transforms config share sharing"
    " budget cycles part allocator widths".split()
)


def written(folder: Path, text: str) -> Path:
    path = folder / "r.yaml"
    path.write_text(text)
    return path


def test_the_page_on_recipes_has_every_option_and_an_example_that_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs/recipes.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ending = {name for name, step in STEPS.items() if step.ends is True} - {"quantise"}
    assert {name_of(step) for step in read_recipe(written(tmp_path, example))} == STEPS.keys() - ending
    rows = re.split(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    told = dict(zip(rows[1::2], rows[2::2], strict=True))
    for name, step in STEPS.items():
        options = {field.name for field in fields(step)}  # type: ignore[arg-type]
        assert sorted(options) == sorted(option for option in options if f"`{option}" in told[name]), name


def test_a_recipe_is_its_steps_with_their_options(tmp_path: Path) -> None:
    text = "- quantize:\n    weights: 4\n    transforms: fuse\n    config: {conv1: {weights: 8}}\n    share: 16\n"
    (step,) = read_recipe(written(tmp_path, text))
    assert step == Quantise(weights=4, transforms=("fuse",), config={"conv1": {"weights": 8}}, share=16)
    for plain in ("- quantise\n", "- quantise:\n", "- quantise: {}\n"):
        assert read_recipe(written(tmp_path, plain)) == (Quantise(),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f": holds no list of steps\n  hint: give some, {EXAMPLE}"),
        ("quantise: {weights: 4}\n", f": holds no list of steps\n  hint: give some, {EXAMPLE}"),
        ("- [quantise]\n", f": step 1: is ['quantise'], where one step belongs\n  hint: {EXAMPLE}"),
        ("- {quantise: {}, prune: {}}\n",
         f": step 1: is {{'quantise': {{}}, 'prune': {{}}}}, where one step belongs\n  hint: {EXAMPLE}"),
        ("- quantisse: {}\n",
         f": step 1: there is no step 'quantisse'\n  hint: did you mean 'quantise'? steps are {', '.join(STEPS)}"),
        ("- 3: {}\n", f": step 1: there is no step 3\n  hint: steps are {', '.join(STEPS)}"),
        ("- quantise: 4\n", f": step 1, 'quantise': is 4, where options belong\n  hint: {EXAMPLE}"),
        ("- quantise: {weight: 4}\n",
         ": step 1, 'quantise': has no option 'weight'\n"
         f"  hint: did you mean 'weights'? options are {OPTIONS}"),
        ("- quantise: {ends: true}\n", f": step 1, 'quantise': has no option 'ends'\n  hint: options are {OPTIONS}"),
        ("- quantise: {weights: four}\n",
         ": step 1, 'quantise': 'four' cannot be used for weights\n  hint: give a whole number"),
        ("- quantise: {weights: true}\n",
         ": step 1, 'quantise': True cannot be used for weights\n  hint: give a whole number"),
        ("- quantise: {per_channel: 1}\n",
         ": step 1, 'quantise': 1 cannot be used for per_channel\n  hint: give true or false"),
        ("- quantise: {transforms: [fuse, 1]}\n",
         ": step 1, 'quantise': ['fuse', 1] cannot be used for transforms\n  hint: give a list of names"),
        ("- quantise: {config: rules.yaml}\n",
         ": step 1, 'quantise': 'rules.yaml' cannot be used for config\n  hint: give names with options"),
        ("- quantise: {weights: 99}\n",
         ": step 1, 'quantise': 99 bits cannot be used for weights\n  hint: choose 1 to 16 bits"),
        ("- quantise: {rounding: round}\n",
         f": step 1, 'quantise': 'round' cannot be used for rounding\n  hint: choose {' or '.join(ROUNDINGS)}"),
        ("- quantise: {config: {conv1: {weights: 99}}}\n",
         ": step 1, 'quantise': 99 cannot be used for weights\n  hint: choose 1 to 16 bits, or float"),
        ("- shrink: {criterion: nrom}\n- quantise\n",
         f": step 1, 'shrink': 'nrom' cannot be used for criterion\n"
         f"  hint: {nearest_names('nrom', set(CHANNELS))}"),
        ("- shrink: {macs: 0}\n- quantise\n",
         ": step 1, 'shrink': 0.0 cannot be used for macs\n"
         "  hint: give a share of the network's, as 0.5, or a number of them"),
        ("- shrink: {macs: half}\n- quantise\n",
         ": step 1, 'shrink': 'half' cannot be used for macs\n  hint: give a number"),
        ("- shrink: {multiple: 0}\n- quantise\n",
         ": step 1, 'shrink': 0 cannot be used for multiple\n  hint: give a number of channels, as 4"),
        ("- shrink: {part: zybo-z7-20}\n- quantise\n",
         ": step 1, 'shrink': has a part of a budget, and no budget\n  hint: for example budget: {lut: 5000}"),
        ("- prune: {sparsity: 1}\n- quantise\n",
         ": step 1, 'prune': 1.0 cannot be used for sparsity\n"
         "  hint: give the share of the weights that go, from 0 to below 1"),
        ("- prune\n- quantise\n",
         ": step 1, 'prune': says not how many weights go\n"
         "  hint: give their share as sparsity, for example 0.8"),
        ("- prune: {block: 2:4}\n- quantise\n",
         ": step 1, 'prune': 124 cannot be used for block\n"
         '  hint: give a name, in quotes where YAML reads a number: "2:4"'),
        ("- prune: {block: '4:2'}\n- quantise\n",
         ": step 1, 'prune': is '4:2'\n"
         '  hint: give two numbers as "2:4", n of m neighbours, or rows and columns'),
        ("- prune: {block: whole, sparsity: 0.5}\n- quantise\n",
         ": step 1, 'prune': 'whole' cannot be used for block\n"
         '  hint: give "2:4", n of m neighbours, 4x8, rows and columns, or plan'),
        ("- prune: {block: 4x8, sparsity: 0.5, cycles: 100}\n- quantise\n",
         ": step 1, 'prune': 100 cannot be used for cycles\n  hint: only block: plan looks at a plan; leave it out"),
        ("- prune: {criterion: magnitud, sparsity: 0.5}\n- quantise\n",
         ": step 1, 'prune': 'magnitud' cannot be used for criterion\n"
         f"  hint: {nearest_names('magnitud', set(CRITERIA))}"),
        ("- prune: {sparsity: 0.5, scope: net}\n- quantise\n",
         ": step 1, 'prune': there is no scope 'net'\n  hint: choose layer or network"),
        ("- prune: {block: '2:4', scope: network}\n- quantise\n",
         ": step 1, 'prune': scope 'network' beside block '2:4'\n"
         "  hint: n of m neighbours are as many in every layer: leave scope out"),
        ("- prune: {criterion: obs, sparsity: 0.5, repair: false}\n- quantise\n",
         ": step 1, 'prune': False cannot be used for repair\n"
         "  hint: 'obs' looks at samples, and the others are solved for on them"),
        ("- prune: {order: energy, sparsity: 0.5, repair: false}\n- quantise\n",
         ": step 1, 'prune': 'energy' cannot be used for order\n"
         "  hint: without repair no layer sees what another has lost: leave one out"),
        ("- prune: {schedule: cubik, sparsity: 0.5}\n- quantise\n",
         ": step 1, 'prune': 'cubik' cannot be used for schedule\n"
         f"  hint: {nearest_names('cubik', set(SCHEDULES))}"),
        ("- quantise: {budget: {lutt: 5000}}\n",
         ": step 1, 'quantise': nothing is known of 'lutt'\n"
         f"  hint: did you mean 'lut'? choose {', '.join(sorted((*PRICED, *OF_WIDTHS, *ERRORS)))}"),
        ("- quantise: {budget: {lut: many}}\n",
         ": step 1, 'quantise': a budget of 'many' lut\n  hint: give a number"),
        ("- quantise: {cycles: 1000}\n",
         ": step 1, 'quantise': has a target of a budget, and no budget\n"
         "  hint: for example budget: {lut: 5000}; `bitwright compile` takes the target of a design"),
        ("- quantise: {allocator: dnas}\n",
         ": step 1, 'quantise': has an allocator of a budget, and no budget\n"
         "  hint: for example budget: {lut: 5000}"),
        ("- quantise: {widths: turing}\n",
         ": step 1, 'quantise': has widths of a budget, and no budget\n"
         "  hint: for example budget: {lut: 5000}"),
        ("- quantise: {budget: {lut: 5000}, widths: turning}\n",
         ": step 1, 'quantise': 'turning' is no list of widths\n"
         "  hint: for example 2-8, or 2,4,8, or turing or bricks"),
        ("- quantise: {budget: {lut: 5000}, widths: '8', weights: 4}\n",
         ": step 1, 'quantise': none of 8 is a width of weights of at most 4 bits\n"
         "  hint: allow others, or wider weights"),
        ("- quantise: {budget: {lut: 5000}, widths: '2-4,99'}\n",
         ": step 1, 'quantise': '2-4,99' is no list of widths\n"
         "  hint: for example 2-8, or 2,4,8, or turing or bricks"),
        ("- quantise: {budget: {lut: 5000}, widths: '2,99'}\n",
         ": step 1, 'quantise': 99 bits are a width of nothing\n  hint: choose from 1 to 16 bits"),
        ("- quantise: {budget: {lut: 5000}, allocator: dnass}\n",
         ": step 1, 'quantise': 'dnass' cannot be used for allocator\n"
         f"  hint: {nearest_names('dnass', set(ALLOCATORS))}"),
        ("- quantise: {budget: {lut: 5000, cycles: 100}, cycles: 100}\n",
         ": step 1, 'quantise': has cycles in its budget and beside it\n  hint: give one of them"),
        ("- quantise: {budget: {lut: 0}}\n",
         ": step 1, 'quantise': a budget of 0 lut\n  hint: give a positive number"),
        ("- quantise: {share: 1}\n",
         ": step 1, 'quantise': 1 cannot be used for share\n  hint: choose 2 different codes, or more"),
        ("- quantise\n- quantise\n",
         ": step 2: 'quantise' follows a network that is quantised\n"
         "  hint: put it before step 1, which gives integers"),
        ("- quantise: {weights: 4, weights: 5}\n",
         f", line 1: is no YAML that is taken: 'weights' is there twice\n  hint: write YAML, {EXAMPLE}"),
        ("- &a quantise\n- *a\n",
         ", line 2: is no YAML that is taken: an alias is not taken: write the value out\n"
         f"  hint: write YAML, {EXAMPLE}"),
        ("#" * (1 << 18) + "\n",
         ": has more than 262144 bytes\n  hint: one step for each thing that is done to the network"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_honoured_is_one_message(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BitwrightError) as error:
        read_recipe(path)
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize(
    "data", [b"\xff\xfe\x00", b"\x00", b"- ? [a]\n  : 1\n", b"[" * 1500, b"- 0x" + b"f" * 9000, b"- ~: ~\n", b"-\n"]
)
def test_bytes_of_any_kind_are_one_message(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(data)
    with pytest.raises(BitwrightError):
        read_recipe(path)


def test_sharing_leaves_few_codes_of_what_quantising_gives() -> None:
    with np.load(DATA) as held:
        material = Material([held["calibration"][:32]])
    net = float_net(FLOAT)
    made = Quantise(weights=4, activations=4, share=6).run(net, material, None).state
    plain = quantised(calibrate(net, material.calibration), weights=4, activations=4)
    for name, (coded,) in made.weights.items():
        np.testing.assert_array_equal(coded.codes, shared(plain.weights[name][0].codes, 6))
        assert np.unique(coded.codes).size <= 6 < np.unique(plain.weights[name][0].codes).size
    assert made.acts == plain.acts


def test_channels_of_unlike_widths_share_their_codes(tmp_path: Path) -> None:
    """What all share may be beyond the width of one: it was refused, after all was done."""
    with np.load(DATA) as held:
        material = Material([held["calibration"][:32]])
    steps = read_recipe(written(tmp_path, "- apportion: {weights: 3}\n- quantise: {share: 4}\n"))
    state = follow(steps, float_net(FLOAT), material, Kept(tmp_path / "kept")).result.state
    for (coded,) in state.weights.values():
        assert np.unique(coded.codes).size <= 4
    graphs = state.graph(), bw.load(state.onnx())
    np.testing.assert_array_equal(*(bw.run(graph, material.calibration[0], codes=True) for graph in graphs))


@pytest.mark.parametrize("block", [None, "2:4", "4x2", "plan"])
def test_a_step_of_zeros_is_the_function_of_that_name(block: str | None) -> None:
    with np.load(DATA) as held:
        material = Material([held["calibration"][:64]])
    net = float_net(FLOAT)
    made = Prune(sparsity=0.5, block=block, schedule="iterative", cycles=500 if block == "plan" else None)
    blocks: Any = {"4x2": (4, 2)}.get(str(block), block)
    if block == "plan":
        state = bw.quantize(net, material.calibration[0], weights=4, activations=4)
        blocks = bw.compile(state.graph(), cycles=500).plan.blocks()
    schedule = SCHEDULES["iterative"](0.5)
    wanted = pruned(net, material.calibration[0], criterion="obs", schedule=schedule, block=blocks)
    assert made.run(net, material, None) == wanted != net
    assert replace(made, criterion="", repair=False).run(net, material, None) == pruned(
        net, criterion="magnitude", schedule=schedule, block=blocks
    )


@needs_package("torch")
def test_a_criterion_that_looks_at_the_loss_has_labelled_samples() -> None:
    net = float_net(FLOAT)
    with np.load(DATA) as held:
        calibration, x, y = held["calibration"][:32], held["x"][:48], held["y"][:48]
    step = Prune(criterion="taylor", sparsity=0.5, scope="network")
    made = step.run(net, Material([calibration], [x], y), None)
    assert made == pruned(net, x, labels=y, criterion="taylor", sparsity=0.5, scope="network")
    with pytest.raises(BitwrightError) as error:
        step.run(net, Material([calibration], file="d.npz"), None)
    assert str(error.value) == (
        "d.npz: has no labels, without which 'prune' cannot tell right from wrong\n"
        "  hint: save train=x beside y_train=y, integers, one per sample"
    )
    picked, labels = Material([calibration], [x], y).some("prune", 7)
    assert len(picked[0]) == len(labels) == 7
    places = [int(np.flatnonzero((x == one).all(axis=(1, 2, 3)))[0]) for one in picked[0]]
    assert places == sorted(places) and labels.tolist() == y[places].tolist()


def test_a_block_that_fits_nowhere_is_said() -> None:
    """Rows of seven numbers have no neighbours by threes; such a weight stays whole, and here all do."""
    net = float_net(graph([node("MatMul", "x w", "y")], {"w": normal(7, 5)}, sample=[7]))
    with pytest.raises(BitwrightError) as error:
        Prune(block="1:3").run(net, Material([normal(32, 7)]), None)
    assert str(error.value) == (
        "model: prune: block '1:3' fits no layer\n"
        "  hint: prune without a block; or shrink with a multiple, so that blocks divide what is left"
    )


def test_zeros_stay_zero_to_the_end(tmp_path: Path) -> None:
    """Pruned by n of m alone, which needs no share; in the integers, and in what hardware skips."""
    with np.load(DATA) as held:
        material = Material([held["calibration"][:64]])
    steps = (Prune(block="1:4"), Quantise(weights=4, activations=4))
    made = follow(steps, float_net(FLOAT), material, Kept(tmp_path / "kept"))
    first, last = made.steps
    assert first.zeros >= 0.7 * first.weights and last.zeros >= first.zeros


def test_bits_within_a_budget_are_those_of_the_function_of_that_name(tmp_path: Path) -> None:
    with np.load(DATA) as held:
        material = Material([held["calibration"][:48]], validation=[held["x"][:64]])
    net = float_net(FLOAT)
    step = Quantise(weights=3, activations=3, rounding="nearest", budget={"lut": 4000, "cycles": 2000}, share=6)
    made = follow([step], net, material, Kept(tmp_path / "kept")).result
    asked: Any = {"weights": 3, "activations": 3, "rounding": "nearest"}
    found = bw.explore.table(
        net, material.calibration, bits=(2, 3), validation=material.validation, cycles=2000, **asked
    )
    best = bw.explore.allocate(found, {"lut": 4000})
    assert made.allocation is not None and made.allocation.result() == best.result()
    assert made.state.acts == best.state.acts
    assert all(np.unique(coded.codes).size <= 6 for (coded,) in made.state.weights.values())
    assert all(coded.type == best.state.weights[name][0].type for name, (coded,) in made.state.weights.items())


def test_a_step_of_fewer_channels_is_the_function_of_that_name() -> None:
    with np.load(DATA) as held:
        material = Material([held["calibration"][:32]])
    net = float_net(FLOAT)
    small = Shrink(criterion="median", macs=0.5, multiple=4).run(net, material, None)
    assert small == shrunk(net, material.trained_on, criterion="median", macs=0.5, multiple=4) != net


@dataclass(frozen=True, slots=True, kw_only=True)
class Halve:
    """A step for tests: half of every weight; `fails` is ended before it has anything."""

    weight: float = 0.5
    fails: bool = False
    ends: ClassVar[bool] = False
    runs: ClassVar[list[float]] = []

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        if self.fails:
            assert checkpoint is not None
            raise Stopped(15)
        self.runs.append(self.weight)
        scaled = {layer.weight: net.constants[layer.weight] * np.float32(self.weight) for layer in net.layers}
        return net.replace(**scaled)


@pytest.fixture
def halve(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Halve]]:
    """The step `halve`, which no recipe can have but here."""
    monkeypatch.setattr(steps, "STEPS", {**STEPS, "halve": Halve})
    for module in ("read", "follow"):
        monkeypatch.setattr(f"bitwright.recipe.{module}.STEPS", {**STEPS, "halve": Halve}, raising=False)
    Halve.runs.clear()
    yield Halve


def test_a_recipe_must_end_where_the_network_is_quantised(halve: type[Halve], tmp_path: Path) -> None:
    path = written(tmp_path, "- quantise\n- halve\n")
    with pytest.raises(BitwrightError) as error:
        read_recipe(path)
    assert error.value.what == "'halve' follows a network that is quantised"
    with pytest.raises(BitwrightError) as error:
        read_recipe(written(tmp_path, "- halve: {weight: 1e-1}\n"))
    assert str(error.value) == (
        f"{path}: step 1: ends with a float network\n  hint: end with a step that quantises, {EXAMPLE}"
    )


def test_what_was_done_is_not_done_again(halve: type[Halve], tmp_path: Path) -> None:
    """A recipe that was ended goes on where it was; one that differs from a step on, or other samples, do more."""
    net, kept = float_net(FLOAT), Kept(tmp_path / "kept")
    with np.load(DATA) as held:
        material = Material([held["calibration"][:32]])
    whole = (Halve(), Halve(weight=0.25), Quantise(weights=4, activations=4))
    with pytest.raises(Stopped):
        follow((*whole[:2], Halve(fails=True), whole[2]), net, material, kept)
    assert Halve.runs == [0.5, 0.25] and len(list(kept.folder.iterdir())) == 2
    made = follow(whole, net, material, kept)
    assert Halve.runs == [0.5, 0.25] and [done.kept for done in made.steps] == [True, True, False]
    fresh = follow(whole, net, material, Kept(tmp_path / "other"))
    assert fresh.result.state == made.result.state
    assert [replace(done, kept=False) for done in made.steps] == list(fresh.steps)
    Halve.runs.clear()
    follow((whole[0], Halve(weight=0.75), whole[2]), net, material, kept)
    assert Halve.runs == [0.75]
    follow(whole, net, Material([material.calibration[0][:31]]), kept)
    assert Halve.runs == [0.75, 0.5, 0.25]


@pytest.mark.parametrize("seed", range(6))
def test_a_kept_network_is_equal(seed: int, tmp_path: Path) -> None:
    net, kept = float_net(Draw(seed).model()), Kept(tmp_path / "kept")
    kept.put("it", net)
    back = kept.get("it", net)
    assert back is not None and back == net and (back.file, back.source) == (net.file, net.source)
    (path,) = kept.folder.iterdir()
    assert path.name.startswith("it-") and path.suffix == ".onnx"


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-30], lambda data: b"PK" + data[50:],
                                    lambda data: data[:-100] + b"\x00" * 4 + data[-96:]])  # fmt: skip
def test_a_damaged_file_is_no_network(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    net, kept = float_net(FLOAT), Kept(tmp_path / "kept")
    assert kept.get("it", net) is None
    kept.put("it", net)
    (file,) = kept.folder.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert kept.get("it", net) is None


def test_a_folder_that_cannot_be_made_is_one_message(tmp_path: Path) -> None:
    net, kept = float_net(FLOAT), Kept(written(tmp_path, ""))
    with pytest.raises(BitwrightError) as error:
        kept.put("it", net)
    assert str(error.value) == (
        f"{kept.folder}/it-{net.digest[:16]}.onnx: cannot be written: File exists\n"
        "  hint: choose a writable place with -o"
    )


def compress(folder: Path, *argv: str | Path) -> int:
    return main(["compress", FLOAT, "--data", DATA, "-o", str(folder / "q.onnx"), *map(str, argv)])


def test_the_command_takes_the_steps_and_says_what_they_did(
    halve: type[Halve], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = written(
        tmp_path,
        "- shrink: {macs: 0.8}\n- halve: {weight: 2}\n- quantise: {weights: 4, activations: 5, rounding: nearest}\n",
    )
    argv = ("--recipe", recipe, "--samples", "32", "--report", tmp_path / "about", "--json")
    assert compress(tmp_path, *argv) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["version", "model", "file", "recipe", "steps", "quantised"]
    small, first, last = found["steps"]
    assert small["step"] == "shrink" and small["weights"] < 3592
    assert first == {**small, "step": "halve", "accuracy": first["accuracy"]}
    assert (last["step"], last["weights"], last["kept"]) == ("quantise", small["weights"], False)
    assert last["zeros"] > 100 and last["accuracy"] == found["quantised"]["accuracy"]
    assert 0.3 < small["accuracy"] != first["accuracy"] > 0.3
    assert found["quantised"]["options"] == {"recipe": str(recipe)}
    assert found["quantised"]["layers"][0]["signal_to_noise"] > 15
    assert found["quantised"]["float_accuracy"] > 0.98
    assert json.loads((tmp_path / "about/quantize.json").read_text()) == found["quantised"]
    assert bw.load(tmp_path / "q.onnx")
    assert compress(tmp_path, "--recipe", recipe, "--samples", "32") == 0
    out = capsys.readouterr().out.splitlines()
    assert Halve.runs == [2.0]
    assert [line.split()[-1] for line in out if line.split()[:1] in (["halve"], ["quantise"])] == ["before", "now"]
    assert out[-2:] == [f"written to {tmp_path}/q.onnx", f"its steps are kept in {tmp_path}/q.onnx.steps"]


def test_a_step_that_is_ended_leaves_what_was_done_and_nothing_half(halve: type[Halve], tmp_path: Path) -> None:
    recipe = written(tmp_path, "- halve\n- halve: {fails: true}\n- quantise\n")
    assert compress(tmp_path, "--recipe", recipe) == 143
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.onnx.steps", "r.yaml"]
    (kept,) = (tmp_path / "q.onnx.steps").iterdir()
    assert kept.name.startswith("1-halve-") and kept.suffix == ".onnx"


def test_what_the_command_reads_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = written(tmp_path, "- quantise\n")
    assert main(["compress", FLOAT, "--data", DATA, "-o", str(recipe), "--recipe", str(recipe)]) == 2
    assert capsys.readouterr().err == (
        f"error: {recipe}: is read here, and would be replaced\n  hint: give the name of another file with -o\n"
    )
    assert recipe.read_text() == "- quantise\n" and list(tmp_path.iterdir()) == [recipe]
