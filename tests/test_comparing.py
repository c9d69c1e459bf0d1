# SPDX-License-Identifier: Apache-2.0
"""The page that has methods beside one another: of what was measured, of all that is registered, judged by a rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.methods.judge import Figure, Measured, better, case_of, figure, worse
from benchmarks.methods.store import Cell, Found, Store, packed, unpacked
from tests.needs import needs_package

CELL = Cell("criteria", "50 % of the weights", "obs", "digits_cnn", 0)


@needs_package("torch")
def test_the_page_is_that_of_what_was_measured() -> None:
    """After a change on purpose: python -m benchmarks.methods page."""
    from benchmarks.methods.page import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page(Store().found)


@needs_package("torch")
def test_every_method_is_a_row_of_each_case_behind_the_default() -> None:
    from benchmarks.methods.tables import TABLES, defaults
    from bitwright.methods import registries

    known = registries()
    wanted = {
        "criteria": {*known["criterion"], *known["channels"]},
        "factors": {*known["factor"]},
        "agents": {*known["strategy"]},
        "quantisers": {f"{side} {name}" for side in ("weights", "activations") for name in known[side]},
        "rounding": {f"{option} {name}" for option in ("range", "rounding", "correct") for name in known[option]},
    }
    usual = {"weights lsq", "activations lsq", "range mse", "rounding gptq", "correct bias"}
    for table, names in wanted.items():
        rows = [*TABLES[table].rows()]
        assert len(rows) == len({*rows})
        assert names - usual <= {method for _, method in rows}
        for case, default in defaults(table).items():
            assert next(method for name, method in rows if name == case) == default


@needs_package("torch")
def test_a_method_that_is_new_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.methods import factors
    from bitwright.compress.factor import FACTORISERS

    before = len([*factors.rows()])
    monkeypatch.setitem(FACTORISERS._found, "mine", FACTORISERS["svd"])
    assert len([*factors.rows()]) == before + len(factors.SHARES)


@needs_package("torch")
def test_a_cell_is_what_its_integers_answer_or_why_there_are_none() -> None:
    import bitwright as bw
    from benchmarks.methods.__main__ import found
    from benchmarks.methods.material import Material

    material = Material("digits_cnn", 1)
    made = found(Cell("rounding", "W4A4", "rounding nearest", "digits_cnn", 1), material)
    graph = bw.quantize(material.net, material.parts.calibration, weights=4, activations=4, rounding="nearest").graph()
    scores = bw.run(graph, material.parts.x).reshape(719, 10)
    assert np.array_equal(unpacked(made["right"]), scores.argmax(axis=1) == material.parts.y)
    assert made["lut"] == round(bw.compile(graph, cycles=2_048).price.total.lut) and made["cycles"] <= 2_048
    refused = found(Cell("criteria", "90 % of the work, by channels", "slimming", "digits_cnn", 1), material)
    assert refused.keys() == {"refused"} and "ormalisation" in refused["refused"]


def test_what_was_kept_is_there_again_whoever_ended_the_run(tmp_path: Path) -> None:
    file = tmp_path / "found.jsonl"
    store = Store(file)
    store.keep(CELL, {"lut": 1})
    store.keep(CELL._replace(seed=1), {"lut": 2})
    store.keep(CELL, {"lut": 3})
    assert Store(file).found == {CELL: {"lut": 3}, CELL._replace(seed=1): {"lut": 2}}
    file.write_text(file.read_text()[:-5])
    again = Store(file)
    assert again.found == {CELL: {"lut": 1}, CELL._replace(seed=1): {"lut": 2}}
    again.keep(CELL, {"lut": 4})
    assert Store(file).found[CELL] == {"lut": 4}


def test_right_answers_come_back() -> None:
    right = np.random.default_rng(0).random(719) < 0.9
    assert np.array_equal(unpacked(packed(right)), right)


def held(rights: np.ndarray, lut: int = 100) -> Measured:
    """A method with these answers of three seeds."""
    return Measured(tuple({"right": packed(right), "lut": lut, "cycles": 1} for right in rights))


def test_a_difference_has_the_larger_error_of_seeds_and_of_images() -> None:
    rng = np.random.default_rng(1)
    one, other = (rng.random((3, 400)) < chance for chance in (0.9, 0.8))
    apart = 100.0 * (one.astype(float) - other)
    errors = [each.std(ddof=1) / np.sqrt(len(each)) for each in (apart.mean(axis=0), apart.mean(axis=1))]
    found = held(one).beyond(held(other))
    assert found == pytest.approx((apart.mean(), max(errors)))
    alike = np.repeat(one[:1], 3, axis=0), np.repeat(other[:1], 3, axis=0)
    assert held(alike[0]).beyond(held(alike[1])).error > 0  # the seeds say nothing, the images do
    assert figure(np.array([1.0, 2.0, 3.0])) == pytest.approx((2, 1 / np.sqrt(3)))


@pytest.mark.parametrize(
    ("figures", "more", "less"), [((2.0, 0.9), True, False), ((2.0, 1.0), False, False), ((-2.0, 0.9), False, True)]
)
def test_two_standard_errors_count(figures: tuple[float, float], more: bool, less: bool) -> None:
    found = Figure(*figures)
    assert (found.more, found.less) == (more, less)


def test_a_default_is_beaten_on_both_networks_at_its_cost_or_not() -> None:
    rng = np.random.default_rng(2)
    plain, good = rng.random((3, 500)) < 0.7, rng.random((3, 500)) < 0.9
    usual = {"digits_cnn": held(plain), "mnist5k_ds": held(plain)}
    case = {
        "usual": usual,
        "good": {"digits_cnn": held(good), "mnist5k_ds": held(good, lut=102)},
        "dear": {"digits_cnn": held(good), "mnist5k_ds": held(good, lut=103)},
        "on one": {"digits_cnn": held(good), "mnist5k_ds": held(plain)},
        "half": {"digits_cnn": held(good)},
        "bad": {"digits_cnn": held(plain), "mnist5k_ds": held(~plain)},
    }
    beaten = {method: better(case, method, "usual", "right") for method in case}
    assert [method for method, by in beaten.items() if by] == ["good"]
    assert {method: [*worse(case, method, "usual", "right")] for method in ("good", "bad", "absent")} == {
        "good": [],
        "bad": ["mnist5k_ds"],
        "absent": [],
    }


def test_only_methods_of_all_seeds_are_compared() -> None:
    answers: Found = {"right": packed(np.ones(8, bool))}
    cells = [CELL._replace(seed=seed) for seed in range(3)]
    found = {cell: answers for cell in (*cells, *(cell._replace(method="taylor") for cell in cells[:2]))}
    assert case_of(found, CELL.table, CELL.case, 3).keys() == {"obs"}
    assert case_of(found, CELL.table, CELL.case, 2).keys() == {"taylor"}
