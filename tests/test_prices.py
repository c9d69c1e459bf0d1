# SPDX-License-Identifier: Apache-2.0
"""The table of prices: near what compile says, exact in what needs no hardware, read back as it was; and budgets."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 (of this test's own)
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest

from benchmarks.exploring_price import CYCLES, TARGETS, maker_of
from benchmarks.quantise import networks
from bitwright.compress import Calibration, Options, calibrate
from bitwright.explore.filling import filled
from bitwright.explore.making import Made, Maker
from bitwright.explore.metrics import METRICS
from bitwright.explore.objectives import ACCURACY, OBJECTIVES, budget_of, check_limit
from bitwright.explore.possible import check_possible, least_of
from bitwright.explore.price_file import of_dict, to_dict
from bitwright.explore.prices import Prices, aim_of
from bitwright.explore.pricing import Tally
from bitwright.explore.space import Axis, Space, Value
from bitwright.explore.work import Work, energy, products_of, worked, works_of
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv
from bitwright.ir.stages import heard
from bitwright.planning.target import Target

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


@cache
def calibration() -> Calibration:
    with np.load(DIGITS / "digits_data.npz") as file:
        return calibrate(DIGITS / "digits_float.onnx", [file["calibration"][:32]])


def maker(bits: Sequence[int], *more: Axis, cycles: int = 500, activations: Sequence[int] = ()) -> Maker:
    """Widths of each weight and tensor by themselves."""
    net = calibration().net
    weights = [Axis(f"w {each.weight}", "weights", tuple(bits), (each.weight,)) for each in net.layers]
    tensors = [
        Axis(f"a {site.tensor}", "activations", tuple(activations or bits), (site.tensor,)) for site in net.sites
    ]
    options = Options(rounding="nearest", correct="none")
    return Maker(Space((*weights, *tensors, *more)), calibration(), options, Target(cycles=cycles))


@cache
def priced() -> tuple[Maker, Prices]:
    made = maker((2, 4, 6))
    return made, filled(made)


def test_figures_are_near_those_of_compile() -> None:
    made, prices = priced()
    rng = np.random.default_rng(0)
    off: dict[str, list[float]] = {}
    for _ in range(5):
        design = made.made(made.space.design([int(rng.integers(3)) for _ in made.space.axes]))
        said, found = prices.figures(design), prices.compiled(design)
        assert said.keys() == found.keys() == OBJECTIVES.keys() - {ACCURACY.name}
        for kind, amount in found.items():
            off.setdefault(kind, []).append(abs(said[kind] - amount) / max(amount, 1))
        assert said["cycles"] <= 500
    median = {kind: float(np.median(shares)) for kind, shares in off.items() if kind != "cycles"}
    assert max(median.values()) < 0.05, median
    exact = ("weight_bits", "bops", "ebops", "energy")
    assert [median[kind] for kind in exact] == [0] * len(exact)


@cache
def varied() -> tuple[Maker, Prices]:
    """Zeros, kinds of scales and two targets beside widths."""
    weights = [each.weight for each in calibration().net.layers]
    zeros = [Axis(f"z {name}", "sparsity", (0.75, 0), (name,)) for name in weights]
    kinds = (Axis("per channel", "per_channel", (True, False)), Axis("scale", "scale", ("free", "po2")))
    made = maker((3, 4), *zeros, *kinds, Axis("cycles", "cycles", (300, 2000)))
    return made, filled(made)


def test_filling_says_how_far_it_is() -> None:
    said: list[str] = []
    with heard(said.append):
        filled(maker((3,), activations=(3, 4)))
    assert said == [f"compiling design {place} of 2 for the table of prices" for place in (1, 2)]


def test_signs_beside_zeros_are_priced_without_them() -> None:
    name = calibration().net.layers[0].weight
    made = maker((1, 3), Axis("z", "sparsity", (0.75, 0.5), (name,)), activations=(3,))
    prices = filled(made)
    places = [int(axis.option != "activations" and axis.names == (name,)) for axis in made.space.axes]
    design = made.made(made.space.design(places))
    assert prices.figures(design)["lut"] == pytest.approx(prices.compiled(design)["lut"], rel=0.05)


def one(made: Maker, **said: Value) -> Made:
    """A design of the first value of each axis, but for options that are named."""
    pairs = ((axis, said.get(axis.option, axis.values[0])) for axis in made.space.axes)
    return made.made(made.space.design([axis.values.index(value) for axis, value in pairs]))


def test_a_table_is_read_back_as_it_was() -> None:
    _, prices = varied()
    assert len(prices.tables) == 2 and all(table.changes for table in prices.tables.values())
    assert of_dict(json.loads(json.dumps(to_dict(prices)))) == prices
    assert pickle.loads(pickle.dumps(prices)) == prices
    with pytest.raises(BitwrightError) as refusal:
        of_dict({"version": 0})
    damaged = to_dict(prices)
    damaged["tables"][0].pop("paces")
    with pytest.raises(BitwrightError, match="is no table of prices"):
        of_dict(damaged)
    message = "table.json: is of version 0, this bitwright reads 1\n  hint: remove it: the table is made again"
    assert str(refusal.value) == message


def test_each_target_has_its_table() -> None:
    made, prices = varied()
    fast, slow = (prices.figures(one(made, cycles=cycles, sparsity=0)) for cycles in (300, 2000))
    assert fast["lut"] > 1.2 * slow["lut"]
    assert fast["cycles"] <= 300 < slow["cycles"] <= 2000


@pytest.mark.parametrize(
    "said", [{}, {"sparsity": 0}, {"scale": "po2", "sparsity": 0}, {"per_channel": False, "sparsity": 0}], ids=str
)
def test_what_is_no_width_is_priced_too(said: dict[str, Value]) -> None:
    made, prices = varied()
    for cycles in (300, 2000):
        design = one(made, cycles=cycles, **said)
        found, compiled = prices.figures(design), prices.compiled(design)
        assert found["lut"] == pytest.approx(compiled["lut"], rel=0.03)
        assert found["cost"] == pytest.approx(compiled["cost"], rel=0.03)


def test_mixtures_of_all_that_is_priced_are_near_those_of_compile() -> None:
    made, prices = varied()
    rng, off = np.random.default_rng(1), []
    for _ in range(6):
        design = made.made(made.space.design([int(rng.integers(2)) for _ in made.space.axes]))
        said, found = prices.figures(design), prices.compiled(design)
        off.append(abs(said["lut"] / found["lut"] - 1))
    assert np.median(off) < 0.05, off


@cache
def shared(name: str) -> Calibration:
    """A network of the benchmarks, on some of its images."""
    network = next(each for each in networks(None, None) if each.name == name)
    return calibrate(network.files[0], [network.data(0)[0][:32]])


@pytest.mark.parametrize("cycles", TARGETS)
def test_wider_is_dearer_at_every_target(cycles: int) -> None:
    """Five bits cost more than four and less than six, whichever lanes and styles each of them gets."""
    made = maker_of(shared("digits_cnn"), cycles, (4, 5, 6))
    prices = filled(made)
    for figures in (prices.figures, prices.compiled):
        found = [figures(made.made(design)) for design in made.space.uniforms()]
        four, five, six = found[0], found[4], found[8]
        assert four["cost"] < five["cost"] < six["cost"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["digits_cnn", "digits_res", "mnist5k_ds"])
def test_mixed_designs_of_networks_of_the_benchmarks(name: str) -> None:
    made = maker_of(shared(name), CYCLES[name])
    prices = filled(made)
    rng, off = np.random.default_rng(0), []
    for _ in range(12):
        design = made.made(made.space.design([int(rng.integers(len(axis.values))) for axis in made.space.axes]))
        said, found = prices.figures(design), prices.compiled(design)
        off.append([abs(said[kind] / found[kind] - 1) for kind in ("lut", "ff", "cost", "cycles")])
    assert np.median(off, axis=0).max() < 0.05


def test_work_is_counted_weight_by_weight() -> None:
    made = maker((4,))
    state = made.made(next(made.space.designs())).state
    works = filled(made).works
    bops = ebops = energy = 0.0
    for layer, work in zip(state.net.layers, works, strict=True):
        assert work.weight == layer.weight
        (coded,) = state.weights[layer.weight]
        for code in map(int, np.abs(coded.codes).ravel()):
            if code:
                bops += work.uses * 4 * 4
                ebops += work.uses * len(bin(code)[2:].strip("0")) * 4
                sums = 4 + 4 + int(np.ceil(np.log2(work.terms)))
                energy += work.uses * (0.2 * 4 * 4 / 64 + 0.03 * sums / 8 + 10 * 4 / 64) / 1000
    found = worked(works, state)
    assert found["weight_bits"] == 4 * sum(state.net.constants[layer.weight].size for layer in state.net.layers)
    assert [found[kind] for kind in ("bops", "ebops", "energy")] == pytest.approx([bops, ebops, energy])
    assert isinstance(works[0], Work) and works[0].uses == 64, "a convolution whose result has 8 x 8 places"


@pytest.mark.rows("R160")
def test_what_is_read_and_multiplied_is_what_a_loop_nest_counts() -> None:
    """Every place of a convolution's result, every output, tap and channel: a weight that is not zero is read there."""
    state = maker((3,)).made(next(maker((3,)).space.designs())).state
    graph = state.graph()
    (conv, *_) = (layer for layer in graph.layers if isinstance(layer, Conv))
    (work, *_) = works_of(graph, state)
    reads = 0
    for _row, _column, out in np.ndindex(*conv.shape):
        for tap in np.ndindex(*conv.weights.array.shape[1:]):
            reads += int(conv.weights.array[out, *tap]) != 0
    (products,) = products_of(work, state)
    assert (products.count, products.bits, work.terms) == (reads, 3, 9)
    terms = (0.2 / 64 * 3 * products.wide, 0.03 / 8 * products.sums, 10 / 64 * 3)
    assert energy(products) == pytest.approx(reads * sum(terms) / 1000)


def test_each_base_of_a_weight_is_multiplied_by_once() -> None:
    made = maker((4,))
    one = made.rounded(next(made.space.designs())).state
    name = one.net.layers[0].weight
    (coded,) = one.weights[name]
    half = replace(coded, codes=coded.codes // 2)
    two = replace(one, weights={**one.weights, name: (coded, half)})
    found, more = (worked(works_of(state.graph(), state), state)["bops"] for state in (one, two))
    assert more - found == 64 * 4 * 4 * np.count_nonzero(half.codes)


def test_a_budget_is_of_any_objective() -> None:
    budget = budget_of(["lut=9000", "accuracy = 0.9", "latency_us=1e2"])
    assert budget == {"lut": 9000, "accuracy": 0.9, "latency_us": 100}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["lut"], "budget: 'lut' limits nothing\n  hint: for example lut=9000"),
        (["=3"], "budget: '=3' limits nothing\n  hint: for example lut=9000"),
        (["lut=many"], "budget: 'lut=many' limits nothing\n  hint: for example lut=9000"),
        (["lut=1", "lut=2"], "budget: lut is limited twice\n  hint: give it once"),
    ],
)
def test_what_is_no_budget_is_named(given: list[str], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        budget_of(given)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("limit", "said"), [(-1.0, "-1"), (nan, "nan"), (inf, "inf")])
def test_no_limit_is_below_nothing(limit: float, said: str) -> None:
    check_limit("dsp", 0)
    check_limit("snr", -3.0)
    with pytest.raises(BitwrightError) as refusal:
        check_limit("lut", limit)
    assert str(refusal.value) == f"budget: a budget of {said} lut\n  hint: give a number, 0 or more"


def test_budgets_that_nothing_keeps_are_refused_with_the_least() -> None:
    made, prices = priced()
    least = least_of(made, prices)
    assert set(least) == OBJECTIVES.keys() - {ACCURACY.name, "ebops", "energy"}
    compiled = [prices.compiled(made.made(design)) for design in list(made.space.uniforms())[::4]]
    for name, amount in least.items():
        assert amount <= 1.05 * min(found[name] for found in compiled), name
        check_possible({name: 1.01 * amount}, METRICS["accuracy"], made, prices)
    check_possible({"accuracy": 1.0}, METRICS["accuracy"], made, prices)


@pytest.mark.parametrize(
    ("name", "limit", "message"),
    [
        (
            "lut",
            100.0,
            r"budget: no design of the space comes down to lut 100, the least is about \d,\d{3}\n"
            r"  hint: give at least that; fewer bits or more clocks per frame \(--cycles\) take less hardware",
        ),
        (
            "weight_bits",
            100.0,
            r"budget: no design of the space comes down to weight_bits 100, the least is about 7,184\n"
            r"  hint: give at least that",
        ),
        (
            "cycles",
            10.0,
            r"budget: no design of the space comes down to cycles 10, the least is about 2\d\d\n"
            r"  hint: give at least that",
        ),
        (
            "accuracy",
            1.5,
            r"budget: no design reaches accuracy 1\.5\n  hint: the most that there can be is 1",
        ),
    ],
)
def test_impossible_budgets(name: str, limit: float, message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        check_possible({name: limit}, METRICS["accuracy"], *priced())
    assert re.fullmatch(message, str(refusal.value)), str(refusal.value)


def test_other_options_may_save_what_widths_cannot() -> None:
    made, prices = varied()
    least = least_of(made, prices)
    sparse = [prices.figures(one(made, cycles=2000, scale=scale)) for scale in ("free", "po2")]
    assert least["lut"] <= min(found["lut"] for found in sparse)


def test_zeros_change_clocks() -> None:
    """A unit that skips needs fewer lanes for as many clocks: others than the dense design takes."""
    made, prices = varied()
    design = one(made, cycles=2000)
    dense = one(made, cycles=2000, sparsity=0)
    found = [prices.figures(each)["cycles"] for each in (design, dense)]
    assert found == [prices.compiled(each)["cycles"] for each in (design, dense)]
    assert found[0] != found[1]


def test_a_part_alone_asks_for_what_fits() -> None:
    made, prices = priced()
    (table,) = prices.tables.values()
    design = made.made(next(made.space.designs()))
    for target in (Target(part="xc7s6"), Target(part="xc7s6", cycles=500)):
        other = replace(prices, tables={aim_of(target): table})
        heavy = replace(design, widths={name: 6 for name in design.widths}, target=target)
        share = other.figures(heavy)["share"]
        assert share == 100 if target.clocks is None else share > 100


def test_a_way_that_nothing_is_on_at_some_widths_costs_nothing_there() -> None:
    """Its term had no entry for them, and the table that adds others of the same names ended in a KeyError."""
    tally = Tally(("lut",))
    tally.add({"a": 2}, [])
    tally.add({"a": 3}, [(("a",), np.array([6.0]))])
    (term,) = tally.terms()
    assert term.amounts == {(2,): {"lut": 0.0}, (3,): {"lut": 6.0}}
