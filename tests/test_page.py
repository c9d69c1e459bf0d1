# SPDX-License-Identifier: Apache-2.0
"""The page of a design: every layer, honest shares of the part, nothing unescaped, no complaint from a browser."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

import bitwright
from bitwright.report.page import page
from bitwright.report.record import Report
from tests.frontend.nets import Net
from tests.needs import needs, program

BROWSER = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
BROWSER += ["--disable-background-networking", "--disable-component-update", "--enable-logging=stderr", "--dump-dom"]
HOSTILE = "<script>alert(1)</script>&'\""


def report(part: str = "xc7z020clg400-1") -> Report:
    net = Net(4)
    net.quant(net.add("MatMul", net.quant(net.x, 0.5), net.weights(np.array([[1, -2], [3, 1], [0, 1], [-1, 2]]))), 0.25)
    return bitwright.compile(bitwright.load(net.proto()), part=part).record


def synthesised(made: Report) -> dict[str, Any]:
    counts = {"lut": 532, "ff": 11, "dsp": 1, "bram": 0}
    layers = [{"name": layer.name, "estimate": {}, "yosys": counts} for layer in made.layers]
    return {"tool": "yosys 0.70", "layers": layers, "total": {"yosys": counts}, "fmax": {"mhz": 171.5}}


class Reader(HTMLParser):
    """The text of every cell, and the tags that are open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th", "span"):
            self.cells[-1] += data


def test_every_layer_and_host_step_is_there() -> None:
    made = report()
    read = Reader(page(made))
    assert read.open == []
    for name in [layer.name for layer in made.layers] + [step.reason for step in made.host]:
        assert name in read.cells
    assert "of dense" not in read.cells  # nothing is skipped


def test_what_is_left_of_the_dense_clocks_stands_beside_the_zeros() -> None:
    made = report()
    first, *others = made.layers
    first = replace(first, sparsity=0.7, zeros="skip-rows", dense_share=0.31)
    made = replace(made, layers=(first, *others))
    cells = Reader(page(made)).cells
    assert "of dense" in cells
    assert cells.index("31 %") == cells.index("70 %") + 1


def test_counts_stand_beside_estimates_and_decide_the_share() -> None:
    made = report()
    read = Reader(page(made, synthesised(made)))
    assert f"{made.layers[0].lut} / 532" in read.cells
    assert " 1.0 %" in read.cells  # 532 of 53,200
    assert "171.5 MHz" in page(made, synthesised(made))


def test_long_names_are_cut_in_front_and_whole_on_hover() -> None:
    name = "model/block_1/batch_normalization/FusedBatchNormV3;model/conv2d_4/Conv2D_quantize"
    made = report()
    first, *others = made.layers
    text = page(replace(made, layers=(replace(first, name=name), *others)))
    assert f'title="{name}">…model/conv2d_4/Conv2D_quantize</td>' in text
    assert max(len(cell) for cell in Reader(text).cells if "Conv2D" in cell) <= 32


def test_names_from_a_model_are_escaped() -> None:
    made = report()
    first, *others = made.layers
    text = page(replace(made, model=HOSTILE, layers=(replace(first, name=HOSTILE), *others)))
    assert "<script" not in text
    assert HOSTILE in Reader(text).cells


@needs(lambda: program("chromium"))
def test_a_browser_opens_it_without_complaint(tmp_path: Path) -> None:
    made = report()
    (tmp_path / "report.html").write_text(page(made, synthesised(made)), encoding="utf-8")
    command = [
        program("chromium").path,
        *BROWSER,
        f"--user-data-dir={tmp_path / 'user'}",
        f"file://{tmp_path}/report.html",
    ]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in ran.stderr
    assert all(cell in Reader(ran.stdout).cells for cell in [layer.name for layer in made.layers])
