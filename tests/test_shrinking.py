# SPDX-License-Identifier: Apache-2.0
"""Channels that go until a design is within a budget, as `compile` makes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.cli import main
from bitwright.compress import FloatNet, calibrate, float_net, quantised
from bitwright.compress.prune.work import macs
from bitwright.explore import Tried, shrink
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import Material, read_recipe
from bitwright.recipe.shrink import Shrink, within
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
WIDTHS: dict[str, Any] = {"weights": 4, "activations": 4}


@pytest.fixture(scope="module")
def net() -> FloatNet:
    """Two residual blocks' worth of layers, and a dense one."""
    nodes = [
        node("Conv", "x a b", "h", pads=[1, 1, 1, 1]), node("Relu", "h", "r"),
        node("Conv", "r c", "g", pads=[1, 1, 1, 1]), node("Relu", "g", "q"), node("Conv", "q d", "i"),
        node("Add", "i r", "s"), node("Relu", "s", "t"), node("GlobalAveragePool", "t", "p"), node("Flatten", "p", "f"),
        node("Gemm", "f w v", "y", transB=1),
    ]  # fmt: skip
    weights = {"a": normal(12, 1, 3, 3), "b": normal(12), "c": normal(16, 12, 3, 3), "d": normal(12, 16, 1, 1),
               "w": normal(5, 12), "v": normal(5)}  # fmt: skip
    return float_net(graph(nodes, weights, sample=[1, 6, 6]))


@pytest.fixture(scope="module")
def x() -> Array:
    return normal(32, 1, 6, 6, seed=1)


def test_channels_go_until_the_design_is_within_the_budget(net: FloatNet, x: Array) -> None:
    shown: list[Tried] = []
    found = shrink(net, x, budget={"lut": 6000, "cycles": 400}, progress=shown.append, **WIDTHS)
    design = bw.compile(
        quantised(calibrate(found.net, [x]), **WIDTHS, rounding="nearest", correct="none").graph(), cycles=400
    )
    assert design.price.total.lut <= found.takes["lut"] <= 6000
    assert design.kernels.interval == found.takes["cycles"] <= 400
    assert macs(found.net) == found.macs < macs(net)
    assert tuple(shown) == found.tried
    assert found.macs == max(each.macs for each in found.tried if each.within)
    assert any(not each.within for each in found.tried)


def test_nothing_goes_where_all_is_within_the_budget(net: FloatNet, x: Array) -> None:
    assert shrink(net, x, budget={"lut": 60000, "cycles": 400}, **WIDTHS).net == net


def test_a_part_is_a_budget(net: FloatNet, x: Array) -> None:
    found = shrink(net, x, budget={"cycles": 100}, part="xc7s6", **WIDTHS)
    assert found.takes["lut"] <= 3750 and found.takes["cycles"] <= 100
    assert found.macs < macs(net)


def test_a_recipe_shrinks_for_a_budget(net: FloatNet, x: Array) -> None:
    step = Shrink(budget={"lut": 6000, "cycles": 400}, multiple=2, weights=4, activations=4)
    found = step.run(net, Material([x]), None)
    assert found == shrink(net, x, budget={"lut": 6000, "cycles": 400}, multiples=[2], **WIDTHS).net
    with pytest.raises(BitwrightError) as error:
        Shrink(budget={"luts": 6000})
    assert str(error.value) == "budget: nothing is known of 'luts'\n  hint: the nearest are 'lut', 'cycles'"


def test_a_recipe_is_followed_for_a_budget(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("- shrink: {criterion: thinet}\n- quantise: {weights: 4, activations: 5}\n")
    steps = within(read_recipe(recipe), {"lut": 6000, "cycles": 400}, "xc7z020", "r.yaml")
    wanted = Shrink(criterion="thinet", budget={"lut": 6000, "cycles": 400}, part="xc7z020", weights=4, activations=5)
    assert steps == (wanted, *read_recipe(recipe)[1:])
    out, folder = tmp_path / "q.onnx", Path(__file__).parents[1] / "examples/digits"
    argv = ["compress", str(folder / "digits_float.onnx"), "--data", str(folder / "digits_data.npz"), "-o", str(out)]
    argv += ["--recipe", str(recipe), "--samples", "32", "--budget", "lut=4500", "--budget", "cycles=1000"]
    assert main(argv) == 0
    assert bw.compile(bw.load(out), cycles=1000).price.total.lut <= 4500 * 1.02


def test_a_budget_needs_a_step_that_it_is_for(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("- quantise\n")
    with pytest.raises(BitwrightError) as error:
        within(read_recipe(recipe), {"lut": 6000}, None, "r.yaml")
    assert str(error.value) == (
        "r.yaml: has no step 'shrink', which a budget is for\n"
        "  hint: add one in front, `- shrink: {}`, or give the budget to the step that quantises"
    )


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a word": ({"lut": "many"}, "budget: a budget of many lut\n  hint: give a positive number"),
    "unknown": ({"lutz": 5}, "budget: nothing is known of 'lutz'\n  hint: the nearest are 'lut'"),
    "negative": ({"lut": -1}, "budget: a budget of -1 lut\n  hint: give a positive number"),
    "clocks alone": (
        {"cycles": 100},
        "budget: limits nothing that fewer channels save\n  hint: name a part, or the most of a resource, as lut:"
        " every number of clocks is met by enough of them",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_budget_is_said(name: str, net: FloatNet, x: Array) -> None:
    budget, message = REFUSED[name]
    with pytest.raises(BitwrightError) as error:
        shrink(net, x, budget=budget)
    assert str(error.value) == message


def test_what_cannot_be_reached_is_said_with_the_least(net: FloatNet, x: Array) -> None:
    with pytest.raises(BitwrightError) as error:
        shrink(net, x, budget={"lut": 100, "cycles": 400}, **WIDTHS)
    assert str(error.value).startswith("budget: no choice of channels comes down to lut 100, the least is ")
    assert str(error.value).endswith("\n  hint: give more, or more clocks per frame (cycles)")
