# SPDX-License-Identifier: Apache-2.0
"""The page of a sweep: what it says, and that a browser shows it without complaint, wide and narrow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from markupsafe import escape

from bitwright.explore import page as pages
from bitwright.explore.against_uniform import ahead, pairs
from bitwright.explore.drawing import drawing
from bitwright.explore.explored import Curves, Explored
from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.explore.page import fragment, page
from bitwright.explore.plots import drawn
from bitwright.explore.record import Score
from bitwright.explore.tables import COLUMNS, front_table, grids, side_by_side, thinned
from bitwright.explore.words import command, designs, figure, interval, label
from tests.explored import HOSTILE, LAYERS, explored
from tests.needs import needs_browser, needs_package, program

LOADED = "html[data-drawn]"
WAITING = 120_000
"""Milliseconds: a browser on a busy machine."""


@pytest.fixture(scope="module")
def found() -> Explored:
    return explored()


def test_a_figure_is_said_as_its_kind_is() -> None:
    assert figure(OBJECTIVES["accuracy"], 0.97254) == "97.25 %"
    assert figure(OBJECTIVES["lut"], 12345.0) == "12,345"
    assert figure(OBJECTIVES["cost"], 12.3456) == "12.35 %"
    assert figure(Objective("snr", "the signal over the noise", "dB", True), 12.0) == "12 dB"
    assert (designs(1), designs(1200)) == ("1 design", "1,200 designs")
    score = Score(value=0.9, low=0.85, high=0.94, samples=100, total=200)
    assert interval(OBJECTIVES["accuracy"], score) == "85.0 to 94.0, 100 samples"
    assert interval(OBJECTIVES["accuracy"], replace(score, total=100)) == "85.0 to 94.0"


def test_a_design_is_said_in_a_few_words_and_its_command_can_be_run(found: Explored) -> None:
    design = found.space.design([0, 1, 0, 0, 0, 0, 3, 3, 3, 3, 3, 3, 1])
    assert label(found.space, design) == "weights 2-3, activations 5, sparsity 0.5"
    assert not found.is_uniform(design)
    assert found.is_uniform(found.space.design([1] * 6 + [3] * 6 + [1]))
    assert command("my sweep", design.key) == f"bitwright explore 'my sweep' --pick {design.key} -o OUT"


def test_the_float_network_is_the_first_row_of_the_tables(found: Explored) -> None:
    for table, score in ((front_table(found, found.measures[1:]), "97.60 %"), (pages._curves(found), "97.66 %")):
        assert [cell.text for cell in table.rows[0].cells[:2]] == ["float", score]
        assert all(len(row.cells) == len(table.heads) for row in table.rows)
    assert [head.text for head in side_by_side(found).heads] == ["", "float", "picked 1"]


def test_the_front_says_whose_price_it_has_and_what_is_proved(found: Explored) -> None:
    table = front_table(found, found.measures[1:])
    titles = [head.text for head in table.heads]
    rows = [dict(zip(titles, [cell.text for cell in row.cells], strict=True)) for row in table.rows[1:]]
    assert [row["design"] for row in rows] == [each.design.key for each in found.front]
    assert [row["price"] for row in rows] == ["compile" if each.compiled else "table" for each in found.front]
    assert [row["proved"] for row in rows] == [
        "yes" if each.design.key in found.proved else "-" for each in found.front
    ]
    assert [row["kind"] for row in rows if row["what"] == "weights 2, activations 7, sparsity 0.0"] == ["uniform"]
    assert "proved" not in [head.text for head in front_table(replace(found, proofs=()), ()).heads]


def test_a_budget_leaves_what_is_over_it_off_the_front(found: Explored) -> None:
    within = replace(found, budget={"lut": 5000.0, "accuracy": 0.9})
    assert within.front
    assert all(each.figures["lut"] <= 5000 and each.figures["accuracy"] >= 0.9 for each in within.front)
    assert "Within the budget: LUT at most 5,000, accuracy at least 90.00 %." in page(within)


def test_every_layer_has_its_bits_zeros_and_prices(found: Explored) -> None:
    made = {grid.name: grid for grid in grids(found)}
    assert list(made) == ["weights", "activations", "LUT", "cycles"]
    shown = thinned(found.front, COLUMNS)
    for at, name in enumerate(LAYERS):
        cell, shades = made["weights"].rows[at]
        assert cell.whole == name
        assert [shade.text for shade in shades] == [str(each.design[f"weights:{name}"]) for each in shown]
    assert {shade.level for _, shades in made["weights"].rows for shade in shades} <= {n / 100 for n in range(101)}
    few = thinned(found.front, 5)
    assert (few[0], few[-1], len(few)) == (found.front[0], found.front[-1], 5)


def test_designs_stand_side_by_side_with_both_scores_and_both_prices(found: Explored) -> None:
    pick = replace(found.picked[0], figures={"lut": 4242.0})
    rows = {
        row.cells[0].text: [cell.text for cell in row.cells[1:]]
        for row in side_by_side(replace(found, picked=(pick,))).rows
    }
    assert rows["accuracy, validation"] == ["97.60 %", "93.90 %"]
    assert rows["accuracy, test"] == ["-", "95.10 %"]
    assert rows["between, test"] == ["-", "92.4 to 95.4"]
    assert rows["LUT"] == ["-", "4,242 (table: 4,533)"]
    unpicked = side_by_side(replace(found, picked=()))
    assert [head.text for head in unpicked.heads] == ["", "float", "cheapest", "knee", "best accuracy"]


def test_the_cheapest_design_that_is_as_good_stands_beside_each_uniform_one(found: Explored) -> None:
    whole = [each for each in found.records if each.score.complete]
    for uniform, best in pairs(found):
        assert found.is_uniform(uniform.design)
        assert best.score.value >= uniform.score.value
        assert best.figures["lut"] == min(
            each.figures["lut"] for each in whole if each.score.value >= uniform.score.value
        )
    table = ahead(found)
    titles = [head.text for head in table.heads]
    assert titles == "uniform,what,accuracy,between,LUT,as good,accuracy,LUT,of it".split(",")
    assert [cell.text for cell in table.rows[0].cells] == ["float", "-", "97.60 %", "96.5 to 98.4", *"-----"]
    ratios = [best.figures["lut"] / uniform.figures["lut"] for uniform, best in pairs(found)]
    assert [row.cells[-1].text for row in table.rows[1:]] == [f"{100 * each:.0f} %" for each in ratios]
    assert min(ratios) < 1 == max(ratios)
    assert [row.cells[5].text == "itself" for row in table.rows[1:]] == [each == 1 for each in ratios]


def test_the_certificate_says_what_the_solver_closed_and_what_was_measured(found: Explored) -> None:
    table = pages._proofs(found)
    first, second = table.rows[1:3]
    record, budget = found.front[0], found.front[0].figures["lut"] + 10
    assert [cell.text for cell in first.cells] == [
        record.design.key,
        f"LUT {budget:,.0f}",
        f"{record.figures['lut']:,.0f}",
        "0.1",
        "63.50 %",
        "proved",
        "yes",
    ]
    assert second.cells[5].text == "gap 0.01"
    assert [cell.text for cell in table.rows[0].cells] == ["float", "-", "-", "-", "97.60 %", "-", "-"]
    assert found.proved == {each.key for each in found.proofs} - {second.cells[0].text}


@needs_package("plotly")
def test_nothing_from_a_model_is_markup(found: Explored) -> None:
    for text in (page(found), fragment(found)):
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text
    text = page(found)
    scripts = re.findall("<script[^>]*>", text.replace(pages.plotly(), ""))
    assert scripts == ['<script type="application/json" id="data">', "<script>", "<script>"]
    assert f">{escape(HOSTILE)}</td>" in text


def test_the_data_is_json_and_has_every_design_of_the_front(found: Explored) -> None:
    data = json.loads(json.dumps(drawn(found), allow_nan=False))
    assert sum(each["front"] for each in data["designs"]) == len(found.front)
    assert len(data["designs"]) == len(found.records)
    assert data["history"][-1][0] == len(found.records)


def test_a_picture_has_a_mark_for_every_design_and_no_markup_of_a_model(found: Explored) -> None:
    svg = ElementTree.fromstring(drawing(found))
    titles = [each.text or "" for each in svg.iter("{http://www.w3.org/2000/svg}title")]
    keys = {each.design.key for each in found.records if each.score.complete}
    assert keys <= {title.split(",")[0] for title in titles}
    assert HOSTILE not in drawing(found)
    assert drawing(replace(found, outcomes=())).count("no design has been seen on all samples") == 1


def test_a_sweep_without_a_design_and_one_without_plotly_have_pages(
    found: Explored, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = replace(found, outcomes=found.failures, picked=(), layers={}, sensitivity=Curves(), reference=None)
    assert "What could not be made" in page(bare)
    monkeypatch.setattr(pages, "plotly", lambda: "")
    text = page(found)
    assert "<script" not in text
    assert "pip install 'bitwright[explore]'" in text


class Opened:
    """A page in a browser, and whatever the browser says of it or asks the network for."""

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.said: list[str] = []
        self.page = browser.new_context(**context).new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))
        self.page.set_default_timeout(WAITING)
        self.page.goto(file.as_uri())

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.said.append(url)

    def wait(self) -> None:
        """Until all is drawn."""
        self.page.wait_for_selector(LOADED, state="attached")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(program("chromium").path), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(found: Explored, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("it's a page") / "report.html"
    made.write_text(page(found), encoding="utf-8")
    return made


@needs_browser
def test_a_browser_draws_it_and_a_click_says_the_command(browser: Any, file: Path, found: Explored) -> None:
    opened = Opened(browser, file, viewport={"width": 1280, "height": 900})
    opened.wait()
    shown = opened.page
    assert shown.locator("#front .main-svg").count() > 0
    assert shown.locator("#history .main-svg").count() > 0
    assert shown.locator("#curves .main-svg").count() > 0
    assert shown.locator("#still").is_hidden()
    third = found.front[2]
    shown.locator(f"tr[data-key='{third.design.key}']").first.click()
    assert shown.inner_text("#chosen code") == command(str(file.parent), third.design.key)
    shown.keyboard.press("Escape")
    assert shown.locator("#chosen").is_hidden()
    shown.get_by_role("button", name="weight bits").click()
    shown.get_by_role("button", name="close-up").click()
    last = shown.locator("#front .scatterlayer .trace").nth(2).locator(".point").last
    box = last.bounding_box()
    shown.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    key = shown.inner_text("#chosen h3")
    assert key in {each.design.key for each in found.records}
    assert shown.inner_text("#chosen code") == command(str(file.parent), key)
    assert shown.url.endswith(f"#{key}")
    assert opened.said == []


@needs_browser
def test_a_narrow_screen_shows_all_without_scrolling_sideways(browser: Any, file: Path, found: Explored) -> None:
    opened = Opened(browser, file, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True)
    opened.wait()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    opened.page.locator("tr[data-key]").first.tap()
    assert opened.page.inner_text("#chosen code") == command(str(file.parent), found.front[0].design.key)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == 390
    assert opened.said == []


@needs_browser
def test_without_a_script_the_picture_and_all_tables_are_there(browser: Any, file: Path, found: Explored) -> None:
    opened = Opened(browser, file, java_script_enabled=False)
    assert opened.page.locator("#still svg").is_visible()
    assert opened.page.locator("table").first.locator("tr[data-key]").count() == len(found.front)
    assert opened.page.locator(".grid:visible").count() == 1
    opened.page.locator("label[for=grid3]").click()
    assert opened.page.locator(".grid3").is_visible()
    assert opened.page.locator(".grid1").is_hidden()
    assert opened.said == []
