# SPDX-License-Identifier: Apache-2.0
"""What each value of each axis does to the answers, and the table of a space that comes of it."""

from __future__ import annotations

from dataclasses import replace
from json import dumps, loads
from pathlib import Path

import numpy as np
import pytest

from bitwright.compress import Options, calibrate
from bitwright.compress.allocate.error import judge
from bitwright.explore import sensed_file, sweeping
from bitwright.explore.additive import Additive
from bitwright.explore.filling import filled
from bitwright.explore.making import Maker
from bitwright.explore.score import Scoring, scoring
from bitwright.explore.sensing import Sensed, best_places, ledger_of, sense
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.sweep import sweep
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from bitwright.sim.engines import ENGINES
from bitwright.sim.whole import outputs

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
PLAIN = Options(rounding="nearest", correct="none", zero="never")


@pytest.fixture(scope="module")
def scored() -> Scoring:
    with np.load(DIGITS / "digits_data.npz") as file:
        return scoring(maker_of(()).calibration.net, [file["x"][:200]], file["y"][:200])


def maker_of(axes: tuple[Axis, ...]) -> Maker:
    with np.load(DIGITS / "digits_data.npz") as file:
        calibration = calibrate(DIGITS / "digits_float.onnx", [file["calibration"][:64]])
    return Maker(Space(axes), calibration, PLAIN, Target(cycles=2000))


@pytest.fixture(scope="module")
def maker() -> Maker:
    first, second, *_ = (layer.weight for layer in maker_of(()).calibration.net.layers)
    return maker_of(
        (
            Axis("first", "weights", (2, 3, 8), (first,)),
            Axis("second", "weights", (2, 8), (second,)),
            Axis("rounding", "rounding", ("nearest", "gptq")),
            Axis("activations", "activations", (3, 8)),
            Axis("cycles", "cycles", (4000, 2000)),
        )
    )


@pytest.fixture(scope="module")
def sensed(maker: Maker, scored: Scoring) -> Sensed:
    return sense(maker, scored, pairs=(2,))


def test_every_other_value_of_what_answers_depend_on_is_an_effect(maker: Maker, sensed: Sensed) -> None:
    assert maker.space.design(best_places(maker)).choices == (
        ("first", 8), ("second", 8), ("rounding", "nearest"), ("activations", 8), ("cycles", 2000),
    )  # fmt: skip
    assert [dict(each.values) for each in sensed.effects] == [
        {"first": 2}, {"first": 3}, {"second": 2}, {"rounding": "gptq"}, {"activations": 3},
    ]  # fmt: skip
    assert [dict(each.values) for each in sensed.pairs] == [{"first": 2, "second": 2}]
    assert (sensed.error, sensed.metric, sensed.samples) == ("kl", "accuracy", 200)


def test_an_effect_is_what_the_design_errs_and_scores(maker: Maker, scored: Scoring, sensed: Sensed) -> None:
    best = dict(maker.space.design(best_places(maker)).choices)
    judged = judge(maker.calibration.net, scored.arrays)
    for effect in (sensed.best, sensed.effects[0], sensed.effects[3], *sensed.pairs):
        graph = maker.glimpsed(Design(tuple({**best, **effect.values}.items()))).state.graph()
        found = outputs(graph, {graph.entry.inputs[0]: scored.arrays[0]}, ENGINES["reference"].build(graph, None))
        assert effect.error == judged(found)
        assert effect.score == np.mean(found[0].argmax(axis=1) == scored.wanted[0])
    assert sensed.float_score == pytest.approx(0.99, abs=0.02)


def test_the_table_of_a_space_has_prices_and_errors(maker: Maker, sensed: Sensed) -> None:
    prices = filled(maker)
    model = Additive(maker.space, ledger_of(maker, prices, sensed))
    assert model.error == "kl"
    places = np.array([best_places(maker), (0, 1, 0, 1, 0), (2, 1, 1, 1, 1), (0, 0, 0, 1, 1)])
    found = model.figures(places)
    assert sensed.best.error is not None and sensed.effects[0].error is not None
    errors = {next(iter(each.values.items())): each.error for each in sensed.effects}
    assert found["kl"][0] == sensed.best.error
    assert found["kl"][1] == pytest.approx(errors["first", 2])
    assert found["kl"][2] == pytest.approx(max(errors["rounding", "gptq"] or 0.0, sensed.best.error))
    assert found["kl"][3] == pytest.approx((errors["first", 2] or 0) + (errors["second", 2] or 0) - sensed.best.error)
    design = prices.figures(maker.made(maker.space.design(places[0].tolist())))
    for kind in ("lut", "weight_bits", "bops"):
        assert found[kind][0] == pytest.approx(design[kind], rel=0.01), kind


def test_what_cannot_be_made_errs_most_of_all(scored: Scoring) -> None:
    """Signs have no zeros: of a weight with zeros, one bit is refused."""
    weight = maker_of(()).calibration.net.layers[1].weight
    maker = maker_of((Axis("bits", "weights", (1, 2, 8), (weight,)), Axis("zeros", "sparsity", (0.5,), (weight,))))
    sensed = sense(maker, scored)
    assert [each.error is None for each in sensed.effects] == [True, False]
    ledger = ledger_of(replace(maker, space=Space(maker.space.axes)), filled(_without_signs(maker)), sensed)
    found = Additive(maker.space, ledger).figures(np.array([(0, 0), (1, 0), (2, 0)]))["kl"]
    assert found[0] == found[1] > found[2]


def _without_signs(maker: Maker) -> Maker:
    first, *others = maker.space.axes
    return replace(maker, space=Space((replace(first, values=(2, 8)), *others)))


def test_sensitivities_are_kept(sensed: Sensed) -> None:
    held = loads(dumps(sensed_file.to_dict(sensed)))
    assert sensed_file.of_dict(held) == sensed
    with pytest.raises(BitwrightError) as refused:
        sensed_file.of_dict(held | {"version": 0}, "F")
    assert (
        str(refused.value) == "F: is of version 0, this bitwright reads 1\n  hint: remove it: they are measured again"
    )


def test_a_sweep_by_the_default_keeps_them_and_is_gone_on_with_by_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = {name: file[name] for name in ("x", "y", "calibration")}
    asked = {"per_layer": True, "weights": (2, 8), "activations": (2, 8), "score_on": "test", "strategy": "evolve"}
    first = sweeping.sweep(DIGITS / "digits_float.onnx", data, tmp_path / "s", **asked, evaluations=24)
    assert len(first.records) == 24
    begun = sweeping.continued(tmp_path / "s")
    assert begun.problem.ledger is not None and begun.problem.ledger.kinds[-1] == "kl"
    monkeypatch.setattr(sweeping, "sense", None)
    assert sweep(begun, tmp_path / "s", resume=True).outcomes == first.outcomes


def test_the_table_of_a_space_has_what_zeros_save(scored: Scoring) -> None:
    """As the table of prices has it, to the LUT; of products, but for those that few bits make zero."""
    first, second, *_ = (layer.weight for layer in maker_of(()).calibration.net.layers)
    axes = (
        Axis("zeros", "sparsity", (0.75, 0.5, 0), (second,)),
        Axis("all zeros", "sparsity", (0.5, 0), (first,)),
        Axis("bits", "weights", (4, 8), (second,)),
    )
    maker = maker_of(axes)
    prices = filled(maker)
    model = Additive(maker.space, ledger_of(maker, prices, sense(maker, scored)))
    for design in maker.space.designs():
        said = model.figures(np.array([maker.space.places(design)]))
        found = prices.figures(maker.made(design))
        for kind in ("lut", "ff", "dsp"):
            assert round(said[kind][0]) == found[kind], (design, kind)
        assert said["bops"][0] == pytest.approx(found["bops"], rel=0.1), design
